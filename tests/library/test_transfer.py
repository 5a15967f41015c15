"""Test transfer learning.

The classifier of a trained network is replaced by a new one for other classes. The backbone is either fine-tuned or
frozen.
"""

import numpy as np
import pytest

from quatnet import graph, nn, profile
from quatnet.backend import asnumpy, xp
from quatnet.distill import ProjectedStudent, cross_entropy_loss, feature_matching
from quatnet.errors import ConfigError
from quatnet.models import CNN, CNNConfig
from quatnet.training.totals import _correct
from quatnet.training.transfer import freeze_backbone, with_new_head

CONFIG = CNNConfig(3, True, ((8,), (12,)), embedding=8, mels=8)


def make_network() -> CNN:
    return CNN(CONFIG, rng=np.random.default_rng(0))


def make_clips() -> np.ndarray:
    return np.random.default_rng(7).standard_normal((4, 9, 8, 4)).astype(np.float32)


def test_new_head_keeps_the_embedding() -> None:
    old = make_network()
    new = with_new_head(old, 5, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(asnumpy(new.embed(make_clips()).data), asnumpy(old.embed(make_clips()).data))
    assert new(make_clips()).shape == (4, 5)
    assert new.config.classes == 5
    assert old(make_clips()).shape == (4, 3)  # the original is not modified


def test_new_head_depends_on_the_seed() -> None:
    heads = [with_new_head(make_network(), 3, rng=np.random.default_rng(seed)).state_dict() for seed in (1, 1, 2)]
    heads = [head["classifier.weight"] for head in heads]
    np.testing.assert_array_equal(heads[0], heads[1])
    assert not np.array_equal(heads[0], heads[2])


def test_new_head_shares_no_arrays_with_the_original() -> None:
    old = make_network()
    new = with_new_head(old, 3, rng=np.random.default_rng(1))
    new.blocks[0].convs[0].weight.data[...] = 0
    assert np.abs(old.blocks[0].convs[0].weight.data).min() > 0


def test_frozen_backbone_has_no_gradients() -> None:
    model = make_network()
    all_names = set(dict(model.named_parameters()))
    with freeze_backbone(model):
        assert set(dict(model.named_parameters())) == {"classifier.weight", "classifier.bias"}
        logits = model(make_clips(), train=True, rng=np.random.default_rng(0))
        cross_entropy_loss(logits, np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], make_clips()).backward()
        assert all(np.abs(tensor.grad).max() > 0 for tensor in model.parameters())
    assert set(dict(model.named_parameters())) == all_names
    assert [name for name, tensor in model.named_parameters() if tensor.grad is not None] == [
        "classifier.weight",
        "classifier.bias",
    ]


def test_exception_unfreezes_the_backbone() -> None:
    model = make_network()
    with pytest.raises(ZeroDivisionError), freeze_backbone(model):
        1 / 0  # noqa: B018
    assert len(list(model.parameters())) > 2


def test_new_head_without_classes() -> None:
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        with_new_head(make_network(), 0, rng=np.random.default_rng(0))


def test_correct_predictions_for_single_multiple_and_mixed_labels() -> None:
    logits = xp.asarray([[3.0, 1, 2], [0, 5, 1], [0, 1, 2], [4, 1, 0]])
    targets = xp.asarray([[1.0, 0, 0], [1, 1, 0], [0.3, 0.7, 0], [0.3, 0.7, 0]])
    assert _correct(logits, targets).tolist() == [True, True, False, False]


# Networks that are not in `quatnet.models`


def make_graph_module(*layers: nn.Module) -> graph.GraphModule:
    rng = np.random.default_rng(0)
    layers = layers or (nn.Linear(6, 5, rng=rng), nn.BatchNorm(5), nn.ReLU(), nn.Linear(5, 3, rng=rng))
    return graph.GraphModule(graph.trace(nn.Sequential(*layers), np.ones((2, 6), np.float32)))


def test_new_head_of_a_traced_network() -> None:
    old, x = make_graph_module(), np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32)
    new = with_new_head(old, 7, rng=np.random.default_rng(1))
    assert new(x).shape == (4, 7)
    assert old(x).shape == (4, 3)
    assert [node.shape for node in graph.trace(new, x).nodes] == [node.shape for node in new.graph.nodes]
    changed = [name for name, array in new.state_dict().items() if not np.array_equal(array, old.state_dict()[name])]
    assert changed == ["layers.3.weight", "layers.3.bias"]
    with freeze_backbone(new):
        assert [name for name, _ in new.named_parameters()] == ["layers.3.weight", "layers.3.bias"]
    assert len(list(new.parameters())) == 6


def test_traced_network_without_a_linear_output_raises() -> None:
    model = make_graph_module(nn.Linear(6, 5, rng=np.random.default_rng(0)), nn.ReLU())
    with pytest.raises(ConfigError, match=r"last operation is a linear layer, got relu \(relu\.1\)"):
        with_new_head(model, 3, rng=np.random.default_rng(0))
    with pytest.raises(ConfigError, match="classes must be an integer of at least 1, got 0"):
        with_new_head(make_graph_module(), 0, rng=np.random.default_rng(0))


def test_feature_matching_of_traced_networks() -> None:
    rng, x = np.random.default_rng(1), np.random.default_rng(2).standard_normal((4, 6)).astype(np.float32)
    teacher, inner = make_graph_module(), make_graph_module()
    student = ProjectedStudent(inner, 5, node="relu.1", rng=rng)
    assert (student.projection, student.classes) == (None, 3)
    with pytest.raises(ConfigError, match=r"expected a node among layers\.0, .*, got 'relu'"):
        ProjectedStudent(inner, 5, node="relu", rng=rng)
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    loss = feature_matching(student, teacher, alpha=1.0, node="relu.1")
    outputs = student(x, train=True)
    assert outputs.shape == (4, 3 + 5)
    loss(outputs, targets, x).backward()
    assert dict(inner.named_parameters())["layers.0.weight"].grad is not None
    assert ProjectedStudent(inner, 9, node="relu.1", rng=rng)(x, train=True).shape == (4, 3 + 9)


def test_time_of_the_layers_of_a_traced_network() -> None:
    times = profile.layer_milliseconds(make_graph_module().graph, runs=1)
    assert list(times) == ["layers.0", "layers.3"]
    assert min(times.values()) > 0
