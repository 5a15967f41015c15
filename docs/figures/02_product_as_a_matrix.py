"""The left and right matrix of a quaternion, colored by component."""

import numpy as np
from cells import COMPONENTS, cells, headings, signed
from matplotlib.figure import Figure

from quatnet.quaternion import left_matrix, right_matrix


def matrix(axes, numbers: np.ndarray, letter: str, title: str) -> None:
    """Draw the matrix `numbers` of the quaternion (1, 2, 3, 4). The size of an entry is the number of its component."""

    def cell(row: int, column: int) -> tuple[str, str]:
        c = int(abs(numbers[row, column])) - 1
        return signed(numbers[row, column], f"${letter}_{'rijk'[c]}$"), COMPONENTS[c]

    cells(axes, 4, 4, cell, size=16)
    vector = "q" if letter == "p" else "p"
    headings(axes, [f"${vector}_{c}$" for c in "rijk"], list("rijk"))
    axes.set_title(title, y=1.1, fontsize=12)


def draw() -> Figure:
    figure = Figure(figsize=(8.5, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    one_to_four = [1.0, 2, 3, 4]
    matrix(left, left_matrix(one_to_four), "p", "$L(p)$:  $p ⊗ q = L(p) q$")
    matrix(right, right_matrix(one_to_four), "q", "$R(q)$:  $p ⊗ q = R(q) p$")
    return figure
