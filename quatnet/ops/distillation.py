"""What a student pays for answering otherwise than its teacher: means over the batch.

The teacher's answers are an array in the shape of the student's, (N, classes) or (N, size); ShapeError otherwise. They
are no part of the graph: a teacher does not learn. ConfigError for a temperature that is not finite and above 0.
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
    """Return T²/N Σ KL(softmax(teacher_logits / T) || softmax(logits / T)) for a temperature T.

    A high T shows which wrong classes the teacher finds similar. Soft gradients shrink with 1/T², which the
    factor T² makes up for. The gradient is T (softmax(logits / T) - softmax(teacher_logits / T)) / N.

    Source: G. Hinton, O. Vinyals, J. Dean, Distilling the knowledge in a neural network, 2015, section 2.
    """
    temperature = _checked(temperature)
    log_q = log_softmax(_like(teacher_logits, logits) / temperature)
    log_p = log_softmax(logits.data / temperature)
    q, n = xp.exp(log_q), len(log_q)

    def backward(g: Array) -> Sequence[Array]:
        return (g * (temperature / n) * (xp.exp(log_p) - q),)

    return Tensor.from_op(temperature**2 * (q * (log_q - log_p)).sum() / n, (logits,), backward)


def binary_distillation_loss(logits: Tensor, teacher_logits: Array, *, temperature: float = 2.0) -> Tensor:
    """Return T² times the mean of KL(σ(v) || σ(z)) over clips and classes, for many labels a clip.

    Each class is a yes or no of its own. With z = logits / T, v = teacher_logits / T and s(a) = log(1 + eᵃ):
    KL = σ(v) log(σ(v) / σ(z)) + (1 - σ(v)) log((1 - σ(v)) / (1 - σ(z))) = s(z) - s(v) - σ(v) (z - v).
    The gradient is T (σ(z) - σ(v)) / (N · classes), at T = 1 that of `binary_cross_entropy_with_logits`
    with targets σ(v).
    """
    temperature = _checked(temperature)
    v = _like(teacher_logits, logits) / temperature
    z = logits.data / temperature
    q = _sigmoid(v)

    def backward(g: Array) -> Sequence[Array]:
        return (g * (temperature / z.size) * (_sigmoid(z) - q),)

    value = (_softplus(z) - _softplus(v) - q * (z - v)).mean()
    return Tensor.from_op(temperature**2 * value, (logits,), backward)


def released_distillation_loss(logits: Tensor, teacher_logits: Array, *, temperature: float = 2.0) -> Tensor:
    """Return `distillation_loss` with the probabilities σ(z) in the place of logits: the released code, as it is.

    T²/N Σ KL(softmax(σ(teacher_logits) / T) || softmax(σ(logits) / T)). Numbers between 0 and 1 leave a softmax over
    many classes nearly flat, so this teaches very little; it is here to be compared with.

    Source: A. Singh and others, `audio-pruning`, the code of Compressing Quaternion Convolutional Neural Networks for
    Audio Classification, 2025.
    """
    teacher = _sigmoid(_like(teacher_logits, logits))
    return distillation_loss(sigmoid(logits), teacher, temperature=temperature)


def mse_loss(features: Tensor, teacher_features: Array) -> Tensor:
    """Return the mean of (f - t)² over clips and entries of the features f and those of the teacher, t: (N, size).

    The gradient is 2 (f - t) / (N · size).

    Source: A. Romero and others, FitNets: hints for thin deep nets, 2015, equation 3, which sums where we average.
    """
    difference = features.data - _like(teacher_features, features)

    def backward(g: Array) -> Sequence[Array]:
        return (g * 2 * difference / difference.size,)

    return Tensor.from_op((difference * difference).mean(), (features,), backward)


def _checked(temperature: float) -> float:
    if not 0 < temperature < math.inf:
        raise ConfigError(f"expected a finite temperature above 0, got {temperature}")
    return float(temperature)  # a NumPy float64 would turn float32 into float64


def _like(answers: Array, student: Tensor) -> Array:
    """The teacher's answers in the dtype of the student's. Raises ShapeError for other shapes, and for no clips."""
    answers = as_array(answers).astype(student.data.dtype, copy=False)
    if answers.shape != student.shape or answers.ndim != 2 or not answers.size:
        raise ShapeError(
            f"expected answers of student and teacher of one shape (N, size), got {student.shape} and {answers.shape}"
        )
    return answers


def _sigmoid(a: Array) -> Array:
    return sigmoid(Tensor(a)).data


def _softplus(a: Array) -> Array:
    return xp.maximum(a, 0) + xp.log1p(xp.exp(-xp.abs(a)))
