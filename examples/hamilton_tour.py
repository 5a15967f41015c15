"""A tour of the Hamilton product: its table, a product by hand and as a matrix, a rotation, and two pictures.

    python examples/hamilton_tour.py [--out DIR]

What it prints is explained in docs/01-quaternions.md, docs/02-product-as-a-matrix.md and
docs/03-eight-multiplications.md.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from quatnet.backend import asnumpy, xp
from quatnet.cli import run_main
from quatnet.quaternion import conjugate, eight_products, hamilton_product, left_matrix

P, Q = np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])
TURN = np.array([0.5, 0.5, 0.5, 0.5])  # cos 60° + sin 60° (i + j + k) / √3: 120° around (1, 1, 1)
BY_HAND = """    r: 1·5 - 2·6 - 3·7 - 4·8 = -60
    i: 1·6 + 2·5 + 3·8 - 4·7 =  12
    j: 1·7 - 2·8 + 3·5 + 4·6 =  30
    k: 1·8 + 2·7 - 3·6 + 4·5 =  24"""


def written(q: np.ndarray) -> str:
    """A quaternion as on paper: 5 - 6i + k; parts that are 0 are left out."""
    text = " ".join(f"{c:+g}{unit}" for c, unit in zip(asnumpy(q), ("", "i", "j", "k"), strict=True) if c) or "0"
    for one in "ijk":
        text = text.replace(f"+1{one}", f"+{one}").replace(f"-1{one}", f"-{one}")
    return text.removeprefix("+").replace(" +", " + ").replace(" -", " - ")


def turned(v: np.ndarray, q: np.ndarray) -> np.ndarray:
    """q ⊗ v ⊗ q*: the vector v (three numbers) turned by the unit quaternion q."""
    return asnumpy(hamilton_product(hamilton_product(q, np.concatenate([[0], v])), conjugate(q))[1:])


def tell() -> None:
    p, q = xp.asarray(P), xp.asarray(Q)
    print("Hamilton's table, row times column:")
    for a in np.eye(4):
        print("".join(f"{written(hamilton_product(a, b)):>5}" for b in np.eye(4)))
    print(f"\np ⊗ q with p = {written(P)}, q = {written(Q)}, by hand:\n{BY_HAND}")
    print(f"by hamilton_product:                       {written(hamilton_product(p, q))}")
    print(f"as matrix times vector, 16 products:       {written(left_matrix(p) @ q)}")
    print(f"by eight_products:                         {written(eight_products(p, q, xp.multiply))}")
    print(f"but the other way round, q ⊗ p:            {written(hamilton_product(q, p))}")
    print(f"\nL(p), the matrix of p:\n{left_matrix(p)}")
    print(f"\nq = {written(TURN)} turns by 120° around (1, 1, 1); q ⊗ v ⊗ q* takes")
    for v in np.eye(3):
        print(f"    {written([0, *v])} to {written([0, *turned(v, TURN)])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/tour"), help="folder for the pictures")
    out = parser.parse_args().out
    tell()
    try:
        import tour_pictures  # examples/tour_pictures.py
    except ModuleNotFoundError as error:
        sys.exit(f'The pictures need matplotlib ({error}): pip install "quatnet-numpy[examples]"')
    for path in tour_pictures.save(out, turned):
        print(f"drew {path}")


if __name__ == "__main__":
    run_main(main)
