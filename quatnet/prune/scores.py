"""How much a filter weighs: one number for each, from its weights alone.

A weight is a real kernel (KH, KW, C, filters) or a quaternion kernel (4, KH, KW, C, filters), and the scores are
(filters,). A quaternion filter is one thing: its four components and all its taps are scored together.
"""

import numpy as np

from ..backend import asnumpy
from ..quaternion import left_matrix


def l1_scores(weight: np.ndarray) -> np.ndarray:
    """Return Σ |weight| over all taps, inputs and components.

    Source: H. Li and others, Pruning filters for efficient ConvNets, 2017.
    """
    return np.abs(weight).sum(axis=tuple(range(weight.ndim - 1)))


def l2_scores(weight: np.ndarray) -> np.ndarray:
    """Return the square root of Σ weight² over all taps, inputs and components."""
    return np.linalg.norm(_rows(weight), axis=1)


def geometric_median_scores(weight: np.ndarray) -> np.ndarray:
    """Return the sum of the distances of a filter to all filters of its layer, Σ_n |w_o - w_n|.

    It is smallest where the filter lies in the middle of the others, which can then stand in for it: not the filter of
    little weight goes, but the one that says least of its own.

    Source: Y. He and others, Filter pruning via geometric median, 2019.
    """
    rows = _rows(weight)
    squares = (rows * rows).sum(axis=1)
    between = squares[:, None] + squares - 2 * rows @ rows.T
    np.fill_diagonal(between, 0)
    return np.sqrt(between.clip(min=0)).sum(axis=1)


def operator_norm_scores(weight: np.ndarray) -> np.ndarray:
    """Return the largest singular value of the matrix (taps, inputs) of a filter.

    So much of a mixture of inputs, of length 1, can the taps pass on together. A quaternion filter is the matrix of its
    left matrices, (4 taps, 4 inputs). Read as one row, a filter would have its L2 norm for a singular value.

    Source: A. Singh, M. Plumbley, Efficient CNNs via passive filter pruning, 2022 (the norm, not its use).
    """
    return np.linalg.norm(_matrices(weight), ord=2, axis=(1, 2))


def released_scores(weight: np.ndarray) -> np.ndarray:
    """Return the L1 norm of the released code: of the top left tap alone, Σ_c |weight[0, 0, c]|.

    Of a quaternion filter each component is divided by the largest of its layer, and the four are averaged. Scored so,
    a filter that is strong everywhere but in that corner is cut. It is here to be compared with.

    Source: A. Singh and others, `audio-pruning`, the code of Compressing Quaternion Convolutional Neural Networks for
    Audio Classification, 2025.
    """
    parts = weight if weight.ndim == 5 else weight[None]
    corner = np.abs(parts[:, 0, 0]).sum(axis=1)  # (components, filters)
    return (corner / np.maximum(corner.max(axis=1, keepdims=True), np.finfo(corner.dtype).tiny)).mean(axis=0)


def _rows(weight: np.ndarray) -> np.ndarray:
    """Each filter as one row of numbers, in float64, since the distances of twins are small."""
    return weight.reshape(-1, weight.shape[-1]).T.astype(np.float64)


def _matrices(weight: np.ndarray) -> np.ndarray:
    """Each filter as a real matrix (filters, taps, inputs), or (filters, 4 taps, 4 inputs)."""
    if weight.ndim == 4:
        return weight.reshape(-1, *weight.shape[2:]).transpose(2, 0, 1)
    blocks = asnumpy(left_matrix(weight.reshape(4, -1, *weight.shape[3:]), axis=0))  # (4, 4, taps, inputs, filters)
    _, _, taps, inputs, filters = blocks.shape
    return blocks.transpose(4, 0, 2, 1, 3).reshape(filters, 4 * taps, 4 * inputs)
