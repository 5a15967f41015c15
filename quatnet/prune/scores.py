"""Filter scores: one number for each filter of a layer, computed from the weight alone.

A weight is a real kernel (KH, KW, C, filters) or a quaternion kernel (4, KH, KW, C, filters). Scores have the shape
(filters,). All four components and all taps of a quaternion filter are scored together.
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
    return np.linalg.norm(_flatten_filters(weight), axis=1)


def geometric_median_scores(weight: np.ndarray) -> np.ndarray:
    """Return the sum of the distances of each filter to all filters of its layer, Σ_n |w_o - w_n|.

    The score is smallest near the geometric median of the filters. Such a filter is redundant: the other filters can
    replace it, even if its norm is large.

    Source: Y. He and others, Filter pruning via geometric median, 2019.
    """
    rows = _flatten_filters(weight)
    squares = (rows * rows).sum(axis=1)
    squared_distances = squares[:, None] + squares - 2 * rows @ rows.T
    np.fill_diagonal(squared_distances, 0)
    return np.sqrt(squared_distances.clip(min=0)).sum(axis=1)


def operator_norm_scores(weight: np.ndarray) -> np.ndarray:
    """Return the largest singular value of each filter as a matrix (taps, inputs).

    The largest singular value is the largest L2 norm of the outputs of all taps for an input vector of L2 norm 1. A
    quaternion filter is represented by the real matrix (4 taps, 4 inputs) of its left multiplications. (The singular
    value of a filter flattened to a single row would be its L2 norm.)

    Source: A. Singh, M. Plumbley, Efficient CNNs via passive filter pruning, 2022 (the norm, not its use).
    """
    return np.linalg.norm(_filter_matrices(weight), ord=2, axis=(1, 2))


def _flatten_filters(weight: np.ndarray) -> np.ndarray:
    """Return the weight as (filters, weights per filter) in float64, for accurate distances of nearly equal filters."""
    return weight.reshape(-1, weight.shape[-1]).T.astype(np.float64)


def _filter_matrices(weight: np.ndarray) -> np.ndarray:
    """Return each filter as a real matrix: (filters, taps, inputs), or (filters, 4 taps, 4 inputs) for quaternions."""
    if weight.ndim == 4:
        return weight.reshape(-1, *weight.shape[2:]).transpose(2, 0, 1)
    blocks = asnumpy(left_matrix(weight.reshape(4, -1, *weight.shape[3:]), axis=0))  # (4, 4, taps, inputs, filters)
    _, _, taps, inputs, filters = blocks.shape
    return blocks.transpose(4, 0, 2, 1, 3).reshape(filters, 4 * taps, 4 * inputs)
