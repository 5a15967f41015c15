"""Classification metrics on NumPy arrays.

`accuracy` and `confusion_matrix` require one label per clip. `average_precision` and `roc_auc` also support several
labels per clip. These functions rank the clips of each class by `scores` (clips, classes), which are logits or
probabilities. `targets` (clips, classes) are 1 if the clip has the label and 0 otherwise. All metrics raise ShapeError
if logits or scores contain NaN, or if shapes, labels or targets are invalid.

Source: J. F. Gemmeke and others, Audio Set, 2017, and Q. Kong and others, PANNs, 2020 (metrics for several labels).
"""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from ..checks import as_array, as_scores, checked_number
from ..datasets.targets import checked_labels
from ..errors import ShapeError


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the fraction of correct predictions for logits (N, classes) and labels (N,)."""
    predicted, labels, _ = _predictions(logits, labels)
    return float((predicted == labels).mean())


def _predictions(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the predicted classes (N,), the labels (N,) and the number of classes."""
    logits, shape = as_scores(logits), as_array(labels, np).shape
    if logits.ndim != 2 or shape != logits.shape[:1] or not logits.size:
        raise ShapeError(f"expected logits (N, classes) and labels (N,), N > 0, got {logits.shape}, {shape}")
    return logits.argmax(axis=1), checked_labels(labels, logits.shape[1]), logits.shape[1]


def confusion_matrix(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the confusion matrix (classes, classes) in clips.

    Rows are true classes and columns are predicted classes.
    """
    predicted, labels, classes = _predictions(logits, labels)
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def average_precision(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the average precision of each class, Σ_n (R_n - R_n-1) P_n.

    P_n and R_n are the precision and recall of the clips with a score of at least threshold n. The thresholds are the
    scores of the class in descending order. The result is NaN for a class without positive clips.
    """
    return _per_class(_average_precision, scores, targets)


def _average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    # last clip of each group of equal scores; a difference of infinite scores would be NaN
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(order) - 1)
    hits = np.cumsum(positive[order])[last]
    return float((np.diff(hits, prepend=0) * hits / (last + 1)).sum() / positive.sum()) if positive.any() else np.nan


def roc_auc(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of each class.

    The area is the probability that a positive clip has a higher score than a negative clip. Equal scores count 1/2.
    The result is NaN for a class without positive or without negative clips.
    """
    return _per_class(_roc_auc, scores, targets)


def _roc_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    num_positive, num_negative = int(positive.sum()), int((~positive).sum())
    if not num_positive or not num_negative:
        return np.nan
    rank_sum = rankdata(scores)[positive].sum()
    return float((rank_sum - num_positive * (num_positive + 1) / 2) / num_positive / num_negative)


def d_prime(auc: float) -> float:
    """Return d' = sqrt(2) Φ⁻¹(auc), where Φ is the distribution function of the normal distribution.

    The value d' is the distance between the mean scores of positive and negative clips in standard deviations. `auc` is
    the mean of `roc_auc` over the classes.

    >>> round(d_prime(0.973), 2)
    2.72
    """
    return float(np.sqrt(2) * ndtri(checked_number("auc", auc, "[0, 1]")))


def multi_label_metrics(scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return mAP and AUC, averaged over the classes, and d_prime of the averaged AUC."""
    auc = mean_over_classes(roc_auc(scores, targets))
    return {"mAP": mean_over_classes(average_precision(scores, targets)), "AUC": auc, "d_prime": d_prime(auc)}


def mean_over_classes(values: np.ndarray) -> float:
    """Return the mean of the values that are not NaN. Raises ShapeError if all values are NaN."""
    values = as_array(values, np)
    if np.isnan(values).all():
        raise ShapeError("expected at least one class with positive and negative clips, got none")
    return float(np.nanmean(values))


def _per_class(metric: Callable[..., float], scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    scores, targets = as_scores(scores), as_array(targets, np)
    if scores.ndim != 2 or scores.shape != targets.shape or not scores.size:
        raise ShapeError(f"expected scores and targets (clips, classes), got {scores.shape} and {targets.shape}")
    if not np.isin(targets, (0, 1)).all():
        raise ShapeError("expected targets that are 0 or 1, got other numbers; metrics do not use soft targets")
    return np.array([metric(s, t) for s, t in zip(scores.T, targets.T == 1, strict=True)])
