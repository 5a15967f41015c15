"""Who may be a teacher: a network, several of them, or answers that were recorded before.

Networks are asked about the very batch that the student hears. What is recorded belongs to whole clips, so it stands
behind their labels, and whatever is done to these, shuffling and mixing, is done to it. A student may also learn not
the answers but the embedding that they were made of, by a projection if the sizes differ.
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
from quatnet.training.batches import predict, shuffled_batches
from quatnet.training.checkpoint import load_model, write
from quatnet.training.loop import Trainer

KINDS = {"softmax": cross_entropy_loss, "bernoulli": binary_cross_entropy_loss, "released": binary_cross_entropy_loss}
TARGETS = np.eye(3, dtype=np.float32)


def network(seed: int = 0, embedding: int = 8) -> CNN:
    return CNN(CNNConfig(3, True, ((4,), (8,)), embedding=embedding, mels=8), rng=np.random.default_rng(seed))


def sounds(count: int = 3) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((count, 9, 8, 4)).astype(np.float32)


def gradient(loss: Callable, logits: np.ndarray, *batch: np.ndarray) -> np.ndarray:
    student = Tensor(logits, requires_grad=True)
    loss(student, *batch).backward()
    return student.grad


def saying(*answers: np.ndarray) -> list[Callable]:
    """Teachers that say this to whatever they hear."""
    return [lambda _, said=said: SimpleNamespace(data=said) for said in answers]


# Networks


@pytest.mark.parametrize("kind", KINDS)
def test_the_weight_divides_between_labels_and_teacher(kind: str) -> None:
    teacher, student, x = network(), network(1)(sounds()), sounds()
    alone = float(KINDS[kind](student, TARGETS, x).data)
    soft = float(distillation(teacher, kind=kind, weight=1.0)(student, TARGETS, x).data)
    assert float(distillation(teacher, kind=kind, weight=0.0)(student, TARGETS, x).data) == pytest.approx(alone)
    mixed = float(distillation(teacher, kind=kind, weight=0.25)(student, TARGETS, x).data)
    assert mixed == pytest.approx(0.75 * alone + 0.25 * soft)


def test_each_kind_has_its_own_loss() -> None:
    said, heard = np.array([[0.0, 0.0]]), np.array([[np.log(3), 0.0]])
    for kind, loss in [
        ("softmax", ops.distillation_loss),
        ("bernoulli", ops.binary_distillation_loss),
        ("released", paper_code.distillation_loss),
    ]:
        found = distillation(*saying(heard), kind=kind, temperature=3.0, weight=1.0)(Tensor(said), np.eye(1, 2), said)
        assert float(found.data) == pytest.approx(float(loss(Tensor(said), heard, temperature=3.0).data))


@given(seeds, st.floats(0.5, 8))
def test_several_teachers_teach_the_mean_of_their_probabilities(seed: int, temperature: float) -> None:
    z, a, b = (asnumpy(draw(seed + n, 3, 3)) for n in range(3))
    p, q = (np.exp(v / temperature) / np.exp(v / temperature).sum(axis=1, keepdims=True) for v in (a, b))
    one_teacher = temperature * np.log((p + q) / 2)  # whose softmax at T is the mean
    both, one = (
        distillation(*saying(*answers), temperature=temperature, weight=0.7) for answers in ([a, b], [one_teacher])
    )
    assert_close(gradient(both, z, TARGETS, z), gradient(one, z, TARGETS, z))


@given(seeds, st.floats(0.5, 8))
def test_several_teachers_teach_the_mean_of_their_coins(seed: int, temperature: float) -> None:
    z, a, b = (asnumpy(draw(seed + n, 3, 3)) for n in range(3))
    mean = (1 / (1 + np.exp(-a / temperature)) + 1 / (1 + np.exp(-b / temperature))) / 2
    one_teacher = temperature * np.log(mean / (1 - mean))
    both, one = (
        distillation(*saying(*answers), kind="bernoulli", temperature=temperature)
        for answers in ([a, b], [one_teacher])
    )
    assert_close(gradient(both, z, TARGETS, z), gradient(one, z, TARGETS, z))


def test_teachers_hear_the_batch_in_evaluation_and_are_left_alone() -> None:
    teachers, x = [network(1), network(2)], sounds()
    before = [teacher.state_dict() for teacher in teachers]
    student = network(3)(x, train=True, rng=np.random.default_rng(0))
    found = distillation(*teachers, weight=1.0)(student, TARGETS, x)
    expected = [ops.distillation_loss(student, teacher(x).data).data for teacher in teachers]
    assert float(found.data) == pytest.approx(float(sum(expected)) / 2)
    found.backward()
    for teacher, state in zip(teachers, before, strict=True):
        assert all(tensor.grad is None for tensor in teacher.parameters())
        assert all(np.array_equal(state[name], array) for name, array in teacher.state_dict().items())


@pytest.mark.parametrize(
    "options",
    [{"kind": "hard"}, {"weight": 1.5}, {"weight": -0.1}, {"temperature": 0.0}, {"temperature": float("nan")}],
)
def test_a_meaningless_distillation_is_refused(options: dict) -> None:
    with pytest.raises(ConfigError, match="0 <= weight <= 1 and temperature > 0 and a kind of softmax, bernoulli"):
        distillation(network(), **options)


# Recorded answers


def test_recorded_answers_teach_like_the_network_that_gave_them() -> None:
    teacher, student, x = network(), network(1)(sounds()), sounds()
    recorded = append_soft_targets(TARGETS, predict(teacher, x))
    by_file, by_network = (distillation(*who, temperature=3.0) for who in ([], [teacher]))
    assert float(by_file(student, recorded, x).data) == pytest.approx(float(by_network(student, TARGETS, x).data))


@settings(max_examples=20)
@given(seeds, st.integers(1, 9))
def test_answers_stay_with_their_clips_through_shuffling_and_mixing(seed: int, batch: int) -> None:
    # label, answer and every cell of clip n are n, so after any mixing they are one number
    number = np.arange(7, dtype=np.float32)
    x, answers = np.broadcast_to(number[:, None, None, None], (7, 2, 3, 4)), np.repeat(number[:, None], 5, axis=1)
    told = append_soft_targets(np.repeat(number[:, None], 2, axis=1), answers)

    def mix(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return audio.mixup(x, targets, rng=rng, alpha=1.0)

    for heard, targets in shuffled_batches(x, told, batch_size=batch, augment=mix)(np.random.default_rng(seed)):
        np.testing.assert_allclose(targets, np.repeat(heard[:, 0, 0, :1], 7, axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("targets", [TARGETS, np.ones((3, 5), np.float32), np.ones(3, np.float32)])
def test_without_a_teacher_there_must_be_answers(targets: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"expected 3 labels and 3 recorded answers .* or give a network"):
        distillation()(Tensor(np.ones((3, 3))), targets, sounds())


@pytest.mark.parametrize(("targets", "answers"), [((3, 3), (2, 3)), ((3, 3), (3,)), ((3,), (3, 3))])
def test_every_clip_has_an_answer(targets: tuple, answers: tuple) -> None:
    with pytest.raises(ShapeError, match=r"targets \(N, classes\) and answers \(N, size\)"):
        append_soft_targets(np.ones(targets), np.ones(answers))


# Features


def test_a_projected_student_says_more_only_in_training() -> None:
    inner = network()
    student = ProjectedStudent(inner, 5, rng=np.random.default_rng(0))
    assert_close(student(sounds()).data, inner(sounds()).data)
    said = student(sounds(), train=True, rng=np.random.default_rng(0)).data
    inner.load_state_dict(network().state_dict())  # batch norms have counted
    embedding = inner.embed(sounds(), train=True, rng=np.random.default_rng(0))
    expected = [inner.classifier(embedding).data, student.projection(embedding).data]
    assert_close(said, np.concatenate(expected, axis=1), rtol=1e-5, atol=1e-6)
    same_size = ProjectedStudent(inner, 8, rng=np.random.default_rng(0))
    assert same_size.projection is None
    assert same_size(sounds(), train=True, rng=np.random.default_rng(0)).shape == (3, 3 + 8)


def test_matching_features_by_hand() -> None:
    # labels: two classes equally likely, log 2; features (1, 2) against (3, 2): (4 + 0) / 2 = 2. A quarter of it counts
    student = SimpleNamespace(config=SimpleNamespace(classes=2), size=2)
    loss = feature_matching(student, weight=0.25)
    said, told = np.array([[0.0, 0, 1, 2]]), np.array([[1.0, 0, 3, 2]])
    assert float(loss(Tensor(said), told, said).data) == pytest.approx(0.75 * np.log(2) + 0.25 * 2)
    # labels: 3/4 (1/2 - 1), 3/4 (1/2); features: 1/4 · 2 (1 - 3) / 2
    assert_close(gradient(loss, said, told, said), [[-0.375, 0.375, -0.5, 0]])


@pytest.mark.parametrize("size", [8, 12])
def test_network_and_projection_learn_the_teachers_embedding_together(size: int, tmp_path: Path) -> None:
    teacher, inner, x = network(1, embedding=size), network(2), sounds(6)
    student = ProjectedStudent(inner, size, rng=np.random.default_rng(0))
    start = {name: tensor.data.copy() for name, tensor in student.named_parameters()}
    training = Trainer(
        student,
        shuffled_batches(x, np.tile(TARGETS, (2, 1)), batch_size=6),
        Adam(student.parameters()),
        epochs=30,
        steps_per_epoch=1,
        schedule=lambda _: 0.01,
        loss=feature_matching(student, teacher, weight=1.0),
        evaluate=lambda model: float(predict(model, x).shape == (6, 3)),
        path=tmp_path / "student.npz",
    )
    history = training.run().history
    assert history[-1]["loss"] < 0.3 * history[0]["loss"]
    assert history[-1]["test_accuracy"] == 1.0
    changed = {name for name, tensor in student.named_parameters() if not np.array_equal(tensor.data, start[name])}
    assert start.keys() - changed == {"network.classifier.weight", "network.classifier.bias"}  # no label had a say
    assert ("projection.weight" in changed) == (size != 8)
    write(tmp_path / "network.npz", inner, {})
    assert_close(load_model(tmp_path / "network.npz")(x).data, student(x).data)


def test_hits_are_counted_on_the_labels_alone() -> None:
    # recorded features of 100 would win every argmax
    inner, x = network(), sounds()
    student = ProjectedStudent(inner, 4, rng=np.random.default_rng(0))
    labels = predict_in_training(inner, x).argmax(axis=1)
    told = append_soft_targets(one_hot(labels, 3), np.full((3, 4), 100.0))
    training = Trainer(
        student,
        lambda _: [(x, told)],
        Adam(student.parameters()),
        epochs=1,
        steps_per_epoch=1,
        schedule=lambda _: 1e-3,
        loss=feature_matching(student),
    )
    assert training.run().history[0]["accuracy"] == 1.0


def predict_in_training(model: CNN, x: np.ndarray) -> np.ndarray:
    twin = network()
    twin.load_state_dict(model.state_dict())
    dropout_rng = np.random.default_rng([0, 1])  # as in Training
    return asnumpy(twin(x, train=True, rng=dropout_rng).data)


def test_a_teacher_of_another_size_or_an_odd_weight_is_refused() -> None:
    student = ProjectedStudent(network(), 5, rng=np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"embeddings of 5, got 0.5 and \[8\]"):
        feature_matching(student, network())
    with pytest.raises(ConfigError, match="0 <= weight <= 1"):
        feature_matching(student, weight=2.0)
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        ProjectedStudent(network(), 0, rng=np.random.default_rng(0))
    with pytest.raises(ShapeError, match="expected 3 labels and 5 recorded answers"):
        feature_matching(student)(Tensor(np.ones((3, 8))), TARGETS, sounds())
