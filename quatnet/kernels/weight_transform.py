"""Transform of the weight of a convolution and its gradient as CUDA kernels, for `conv.gpu` and `conv.gpu_winograd`.

The S x D matrix `taps` maps D x D taps to S x S numbers: 3 x 3 taps for Winograd's algorithm, or single taps. The
matrix `components` maps P components to K transformed components, or to the B x B = 4 x 4 blocks of a real matrix (K is
then 1). Without blocks, B is 1.
"""

import numpy as np

from ..backend import Array, xp
from .formulas import linear
from .load import grid_2d, ints, launch


def transform(w: Array, components: np.ndarray, taps: np.ndarray, blocks: int, *, flip: bool = False) -> Array:
    """Return the transformed weight (K, transformed taps, rows, columns) of `w` (P, KH, KW, C, O).

    There are KH·KW·(S/D)² transformed taps, B·C rows and B·O columns. `components` is
    (K·B², P). With `flip`, the taps are in reverse order, and C and O are exchanged.
    """
    _, kh, kw, *channels = w.shape
    (size, taps_per_side), (rows, columns) = taps.shape, channels[::-1] if flip else channels
    parts = kh * kw // taps_per_side**2
    y = xp.empty((len(components) // blocks**2, parts * size**2, blocks * rows, blocks * columns), dtype=w.dtype)
    kernel = ("weight_transform", "weight_transform", transform_code(components, taps, blocks))
    sizes = ints(parts, rows, columns, flip, y.size)[:-1]  # the CUDA kernel computes indices of `y` as C ints
    launch(kernel, grid_2d(parts, rows * columns), w, y, *sizes)
    return y


def gradient(y: Array, components: np.ndarray, taps: np.ndarray, blocks: int, shape: tuple[int, ...]) -> Array:
    """Return the weight gradient of `shape` (P, KH, KW, C, O), from the gradient `y` of the transformed weight.

    `components` is (P, K·B²).
    """
    _, kh, kw, rows, columns = shape
    parts, w = kh * kw // taps.shape[1] ** 2, xp.empty(shape, dtype=y.dtype)
    kernel = ("weight_gradient", "weight_gradient", gradient_code(components, taps, blocks))
    launch(kernel, grid_2d(parts, rows * columns), y, w, *ints(parts, rows, columns, y.size)[:-1])
    return w


def transform_code(components: np.ndarray, taps: np.ndarray, blocks: int) -> str:
    """Return the source of the two linear functions and of the sizes for `transform`."""
    return _sizes(components, taps, blocks) + linear(components, "components") + linear(taps, "taps")


def gradient_code(components: np.ndarray, taps: np.ndarray, blocks: int) -> str:
    """Return the source of the two linear functions and of the sizes for `gradient`."""
    return _sizes(components.T, taps, blocks) + linear(components, "components") + linear(taps.T, "taps")


def _sizes(components: np.ndarray, taps: np.ndarray, blocks: int) -> str:
    names = zip(("COUNT", "P", "S", "D", "BLOCKS"), (*components.shape, *taps.shape, blocks), strict=True)
    return "".join(f"#define {name} {value}\n" for name, value in names)
