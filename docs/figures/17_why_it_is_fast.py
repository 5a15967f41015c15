"""Multiplications of one layer with four algorithms, and the matrix that combines Winograd's and the eight products."""

import numpy as np
from matplotlib.figure import Figure

from quatnet.conv.fast.transforms import input_transform

ALGORITHMS = {  # multiplications of a Hamilton product, Winograd products per output of three taps
    "block matrix": (16, 3.0),
    "eight products": (8, 3.0),
    "Winograd": (16, 1.5),
    "Winograd and\neight products": (8, 1.5),
}


def draw() -> Figure:
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    counts = [products * taps * 3 for products, taps in ALGORITHMS.values()]  # three kernel columns
    left.barh(range(4), counts, color=["0.7", "#56B4E9", "#56B4E9", "#0072B2"])
    left.bar_label(left.containers[0], [f"{count:.0f}" for count in counts], padding=3)
    left.set_yticks(range(4), ALGORITHMS)
    left.invert_yaxis()
    left.set(xlim=(0, 165), xlabel="real multiplications per output, input channel and 3×3 kernel")
    matrix = input_transform(4, np.dtype(np.float64))
    limit = np.abs(matrix).max()
    right.imshow(matrix, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto", interpolation="none")
    right.set_xticks(np.arange(3.5, 23, 4), [""] * 5)
    right.set_yticks(np.arange(7.5, 47, 8), [""] * 5)
    right.grid(color="0.8")
    right.set(title="Input transform (48, 24)", xlabel="6 rows × 4 components", ylabel="6 products × 8 components")
    return figure
