"""Scatter plots of two components after three batch norms, and the effect of ReLU and modReLU on a circle."""

import numpy as np
from matplotlib.figure import Figure

from quatnet import Tensor, nn, ops

BLUE, ORANGE, GRAY = "#0072B2", "#D55E00", "0.6"


def correlated() -> np.ndarray:
    """Return 2000 quaternions (2000, 4) whose components r and i are correlated, with different variances."""
    rng = np.random.default_rng(0)
    q = rng.standard_normal((2000, 4))
    q[:, 1] = 0.8 * q[:, 0] + 0.3 * q[:, 1]
    return (q * [2, 1, 1, 1] + [1, -0.5, 0, 0]).astype(np.float32)


def circle() -> np.ndarray:
    """Return 40 quaternions cos t + i sin t."""
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([np.cos(t), np.sin(t), 0 * t, 0 * t], axis=1)


def draw() -> Figure:
    x = correlated()
    layers = {
        "BatchNorm": nn.BatchNorm(4),
        "QuaternionBatchNorm": nn.QuaternionBatchNorm(4),
        "WhiteningBatchNorm": nn.WhiteningBatchNorm(4),
    }
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    top, bottom = figure.subplots(2, 4)
    panels = {"input": x} | {name: layer(Tensor(x), train=True).data for name, layer in layers.items()}
    for axes, (name, y) in zip(top, panels.items(), strict=True):
        axes.plot(*y[::4, :2].T, ".", markersize=3, color=BLUE)
        axes.set_title(name, fontsize=10)
        axes.set(xlim=(-6, 8), ylim=(-6, 6), xlabel="r", aspect="equal")
    top[0].set_ylabel("i")
    points = circle()
    activations = {
        "ReLU": ops.relu(Tensor(points)).data,
        "modReLU, b = -0.4": ops.mod_relu(Tensor(points), Tensor(np.array([-0.4]))).data,
    }
    for axes, (name, y) in zip(bottom, activations.items(), strict=False):
        for start, end in zip(points[:, :2], y[:, :2], strict=True):
            axes.plot(*zip(start, end, strict=True), color=GRAY, linewidth=0.8)
        axes.plot(*points[:, :2].T, "o", markersize=3, color=BLUE, label="input")
        axes.plot(*y[:, :2].T, "s", markersize=3, color=ORANGE, label="output")
        axes.set_title(name, fontsize=10)
        axes.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), xlabel="r", aspect="equal")
    bottom[0].set_ylabel("i")
    bottom[2].legend(*bottom[0].get_legend_handles_labels(), loc="center left")
    for axes in bottom[2:]:
        axes.set_axis_off()
    return figure
