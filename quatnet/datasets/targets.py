"""Class labels as training targets."""

import numpy as np

from ..errors import ShapeError


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return float32 targets (N, classes), 1 at the label; ShapeError for a label outside range(classes)."""
    check_labels(labels, classes)
    return np.eye(classes, dtype=np.float32)[labels]


def check_labels(labels: np.ndarray, classes: int) -> None:
    """Raise ShapeError unless all labels are in range(classes)."""
    if len(labels) and not 0 <= min(labels) <= max(labels) < classes:
        raise ShapeError(f"expected labels from 0 to {classes - 1}, got {min(labels)} to {max(labels)}")
