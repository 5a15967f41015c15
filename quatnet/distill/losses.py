"""What a student minimizes: the loss of the labels alone, or mixed with that of a teacher's answers.

A teacher's answers come from networks, which hear the very batch that the student hears, or they are recorded: then
they stand behind the labels in the targets, and are shuffled, mixed and cut into batches with them.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

import numpy as np

from .. import ops
from ..autodiff import Tensor, no_grad
from ..backend import Array
from ..errors import ConfigError, ShapeError
from ..models import Network

Loss = Callable[[Tensor, Array, Array], Tensor]  # logits, targets, input batch -> a number
KINDS = {  # of the labels, of the answers
    "softmax": (ops.cross_entropy, ops.distillation_loss),
    "bernoulli": (ops.binary_cross_entropy_with_logits, ops.binary_distillation_loss),
    "released": (ops.binary_cross_entropy_with_logits, ops.released_distillation_loss),
}


def cross_entropy_loss(logits: Tensor, targets: Array, _x: Array) -> Tensor:
    """Return the softmax cross entropy with the labels alone."""
    return ops.cross_entropy(logits, targets)


def binary_cross_entropy_loss(logits: Tensor, targets: Array, _x: Array) -> Tensor:
    """Return the mean binary cross entropy: each class is there or not, whatever the others are."""
    return ops.binary_cross_entropy_with_logits(logits, targets)


def distillation(*teachers: Network, kind: str = "softmax", temperature: float = 2.0, weight: float = 0.5) -> Loss:
    """Return the loss (1 - weight) · that of the labels + weight · T² KL(teacher || student), its mean over teachers.

    KL is linear in the teacher's probabilities, but for what does not depend on the student. So the mean over several
    teachers has the gradient of one who answers with the arithmetic mean of their probabilities at temperature T.

    Parameters
    ----------
    teachers : they answer for the batch as the student hears it, in evaluation mode and unrecorded. Without any, the
        answers are read from the targets (N, 2 · classes), see `append_soft_targets`
    kind : "softmax" for one label a clip, "bernoulli" for many, "released" for what the paper's code does with many
    temperature : T, softens the answers of both
    weight : of the answers, 0 to 1

    Raises
    ------
    ConfigError
        There is no such kind, `weight` is outside 0 to 1, or `temperature` not above 0.
    """
    if not 0 <= weight <= 1 or not temperature > 0 or kind not in KINDS:
        raise ConfigError(
            "expected 0 <= weight <= 1 and temperature > 0 and a kind of softmax, bernoulli or released, "
            f"got {weight}, {temperature} and {kind!r}"
        )
    hard_loss, soft_loss = KINDS[kind]

    def loss(logits: Tensor, targets: Array, x: Array) -> Tensor:
        classes = logits.shape[1]
        labels, answers = split_targets(targets, classes, classes, [without_grad(ask, x) for ask in teachers])
        soft = [soft_loss(logits, answer, temperature=temperature) for answer in answers]
        return mixed(hard_loss(logits, labels), soft, weight)

    return loss


def append_soft_targets(targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return targets (N, classes) with a teacher's answers (N, size) behind them, in their dtype: (N, classes + size).

    What mixup does with two clips it then does with their answers. Raises ShapeError for another number of answers.
    """
    if targets.ndim != 2 or answers.ndim != 2 or len(targets) != len(answers):
        raise ShapeError(f"expected targets (N, classes) and answers (N, size), got {targets.shape}, {answers.shape}")
    return np.concatenate([targets, answers.astype(targets.dtype)], axis=1)


def split_targets(targets: Array, classes: int, size: int, asked: list[Array]) -> tuple[Array, list[Array]]:
    """Return the labels, and the answers that were `asked` for or else those behind the labels; ShapeError if none."""
    if asked:
        return targets, asked
    if targets.ndim != 2 or targets.shape[1] != classes + size:
        raise ShapeError(
            f"expected {classes} labels and {size} recorded answers of a teacher for each clip, got targets "
            f"{targets.shape}; distil.append_soft_targets adds answers, or give a network as the teacher"
        )
    return targets[:, :classes], [targets[:, classes:]]


def without_grad(ask: Callable[[Array], Tensor], x: Array) -> Array:
    """Return what a teacher answers, without a tape: a teacher does not learn."""
    with no_grad():
        return ask(x).data


def mixed(hard_loss: Tensor, of_teachers: Sequence[Tensor], weight: float) -> Tensor:
    """Return (1 - weight) · the loss of the labels + weight · the mean of those of the teachers."""
    return (1 - weight) * hard_loss + (weight / len(of_teachers)) * reduce(add, of_teachers)
