"""Worked example of the Hamilton product, its matrix, and a rotation, with two figures.

    python examples/hamilton_tour.py [--out DIR]

The output is explained in docs/01-quaternions.md, docs/02-product-as-a-matrix.md and docs/03-eight-multiplications.md.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from quatnet.backend import asnumpy, xp
from quatnet.cli import run_main
from quatnet.conv.plain import quaternion_to_real_kernel
from quatnet.quaternion import conjugate, eight_products, hamilton_product, left_matrix

P, Q = np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])
ROTATION = np.array([0.5, 0.5, 0.5, 0.5])  # cos 60° + sin 60° (i + j + k) / √3, a rotation by 120° about (1, 1, 1)
BY_HAND = """    r: 1·5 - 2·6 - 3·7 - 4·8 = -60
    i: 1·6 + 2·5 + 3·8 - 4·7 =  12
    j: 1·7 - 2·8 + 3·5 + 4·6 =  30
    k: 1·8 + 2·7 - 3·6 + 4·5 =  24"""
COLORS = ("#D9D9D9", "#F5B041", "#85C1E9", "#7DCEA0")  # of the components r, i, j, k: gray, orange, blue, green


def format_quaternion(q: np.ndarray) -> str:
    """Return the quaternion q as text, such as "5 - 6i + k". Components that are 0 are omitted."""
    text = " ".join(f"{c:+g}{unit}" for c, unit in zip(asnumpy(q), ("", "i", "j", "k"), strict=True) if c) or "0"
    for unit in "ijk":
        text = text.replace(f"+1{unit}", f"+{unit}").replace(f"-1{unit}", f"-{unit}")
    return text.removeprefix("+").replace(" +", " + ").replace(" -", " - ")


def rotate(v: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the vector v rotated by the unit quaternion q, q ⊗ v ⊗ q*."""
    return asnumpy(hamilton_product(hamilton_product(q, np.concatenate([[0], v])), conjugate(q))[1:])


def print_tour() -> None:
    p, q = xp.asarray(P), xp.asarray(Q)
    print("Hamilton's table, row times column:")
    for a in np.eye(4):
        print("".join(f"{format_quaternion(hamilton_product(a, b)):>5}" for b in np.eye(4)))
    print(f"\np ⊗ q with p = {format_quaternion(P)}, q = {format_quaternion(Q)}, by hand:\n{BY_HAND}")
    print(f"by hamilton_product:                       {format_quaternion(hamilton_product(p, q))}")
    print(f"as matrix times vector, 16 products:       {format_quaternion(left_matrix(p) @ q)}")
    print(f"by eight_products:                         {format_quaternion(eight_products(p, q, xp.multiply))}")
    print(f"in the other order, q ⊗ p:                 {format_quaternion(hamilton_product(q, p))}")
    print(f"\nL(p), the matrix of p:\n{left_matrix(p)}")
    print(f"\nq = {format_quaternion(ROTATION)} rotates by 120° about (1, 1, 1); q ⊗ v ⊗ q* maps")
    for v in np.eye(3):
        print(f"    {format_quaternion([0, *v])} to {format_quaternion([0, *rotate(v, ROTATION)])}")


def plot_rotation(figure: Any) -> None:
    """Plot three unit vectors and the paths on which a rotation about (1, 1, 1) maps each vector to the next."""
    axes = figure.add_subplot(projection="3d")
    axis = np.ones(3) / np.sqrt(3)
    half_angles = np.linspace(0, np.pi / 3, 13)  # the quaternion of a rotation by θ contains θ/2; θ is 0 to 120°
    quaternions = [np.array([np.cos(half), *(np.sin(half) * axis)]) for half in half_angles]
    axes.plot(*np.outer([0, 1.7], axis).T, color="0.3", linestyle="--")
    axes.text(*(1.75 * axis), "axis (1, 1, 1)", color="0.3", fontsize=12, ha="center")
    for v, unit, color in zip(np.eye(3), "ijk", COLORS[1:], strict=True):
        path = np.array([rotate(v, q) for q in quaternions])
        axes.quiver(0, 0, 0, *v, color=color, linewidth=5, arrow_length_ratio=0.12)
        axes.plot(*path.T, color=color, linewidth=2)
        axes.scatter(*path[1:-1].T, color=color, s=np.linspace(10, 80, len(path) - 2), depthshade=False)
        axes.text(*(1.15 * v), unit, fontsize=22, ha="center", va="center")
    axes.set(xlim=(-0.2, 1), ylim=(-0.2, 1), zlim=(-0.2, 1), box_aspect=(1, 1, 1))
    axes.set_title(
        "q = ½ + ½i + ½j + ½k rotates by 120°:\nq ⊗ v ⊗ q* maps i to j, j to k, k to i (small to large dots)"
    )
    axes.view_init(elev=28, azim=20)
    axes.set_axis_off()


def plot_matrices(figure: Any) -> None:
    """Plot the matrix of one quaternion (left) and the block matrix of a quaternion layer (right)."""
    from matplotlib.colors import to_rgb

    left, right = figure.subplots(1, 2)
    component = asnumpy(left_matrix([1.0, 2, 3, 4]))  # each entry is ± the number of a component: 1 is r, 4 is k
    left.imshow(np.array([to_rgb(color) for color in COLORS])[np.abs(component).astype(int) - 1])
    for (row, column), number in np.ndenumerate(component):
        name = f"{'−' if number < 0 else '+'}$p_{'rijk'[int(abs(number)) - 1]}$"
        left.text(column, row, name, ha="center", va="center", fontsize=17)
    left.set_title("L(p), one quaternion weight:\n4 numbers, each in 4 places")
    label_blocks(left, 1, "component")
    weight = np.random.default_rng(0).standard_normal((4, 1, 1, 4, 4))
    image = right.imshow(asnumpy(quaternion_to_real_kernel(weight))[0, 0].T, cmap="RdBu", vmin=-2.5, vmax=2.5)
    right.set_title("a layer from 4 to 4 quaternion channels, in the same\npattern: 64 numbers, each in 4 places")
    label_blocks(right, 4, "block")
    figure.colorbar(image, ax=right, label="weight", shrink=0.8)


def label_blocks(axes: Any, size: int, name: str) -> None:
    """Draw lines between the blocks r, i, j, k of `size` rows or columns, and label the blocks."""
    centers = np.arange(4) * size + (size - 1) / 2
    axes.set_xticks(centers, list("rijk"))
    axes.set_yticks(centers, list("rijk"))
    axes.set(xlabel=f"{name} in", ylabel=f"{name} out")
    for line in np.arange(1, 4) * size - 0.5:
        axes.axhline(line, color="black", linewidth=1)
        axes.axvline(line, color="black", linewidth=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/tour"), help="folder for the figures")
    out = parser.parse_args().out
    print_tour()
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        sys.exit(f'The figures need matplotlib ({error}): pip install "quatnet-numpy[examples]"')
    out.mkdir(parents=True, exist_ok=True)
    for name, plot, size in (("rotation", plot_rotation, (6.6, 6.6)), ("blocks", plot_matrices, (10.5, 5.4))):
        figure = Figure(figsize=size, layout="constrained")
        plot(figure)
        figure.savefig(out / f"{name}.png", dpi=110)
        print(f"saved {out / name}.png")


if __name__ == "__main__":
    run_main(main)
