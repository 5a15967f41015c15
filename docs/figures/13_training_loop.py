"""Paths of three optimizers on an ill-conditioned quadratic loss, and two learning rate schedules."""

import numpy as np
from matplotlib.figure import Figure

from quatnet import Tensor
from quatnet.optim import SGD, Adam, cosine, one_cycle

CURVATURES = np.array([1.0, 100.0])
STEPS = 100
OPTIMIZERS = {
    "SGD, lr 0.018": ("#D55E00", "v", lambda p: SGD(p, lr=0.018, momentum=0.0)),
    "momentum 0.9, lr 0.02": ("#009E73", "^", lambda p: SGD(p, lr=0.02, momentum=0.9)),
    "Adam, lr 0.2": ("#0072B2", "o", lambda p: Adam(p, lr=0.2)),
}


def path(make) -> tuple[np.ndarray, list[float]]:
    """Return the positions (steps, 2) and the losses of `STEPS` steps from (-4, 1.5)."""
    theta = Tensor(np.array([-4.0, 1.5]), requires_grad=True)
    optimizer, positions, losses = make([theta]), [], []
    for _ in range(STEPS):
        loss = (theta * theta * (CURVATURES / 2)).sum()
        positions.append(theta.data)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return np.array(positions), losses


def draw() -> Figure:
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    x, y = np.meshgrid(np.linspace(-4.5, 2.5, 80), np.linspace(-2, 2, 60))
    left.contour(x, y, (x**2 + 100 * y**2) / 2, levels=[0.5, 2, 8, 30, 100], colors="0.75", linewidths=0.8)
    for label, (color, marker, make) in OPTIMIZERS.items():
        positions, losses = path(make)
        left.plot(*positions[:25].T, color=color, marker=marker, markersize=3, linewidth=1)
        middle.semilogy(losses, color=color, label=label)
    left.set(xlabel="$θ_1$", ylabel="$θ_2$", title="First 25 steps", xlim=(-4.5, 2.5), ylim=(-2, 2))
    middle.set(xlabel="step", ylabel="loss", title="Loss", ylim=(1e-8, 1e2))
    middle.legend(fontsize=8)
    steps = range(STEPS)
    right.plot([one_cycle(step, STEPS, max_lr=1.0) for step in steps], color="black", label="one_cycle")
    right.plot([cosine(step, STEPS, max_lr=1.0) for step in steps], color="black", linestyle="--", label="cosine")
    right.set(xlabel="step", ylabel="learning rate / max_lr", title="Schedules")
    right.legend(fontsize=8)
    return figure
