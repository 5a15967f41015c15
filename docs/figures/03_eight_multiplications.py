"""The products p_a q_b in each component of the Hamilton product, of ±z, and of their difference."""

import numpy as np
from cells import WHITE, cells, headings
from matplotlib.figure import Figure

from quatnet.quaternion import HADAMARD, hamilton_product

UNITS = np.eye(4)
PRODUCT = hamilton_product(UNITS[:, None], UNITS[None, :])  # [a, b, component]
SHARED = np.einsum("cd,da,db->abc", HADAMARD, HADAMARD, HADAMARD) / 4  # coefficients of p_a q_b in z
SIGN_OF_Z = np.array([-1, 1, 1, 1])
COLORS = {-2: "#D6604D", -1: "#F4A582", 0: "#F2F2F2", 1: "#92C5DE", 2: "#4393C3"}


def draw() -> Figure:
    columns = [
        ("component of $p ⊗ q$", PRODUCT),
        ("$-z_r$,  $z_i$,  $z_j$,  $z_k$", SHARED * SIGN_OF_Z),
        ("difference: four products", PRODUCT - SHARED * SIGN_OF_Z),
    ]
    figure = Figure(figsize=(6.6, 8.2), layout="constrained")
    for row, all_axes in enumerate(figure.subplots(4, 3)):
        for axes, (title, signs) in zip(all_axes, columns, strict=True):
            grid(axes, signs[..., row])
            if row == 0:
                axes.set_title(title, y=1.14, fontsize=11)
        all_axes[0].text(-1.7, 1.5, "rijk"[row], fontsize=16, va="center", ha="center")
    return figure


def grid(axes, signs: np.ndarray) -> None:
    def cell(a: int, b: int) -> tuple[str, str]:
        number = round(signs[a, b])
        return f"{number:+d}".replace("-", "−") if number else "", COLORS.get(number, WHITE)

    cells(axes, 4, 4, cell, size=9)
    headings(axes, [f"$q_{b}$" for b in "rijk"], [f"$p_{a}$" for a in "rijk"], size=9)
