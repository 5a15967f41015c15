"""Losses: means over the batch, computed on logits so that neither a log nor an exp can overflow.

Each takes `logits` and targets of one shape (N, classes), and raises ShapeError otherwise.
"""

from collections.abc import Sequence

from ..autodiff import Tensor
from ..autodiff.arrays import as_array
from ..backend import Array, xp
from ..errors import ShapeError


def log_softmax(logits: Array) -> Array:
    """Return log(softmax(logits)) along the last axis, on plain arrays."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy(logits: Tensor, targets: Array) -> Tensor:
    """Return -1/N Σ targets · log softmax(logits).

    `logits` and `targets` are (N, classes); targets are probabilities, one-hot or mixed.
    The gradient is (softmax(logits) - targets) / N where the targets of a clip add up to 1.
    """
    targets = _like(targets, logits)
    log_p = log_softmax(logits.data)

    def backward(g: Array) -> Sequence[Array]:
        return (g * (xp.exp(log_p) * targets.sum(axis=-1, keepdims=True) - targets) / len(targets),)

    return Tensor.from_op(-(targets * log_p).sum() / len(targets), (logits,), backward)


def binary_cross_entropy_with_logits(logits: Tensor, targets: Array) -> Tensor:
    """Return the mean of -t log σ(z) - (1 - t) log(1 - σ(z)) over clips and classes, for many labels a clip.

    Computed as max(z, 0) - z t + log(1 + e^-|z|). The gradient is (σ(z) - t) / (N · classes).
    """
    targets = _like(targets, logits)
    z = logits.data
    small = xp.exp(-xp.abs(z))

    def backward(g: Array) -> Sequence[Array]:
        sigmoid = xp.where(z >= 0, 1, small) / (1 + small)
        return (g * (sigmoid - targets) / z.size,)

    value = (xp.maximum(z, 0) - z * targets + xp.log1p(small)).mean()
    return Tensor.from_op(value, (logits,), backward)


def _like(targets: Array, logits: Tensor) -> Array:
    """Targets as an array in the dtype of the logits. Raises ShapeError for other shapes, and for no clips at all."""
    targets = as_array(targets).astype(logits.data.dtype, copy=False)
    if targets.shape != logits.shape or targets.ndim != 2 or not targets.size:
        raise ShapeError(
            f"expected logits and targets of one shape (N, classes), got {logits.shape} and {targets.shape};"
            " labels become targets by datasets.one_hot"
        )
    return targets
