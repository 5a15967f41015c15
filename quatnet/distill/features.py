"""Learning a teacher's features: the student's embedding, projected, becomes like the teacher's.

Source: A. Romero and others, FitNets: hints for thin deep nets, 2015, section 2.2, who match a layer in the middle
and train in two stages; here it is the embedding, beside the labels.
"""

from collections.abc import Callable

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..backend import Array
from ..errors import ConfigError
from ..models import Network
from ..nn import Linear, Module
from .losses import Loss, mixed, split_targets, without_grad


class ProjectedStudent(Module):
    """A student that says logits | features in training, (N, classes + size), and only its logits otherwise.

    The features are its embedding, by a trained linear projection where a teacher's has another `size`. The projection
    is a part of this module, so an optimizer of its parameters trains both; `network` is what is kept afterwards.
    Raises ConfigError for a size below 1.
    """

    def __init__(self, network: Network, size: int, *, rng: np.random.Generator) -> None:
        if size < 1:
            raise ConfigError(f"expected the size of the teacher's embedding, at least 1, got {size}")
        self.network, self.config, self.size = network, network.config, size
        own = network.config.embedding
        self.projection = Linear(own, size, rng=rng) if size != own else None

    def __call__(self, x: Array, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        embedding = self.network.embed(x, train=train, rng=rng)
        logits = self.network.classifier(embedding)
        if not train:
            return logits
        return ops.concatenate([logits, self.projection(embedding) if self.projection else embedding], axis=1)


Student = Network | ProjectedStudent


def feature_matching(
    student: ProjectedStudent,
    *teachers: Network,
    weight: float = 0.5,
    hard_loss: Callable[[Tensor, Array], Tensor] = ops.cross_entropy,
) -> Loss:
    """Return the loss (1 - weight) · that of the labels + weight · `ops.mse_loss`, its mean over teachers.

    Parameters
    ----------
    student : the one whose outputs come to this loss
    teachers : their embeddings have the student's `size`. Without any, they are read from the targets
        (N, classes + size), see `append_soft_targets`
    weight : of the features, 0 to 1
    hard_loss : `ops.binary_cross_entropy_with_logits` for many labels a clip

    Raises
    ------
    ConfigError
        `weight` is outside 0 to 1, or a teacher's embedding has another size.
    """
    sizes = [teacher.config.embedding for teacher in teachers]
    if not 0 <= weight <= 1 or set(sizes) - {student.size}:
        raise ConfigError(f"expected 0 <= weight <= 1 and embeddings of {student.size}, got {weight} and {sizes}")
    classes = student.config.classes

    def loss(said: Tensor, targets: Array, x: Array) -> Tensor:
        asked = [without_grad(teacher.embed, x) for teacher in teachers]
        labels, answers = split_targets(targets, classes, student.size, asked)
        logits, features = ops.getitem(said, np.s_[:, :classes]), ops.getitem(said, np.s_[:, classes:])
        return mixed(hard_loss(logits, labels), [ops.mse_loss(features, answer) for answer in answers], weight)

    return loss
