"""Test metrics for single-label and multi-label data.

The metrics for one label per clip are accuracy and confusion matrix. The metrics for several labels per clip rank the
clips by score: average precision, area under the ROC curve, and d'. The result must not depend on the order of clips
with equal scores.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quatnet.datasets.targets import one_hot
from quatnet.errors import ShapeError
from quatnet.training.metrics import (
    accuracy,
    average_precision,
    confusion_matrix,
    d_prime,
    mean_over_classes,
    roc_auc,
)


def one_class(metric, scores: list[float], targets: list[int]) -> float:
    return float(metric(np.array(scores)[:, None], np.array(targets)[:, None])[0])


# One label per clip


def test_accuracy():
    logits = np.array([[3.0, 1, 2], [0, 5, 0], [0, 1, 9], [7, 8, 0]])
    assert accuracy(logits, np.array([0, 1, 1, 1])) == 3 / 4


def test_confusion_matrix():
    # the predicted classes are 0, 1, 1, 1, and the true classes are 0, 0, 1, 1
    logits = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]])
    matrix = confusion_matrix(logits, np.array([0, 0, 1, 1]))
    np.testing.assert_array_equal(matrix, [[1, 1], [0, 2]])


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 99))
def test_trace_of_the_confusion_matrix_is_the_accuracy(n, classes, seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.standard_normal((n, classes)), rng.integers(classes, size=n)
    matrix = confusion_matrix(logits, labels)
    assert matrix.sum() == n
    assert np.trace(matrix) / n == pytest.approx(accuracy(logits, labels))
    np.testing.assert_array_equal(matrix.sum(axis=1), one_hot(labels, classes).sum(axis=0))


def test_one_hot():
    targets = one_hot(np.array([2, 0]), 3)
    np.testing.assert_array_equal(targets, [[0, 0, 1], [1, 0, 0]])
    assert targets.dtype == np.float32


@pytest.mark.parametrize(("logits", "labels"), [((3, 2), 2), ((3,), 3), ((0, 2), 0)])
def test_accuracy_invalid_shapes(logits, labels):
    with pytest.raises(ShapeError, match=r"logits \(N, classes\) and labels \(N,\)"):
        accuracy(np.zeros(logits), np.zeros(labels, int))


@pytest.mark.parametrize("label", [-1, 2])
def test_labels_outside_of_the_classes(label):
    with pytest.raises(ShapeError, match="labels from 0 to 1"):
        one_hot(np.array([0, label]), 2)
    with pytest.raises(ShapeError):
        confusion_matrix(np.zeros((2, 2)), np.array([0, label]))


# Several labels per clip: worked examples


def test_average_precision() -> None:
    # the precision is 1/1 at the first positive clip and 2/3 at the second
    # the recall increases by 1/2 at each of the two clips, so the average precision is (1 + 2/3) / 2
    assert one_class(average_precision, [0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0]) == pytest.approx(5 / 6)


def test_roc_auc() -> None:
    # in three of the four pairs the positive clip has the higher score: 0.9 > 0.8, 0.9 > 0.1, 0.7 > 0.1
    assert one_class(roc_auc, [0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0]) == 3 / 4


def test_d_prime_of_normal_distributions() -> None:
    # positive clips have scores of the distribution N(1, 1), negative clips of N(0, 1)
    # the difference has the distribution N(1, 2), and is positive with the probability Φ(1/√2)
    auc = 0.5 * (1 + math.erf(1 / math.sqrt(2) / math.sqrt(2)))
    assert d_prime(auc) == pytest.approx(1)
    assert d_prime(0.5) == 0
    assert (d_prime(1.0), d_prime(0.0)) == (math.inf, -math.inf)


@pytest.mark.parametrize(("auc", "published"), [(0.973, 2.732), (0.965, 2.568), (0.971, 2.678)])
def test_d_prime_of_published_results(auc: float, published: float) -> None:
    assert d_prime(auc) == pytest.approx(published, abs=0.02)  # the published values have three digits


def test_equal_scores() -> None:
    for targets in ([1, 0, 0, 0], [0, 0, 0, 1]):
        assert one_class(average_precision, [3, 3, 3, 3], targets) == 1 / 4
        assert one_class(roc_auc, [3, 3, 3, 3], targets) == 1 / 2


def test_class_without_positive_or_negative_clips() -> None:
    scores, targets = np.arange(6.0).reshape(3, 2), np.array([[1, 0], [0, 0], [0, 0]])
    assert np.isnan(average_precision(scores, targets)).tolist() == [False, True]
    assert np.isnan(roc_auc(scores, targets)).tolist() == [False, True]
    assert np.isnan(roc_auc(scores, np.ones((3, 2)))).all()
    assert average_precision(scores, np.ones((3, 2))).tolist() == [1, 1]
    assert mean_over_classes(average_precision(scores, targets)) == pytest.approx(1 / 3)


# Several labels per clip: reference implementations and properties

cases = st.integers(2, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-3, 3), min_size=n, max_size=n), st.lists(st.integers(0, 1), min_size=n, max_size=n)
    )
)


def average_precision_in_loops(scores: list[int], targets: list[int]) -> float:
    total, last_recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        selected = [t for s, t in zip(scores, targets, strict=True) if s >= threshold]
        recall = sum(selected) / sum(targets)
        total += (recall - last_recall) * sum(selected) / len(selected)
        last_recall = recall
    return total


def roc_auc_in_loops(scores: list[int], targets: list[int]) -> float:
    positive = [s for s, t in zip(scores, targets, strict=True) if t]
    negative = [s for s, t in zip(scores, targets, strict=True) if not t]
    return sum((a > b) + (a == b) / 2 for a in positive for b in negative) / len(positive) / len(negative)


@given(cases)
def test_ranking_metrics_agree_with_loops(case: tuple[list[int], list[int]]) -> None:
    scores, targets = case
    if any(targets):
        expected = average_precision_in_loops(scores, targets)
        assert one_class(average_precision, scores, targets) == pytest.approx(expected)
    if 0 < sum(targets) < len(targets):
        assert one_class(roc_auc, scores, targets) == pytest.approx(roc_auc_in_loops(scores, targets))


@given(cases, st.randoms())
def test_ranking_metrics_depend_on_the_ranking_only(case: tuple[list[int], list[int]], random) -> None:
    scores, targets = (np.array(values) for values in case)
    order = list(range(len(scores)))
    random.shuffle(order)
    for metric in (average_precision, roc_auc):
        expected = one_class(metric, scores, targets)
        shuffled, monotone = (
            one_class(metric, scores[order], targets[order]),
            one_class(metric, np.exp(scores), targets),
        )
        np.testing.assert_allclose([shuffled, monotone], expected)  # assert_allclose treats NaN as equal to NaN


def test_random_scores() -> None:
    rng = np.random.default_rng(0)
    scores, targets = rng.random((4000, 3)), rng.random((4000, 3)) < 0.3
    np.testing.assert_allclose(roc_auc(scores, targets), 0.5, atol=0.03)
    np.testing.assert_allclose(average_precision(scores, targets), 0.3, atol=0.04)


@pytest.mark.parametrize(("scores", "targets"), [((3, 2), (3, 1)), ((3,), (3,)), ((0, 2), (0, 2))])
def test_ranking_metrics_invalid_shapes(scores: tuple[int, ...], targets: tuple[int, ...]) -> None:
    for metric in (average_precision, roc_auc):
        with pytest.raises(ShapeError, match=r"expected scores and targets \(clips, classes\)"):
            metric(np.ones(scores), np.ones(targets))


def test_mean_over_classes_of_nan() -> None:
    with pytest.raises(ShapeError, match="at least one class"):
        mean_over_classes(np.array([np.nan, np.nan]))


@pytest.mark.parity
def test_ranking_metrics_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(0)
    scores, targets = rng.integers(0, 40, (300, 20)) / 40, rng.random((300, 20)) < 0.2
    np.testing.assert_allclose(
        average_precision(scores, targets), metrics.average_precision_score(targets, scores, average=None)
    )
    np.testing.assert_allclose(roc_auc(scores, targets), metrics.roc_auc_score(targets, scores, average=None))
