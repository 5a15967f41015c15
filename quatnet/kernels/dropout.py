"""Dropout as a CUDA kernel, for the op of `quatnet.ops.dropout`."""

import numpy as np

from ..backend import Array, xp
from .load import grid_1d, launch


def dropout(x: Array, key: np.ndarray, p: float, first: int = 0) -> Array:
    """Return `x` with entries set to 0 with probability `p`, and the others divided by 1 - p.

    The random numbers are those of `numpy.random.Philox(key=key)`, without the `first` numbers. `key` has two numbers
    of uint64.
    """
    y = xp.empty(x.shape, dtype=x.dtype)
    size = grid_1d(-(-(first % 8 + x.size) // 8))  # each thread draws 8 numbers
    launch(("dropout", "dropout"), size, x, y, x.size, first, *key, float(p), 1 / (1 - p))
    return y
