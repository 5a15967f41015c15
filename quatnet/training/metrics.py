"""How good are the predictions? On host arrays."""

import numpy as np

from ..datasets.targets import check_labels
from ..errors import ShapeError


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of clips whose largest logit (N, classes) is at the label (N,)."""
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise ShapeError(f"expected logits (N, classes) and labels (N,), N > 0, got {logits.shape}, {labels.shape}")
    return float((logits.argmax(axis=1) == labels).mean())


def confusion_matrix(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return counts (classes, classes): row = true class, column = predicted class."""
    classes = logits.shape[1]
    check_labels(labels, classes)
    pairs = labels * classes + logits.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
