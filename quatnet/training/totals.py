"""Sums of the loss and of the correct clips over the steps of an epoch, on the device."""

from numbers import Integral
from typing import Any

import numpy as np

from ..autodiff import Tensor
from ..backend import Array, xp
from ..nn import Module
from ..processes import all_reduce

NO_CLASSES = -1e9  # number of correct clips of a batch without class probabilities, so that the sum is negative


def add_step(sums: Array, model: Module, outputs: Any, targets: Array, loss: Array) -> None:
    """Add a step to the sums of an epoch over all processes, which are changed in place.

    All processes must call this function, each with its share of the clips. The sums (3,) are on the device, because a
    copy to the host waits for the GPU: the summed loss, the number of correct clips, which is negative if the targets
    of a step were no class probabilities, and the number of steps with a finite summed loss. `loss` is the mean over
    the clips of this process.
    """
    correct = _num_correct(model, outputs, targets)
    sums[:2] += all_reduce(xp.stack([loss.astype(np.float64) * len(targets), correct.astype(np.float64)]))
    sums[2] += xp.isfinite(sums[0])


def _num_correct(model: Module, outputs: Any, targets: Array) -> Array:
    """Return the number of correct clips, or NO_CLASSES if the targets are no class probabilities.

    The targets may have soft targets after the classes, and the outputs, which are logits, may have features. Several
    outputs have no classes.
    """
    if not (isinstance(outputs, Tensor) and outputs.ndim == targets.ndim == 2):
        return xp.asarray(NO_CLASSES)
    logits = outputs.data
    found = (getattr(owner, "classes", None) for owner in (model, getattr(model, "config", None)))
    known = (int(number) for number in found if isinstance(number, Integral) and number)
    classes = next(known, min(logits.shape[1], targets.shape[1]))
    if targets.shape[1] < classes:
        return xp.asarray(NO_CLASSES)
    logits, targets = logits[:, :classes], targets[:, :classes]
    is_class = (targets >= 0).all() & (abs(targets.sum(axis=1) - 1) < 0.01).all() & (classes > 1)
    return xp.where(is_class, _correct(logits, targets).sum(), NO_CLASSES)


def _correct(logits: Array, targets: Array) -> Array:
    """Return for each clip whether the class with the largest logit also has the largest target."""
    predicted = xp.take_along_axis(targets, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    return predicted == targets.max(axis=1)
