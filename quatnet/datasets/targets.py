"""Conversion of class labels to training targets."""

import numpy as np

from ..checks import as_array, checked_count, checked_number
from ..errors import ShapeError


def one_hot(labels: np.ndarray, num_classes: int, *, label_smoothing: float = 0.0) -> np.ndarray:
    """Return one-hot float32 targets (N, num_classes) of integer `labels` (N,).

    Label smoothing s replaces each target t by (1 - s) t + s / num_classes.

    Raises
    ------
    ShapeError
        The labels are not integers in range(num_classes).
    ConfigError
        `num_classes` is not an integer of at least 1, or `label_smoothing` is outside [0, 1].

    Source: C. Szegedy and others, Rethinking the inception architecture, 2016, section 7 (label smoothing).
    """
    labels = checked_labels(labels, num_classes)
    label_smoothing = checked_number("label_smoothing", label_smoothing, "[0, 1]")
    targets = np.eye(num_classes, dtype=np.float32)[labels]
    return targets * (1 - label_smoothing) + label_smoothing / num_classes if label_smoothing else targets


def checked_labels(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return `labels` as int64 (N,). Raises ShapeError unless they are integers in range(num_classes)."""
    last = checked_count("the number of classes", num_classes) - 1
    array = np.asarray(labels, None if as_array(labels, np).size else int)  # an empty list has no dtype
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ShapeError(f"expected integer labels (N,), got shape {array.shape} of {array.dtype}")
    if array.size and not 0 <= array.min() <= array.max() <= last:
        raise ShapeError(f"expected labels from 0 to {last}, got {array.min()} to {array.max()}")
    return array.astype(np.int64)
