"""Classification losses on logits, averaged over the batch.

All losses raise ShapeError unless `logits` and `targets` have the same shape (N, classes). The losses are computed
without overflow in exp and log.
"""

from collections.abc import Sequence

from ..autodiff import Tensor, op
from ..autodiff.arrays import as_array
from ..backend import Array, xp
from ..errors import ShapeError


def log_softmax(logits: Array) -> Array:
    """Return log(softmax(logits)) along the last axis of an array."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))


@op
def cross_entropy(logits: Tensor, targets: Array) -> Tensor:
    """Return the cross entropy -1/N Σ targets · log softmax(logits), averaged over N examples.

    `targets` (N, classes) are class probabilities, such as one-hot, smoothed or mixed targets. If the targets of each
    example sum to 1, the gradient is (softmax(logits) - targets) / N.
    """
    targets = _as_targets(targets, logits)
    log_p = log_softmax(logits.data)

    def backward(grad: Array) -> Sequence[Array]:
        return (grad * (xp.exp(log_p) * targets.sum(axis=-1, keepdims=True) - targets) / len(targets),)

    return Tensor.from_op(-(targets * log_p).sum() / len(targets), (logits,), backward)


@op
def binary_cross_entropy_with_logits(logits: Tensor, targets: Array) -> Tensor:
    """Return the binary cross entropy, averaged over N examples and all classes, for multi-label targets.

    For a logit z, a target t and the sigmoid σ, the binary cross entropy is -t log σ(z) - (1 - t) log(1 - σ(z)). It is
    computed as max(z, 0) - z t + log(1 + e^-|z|). The gradient is (σ(z) - t) / (N · classes).
    """
    targets = _as_targets(targets, logits)
    z = logits.data
    exp_minus_abs = xp.exp(-xp.abs(z))

    def backward(grad: Array) -> Sequence[Array]:
        sigmoid = xp.where(z >= 0, 1, exp_minus_abs) / (1 + exp_minus_abs)
        return (grad * (sigmoid - targets) / z.size,)

    value = (xp.maximum(z, 0) - z * targets + xp.log1p(exp_minus_abs)).mean()
    return Tensor.from_op(value, (logits,), backward)


def _as_targets(targets: Array, logits: Tensor) -> Array:
    """Return `targets` as an array in the dtype of `logits`.

    Raises ShapeError if the shapes differ, or if there are no examples.
    """
    targets = as_array(targets).astype(logits.data.dtype, copy=False)
    if targets.shape != logits.shape or targets.ndim != 2 or not targets.size:
        raise ShapeError(
            f"expected logits and targets of the same shape (N, classes), got {logits.shape} and {targets.shape};"
            " datasets.one_hot converts class labels to targets"
        )
    return targets
