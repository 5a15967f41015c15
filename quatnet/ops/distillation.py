"""Distillation losses: differences between student and teacher outputs, averaged over the batch.

The teacher outputs are an array of the same shape as the student outputs, (N, classes) or (N, features). They receive
no gradient. All losses raise ShapeError if the shapes differ, and ConfigError if the temperature is not finite and
positive.
"""

import math
from collections.abc import Sequence

from ..autodiff import Tensor
from ..autodiff.arrays import as_array
from ..backend import Array, xp
from ..errors import ConfigError, ShapeError
from .activations import sigmoid
from .losses import log_softmax


def distillation_loss(logits: Tensor, teacher_logits: Array, *, temperature: float = 2.0) -> Tensor:
    """Return T²/N Σ KL(softmax(teacher_logits / T) || softmax(logits / T)) for the temperature T.

    A high temperature shows which wrong classes are similar for the teacher. The gradient of the KL divergence scales
    with 1/T², and the factor T² compensates for that: it is T (softmax(logits / T) - softmax(teacher_logits / T)) / N.

    Source: G. Hinton, O. Vinyals, J. Dean, Distilling the knowledge in a neural network, 2015, section 2.
    """
    temperature = _checked_temperature(temperature)
    log_q = log_softmax(_as_teacher(teacher_logits, logits) / temperature)
    log_p = log_softmax(logits.data / temperature)
    q, n = xp.exp(log_q), len(log_q)

    def backward(grad: Array) -> Sequence[Array]:
        return (grad * (temperature / n) * (xp.exp(log_p) - q),)

    return Tensor.from_op(temperature**2 * (q * (log_q - log_p)).sum() / n, (logits,), backward)


def binary_distillation_loss(logits: Tensor, teacher_logits: Array, *, temperature: float = 2.0) -> Tensor:
    """Return T² times the mean of KL(σ(v) || σ(z)) over examples and classes, for multi-label classification.

    Each class is a Bernoulli variable. With z = logits / T, v = teacher_logits / T and s(a) = log(1 + eᵃ):
    KL = σ(v) log(σ(v) / σ(z)) + (1 - σ(v)) log((1 - σ(v)) / (1 - σ(z))) = s(z) - s(v) - σ(v) (z - v).
    The gradient is T (σ(z) - σ(v)) / (N · classes). For T = 1 this is the gradient of
    `binary_cross_entropy_with_logits` with targets σ(v).
    """
    temperature = _checked_temperature(temperature)
    v = _as_teacher(teacher_logits, logits) / temperature
    z = logits.data / temperature
    q = _sigmoid(v)

    def backward(grad: Array) -> Sequence[Array]:
        return (grad * (temperature / z.size) * (_sigmoid(z) - q),)

    value = (_softplus(z) - _softplus(v) - q * (z - v)).mean()
    return Tensor.from_op(temperature**2 * value, (logits,), backward)


def mse_loss(features: Tensor, teacher_features: Array) -> Tensor:
    """Return the mean of (f - t)² over examples and entries of `features` f and `teacher_features` t, both (N, size).

    The gradient is 2 (f - t) / (N · size).

    Source: A. Romero and others, FitNets: hints for thin deep nets, 2015, equation 3, with a mean instead of a sum.
    """
    difference = features.data - _as_teacher(teacher_features, features)

    def backward(grad: Array) -> Sequence[Array]:
        return (grad * 2 * difference / difference.size,)

    return Tensor.from_op((difference * difference).mean(), (features,), backward)


def _checked_temperature(temperature: float) -> float:
    if not 0 < temperature < math.inf:
        raise ConfigError(f"expected a finite temperature above 0, got {temperature}")
    return float(temperature)  # a NumPy float64 would turn float32 into float64


def _as_teacher(teacher_outputs: Array, student: Tensor) -> Array:
    """Return the teacher outputs in the dtype of the student. Raises ShapeError for other shapes or no examples."""
    teacher_outputs = as_array(teacher_outputs).astype(student.data.dtype, copy=False)
    if teacher_outputs.shape != student.shape or teacher_outputs.ndim != 2 or not teacher_outputs.size:
        raise ShapeError(
            "expected student and teacher outputs of the same shape (N, size), "
            f"got {student.shape} and {teacher_outputs.shape}"
        )
    return teacher_outputs


def _sigmoid(a: Array) -> Array:
    return sigmoid(Tensor(a)).data


def _softplus(a: Array) -> Array:
    return xp.maximum(a, 0) + xp.log1p(xp.exp(-xp.abs(a)))
