"""Knowledge distillation: a small student learns the labels and the teacher's soft answers together."""

from collections.abc import Callable

from . import ops
from .backend import Array
from .errors import ConfigError
from .models import Network
from .tensor import Tensor, no_grad

Loss = Callable[[Tensor, Array, Array], Tensor]  # logits, targets, input batch -> a number


def label_loss(logits: Tensor, targets: Array, _x: Array) -> Tensor:
    """Return the softmax cross entropy with the labels alone."""
    return ops.softmax_cross_entropy(logits, targets)


def multi_label_loss(logits: Tensor, targets: Array, _x: Array) -> Tensor:
    """Return the mean binary cross entropy: each class is there or not, whatever the others are."""
    return ops.binary_cross_entropy(logits, targets)


def distillation(teacher: Network, *, temperature: float = 2.0, weight: float = 0.5) -> Loss:
    """Return the loss (1 - weight) · cross entropy + weight · T² KL(teacher || student).

    The teacher answers for the same batch that the student saw, mixed and masked as it is, in evaluation mode
    and unrecorded. Raises ConfigError unless 0 <= weight <= 1 and temperature > 0.
    """
    if not 0 <= weight <= 1 or temperature <= 0:
        raise ConfigError(f"expected 0 <= weight <= 1 and temperature > 0, got {weight} and {temperature}")

    def loss(logits: Tensor, targets: Array, x: Array) -> Tensor:
        with no_grad():
            answers = teacher(x).data
        soft = ops.distillation_loss(logits, answers, temperature=temperature)
        return (1 - weight) * ops.softmax_cross_entropy(logits, targets) + weight * soft

    return loss
