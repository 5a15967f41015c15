"""Dropout as a CUDA kernel, for the op of `quatnet.ops.dropout`."""

import numpy as np

from ..backend import Array, xp
from .load import THREADS, ints, launch


def dropout(x: Array, key: np.ndarray, p: float, first: int = 0) -> Array:
    """Return `x` with entries set to 0 with probability `p`, and the others divided by 1 - p.

    The random numbers are those of `numpy.random.Philox(key=key)`, without the `first` numbers. `key` has two numbers
    of uint64.
    """
    y = xp.empty(x.shape, dtype=x.dtype)
    (grid,) = ints(-(-(first % 8 + x.size) // (8 * THREADS)))
    size = (max(1, int(grid)),), (THREADS,)
    launch(("dropout", "dropout"), size, x, y, x.size, first, *key, float(p), 1 / (1 - p))
    return y
