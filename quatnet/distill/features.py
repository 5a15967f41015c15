"""Feature matching between the embeddings of student and teacher.

Source: A. Romero and others, FitNets: hints for thin deep nets, 2015, section 2.2. FitNets match an intermediate layer
in a first training stage. This module matches the embedding and the labels in the same training.
"""

from typing import Any

import numpy as np

from .. import ops
from ..autodiff import Tensor, no_grad
from ..backend import Array
from ..checks import checked_count, checked_number
from ..errors import ConfigError
from ..graph import GraphModule
from ..graph.nodes import sizes
from ..models import Network
from ..nn import Linear, Module
from .losses import HardLoss, Loss, combine_losses, split_targets


class ProjectedStudent(Module):
    """Student network with an additional output for feature matching.

    In training mode, the output is (N, classes + embedding_size): the logits, then the features. In evaluation mode,
    the output is the logits. The features are the embedding of the student. If the size of the embedding differs from
    `embedding_size`, the embedding is projected by a trainable linear layer, which is included in `parameters()`. After
    training, `network` is used alone.

    Parameters
    ----------
    network : network of `quatnet.models`, or a `GraphModule`
    embedding_size : size of the embedding of the teacher
    node : name of the node of a `GraphModule` whose result (N, size) is the embedding
    rng : generator of the initial weights of the projection

    Raises
    ------
    ConfigError
        `embedding_size` is below 1, or the network has no node of this name.
    """

    def __init__(
        self, network: Network | GraphModule, embedding_size: int, *, node: str = "", rng: np.random.Generator
    ) -> None:
        self.network, self.embedding_size, self.node = network, checked_count("embedding_size", embedding_size), node
        self.classes, student_size = _sizes(network, node)
        self.projection = Linear(student_size, embedding_size, rng=rng) if embedding_size != student_size else None

    @property
    def frontend_settings(self) -> dict[str, Any] | None:
        """Front end of the training clips of `network`."""
        return self.network.frontend_settings

    @frontend_settings.setter
    def frontend_settings(self, settings: dict[str, Any] | None) -> None:
        self.network.frontend_settings = settings

    def __call__(self, x: Array, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        if not train:
            return self.network(x)
        logits, embedding = with_embedding(self.network, self.node, x, train=train, rng=rng)
        return ops.concatenate([logits, self.projection(embedding) if self.projection else embedding], axis=1)


def with_embedding(network: Network | GraphModule, node: str, x: Array, **options: Any) -> tuple[Tensor, Tensor]:
    """Return the logits and the embedding of a network. The embedding of a `GraphModule` is the result of `node`."""
    if isinstance(network, GraphModule):
        return network.with_features(node)(x, **options)
    embedding = network.embed(x, **options)
    return network.classifier(embedding), embedding


def _sizes(network: Network | GraphModule, node: str) -> tuple[int, int]:
    """Return the number of classes and the size of the embedding."""
    if not isinstance(network, GraphModule):
        return network.config.classes, network.config.embedding
    logits, _ = network.with_features(node).graph.outputs
    return sizes(network.graph.shape(logits.name))[-1], sizes(network.graph.shape(node))[-1]


Student = Network | ProjectedStudent | GraphModule


def feature_matching(
    student: ProjectedStudent,
    *teachers: Network | GraphModule,
    alpha: float = 0.5,
    hard_loss: HardLoss = ops.cross_entropy,
    node: str = "",
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
    node : name of the node of teachers of type `GraphModule` whose result is the embedding

    Raises
    ------
    ConfigError
        `alpha` is outside 0 to 1, or the embedding of a teacher has another size.
    """
    alpha = checked_number("alpha", alpha, "[0, 1]")
    teacher_sizes = [_sizes(teacher, node)[1] for teacher in teachers]
    if set(teacher_sizes) - {student.embedding_size}:
        raise ConfigError(f"expected embeddings of size {student.embedding_size}, got sizes {teacher_sizes}")
    classes = student.classes

    def loss(outputs: Tensor, targets: Array, x: Array) -> Tensor:
        with no_grad():
            embeddings = [with_embedding(teacher, node, x)[1].data for teacher in teachers]
        labels, embeddings = split_targets(targets, classes, student.embedding_size, embeddings)
        logits, features = ops.getitem(outputs, np.s_[:, :classes]), ops.getitem(outputs, np.s_[:, classes:])
        feature_losses = [ops.mse_loss(features, embedding) for embedding in embeddings]
        return combine_losses(hard_loss(logits, labels), feature_losses, alpha)

    loss.teachers = teachers  # type: ignore[attr-defined]
    return loss
