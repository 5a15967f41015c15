"""Sums of the loss and of the correct clips over the steps of an epoch, on the device."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from ..all_reduce import all_reduce
from ..autodiff import Tensor
from ..backend import Array, asnumpy, xp
from ..nn import Module

NO_CLASSES = -1e9  # number of correct clips of a batch without class probabilities, so that the sum is negative


class EpochTotals:
    """Sums over the steps of an epoch and over all processes.

    The sums are on the device, because a copy to the host waits for the GPU.

    Parameters
    ----------
    sums : summed loss, number of correct clips, and number of steps with a finite summed loss (default: 0)
    """

    def __init__(self, sums: Sequence[float] | None = None) -> None:
        self._sums = xp.zeros(3) if sums is None else xp.asarray(sums, dtype=np.float64)

    def add(self, model: Module, outputs: Any, targets: Array, loss: Array) -> None:
        """Add a step. All processes must call this method, each with its share of the clips.

        `loss` is the mean over the clips of this process.
        """
        correct = _num_correct(model, outputs, targets)
        self._sums[:2] += all_reduce(xp.stack([loss.astype(np.float64) * len(targets), correct.astype(np.float64)]))
        self._sums[2] += xp.isfinite(self._sums[0])

    def read(self) -> tuple[float, float, int]:
        """Return the summed loss, the number of correct clips, and the number of steps with a finite summed loss.

        The number of correct clips is negative if the targets of a step were no class probabilities.
        """
        loss, correct, finite_steps = asnumpy(self._sums).tolist()
        return loss, correct, int(finite_steps)


def _num_correct(model: Module, outputs: Any, targets: Array) -> Array:
    """Return the number of correct clips, or NO_CLASSES if the targets are no class probabilities.

    The targets may have soft targets after the classes, and the outputs, which are logits, may have features. Several
    outputs have no classes.
    """
    if not (isinstance(outputs, Tensor) and outputs.ndim == targets.ndim == 2):
        return xp.asarray(NO_CLASSES)
    logits = outputs.data
    found = (getattr(owner, "classes", None) for owner in (model, getattr(model, "config", None)))
    known = [int(n) for n in found if isinstance(n, Integral) and n]
    classes = known[0] if known else min(logits.shape[1], targets.shape[1])
    if targets.shape[1] < classes:
        return xp.asarray(NO_CLASSES)
    logits, targets = logits[:, :classes], targets[:, :classes]
    is_class = (targets >= 0).all() & (abs(targets.sum(axis=1) - 1) < 0.01).all() & (classes > 1)
    return xp.where(is_class, _correct(logits, targets).sum(), NO_CLASSES)


def _correct(logits: Array, targets: Array) -> Array:
    """Return for each clip whether the class with the largest logit also has the largest target."""
    predicted = xp.take_along_axis(targets, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    return predicted == targets.max(axis=1)
