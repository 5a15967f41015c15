"""Test distillation with teacher networks, cached teacher outputs, and embeddings.

Teacher networks compute their outputs for each training batch. Cached outputs are appended to the targets, so that they
are shuffled and mixed together with the targets.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.arrays import assert_close, draw
from support.strategies import seeds

from quatnet import Tensor, audio, ops, paper_code
from quatnet.backend import asnumpy
from quatnet.datasets.targets import one_hot
from quatnet.distill import (
    ProjectedStudent,
    append_soft_targets,
    binary_cross_entropy_loss,
    cross_entropy_loss,
    distillation,
    feature_matching,
)
from quatnet.errors import ConfigError, ShapeError
from quatnet.models import CNN, CNNConfig
from quatnet.optim import Adam
from quatnet.training.checkpoint import load_model, write
from quatnet.training.data import DataLoader, predict
from quatnet.training.loop import Trainer

PAPER_CODE = (ops.binary_cross_entropy_with_logits, paper_code.distillation_loss)
KINDS = {  # kind of distillation -> hard loss, soft loss
    "softmax": (cross_entropy_loss, ops.distillation_loss),
    "bernoulli": (binary_cross_entropy_loss, ops.binary_distillation_loss),
    PAPER_CODE: (binary_cross_entropy_loss, paper_code.distillation_loss),
}
TARGETS = np.eye(3, dtype=np.float32)


def network(seed: int = 0, embedding: int = 8) -> CNN:
    return CNN(CNNConfig(3, True, ((4,), (8,)), embedding=embedding, mels=8), rng=np.random.default_rng(seed))


def inputs(count: int = 3) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((count, 9, 8, 4)).astype(np.float32)


def gradient(loss: Callable, logits: np.ndarray, *batch: np.ndarray) -> np.ndarray:
    student = Tensor(logits, requires_grad=True)
    loss(student, *batch).backward()
    return student.grad


def constant_teachers(*logits: np.ndarray) -> list[Callable]:
    """Return teachers whose logits do not depend on the input."""
    return [lambda _, logits=array: SimpleNamespace(data=logits) for array in logits]


# Teacher networks


@pytest.mark.parametrize("kind", KINDS)
def test_alpha_is_the_weight_of_the_soft_loss(kind: str | tuple) -> None:
    teacher, student, x = network(), network(1)(inputs()), inputs()
    hard = float(KINDS[kind][0](student, TARGETS, x).data)
    soft = float(distillation(teacher, kind=kind, alpha=1.0)(student, TARGETS, x).data)
    assert float(distillation(teacher, kind=kind, alpha=0.0)(student, TARGETS, x).data) == pytest.approx(hard)
    mixed = float(distillation(teacher, kind=kind, alpha=0.25)(student, TARGETS, x).data)
    assert mixed == pytest.approx(0.75 * hard + 0.25 * soft)


@pytest.mark.parametrize("kind", KINDS)
def test_soft_loss_of_each_kind(kind: str | tuple) -> None:
    z, v = np.array([[0.0, 0.0]]), np.array([[np.log(3), 0.0]])
    loss = distillation(*constant_teachers(v), kind=kind, temperature=3.0, alpha=1.0)(Tensor(z), np.eye(1, 2), z)
    assert float(loss.data) == pytest.approx(float(KINDS[kind][1](Tensor(z), v, temperature=3.0).data))


@given(seeds, st.floats(0.5, 8))
def test_several_teachers_equal_one_with_mean_softmax(seed: int, temperature: float) -> None:
    z, a, b = (asnumpy(draw(seed + n, 3, 3)) for n in range(3))
    p, q = (np.exp(v / temperature) / np.exp(v / temperature).sum(axis=1, keepdims=True) for v in (a, b))
    one_teacher = temperature * np.log((p + q) / 2)  # the softmax at this temperature is the mean of p and q
    both, one = (
        distillation(*constant_teachers(*logits), temperature=temperature, alpha=0.7)
        for logits in ([a, b], [one_teacher])
    )
    assert_close(gradient(both, z, TARGETS, z), gradient(one, z, TARGETS, z))


@given(seeds, st.floats(0.5, 8))
def test_several_teachers_equal_one_with_mean_sigmoid(seed: int, temperature: float) -> None:
    z, a, b = (asnumpy(draw(seed + n, 3, 3)) for n in range(3))
    mean = (1 / (1 + np.exp(-a / temperature)) + 1 / (1 + np.exp(-b / temperature))) / 2
    one_teacher = temperature * np.log(mean / (1 - mean))
    both, one = (
        distillation(*constant_teachers(*logits), kind="bernoulli", temperature=temperature)
        for logits in ([a, b], [one_teacher])
    )
    assert_close(gradient(both, z, TARGETS, z), gradient(one, z, TARGETS, z))


def test_teachers_are_in_evaluation_mode_and_unchanged() -> None:
    teachers, x = [network(1), network(2)], inputs()
    before = [teacher.state_dict() for teacher in teachers]
    student = network(3)(x, train=True, rng=np.random.default_rng(0))
    loss = distillation(*teachers, alpha=1.0)(student, TARGETS, x)
    expected = [ops.distillation_loss(student, teacher(x).data).data for teacher in teachers]
    assert float(loss.data) == pytest.approx(float(sum(expected)) / 2)
    loss.backward()
    for teacher, state in zip(teachers, before, strict=True):
        assert all(tensor.grad is None for tensor in teacher.parameters())
        assert all(np.array_equal(state[name], array) for name, array in teacher.state_dict().items())


def test_soft_loss_is_zero_for_the_logits_of_the_teacher() -> None:
    teacher, x = network(), inputs()
    logits = teacher(x).data
    loss = distillation(teacher, temperature=2.0, alpha=0.5)(Tensor(logits), TARGETS, x)
    hard_loss = cross_entropy_loss(Tensor(logits), TARGETS, x)
    assert loss.item() == pytest.approx(0.5 * hard_loss.item(), rel=1e-5)


def test_distillation_gives_gradients_to_the_student_only() -> None:
    teacher, student, x = network(), network(seed=5), inputs()
    before = teacher.state_dict()
    logits = student(x, train=True, rng=np.random.default_rng(0))
    distillation(teacher, alpha=1.0)(logits, TARGETS, x).backward()
    assert all(float(abs(tensor.grad).max()) > 0 for tensor in student.parameters() if tensor.ndim > 1)
    assert all(tensor.grad is None for tensor in teacher.parameters())
    assert all(np.array_equal(before[name], array) for name, array in teacher.state_dict().items())


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "hard"},
        {"kind": None},
        {"kind": PAPER_CODE[:1]},
        {"alpha": 1.5},
        {"alpha": -0.1},
        {"temperature": 0.0},
        {"temperature": float("nan")},
    ],
)
def test_distillation_invalid_options(options: dict) -> None:
    with pytest.raises(
        ConfigError, match=r"a kind of softmax, bernoulli|alpha in \[0, 1\]|temperature in \[1e-9, 1e9\]"
    ):
        distillation(network(), **options)


# Cached teacher outputs


def test_cached_logits_give_the_loss_of_the_network() -> None:
    teacher, student, x = network(), network(1)(inputs()), inputs()
    targets = append_soft_targets(TARGETS, predict(teacher, x))
    cached, computed = distillation(temperature=3.0), distillation(teacher, temperature=3.0)
    assert float(cached(student, targets, x).data) == pytest.approx(float(computed(student, TARGETS, x).data))


@settings(max_examples=20)
@given(seeds, st.integers(1, 9))
def test_soft_targets_are_shuffled_and_mixed_with_their_clips(seed: int, batch_size: int) -> None:
    # targets, teacher outputs and all features of clip n are equal to n, so the arrays are equal after mixup too
    number = np.arange(7, dtype=np.float32)
    x, outputs = np.broadcast_to(number[:, None, None, None], (7, 2, 3, 4)), np.repeat(number[:, None], 5, axis=1)
    targets = append_soft_targets(np.repeat(number[:, None], 2, axis=1), outputs)

    def mix(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return audio.mixup(x, targets, rng=rng, alpha=1.0)

    batches = DataLoader(x, targets, batch_size=batch_size, augment=mix)(np.random.default_rng(seed))
    for x_batch, target_batch in batches:
        np.testing.assert_allclose(target_batch, np.repeat(x_batch[:, 0, 0, :1], 7, axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("targets", [TARGETS, np.ones((3, 5), np.float32), np.ones(3, np.float32)])
def test_distillation_without_teacher_outputs(targets: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"targets \(N, 3 \+ 3\) with cached teacher outputs.* or pass a network"):
        distillation()(Tensor(np.ones((3, 3))), targets, inputs())


@pytest.mark.parametrize(("targets", "outputs"), [((3, 3), (2, 3)), ((3, 3), (3,)), ((3,), (3, 3))])
def test_append_soft_targets_invalid_shapes(targets: tuple, outputs: tuple) -> None:
    with pytest.raises(ShapeError, match=r"targets \(N, classes\) and teacher_outputs \(N, size\)"):
        append_soft_targets(np.ones(targets), np.ones(outputs))


# Feature matching


def test_projected_student_outputs() -> None:
    inner = network()
    student = ProjectedStudent(inner, 5, rng=np.random.default_rng(0))
    assert_close(student(inputs()).data, inner(inputs()).data)
    outputs = student(inputs(), train=True, rng=np.random.default_rng(0)).data
    inner.load_state_dict(network().state_dict())  # reset the running statistics
    embedding = inner.embed(inputs(), train=True, rng=np.random.default_rng(0))
    expected = [inner.classifier(embedding).data, student.projection(embedding).data]
    assert_close(outputs, np.concatenate(expected, axis=1), rtol=1e-5, atol=1e-6)
    same_size = ProjectedStudent(inner, 8, rng=np.random.default_rng(0))
    assert same_size.projection is None
    assert same_size(inputs(), train=True, rng=np.random.default_rng(0)).shape == (3, 3 + 8)


def test_feature_matching_worked_example() -> None:
    # the cross entropy of two equal logits is log 2
    # the mean squared error of the features (1, 2) and (3, 2) is (4 + 0) / 2 = 2
    student = SimpleNamespace(classes=2, embedding_size=2)
    loss = feature_matching(student, alpha=0.25)
    outputs, targets = np.array([[0.0, 0, 1, 2]]), np.array([[1.0, 0, 3, 2]])
    assert float(loss(Tensor(outputs), targets, outputs).data) == pytest.approx(0.75 * np.log(2) + 0.25 * 2)
    # gradient of the logits: 3/4 (1/2 - 1) and 3/4 · 1/2
    # gradient of the first feature: 1/4 · 2 (1 - 3) / 2
    assert_close(gradient(loss, outputs, targets, outputs), [[-0.375, 0.375, -0.5, 0]])


@pytest.mark.parametrize("size", [8, 12])
def test_network_and_projection_are_trained(size: int, tmp_path: Path) -> None:
    teacher, inner, x = network(1, embedding=size), network(2), inputs(6)
    student = ProjectedStudent(inner, size, rng=np.random.default_rng(0))
    start = {name: tensor.data.copy() for name, tensor in student.named_parameters()}
    training = Trainer(
        student,
        DataLoader(x, np.tile(TARGETS, (2, 1)), batch_size=6),
        Adam(student.parameters()),
        epochs=30,
        steps_per_epoch=1,
        schedule=lambda _: 0.01,
        loss=feature_matching(student, teacher, alpha=1.0),
        evaluate=lambda model: float(predict(model, x).shape == (6, 3)),
        path=tmp_path / "student.npz",
    )
    history = training.run().history
    assert history[-1]["loss"] < 0.3 * history[0]["loss"]
    assert history[-1]["test_accuracy"] == 1.0
    changed = {name for name, tensor in student.named_parameters() if not np.array_equal(tensor.data, start[name])}
    assert start.keys() - changed == {
        "network.classifier.weight",
        "network.classifier.bias",
    }  # with alpha = 1 the loss does not depend on the labels
    assert ("projection.weight" in changed) == (size != 8)
    write(tmp_path / "network.npz", inner, {})
    assert_close(load_model(tmp_path / "network.npz")(x).data, student(x).data)


def test_accuracy_ignores_appended_features() -> None:
    # the features are 100, which is larger than all logits
    inner, x = network(), inputs()
    student = ProjectedStudent(inner, 4, rng=np.random.default_rng(0))
    labels = predict_in_training(inner, x).argmax(axis=1)
    targets = append_soft_targets(one_hot(labels, 3), np.full((3, 4), 100.0))
    training = Trainer(
        student,
        lambda _: [(x, targets)],
        Adam(student.parameters()),
        epochs=1,
        steps_per_epoch=1,
        schedule=lambda _: 1e-3,
        loss=feature_matching(student),
    )
    assert training.run().history[0]["accuracy"] == 1.0


def predict_in_training(model: CNN, x: np.ndarray) -> np.ndarray:
    copy = network()
    copy.load_state_dict(model.state_dict())
    dropout_rng = np.random.default_rng([0, 1])  # the generator of Trainer
    return asnumpy(copy(x, train=True, rng=dropout_rng).data)


def test_feature_matching_errors() -> None:
    student = ProjectedStudent(network(), 5, rng=np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"embeddings of size 5, got sizes \[8\]"):
        feature_matching(student, network())
    with pytest.raises(ConfigError, match=r"alpha in \[0, 1\]"):
        feature_matching(student, alpha=2.0)
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        ProjectedStudent(network(), 0, rng=np.random.default_rng(0))
    with pytest.raises(ShapeError, match=r"targets \(N, 3 \+ 5\) with cached teacher outputs"):
        feature_matching(student)(Tensor(np.ones((3, 8))), TARGETS, inputs())
