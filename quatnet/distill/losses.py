"""Cross-entropy and distillation losses.

The teacher logits are computed by a teacher network for each training batch, or they are cached. Cached teacher logits
are appended to the targets, so that batching, shuffling and mixup apply to targets and teacher logits.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .. import ops
from ..autodiff import Tensor, no_grad
from ..backend import Array
from ..checks import as_array, checked_number
from ..errors import ConfigError, ShapeError
from ..ops.distillation import TEMPERATURES

Loss = Callable[[Tensor, Array, Array], Tensor]  # logits, targets, input batch -> scalar
HardLoss = Callable[[Tensor, Array], Tensor]  # logits, targets -> scalar
LossPair = tuple[HardLoss, Callable[..., Tensor]]  # hard loss and soft loss
LOSSES: dict[str, LossPair] = {
    "softmax": (ops.cross_entropy, ops.distillation_loss),
    "bernoulli": (ops.binary_cross_entropy_with_logits, ops.binary_distillation_loss),
}


def cross_entropy_loss(logits: Tensor, targets: Array, _x: Array) -> Tensor:
    """Return the softmax cross entropy between logits and targets, for one label per clip."""
    return ops.cross_entropy(logits, targets)


def binary_cross_entropy_loss(logits: Tensor, targets: Array, _x: Array) -> Tensor:
    """Return the mean binary cross entropy between logits and targets, for several labels per clip."""
    return ops.binary_cross_entropy_with_logits(logits, targets)


def distillation(
    *teachers: Callable[[Array], Tensor], kind: str | LossPair = "softmax", temperature: float = 2.0, alpha: float = 0.5
) -> Loss:
    """Return the loss (1 - alpha) · hard_loss + alpha · soft_loss.

    The soft loss is T² KL(teacher || student), where T is `temperature` and KL is the Kullback-Leibler divergence,
    averaged over the teachers. The gradient for several teachers equals the gradient for one teacher whose
    probabilities at temperature T are the arithmetic mean of the probabilities of all teachers.

    Parameters
    ----------
    teachers : networks that compute the teacher logits for each batch, in evaluation mode and without gradient. Without
        teachers, the targets are (N, 2 · classes) and contain the teacher logits, see `append_soft_targets`
    kind : "softmax" for one label per clip, "bernoulli" for several labels per clip, or a pair of functions
        hard_loss(logits, targets) and soft_loss(logits, teacher_logits, temperature=T)
    temperature : divisor T of the logits of student and teacher
    alpha : weight of the soft loss, 0 to 1

    Raises
    ------
    ConfigError
        `kind` is unknown, `alpha` is outside 0 to 1, or `temperature` is not from 1e-9 to 1e9.
    """
    losses = LOSSES.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(losses, tuple) and len(losses) == 2):
        raise ConfigError(f"expected a kind of softmax, bernoulli or a pair of losses, got {kind!r}")
    alpha = checked_number("alpha", alpha, "[0, 1]")
    temperature = checked_number("temperature", temperature, TEMPERATURES)
    hard_loss, soft_loss = losses

    def loss(logits: Tensor, targets: Array, x: Array) -> Tensor:
        classes = logits.shape[1]
        with no_grad():
            outputs = [teacher(x).data for teacher in teachers]
        labels, teacher_logits = split_targets(targets, classes, classes, outputs)
        soft_losses = [soft_loss(logits, v, temperature=temperature) for v in teacher_logits]
        return combine_losses(hard_loss(logits, labels), soft_losses, alpha)

    loss.teachers = teachers  # type: ignore[attr-defined]
    return loss


def append_soft_targets(targets: np.ndarray, teacher_outputs: np.ndarray) -> np.ndarray:
    """Return targets (N, classes) and teacher outputs (N, size), concatenated to (N, classes + size).

    The dtype is the dtype of the targets. Mixup of the result mixes targets and teacher outputs in the same proportion.
    Raises ShapeError if the numbers of clips differ.
    """
    targets, teacher_outputs = as_array(targets, np), as_array(teacher_outputs, np)
    if targets.ndim != 2 or teacher_outputs.ndim != 2 or len(targets) != len(teacher_outputs):
        raise ShapeError(
            "expected targets (N, classes) and teacher_outputs (N, size), "
            f"got {targets.shape} and {teacher_outputs.shape}"
        )
    return np.concatenate([targets, teacher_outputs.astype(targets.dtype)], axis=1)


def split_targets(targets: Array, classes: int, size: int, teacher_outputs: list[Array]) -> tuple[Array, list[Array]]:
    """Return the labels and the teacher outputs.

    If `teacher_outputs` is empty, the targets are split into labels and teacher outputs. Raises ShapeError if the
    targets do not have `classes` + `size` columns.
    """
    if teacher_outputs:
        return targets, teacher_outputs
    if targets.ndim != 2 or targets.shape[1] != classes + size:
        raise ShapeError(
            f"expected targets (N, {classes} + {size}) with cached teacher outputs, got {targets.shape}; "
            "use distill.append_soft_targets, or pass a network as the teacher"
        )
    return targets[:, :classes], [targets[:, classes:]]


def combine_losses(hard_loss: Tensor, soft_losses: Sequence[Tensor], alpha: float) -> Tensor:
    """Return (1 - alpha) · hard_loss + alpha · mean(soft_losses)."""
    return (1 - alpha) * hard_loss + (alpha / len(soft_losses)) * sum(soft_losses[1:], soft_losses[0])
