"""How good are answers when a clip has many labels? Ask each class to rank the clips.

A threshold would be one more thing to choose, so the measures take them all. Average precision asks how pure the top
of the ranking is; the area under the ROC curve how often a clip with the sound is above one without it; d' says the
same in standard deviations. Clips of equal score must not profit from the order in which they happen to stand.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quatnet.errors import ShapeError
from quatnet.training.ranking import average_precision, d_prime, mean_over_classes, roc_auc


def one_class(measure, scores: list[float], heard: list[int]) -> float:
    return float(measure(np.array(scores)[:, None], np.array(heard)[:, None])[0])


# By hand


def test_average_precision_worked_with_a_pencil() -> None:
    # ranked: heard, not, heard, not. At the first hit 1 of 1 is right, at the second 2 of 3: (1 + 2/3) / 2
    assert one_class(average_precision, [0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0]) == pytest.approx(5 / 6)


def test_area_under_the_curve_worked_with_a_pencil() -> None:
    # four pairs of a clip with and one without: 0.9 beats both, 0.7 beats one of two
    assert one_class(roc_auc, [0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0]) == 3 / 4


def test_d_prime_counts_standard_deviations() -> None:
    # scores of distributions N(1, 1) and N(0, 1): their difference is N(1, 2), above 0 with chance Φ(1 / sqrt 2)
    area = 0.5 * (1 + math.erf(1 / math.sqrt(2) / math.sqrt(2)))
    assert d_prime(area) == pytest.approx(1)
    assert d_prime(0.5) == 0
    assert (d_prime(1.0), d_prime(0.0)) == (math.inf, -math.inf)


@pytest.mark.parametrize(("area", "published"), [(0.973, 2.732), (0.965, 2.568), (0.971, 2.678)])
def test_d_prime_of_the_published_areas(area: float, published: float) -> None:
    assert d_prime(area) == pytest.approx(published, abs=0.02)  # the areas are given to three digits


def test_equal_scores_come_in_together() -> None:
    for heard in ([1, 0, 0, 0], [0, 0, 0, 1]):
        assert one_class(average_precision, [3, 3, 3, 3], heard) == 1 / 4
        assert one_class(roc_auc, [3, 3, 3, 3], heard) == 1 / 2


def test_a_class_that_is_never_heard_cannot_be_judged() -> None:
    scores, targets = np.arange(6.0).reshape(3, 2), np.array([[1, 0], [0, 0], [0, 0]])
    assert np.isnan(average_precision(scores, targets)).tolist() == [False, True]
    assert np.isnan(roc_auc(scores, targets)).tolist() == [False, True]
    assert np.isnan(roc_auc(scores, np.ones((3, 2)))).all()  # nor one that is heard everywhere
    assert average_precision(scores, np.ones((3, 2))).tolist() == [1, 1]
    assert mean_over_classes(average_precision(scores, targets)) == pytest.approx(1 / 3)


# The slow way

cases = st.integers(2, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-3, 3), min_size=n, max_size=n), st.lists(st.integers(0, 1), min_size=n, max_size=n)
    )
)


def slow_average_precision(scores: list[int], heard: list[int]) -> float:
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = [h for s, h in zip(scores, heard, strict=True) if s >= threshold]
        now = sum(taken) / sum(heard)
        total += (now - recall) * sum(taken) / len(taken)
        recall = now
    return total


def slow_area(scores: list[int], heard: list[int]) -> float:
    yes = [s for s, h in zip(scores, heard, strict=True) if h]
    no = [s for s, h in zip(scores, heard, strict=True) if not h]
    return sum((a > b) + (a == b) / 2 for a in yes for b in no) / len(yes) / len(no)


@given(cases)
def test_both_measures_agree_with_loops(case: tuple[list[int], list[int]]) -> None:
    scores, heard = case
    if any(heard):
        assert one_class(average_precision, scores, heard) == pytest.approx(slow_average_precision(scores, heard))
    if 0 < sum(heard) < len(heard):
        assert one_class(roc_auc, scores, heard) == pytest.approx(slow_area(scores, heard))


@given(cases, st.randoms())
def test_neither_the_order_of_clips_nor_a_rising_function_matters(case: tuple[list[int], list[int]], random) -> None:
    scores, heard = (np.array(part) for part in case)
    order = list(range(len(scores)))
    random.shuffle(order)
    for measure in (average_precision, roc_auc):
        expected = one_class(measure, scores, heard)
        for other in (one_class(measure, scores[order], heard[order]), one_class(measure, np.exp(scores), heard)):
            np.testing.assert_allclose(other, expected)  # where both are NaN, too


def test_chance_gives_half_the_area_and_the_share_as_precision() -> None:
    rng = np.random.default_rng(0)
    scores, targets = rng.random((4000, 3)), rng.random((4000, 3)) < 0.3
    np.testing.assert_allclose(roc_auc(scores, targets), 0.5, atol=0.03)
    np.testing.assert_allclose(average_precision(scores, targets), 0.3, atol=0.04)


@pytest.mark.parametrize(("scores", "targets"), [((3, 2), (3, 1)), ((3,), (3,)), ((0, 2), (0, 2))])
def test_other_shapes_are_an_error(scores: tuple[int, ...], targets: tuple[int, ...]) -> None:
    for measure in (average_precision, roc_auc):
        with pytest.raises(ShapeError, match=r"expected scores and targets \(clips, classes\)"):
            measure(np.ones(scores), np.ones(targets))


def test_nothing_to_judge_by_is_an_error() -> None:
    with pytest.raises(ShapeError, match="at least one class"):
        mean_over_classes(np.array([np.nan, np.nan]))


@pytest.mark.parity
def test_the_measures_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed: no second opinion")
    rng = np.random.default_rng(0)
    scores, targets = rng.integers(0, 40, (300, 20)) / 40, rng.random((300, 20)) < 0.2
    np.testing.assert_allclose(
        average_precision(scores, targets), metrics.average_precision_score(targets, scores, average=None)
    )
    np.testing.assert_allclose(roc_auc(scores, targets), metrics.roc_auc_score(targets, scores, average=None))
