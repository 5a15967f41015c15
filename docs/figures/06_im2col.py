"""A convolution of nine pixels as one matrix product, and its gradient."""

import numpy as np
from cells import WHITE, cells
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quatnet.conv.im2col import col2im, im2col

IMAGE = np.arange(1.0, 10).reshape(1, 3, 3, 1)
KERNEL = np.array([[1.0], [0], [0], [-1]])
GRADIENT = np.array([[1.0], [10], [100], [1000]])
PATCHES = ("#F5B041", "#85C1E9", "#7DCEA0", "#C39BD3")
GRAY = "#E8E8E8"


def table(axes: Axes, numbers: np.ndarray, colors: np.ndarray, title: str) -> None:
    def cell(row: int, column: int) -> tuple[str, str]:
        return f"{numbers[row, column]:g}".replace("-", "−"), str(colors[row, column])

    cells(axes, *numbers.shape, cell, size=11)
    axes.set_title(title, fontsize=11)


def draw() -> Figure:
    patch = np.array(PATCHES).reshape(2, 2)
    by_row = np.repeat(patch.reshape(4, 1), 4, axis=1)
    first = np.full((3, 3), WHITE)
    first[:2, :2] = PATCHES[0]
    rows, back_rows = im2col(IMAGE, (2, 2)).reshape(4, 4), GRADIENT @ KERNEL.T
    image_gradient = col2im(back_rows.reshape(1, 2, 2, 4), IMAGE.shape, (2, 2))

    figure = Figure(figsize=(8.4, 5.6), layout="constrained")
    forward, back = figure.subplots(2, 4, width_ratios=[3, 4, 1.5, 2])
    table(forward[0], IMAGE[0, :, :, 0], first, "image x, first\npatch colored")
    table(forward[1], rows, by_row, "im2col(x): one row\nper patch")
    table(forward[2], KERNEL, np.full((4, 1), GRAY), "kernel w\nas a column")
    table(forward[3], (rows @ KERNEL).reshape(2, 2), patch, "y = im2col(x) @ w")
    table(
        back[0],
        image_gradient[0, :, :, 0],
        np.full((3, 3), GRAY),
        "∂ℓ/∂x = col2im(g @ wᵀ):\nrows added to their pixels",
    )
    table(back[1], back_rows, by_row, "g @ wᵀ: gradient\nof the patches")
    back[2].text(0.5, 0.5, "⟵", ha="center", va="center", fontsize=24)
    back[2].set_axis_off()
    table(back[3], GRADIENT.reshape(2, 2), patch, "g = ∂ℓ/∂y")
    return figure
