"""The pictures of the tour: a rotation, and the matrices of a quaternion and of a layer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from quatnet.backend import asnumpy
from quatnet.conv.plain import block_weight
from quatnet.quaternion import left_matrix

COLOURS = ("#D9D9D9", "#F5B041", "#85C1E9", "#7DCEA0")  # r grey, i orange, j blue, k green
Turned = Callable[[np.ndarray, np.ndarray], np.ndarray]


def save(folder: Path, turned: Turned) -> list[Path]:
    """Draw both pictures into `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {folder / "rotation.png": rotation(turned), folder / "blocks.png": blocks()}
    for path, figure in pictures.items():
        figure.savefig(path, dpi=110)
    return list(pictures)


def rotation(turned: Turned) -> Figure:
    """Three unit vectors, and the way that each goes to the next around (1, 1, 1)."""
    figure = Figure(figsize=(6.6, 6.6), layout="constrained")
    axes = figure.add_subplot(projection="3d")
    axis = np.ones(3) / np.sqrt(3)
    halves = np.linspace(0, np.pi / 3, 13)  # the quaternion of an angle has its half; here 0 to 120°
    on_the_way = [np.array([np.cos(half), *(np.sin(half) * axis)]) for half in halves]
    axes.plot(*np.outer([0, 1.7], axis).T, color="0.3", linestyle="--")
    axes.text(*(1.75 * axis), "axis (1, 1, 1)", color="0.3", fontsize=12, ha="center")
    for v, unit, color in zip(np.eye(3), "ijk", COLOURS[1:], strict=True):
        way = np.array([turned(v, q) for q in on_the_way])
        axes.quiver(0, 0, 0, *v, color=color, linewidth=5, arrow_length_ratio=0.12)
        axes.plot(*way.T, color=color, linewidth=2)
        axes.scatter(*way[1:-1].T, color=color, s=np.linspace(10, 80, len(way) - 2), depthshade=False)
        axes.text(*(1.15 * v), unit, fontsize=22, ha="center", va="center")
    axes.set(xlim=(-0.2, 1), ylim=(-0.2, 1), zlim=(-0.2, 1), box_aspect=(1, 1, 1))
    axes.set_title("q = ½ + ½i + ½j + ½k turns by 120°:\nq ⊗ v ⊗ q* takes i to j, j to k, k to i (small dots to large)")
    axes.view_init(elev=28, azim=20)
    axes.set_axis_off()
    return figure


def blocks() -> Figure:
    """Left the matrix of one quaternion, right that of a layer."""
    figure = Figure(figsize=(10.5, 5.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    component = asnumpy(left_matrix([1.0, 2, 3, 4]))  # which component, with its sign
    left.imshow(np.array([to_rgb(color) for color in COLOURS])[np.abs(component).astype(int) - 1])
    for (row, column), number in np.ndenumerate(component):
        name = f"{'−' if number < 0 else '+'}$p_{'rijk'[int(abs(number)) - 1]}$"
        left.text(column, row, name, ha="center", va="center", fontsize=17)
    left.set_title("L(p), one quaternion weight:\n4 numbers, each in 4 places")
    grid(left, 1, "component")
    weight = np.random.default_rng(0).standard_normal((4, 1, 1, 4, 4))
    image = right.imshow(asnumpy(block_weight(weight))[0, 0].T, cmap="RdBu", vmin=-2.5, vmax=2.5)
    right.set_title("a layer from 4 quaternion channels to 4, in the same\npattern: 64 numbers, each in 4 places")
    grid(right, 4, "block")
    figure.colorbar(image, ax=right, label="weight", shrink=0.8)
    return figure


def grid(axes: Axes, size: int, name: str) -> None:
    """Lines between the blocks r, i, j, k of `size` cells, and their names."""
    middles = np.arange(4) * size + (size - 1) / 2
    axes.set_xticks(middles, list("rijk"))
    axes.set_yticks(middles, list("rijk"))
    axes.set(xlabel=f"{name} in", ylabel=f"{name} out")
    for line in np.arange(1, 4) * size - 0.5:
        axes.axhline(line, color="black", linewidth=1)
        axes.axvline(line, color="black", linewidth=1)
