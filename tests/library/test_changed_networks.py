"""Built-in networks with a changed layer or option are saved and pruned as they are."""

import numpy as np
import pytest

from quatnet import models, nn, prune, training
from quatnet.errors import ConfigError
from quatnet.models import CNNConfig, build
from quatnet.models.build import check_built_in, is_built_in
from quatnet.optim import AdamW
from quatnet.training import checkpoint


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def network() -> models.Network:
    return build(CNNConfig(3, False, ((2,), (4,)), embedding=4, mels=8), rng=rng())


def dilated_layer(model) -> None:
    model.blocks[1].convs[0] = nn.Conv2d(2, 4, 3, dilation=2, rng=rng())


def large_eps(model) -> None:
    model.blocks[1].norms[0].eps = 1.0


def layer_with_bias(model) -> None:
    model.blocks[1].convs[0] = nn.Conv2d(2, 4, 3, bias=True, rng=rng())


def other_norm(model) -> None:
    model.blocks[1].norms[0] = nn.QuaternionBatchNorm(4)


def further_layer(model) -> None:
    model.further = nn.Linear(3, 3, rng=rng())


CHANGES = [dilated_layer, large_eps, layer_with_bias, other_norm, further_layer]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_network_is_not_built_in(change) -> None:
    model = network()
    assert is_built_in(model)
    change(model)
    assert not is_built_in(model)
    with pytest.raises(ConfigError, match="changed layer"):
        check_built_in(model)


@pytest.mark.parametrize("change", [dilated_layer, large_eps])
def test_a_changed_network_is_pruned_as_it_is(change) -> None:
    model = network()
    change(model)
    x = rng().standard_normal((1, 2, 8, 4)).astype(np.float32)
    expected = training.predict(model, x)
    np.testing.assert_allclose(training.predict(prune.prune_filters(model, {}), x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("change", [dilated_layer, large_eps])
def test_a_changed_network_is_saved_as_it_is(tmp_path, change) -> None:
    model = network()
    change(model)
    x, targets = rng().standard_normal((4, 8, 8, 4)).astype(np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    training.fit(model, training.DataLoader(x, targets), epochs=1, checkpoint=tmp_path / "model.npz")
    loaded = checkpoint.load_model(tmp_path / "model.npz")
    np.testing.assert_allclose(training.predict(loaded, x), training.predict(model, x), rtol=1e-5, atol=1e-6)


def test_the_optimizer_of_another_network_is_refused() -> None:
    x, targets = np.zeros((4, 8, 8, 4), np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    with pytest.raises(ConfigError, match="optimizer of parameters of the model"):
        training.fit(network(), training.DataLoader(x, targets), epochs=1, optimizer=AdamW(network().parameters()))
