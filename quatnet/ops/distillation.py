"""Knowledge distillation losses, averaged over the batch.

The teacher outputs are an array without gradient, of the shape of the student outputs, (N, classes) or (N, features).
All losses raise ShapeError if the shapes differ. Losses with a temperature raise ConfigError unless the temperature is
from 1e-9 to 1e9.

For a high temperature T, the KL divergence is proportional to 1/T², and smaller than the rounding error of the
logarithms of the probabilities in float32. Losses with a temperature are therefore computed in float64, without
cancellation.
"""

from collections.abc import Sequence

import numpy as np

from ..autodiff import Tensor, op
from ..backend import Array, xp
from ..checks import checked_number
from .losses import constant_like, log_softmax

EXPECTED = "student and teacher outputs of the same shape (N, size)"
TEMPERATURES = "[1e-9, 1e9]"  # beyond, the loss has no correct digits


@op
def distillation_loss(logits: Tensor, teacher_logits: Array, *, temperature: float = 2.0) -> Tensor:
    """Return T²/N Σ KL(softmax(teacher_logits / T) || softmax(logits / T)) for N examples and the temperature T.

    A high temperature increases the soft targets of the wrong classes. The gradient of the KL divergence is
    proportional to 1/T² for large T, which the factor T² compensates for. The gradient of the loss is
    T (softmax(logits / T) - softmax(teacher_logits / T)) / N.

    Source: G. Hinton, O. Vinyals, J. Dean, Distilling the knowledge in a neural network, 2015, section 2.
    """
    z, v, temperature = _divide_by_temperature(logits, teacher_logits, temperature)
    return _kl_loss(logits, log_softmax(v), log_softmax(z), temperature, len(z))


@op
def binary_distillation_loss(logits: Tensor, teacher_logits: Array, *, temperature: float = 2.0) -> Tensor:
    """Return the distillation loss for multi-label classification.

    The loss is T² · KL(σ(v) || σ(z)), averaged over N examples and all classes, with the temperature T, the sigmoid σ,
    z = logits / T and v = teacher_logits / T. Each class is a Bernoulli variable with

        KL = σ(v) log(σ(v) / σ(z)) + (1 - σ(v)) log((1 - σ(v)) / (1 - σ(z))).

    The gradient is T (σ(z) - σ(v)) / (N · classes). For T = 1, the gradient equals that of
    `binary_cross_entropy_with_logits` with the targets σ(v).
    """
    z, v, temperature = _divide_by_temperature(logits, teacher_logits, temperature)
    log_teacher, log_student = (_log_sigmoid(xp.stack([a, -a])) for a in (v, z))
    return _kl_loss(logits, log_teacher, log_student, temperature, z.size)


@op
def mse_loss(features: Tensor, teacher_features: Array) -> Tensor:
    """Return the mean squared error (f - t)² between `features` f and `teacher_features` t, both (N, size).

    The gradient is 2 (f - t) / (N · size).

    Source: A. Romero and others, FitNets: hints for thin deep nets, 2015, equation 3, here with a mean instead of a
    sum.
    """
    difference = features.data - constant_like(
        features, teacher_features, "features and targets of the same shape (N, size)"
    )

    def backward(grad: Array) -> Sequence[Array]:
        return (grad * 2 * difference / difference.size,)

    return Tensor.from_op((difference * difference).mean(), (features,), backward)


def _divide_by_temperature(logits: Tensor, teacher_logits: Array, temperature: float) -> tuple[Array, Array, float]:
    temperature = checked_number("temperature", temperature, TEMPERATURES)
    v = constant_like(logits, teacher_logits, EXPECTED)
    return logits.data.astype(np.float64) / temperature, v.astype(np.float64) / temperature, temperature


def _kl_loss(logits: Tensor, log_teacher: Array, log_student: Array, temperature: float, count: int) -> Tensor:
    """Return T² Σ KL(Q || P) / count for the logarithms of the probabilities Q of the teacher and P of the student.

    The terms Q log(Q / P) are replaced by Q log(Q / P) + P - Q, which have the same sum and are not negative. With
    r = log(P / Q), these terms are Q (e^r - 1 - r).
    """
    teacher, student, dtype = xp.exp(log_teacher), xp.exp(log_student), logits.data.dtype
    r = xp.where(teacher == 0, 1, log_student - xp.where(teacher == 0, 0, log_teacher))
    small = xp.minimum(r, 1)
    terms = xp.where(r < 1, teacher * (xp.expm1(small) - small), student - teacher - teacher * r)

    def backward(grad: Array) -> Sequence[Array]:
        difference = xp.where(r < 1, teacher * xp.expm1(small), student - teacher).reshape(-1, *logits_shape)[0]
        return ((grad * (temperature / count) * difference).astype(dtype),)

    logits_shape = logits.shape
    return Tensor.from_op((temperature**2 * terms.sum() / count).astype(dtype), (logits,), backward)


def _log_sigmoid(a: Array) -> Array:
    return xp.minimum(a, 0) - xp.log1p(xp.exp(-xp.abs(a)))
