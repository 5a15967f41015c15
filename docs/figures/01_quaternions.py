"""The multiplication table of the units, and the circle that summarizes it."""

import numpy as np
from cells import COMPONENTS, UNITS, cells, headings, signed
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quatnet.quaternion import hamilton_product


def table(axes: Axes) -> None:
    def cell(a: int, b: int) -> tuple[str, str]:
        product = hamilton_product(np.eye(4)[a], np.eye(4)[b])
        c = int(np.abs(product).argmax())
        return signed(product[c], UNITS[c]), COMPONENTS[c]

    cells(axes, 4, 4, cell, size=16)
    headings(axes, list(UNITS), list(UNITS), size=14)
    axes.set_title("row times column", y=1.1, fontsize=12)


def circle(axes: Axes) -> None:
    corners = {unit: np.pi / 2 - n * 2 * np.pi / 3 for n, unit in enumerate("ijk")}
    for (unit, angle), color in zip(corners.items(), COMPONENTS[1:], strict=True):
        x, y = np.cos(angle), np.sin(angle)
        axes.text(x, y, unit, ha="center", va="center", fontsize=20, bbox={"boxstyle": "circle", "facecolor": color})
        start, stop = angle - 0.35, angle - 2 * np.pi / 3 + 0.35
        ends = [(np.cos(end), np.sin(end)) for end in (stop, start)]
        arrow = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=-0.25", "color": "black", "mutation_scale": 22}
        axes.annotate("", *ends, arrowprops=arrow)
    axes.text(0, 0, "with the arrows: +\n$ij = k$\n\nagainst them: −\n$ji = -k$", ha="center", va="center", fontsize=12)
    axes.set(xlim=(-1.4, 1.4), ylim=(-0.95, 1.35), aspect="equal")
    axes.set_title("two neighbors give the third", fontsize=12)
    axes.set_axis_off()


def draw() -> Figure:
    figure = Figure(figsize=(8.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    table(left)
    circle(right)
    return figure
