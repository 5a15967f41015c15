"""Conversion of class labels to training targets."""

import numpy as np

from ..errors import ConfigError, ShapeError


def one_hot(labels: np.ndarray, num_classes: int, *, label_smoothing: float = 0.0) -> np.ndarray:
    """Return one-hot float32 targets (N, num_classes) of `labels` (N,).

    Label smoothing s replaces each target t by (1 - s) t + s / num_classes.

    Raises
    ------
    ShapeError
        A label is outside range(num_classes).
    ConfigError
        `label_smoothing` is outside [0, 1].

    Source: C. Szegedy and others, Rethinking the inception architecture, 2016, section 7 (label smoothing).
    """
    check_labels(labels, num_classes)
    if not 0 <= label_smoothing <= 1:
        raise ConfigError(f"expected label_smoothing from 0 to 1, got {label_smoothing}")
    targets = np.eye(num_classes, dtype=np.float32)[labels]
    return targets * (1 - label_smoothing) + label_smoothing / num_classes if label_smoothing else targets


def check_labels(labels: np.ndarray, num_classes: int) -> None:
    """Raise ShapeError unless all labels are in range(num_classes)."""
    if len(labels) and not 0 <= min(labels) <= max(labels) < num_classes:
        raise ShapeError(f"expected labels from 0 to {num_classes - 1}, got {min(labels)} to {max(labels)}")
