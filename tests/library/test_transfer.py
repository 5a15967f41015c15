"""What was learned from other sounds, taken along.

A network that has heard much knows edges, tones and rhythms that serve other tasks too. Transfer keeps all of it but
the last layer, which names classes of the old task, and trains on: all of it gently, or the new layer alone.
"""

import numpy as np
import pytest

from quatnet.backend import asnumpy, xp
from quatnet.distill import cross_entropy_loss
from quatnet.errors import ConfigError
from quatnet.models import CNN, CNNConfig
from quatnet.training.loop import _correct
from quatnet.training.transfer import frozen, with_new_head

CONFIG = CNNConfig(3, True, ((8,), (12,)), embedding=8, mels=8)


def network() -> CNN:
    return CNN(CONFIG, rng=np.random.default_rng(0))


def clips() -> np.ndarray:
    return np.random.default_rng(7).standard_normal((4, 9, 8, 4)).astype(np.float32)


def test_all_is_kept_but_the_classifier() -> None:
    old = network()
    new = with_new_head(old, 5, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(asnumpy(new.embed(clips()).data), asnumpy(old.embed(clips()).data))
    assert new(clips()).shape == (4, 5)
    assert new.config.classes == 5
    assert old(clips()).shape == (4, 3)  # the old network is as it was


def test_another_seed_is_another_head() -> None:
    heads = [with_new_head(network(), 3, rng=np.random.default_rng(seed)).state_dict() for seed in (1, 1, 2)]
    heads = [head["classifier.weight"] for head in heads]
    np.testing.assert_array_equal(heads[0], heads[1])
    assert not np.array_equal(heads[0], heads[2])


def test_a_copy_shares_no_array_with_its_origin() -> None:
    old = network()
    new = with_new_head(old, 3, rng=np.random.default_rng(1))
    new.blocks[0].convs[0].weight.data[...] = 0
    assert np.abs(old.blocks[0].convs[0].weight.data).min() > 0


def test_a_frozen_network_gives_gradients_to_its_classifier_alone() -> None:
    model = network()
    everything = set(dict(model.named_parameters()))
    with frozen(model):
        assert set(dict(model.named_parameters())) == {"classifier.weight", "classifier.bias"}
        logits = model(clips(), train=True, rng=np.random.default_rng(0))
        cross_entropy_loss(logits, np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], clips()).backward()
        assert all(np.abs(tensor.grad).max() > 0 for tensor in model.parameters())
    assert set(dict(model.named_parameters())) == everything
    assert [name for name, tensor in model.named_parameters() if tensor.grad is not None] == [
        "classifier.weight",
        "classifier.bias",
    ]


def test_a_mistake_inside_thaws_the_network() -> None:
    model = network()
    with pytest.raises(ZeroDivisionError), frozen(model):
        1 / 0  # noqa: B018
    assert len(list(model.parameters())) > 2


def test_a_head_for_no_classes_is_refused() -> None:
    with pytest.raises(ConfigError, match="positive"):
        with_new_head(network(), 0, rng=np.random.default_rng(0))


def test_a_hit_is_the_label_or_one_of_many_or_the_strongest_of_a_mixture() -> None:
    logits = xp.asarray([[3.0, 1, 2], [0, 5, 1], [0, 1, 2], [4, 1, 0]])
    targets = xp.asarray([[1.0, 0, 0], [1, 1, 0], [0.3, 0.7, 0], [0.3, 0.7, 0]])
    assert _correct(logits, targets).tolist() == [True, True, False, False]
