"""How well do scores rank clips, class by class? For many labels a clip, where there is no one right answer.

Each function takes `scores` (clips, classes), logits or probabilities, and `targets` of the same shape, 1 where a
class is heard and 0 where not; each class is judged alone, and one that is heard in no clip, or in all, counts not.

Source: the measures of J. F. Gemmeke and others, Audio Set, 2017, and Q. Kong and others, PANNs, 2020.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from ..errors import ShapeError


def average_precision(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return for each class Σ (R_n - R_n-1) P_n over the thresholds n, from high to low; NaN where it is never heard.

    P_n is the share of right ones among the clips at or above threshold n, R_n the share of the right ones that are
    among them. Clips of equal score come in together.
    """
    return _each_class(_average_precision, scores, targets)


def _average_precision(scores: np.ndarray, heard: np.ndarray) -> float:
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of the clips of equal score
    right = np.cumsum(heard[order])[last]
    return float((np.diff(right, prepend=0) * right / (last + 1)).sum() / heard.sum()) if heard.any() else np.nan


def roc_auc(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return for each class the chance that a clip with it scores above one without it; half for equal scores.

    That is the area under the ROC curve; NaN where a class is heard in no clip, or in all.
    """
    return _each_class(_area, scores, targets)


def _area(scores: np.ndarray, heard: np.ndarray) -> float:
    yes, no = int(heard.sum()), int((~heard).sum())
    if not yes or not no:
        return np.nan
    return float((rankdata(scores)[heard].sum() - yes * (yes + 1) / 2) / yes / no)


def d_prime(area: float) -> float:
    """Return sqrt(2) Φ⁻¹(area): how many standard deviations lie between scores with and without a class.

    Φ is the distribution function of the normal distribution, and `area` the mean of `roc_auc`.

    >>> round(d_prime(0.973), 2)
    2.72
    """
    return float(np.sqrt(2) * ndtri(area))


def mean_over_classes(values: np.ndarray) -> float:
    """Return the mean of those that are not NaN. Raises ShapeError where all are."""
    if np.isnan(values).all():
        raise ShapeError("expected clips with and without at least one class, got none to judge by")
    return float(np.nanmean(values))


def _each_class(
    judge: Callable[[np.ndarray, np.ndarray], float], scores: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    if scores.ndim != 2 or scores.shape != targets.shape or not scores.size:
        raise ShapeError(f"expected scores and targets (clips, classes), got {scores.shape} and {targets.shape}")
    return np.array([judge(s, t) for s, t in zip(scores.T, np.asarray(targets, bool).T, strict=True)])
