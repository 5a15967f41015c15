"""Generation of C functions from matrices and from multiplication tables.

The CUDA kernels use the functions generated from `quatnet.quaternion`, so that the signs of the Hamilton product are
defined once. The functions add and subtract entries of local arrays, which a compiler stores in registers.
"""

from functools import cache

import numpy as np


def linear(matrix: np.ndarray, name: str = "formula") -> str:
    """Return the source of a C function `name` that computes out = matrix · in.

    >>> print(linear(np.array([[1.0, -1], [0, 0.25]])))
    __device__ __forceinline__ void formula(const T* in, T* out) {
        out[0] = in[0] - in[1];
        out[1] = T(0.25) * in[1];
    }
    <BLANKLINE>
    """
    return _linear(tuple(map(tuple, matrix.tolist())), name)


@cache
def _linear(matrix: tuple[tuple[float, ...], ...], name: str) -> str:
    rows = ["".join(_term(v, f"in[{k}]") for k, v in enumerate(row) if v) for row in matrix]
    return _function(f"{name}(const T* in, T* out)", rows)


def bilinear(table: np.ndarray, name: str) -> str:
    """Return the source of a C function `name` that computes out[c] = Σ_ab table[a, b, c] p[a] q[b]."""
    rows = [
        "".join(_term(table[a, b, c], f"p[{a}] * q[{b}]") for a, b in np.ndindex(table.shape[:2]) if table[a, b, c])
        for c in range(table.shape[2])
    ]
    return _function(f"{name}(const T* p, const T* q, T* out)", rows)


def _function(signature: str, rows: list[str]) -> str:
    lines = "".join(f"    out[{n}] = {row.removeprefix(' + ')};\n" for n, row in enumerate(rows))
    return f"__device__ __forceinline__ void {signature} {{\n{lines}}}\n"


def _term(factor: float, product: str) -> str:
    size = "" if abs(factor) == 1 else f"T({abs(factor):.17g}) * "
    return f" {'-' if factor < 0 else '+'} {size}{product}"
