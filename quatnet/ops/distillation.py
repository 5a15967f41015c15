"""Knowledge distillation losses, averaged over the batch.

The teacher outputs are an array without gradient. Its shape is that of the student outputs, (N, classes) or
(N, features). All losses raise ShapeError if the shapes differ. Losses with a temperature raise ConfigError unless the
temperature is finite and positive.
"""

import math
from collections.abc import Sequence

from ..autodiff import Tensor, op
from ..autodiff.arrays import as_array
from ..backend import Array, xp
from ..errors import ConfigError, ShapeError
from .activations import sigmoid
from .losses import log_softmax


@op
def distillation_loss(logits: Tensor, teacher_logits: Array, *, temperature: float = 2.0) -> Tensor:
    """Return T²/N Σ KL(softmax(teacher_logits / T) || softmax(logits / T)) for N examples and the temperature T.

    A high temperature increases the soft targets of the wrong classes. The gradient of the KL divergence is
    proportional to 1/T² for large T, which the factor T² compensates for. The gradient of the loss is
    T (softmax(logits / T) - softmax(teacher_logits / T)) / N.

    Source: G. Hinton, O. Vinyals, J. Dean, Distilling the knowledge in a neural network, 2015, section 2.
    """
    temperature = _checked_temperature(temperature)
    log_q = log_softmax(_as_teacher(teacher_logits, logits) / temperature)
    log_p = log_softmax(logits.data / temperature)
    q, n = xp.exp(log_q), len(log_q)

    def backward(grad: Array) -> Sequence[Array]:
        return (grad * (temperature / n) * (xp.exp(log_p) - q),)

    return Tensor.from_op(temperature**2 * (q * (log_q - log_p)).sum() / n, (logits,), backward)


@op
def binary_distillation_loss(logits: Tensor, teacher_logits: Array, *, temperature: float = 2.0) -> Tensor:
    """Return the distillation loss for multi-label classification.

    The loss is T² · KL(σ(v) || σ(z)), averaged over N examples and all classes, with the temperature T, the sigmoid σ,
    z = logits / T and v = teacher_logits / T. Each class is a Bernoulli variable. With s(a) = log(1 + eᵃ),

        KL = σ(v) log(σ(v) / σ(z)) + (1 - σ(v)) log((1 - σ(v)) / (1 - σ(z))) = s(z) - s(v) - σ(v) (z - v).

    The gradient is T (σ(z) - σ(v)) / (N · classes). For T = 1, the gradient equals that of
    `binary_cross_entropy_with_logits` with the targets σ(v).
    """
    temperature = _checked_temperature(temperature)
    v = _as_teacher(teacher_logits, logits) / temperature
    z = logits.data / temperature
    q = _sigmoid(v)

    def backward(grad: Array) -> Sequence[Array]:
        return (grad * (temperature / z.size) * (_sigmoid(z) - q),)

    value = (_softplus(z) - _softplus(v) - q * (z - v)).mean()
    return Tensor.from_op(temperature**2 * value, (logits,), backward)


@op
def mse_loss(features: Tensor, teacher_features: Array) -> Tensor:
    """Return the mean squared error (f - t)² between `features` f and `teacher_features` t, both (N, size).

    The gradient is 2 (f - t) / (N · size).

    Source: A. Romero and others, FitNets: hints for thin deep nets, 2015, equation 3, here with a mean instead of a
    sum.
    """
    difference = features.data - _as_teacher(teacher_features, features)

    def backward(grad: Array) -> Sequence[Array]:
        return (grad * 2 * difference / difference.size,)

    return Tensor.from_op((difference * difference).mean(), (features,), backward)


def _checked_temperature(temperature: float) -> float:
    if not 0 < temperature < math.inf:
        raise ConfigError(f"expected a finite temperature above 0, got {temperature}")
    return float(temperature)  # with a NumPy float64, float32 logits would be cast to float64


def _as_teacher(teacher_outputs: Array, student: Tensor) -> Array:
    """Return the teacher outputs in the dtype of the student outputs.

    Raises ShapeError if the shapes differ, or if there are no examples.
    """
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
