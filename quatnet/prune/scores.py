"""Filter scores computed from the weight of a layer.

A weight is a real kernel (KH, KW, C, filters) or a quaternion kernel (4, KH, KW, C, filters) with KH x KW taps and C
input channels. Scores have the shape (filters,). A quaternion filter has one score for its four components.
"""

import numpy as np

from ..backend import asnumpy
from ..checks import as_array
from ..errors import ShapeError
from ..quaternion import left_matrix


def l1_scores(weight: np.ndarray) -> np.ndarray:
    """Return the L1 norm of each filter, Σ |weight| over all taps, input channels and components.

    Source: H. Li and others, Pruning filters for efficient ConvNets, 2017.
    """
    return np.abs(_flatten_filters(weight)).sum(axis=1)


def l2_scores(weight: np.ndarray) -> np.ndarray:
    """Return the L2 norm of each filter, √(Σ weight²) over all taps, input channels and components."""
    return np.linalg.norm(_flatten_filters(weight), axis=1)


def geometric_median_scores(weight: np.ndarray) -> np.ndarray:
    """Return the sum of the Euclidean distances of each filter to all filters of the layer.

    The score is smallest near the geometric median of the filters. A filter near the median is redundant, even if its
    norm is large, because the other filters can replace this filter.

    Source: Y. He and others, Filter pruning via geometric median, 2019.
    """
    rows = _flatten_filters(weight)
    squares = (rows * rows).sum(axis=1)
    squared_distances = squares[:, None] + squares - 2 * rows @ rows.T
    np.fill_diagonal(squared_distances, 0)
    return np.sqrt(squared_distances.clip(min=0)).sum(axis=1)


def operator_norm_scores(weight: np.ndarray) -> np.ndarray:
    """Return the largest singular value of each filter, represented as a matrix (taps, input channels).

    The largest singular value is the largest L2 norm of the outputs of all taps for an input vector of L2 norm 1. A
    quaternion filter is represented by the real matrix (4 taps, 4 input channels) of its left multiplications.

    Source: A. Singh, M. Plumbley, Efficient CNNs via passive filter pruning, 2022 (operator norm of a filter).
    """
    return np.linalg.norm(_filter_matrices(weight), ord=2, axis=(1, 2))


def _flatten_filters(weight: np.ndarray) -> np.ndarray:
    """Return the weight as (filters, weights per filter).

    The dtype is float64, so that the distances between nearly equal filters are accurate.
    """
    weight = as_array(weight, np)
    if weight.ndim < 2:
        raise ShapeError(f"expected a weight (..., filters) of at least two axes, got shape {weight.shape}")
    return weight.reshape(-1, weight.shape[-1]).T.astype(np.float64)


def _filter_matrices(weight: np.ndarray) -> np.ndarray:
    """Return each filter as a real matrix.

    The shape is (filters, taps, inputs) for a real weight and (filters, 4 taps, 4 inputs) for a quaternion weight.
    """
    weight = as_array(weight, np)
    if weight.ndim not in (4, 5) or (weight.ndim == 5 and len(weight) != 4):
        raise ShapeError(f"expected a weight (KH, KW, C, filters) or (4, KH, KW, C, filters), got {weight.shape}")
    if weight.ndim == 4:
        return weight.reshape(-1, *weight.shape[2:]).transpose(2, 0, 1)
    blocks = asnumpy(left_matrix(weight.reshape(4, -1, *weight.shape[3:]), axis=0))  # (4, 4, taps, inputs, filters)
    _, _, taps, inputs, filters = blocks.shape
    return blocks.transpose(4, 0, 2, 1, 3).reshape(filters, 4 * taps, 4 * inputs)
