"""R(q), its transpose, and R(q*): the gradient of a Hamilton product is a Hamilton product."""

import numpy as np
from cells import COMPONENTS, cells, headings, signed
from matplotlib.figure import Figure

from quatnet.quaternion import conjugate, right_matrix

Q = np.array([1.0, 2, 3, 4])
PARTIAL = "$∂p_%s$"


def matrix(axes, numbers: np.ndarray, above: str, left: str, title: str) -> None:
    """Draw a matrix of components of q. `above` and `left` name its columns and rows; ∂p is ∂ℓ/∂p."""

    def cell(row: int, column: int) -> tuple[str, str]:
        c = int(abs(numbers[row, column])) - 1
        return signed(numbers[row, column], f"$q_{'rijk'[c]}$"), COMPONENTS[c]

    cells(axes, 4, 4, cell)
    headings(axes, [above % c for c in "rijk"], [left % c for c in "rijk"])
    axes.set_title(title, y=1.13, fontsize=12)


def draw() -> Figure:
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    forward, back, conjugated = figure.subplots(1, 3)
    matrix(forward, right_matrix(Q), "$p_%s$", "$y_%s$", "forward: $y = R(q)\\, p$")
    matrix(back, right_matrix(Q).T, "$g_%s$", PARTIAL, "backward: $∂ℓ/∂p = R(q)^T g$")
    matrix(conjugated, right_matrix(conjugate(Q)), "$g_%s$", PARTIAL, "the same: $R(q^*)\\, g = g ⊗ q^*$")
    return figure
