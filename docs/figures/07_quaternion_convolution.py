"""A quaternion convolution of three pixels with two taps: forward, input gradient and weight gradient."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quatnet import Tensor, ops

UNITS = np.eye(4)  # 1, i, j, k
TAPS = [("#0072B2", "-"), ("#D55E00", "--")]  # solid blue, dashed orange


def name(q: np.ndarray) -> str:
    """Return the usual notation of a quaternion of integers, such as -1 - i."""
    text = ""
    for number, unit in zip(q.round().astype(int), ("", "i", "j", "k"), strict=True):
        if number:
            size = str(abs(number)) if abs(number) > 1 or not unit else ""
            text += (" − " if text else "−") if number < 0 else (" + " if text else "")
            text += size + unit
    return text or "0"


def row(axes: Axes, y: float, letter: str, quaternions: np.ndarray) -> None:
    offset = (3 - len(quaternions)) / 2
    for position, q in enumerate(quaternions):
        box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": "0.4"}
        text = f"${letter}_{position}$ = {name(q)}"
        axes.text(position + offset, y, text, ha="center", va="center", bbox=box, fontsize=12, zorder=3)


def arrows(axes: Axes, backwards: bool, labels: tuple[str, str]) -> None:
    """Draw an arrow for each pair of an output h and a tap: output h reads the pixels h and h + 1."""
    for tap, ((color, style), label) in enumerate(zip(TAPS, labels, strict=True)):
        for h in range(2):
            ends = [(h + tap, 0.82), (h + 0.5, 0.2)]
            start, stop = ends[::-1] if backwards else ends
            arrow = {"arrowstyle": "-|>", "color": color, "linestyle": style, "linewidth": 2, "mutation_scale": 16}
            axes.annotate("", stop, start, arrowprops=arrow)
            axes.text(h + 0.35 + 0.3 * tap, 0.66, label, color=color, fontsize=13, ha="center")


def draw() -> Figure:
    x, w, g = UNITS[[0, 1, 2]], UNITS[[1, 3]], UNITS[[1, 2]]  # 1, i, j; i, k; i, j
    image, kernel = Tensor(x.reshape(1, 1, 3, 4), True), Tensor(w.T.reshape(4, 1, 2, 1, 1), True)
    y = ops.quaternion_conv2d(image, kernel)
    y.backward(g.reshape(y.shape))
    figure = Figure(figsize=(7, 5.8), layout="constrained")
    forward, back, weights = figure.subplots(3, 1, height_ratios=[4, 4, 2])
    row(forward, 1, "x", x)
    row(forward, 0, "y", y.data.reshape(2, 4))
    arrows(forward, False, ("i ⊗", "k ⊗"))
    forward.set_title("Forward pass: $w_0$ = i (solid) and $w_1$ = k (dashed) multiply from the left", fontsize=12)
    row(back, 1, "∂ℓ/∂x", image.grad.reshape(3, 4))
    row(back, 0, "g", g)
    arrows(back, True, ("i* ⊗", "k* ⊗"))
    back.set_title("Input gradient: the same pairs, with the conjugate of each tap", fontsize=12)
    grad_w = kernel.grad.reshape(4, 2).T
    for tap, (color, _) in enumerate(TAPS):
        terms = "  +  ".join(f"{name(g[h])} ⊗ {name(x[h + tap])}*" for h in range(2))
        text = f"$∂ℓ/∂w_{tap}$  =  {terms}  =  {name(grad_w[tap])}"
        weights.text(1, 0.7 - 0.5 * tap, text, color=color, fontsize=13, ha="center", va="center")
    weights.set_title("Weight gradient: upstream gradient ⊗ conjugate of the pixel, summed", fontsize=12)
    for axes, low in ((forward, -0.25), (back, -0.25), (weights, 0)):
        axes.set(xlim=(-0.5, 2.5), ylim=(low, 1.25 if low else 1))
        axes.axis("off")
    return figure
