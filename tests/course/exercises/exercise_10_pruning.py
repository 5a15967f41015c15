"""Exercise 10: pruning.

A filter is the weight of one output channel, weight[..., o]. In a quaternion layer, the weight is (4, KH, KW, C, O): a
filter has all four components, and its output has the real channels o, O + o, 2O + o and 3O + o, one in each of the
blocks r|i|j|k.

    python -m pytest tests/course/test_10_pruning.py --implementation my_pruning.py

Chapter 10: docs/10-pruning.md.
"""

import numpy as np


def l1_scores(weight):
    """Return the L1 norm (O,) of each filter of `weight` (4, KH, KW, C, O): Σ |w| over all other axes."""
    raise NotImplementedError


def keep_indices(scores, ratio):
    """Return the sorted indices of the filters that remain if the share `ratio` with the lowest scores is removed.

    `scores` is (O,). The number of removed filters is O · ratio, rounded down.
    """
    raise NotImplementedError


def real_channels(keep, filters):
    """Return the real channels of the filters `keep`, in the order of the blocks r|i|j|k, shape (4 · len(keep),).

    `keep` is an array of indices, and `filters` is the number O of filters before the removal.
    """
    raise NotImplementedError


def remove_filters(weight, norm, next_weight, keep):
    """Return (weight, norm, next_weight) of the smaller network, which contains the filters `keep` only.

    `weight` (4, KH, KW, C, O) is the pruned layer, `norm` (4O,) is an array with one entry for each real channel, as in
    a batch norm, and `next_weight` (4, KH, KW, O, ...) is the next layer, whose inputs are the O outputs.
    """
    raise NotImplementedError
