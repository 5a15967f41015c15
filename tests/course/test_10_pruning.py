"""Tests of chapter 10: pruning.

A quaternion filter is removed with all four components, its batch norm entries and the corresponding inputs of the next
layer. The outputs of the pruned network are equal to those of the unpruned network with the removed filters masked. The
L1 norm assigns a score to every filter.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.strategies import seeds


def assert_close(actual, expected):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


# Worked examples


def test_l1_scores_worked_example(l1_scores):
    weight = np.zeros((4, 3, 3, 1, 2))
    weight[0, 1, 1, 0, 0] = -1.5  # filter 0 has one large weight in one tap of the real part
    weight[..., 1] = -0.1  # filter 1 has small weights everywhere, and 36 · 0.1 = 3.6 > 1.5
    weight[0, 0, 0, 0, 1] = 0.1
    assert_close(l1_scores(weight), [1.5, 3.6])


def test_keep_indices_worked_example(keep_indices):
    # 40 % of 5 filters are 2: the filters 1 and 2 with the lowest scores 1 and 2 are removed
    assert list(keep_indices(np.array([9.0, 1, 2, 7, 8]), 0.4)) == [0, 3, 4]
    assert list(keep_indices(np.array([9.0, 1, 2, 7, 8]), 0.5)) == [0, 3, 4]  # 2.5 is rounded down
    assert list(keep_indices(np.array([9.0, 1, 2, 7, 8]), 0.0)) == [0, 1, 2, 3, 4]


def test_real_channels_worked_example(real_channels):
    # 3 filters have the real channels 0, 1, 2 | 3, 4, 5 | 6, 7, 8 | 9, 10, 11 in the blocks r, i, j, k
    assert list(real_channels(np.array([0, 2]), 3)) == [0, 2, 3, 5, 6, 8, 9, 11]


def test_removed_entries(remove_filters):
    # The entries of each array are numbered. Filter 1 of three filters is removed.
    weight, norm = np.arange(24.0).reshape(4, 1, 1, 2, 3), np.arange(12.0)
    next_weight = np.arange(24.0).reshape(4, 1, 1, 3, 2)
    small, small_norm, small_next = remove_filters(weight, norm, next_weight, np.array([0, 2]))
    assert_close(small[0, 0, 0], [[0, 2], [3, 5]])
    assert_close(small_norm, [0, 2, 3, 5, 6, 8, 9, 11])
    assert_close(small_next[0, 0, 0], [[0, 1], [4, 5]])


# Laws


@given(seeds, st.integers(1, 5))
def test_l1_scores_are_a_norm(l1_scores, seed, filters):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 4, 2, 3, 2, filters))
    assert_close(l1_scores(-3 * a), 3 * l1_scores(a))
    assert (l1_scores(a + b) <= l1_scores(a) + l1_scores(b) + 1e-9).all()


def test_l1_scores_depend_on_the_direction_of_a_quaternion(l1_scores):
    # 2 and 1 + i + j + k have the same norm 2, but the L1 norms 2 and 4: the L1 norm of q ⊗ w differs from that of w
    weight = np.array([[2.0, 1], [0, 1], [0, 1], [0, 1]]).reshape(4, 1, 1, 1, 2)
    assert_close(l1_scores(weight), [2, 4])


@given(st.lists(st.floats(0, 9), min_size=1, max_size=8, unique=True), st.floats(0, 0.99))
def test_every_kept_filter_has_a_higher_score_than_every_removed_one(keep_indices, scores, ratio):
    scores = np.array(scores)
    keep = keep_indices(scores, ratio)
    removed = np.setdiff1d(np.arange(len(scores)), keep)
    assert len(removed) == int(len(scores) * ratio)
    assert (np.diff(keep) > 0).all()
    assert not len(removed) or scores[keep].min() > scores[removed].max()


def network(x, weight, norm, next_weight):
    """Return the outputs of a convolution, a scale for each channel, a ReLU and a convolution."""
    return oracles.quaternion_conv2d(np.maximum(oracles.quaternion_conv2d(x, weight) * norm, 0), next_weight)


@given(seeds, st.floats(0, 0.99))
def test_pruned_network_equals_the_masked_network(l1_scores, keep_indices, remove_filters, seed, ratio):
    # In the masked network, the weights of the next layer for the removed channels are 0.
    rng = np.random.default_rng(seed)
    x, norm = rng.standard_normal((1, 3, 3, 8)), rng.standard_normal(16)
    weight, next_weight = rng.standard_normal((4, 2, 2, 2, 4)), rng.standard_normal((4, 1, 2, 4, 3))
    keep = keep_indices(l1_scores(weight), ratio)
    masked = np.zeros_like(next_weight)
    masked[..., keep, :] = next_weight[..., keep, :]
    expected = network(x, weight, norm, masked)
    assert_close(network(x, *remove_filters(weight, norm, next_weight, keep)), expected)


# Reference in loops


@given(seeds, st.integers(1, 4))
def test_l1_scores_equal_loops(l1_scores, seed, filters):
    weight = np.random.default_rng(seed).standard_normal((4, 2, 3, 2, filters))
    expected = np.zeros(filters)
    for index in np.ndindex(weight.shape):
        expected[index[-1]] += abs(weight[index])
    assert_close(l1_scores(weight), expected)
