"""R(q), its transpose, and R(q*): the gradient of a Hamilton product is a Hamilton product."""

import numpy as np
from cells import COMPONENTS, cells, headings, signed
from matplotlib.figure import Figure

from quatnet.quaternion import conjugate, right_matrix

Q = np.array([1.0, 2, 3, 4])


def matrix(axes, numbers: np.ndarray, above: str, left: str, title: str) -> None:
    def cell(row: int, column: int) -> tuple[str, str]:
        c = int(abs(numbers[row, column])) - 1
        return signed(numbers[row, column], f"$q_{'rijk'[c]}$"), COMPONENTS[c]

    cells(axes, 4, 4, cell)
    headings(axes, [f"${above}_{c}$" for c in "rijk"], [f"${left}_{c}$" for c in "rijk"])
    axes.set_title(title, y=1.13, fontsize=12)


def draw() -> Figure:
    figure = Figure(figsize=(10, 3.9), layout="constrained")
    forward, back, conjugated = figure.subplots(1, 3)
    matrix(forward, right_matrix(Q), "p", "y", "forward: $y = R(q)\\, p$")
    matrix(back, right_matrix(Q).T, "g", "gp", "back: $gp = R(q)^T g$")
    matrix(conjugated, right_matrix(conjugate(Q)), "g", "gp", "the same: $R(q^*)\\, g = g ⊗ q^*$")
    return figure
