"""Classification losses on logits, averaged over the batch.

All losses raise ShapeError unless `logits` and `targets` have the same shape (N, classes). The cross entropies also
raise ShapeError for targets outside [0, 1], but not on a GPU, because the check would synchronize the GPU. The losses
are computed without overflow in exp and log. A logit of -inf is a probability of 0. The term of such a logit is 0 if
the target is 0. The softmax of a logit of inf is 1, or 1 / n for n such logits.
"""

from collections.abc import Sequence

import numpy as np

from ..autodiff import Tensor, op
from ..backend import Array, xp
from ..checks import as_array
from ..errors import ShapeError


def log_softmax(logits: Array) -> Array:
    """Return log(softmax(logits)) along the last axis of an array."""
    top = logits.max(axis=-1, keepdims=True)
    shifted = xp.where(logits == top, 0, logits) - xp.where(logits == top, 0, top)  # without inf - inf
    return shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))


@op
def cross_entropy(logits: Tensor, targets: Array) -> Tensor:
    """Return the cross entropy -1/N Σ targets · log softmax(logits), averaged over N examples.

    `targets` (N, classes) are class probabilities, such as one-hot, smoothed or mixed targets. If the targets of each
    example sum to 1, the gradient is (softmax(logits) - targets) / N.
    """
    targets = _checked_targets(logits, targets)
    log_p = log_softmax(logits.data)
    terms = targets * xp.where((targets == 0) & (log_p == -np.inf), 0, log_p)

    def backward(grad: Array) -> Sequence[Array]:
        return (grad * (xp.exp(log_p) * targets.sum(axis=-1, keepdims=True) - targets) / len(targets),)

    return Tensor.from_op(-terms.sum() / len(targets), (logits,), backward)


@op
def binary_cross_entropy_with_logits(logits: Tensor, targets: Array) -> Tensor:
    """Return the binary cross entropy, averaged over N examples and all classes, for multi-label targets.

    For a logit z, a target t and the sigmoid σ, the binary cross entropy is -t log σ(z) - (1 - t) log(1 - σ(z)). The
    loss is computed as |z| w + log(1 + e^-|z|) with w = 1 - t for z > 0 and w = t otherwise. The gradient is (σ(z) - t)
    / (N · classes).
    """
    targets = _checked_targets(logits, targets)
    z = logits.data
    exp_minus_abs = xp.exp(-xp.abs(z))

    def backward(grad: Array) -> Sequence[Array]:
        sigmoid = xp.where(z >= 0, 1, exp_minus_abs) / (1 + exp_minus_abs)
        return (grad * (sigmoid - targets) / z.size,)

    weight = xp.where(z > 0, 1 - targets, targets)
    value = (xp.where(weight == 0, 0, xp.abs(z)) * weight + xp.log1p(exp_minus_abs)).mean()
    return Tensor.from_op(value, (logits,), backward)


def _checked_targets(logits: Tensor, targets: Array) -> Array:
    array = constant_like(logits, targets, "logits and targets of the same shape (N, classes)")
    if isinstance(array, np.ndarray) and not ((array > -1e-3) & (array < 1 + 1e-3)).all():
        raise ShapeError(f"expected targets in [0, 1], got values from {array.min()} to {array.max()}")
    return array


def constant_like(outputs: Tensor, constant: Array, expected: str) -> Array:
    """Return `constant`, such as targets, as an array in the dtype of `outputs`.

    Raises ShapeError, with `expected` in the message, if the shapes differ, or if there are no examples.
    """
    array = as_array(constant).astype(outputs.data.dtype, copy=False)
    if array.shape != outputs.shape or array.ndim != 2 or not array.size:
        raise ShapeError(
            f"expected {expected}, got {outputs.shape} and {array.shape}"
            + ("; datasets.one_hot converts class labels to targets" if "classes" in expected else "")
            + ("; reshape both to two axes" if array.shape == outputs.shape and array.ndim > 2 else "")
        )
    return array
