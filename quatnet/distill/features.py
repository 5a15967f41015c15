"""Feature matching between the embeddings of student and teacher.

Source: A. Romero and others, FitNets: hints for thin deep nets, 2015, section 2.2. FitNets match an intermediate layer
in a first training stage. This module matches the embedding and the labels in the same training.
"""

from typing import Any

import numpy as np

from .. import ops
from ..autodiff import Tensor
from ..backend import Array
from ..checks import checked_count, checked_number
from ..errors import ConfigError
from ..models import Network
from ..nn import Linear, Module
from .losses import HardLoss, Loss, combine_losses, split_targets, without_grad


class ProjectedStudent(Module):
    """Student network with an additional output for feature matching.

    In training mode, the output is (N, classes + embedding_size): the logits, then the features. In evaluation mode,
    the output is the logits. The features are the embedding of the student. If the size of the embedding differs from
    `embedding_size`, the embedding is projected by a trainable linear layer, which is included in `parameters()`. After
    training, `network` is used alone.

    Parameters
    ----------
    network : network to train
    embedding_size : size of the embedding of the teacher
    rng : generator of the initial weights of the projection

    Raises
    ------
    ConfigError
        `embedding_size` is below 1.
    """

    def __init__(self, network: Network, embedding_size: int, *, rng: np.random.Generator) -> None:
        self.network, self.config = network, network.config
        self.embedding_size = checked_count("embedding_size", embedding_size)
        student_size = network.config.embedding
        self.projection = Linear(student_size, embedding_size, rng=rng) if embedding_size != student_size else None

    @property
    def frontend_settings(self) -> dict[str, Any] | None:
        """Front end of the training clips of `network`."""
        return self.network.frontend_settings

    @frontend_settings.setter
    def frontend_settings(self, settings: dict[str, Any] | None) -> None:
        self.network.frontend_settings = settings

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
    alpha: float = 0.5,
    hard_loss: HardLoss = ops.cross_entropy,
) -> Loss:
    """Return the loss (1 - alpha) · hard_loss + alpha · feature_loss.

    The feature loss is the mean squared error between the features of the student and the embedding of a teacher,
    averaged over the teachers.

    Parameters
    ----------
    student : network whose outputs are passed to the loss
    teachers : networks whose embeddings have the size `student.embedding_size`. Without teachers, the targets are
        (N, classes + embedding_size) and contain the embeddings, see `append_soft_targets`
    alpha : weight of the feature loss, 0 to 1
    hard_loss : loss of the labels. For several labels per clip, use `ops.binary_cross_entropy_with_logits`

    Raises
    ------
    ConfigError
        `alpha` is outside 0 to 1, or the embedding of a teacher has another size.
    """
    alpha = checked_number("alpha", alpha, "[0, 1]")
    sizes = [teacher.config.embedding for teacher in teachers]
    if set(sizes) - {student.embedding_size}:
        raise ConfigError(f"expected embeddings of size {student.embedding_size}, got sizes {sizes}")
    classes = student.config.classes

    def loss(outputs: Tensor, targets: Array, x: Array) -> Tensor:
        embeddings = [without_grad(teacher.embed, x) for teacher in teachers]
        labels, embeddings = split_targets(targets, classes, student.embedding_size, embeddings)
        logits, features = ops.getitem(outputs, np.s_[:, :classes]), ops.getitem(outputs, np.s_[:, classes:])
        feature_losses = [ops.mse_loss(features, embedding) for embedding in embeddings]
        return combine_losses(hard_loss(logits, labels), feature_losses, alpha)

    return loss
