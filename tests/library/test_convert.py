"""From a real network to its quaternion twin.

Both are described by one config: the widths count real channels, four to a quaternion. The twin has the same layers
and a quarter of the weights in each convolution, so nothing can be taken over but the description: its weights
are drawn anew and have to be trained.
"""

from dataclasses import replace

import numpy as np
import pytest
from support.arrays import draw

from quatnet import ops
from quatnet.errors import ConfigError
from quatnet.models import CNN, CNNConfig, convert, small_cnn
from quatnet.nn import Linear, QuaternionConv2d, QuaternionLinear
from quatnet.optim import Adam

REAL = CNNConfig(3, False, ((8,), (8, 12)), embedding=8, mels=8, block_dropout=0.0)


def parameters(model):
    return {name: tensor.data.size for name, tensor in model.named_parameters()}


def test_parameters_of_the_twin_are_counted_with_a_pencil(rng):
    real, twin = parameters(CNN(REAL, rng=rng)), parameters(convert(REAL, rng=rng))
    # the first convolution reads 1 channel or 4: 9 · 1 · 8 = 72, and 9 · 4 · 8 / 4 = 72
    assert (real["blocks.0.convs.0.weight"], twin["blocks.0.convs.0.weight"]) == (72, 72)
    # 9 · 8 · 12 = 864, and a quarter of it; the embedding 12 · 8 = 96, and a quarter of it
    assert (real["blocks.1.convs.1.weight"], twin["blocks.1.convs.1.weight"]) == (864, 216)
    assert (real["embedding.weight"], twin["embedding.weight"]) == (96, 24)
    # all else is the same
    same = [name for name in real if "convs" not in name and name != "embedding.weight"]
    assert [twin[name] for name in same] == [real[name] for name in same]
    assert twin.keys() == real.keys()


@pytest.mark.parametrize("config", [REAL, small_cnn(10, quaternion=False)])
def test_a_network_and_its_config_have_the_same_twin(config):
    one = convert(config, rng=np.random.default_rng(1))
    other = convert(CNN(config, rng=np.random.default_rng(2)), rng=np.random.default_rng(1))
    assert one.config == other.config == replace(config, quaternion=True)
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name])


def test_the_twin_is_made_of_quaternion_layers_up_to_the_logits(rng):
    twin = convert(REAL, rng=rng)
    assert all(type(conv) is QuaternionConv2d for block in twin.blocks for conv in block.convs)
    assert type(twin.embedding) is QuaternionLinear
    assert type(twin.classifier) is Linear


def test_the_network_that_was_converted_stays_as_it_is(rng):
    model = CNN(REAL, rng=rng)
    before = model.state_dict()
    convert(model, rng=rng)
    assert model.config is REAL
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_shapes_go_in_and_out_as_before_and_the_twin_can_be_trained(rng):
    model = CNN(REAL, rng=rng)
    twin = convert(model, rng=rng)
    x, labels = draw(rng, 6, 12, 8, 4, dtype=np.float32), np.eye(3)[[0, 1, 2, 0, 1, 2]]
    assert twin(x).shape == model(x).shape == (6, 3)
    optimizer, losses = Adam(twin.parameters()), []
    for _ in range(5):
        loss = ops.cross_entropy(twin(x, train=True, rng=np.random.default_rng(0)), labels)
        loss.backward()
        optimizer.step(lr=0.01)
        optimizer.zero_grad()
        losses.append(float(loss.data))
    assert losses[-1] < losses[0]


def test_a_quaternion_network_is_its_own_twin(rng):
    config = replace(REAL, quaternion=True)
    for model in (config, CNN(config, rng=rng)):
        with pytest.raises(ConfigError, match="expected a real network, got a quaternion network"):
            convert(model, rng=rng)


@pytest.mark.parametrize("change", [{"widths": ((8,), (8, 10))}, {"embedding": 6}])
def test_widths_that_are_no_quaternions_are_an_error(change, rng):
    with pytest.raises(ConfigError, match="a quaternion network needs widths divisible by 4"):
        convert(CNN(replace(REAL, **change), rng=rng), rng=rng)


def test_what_is_no_network_is_an_error(rng):
    with pytest.raises(ConfigError, match="expected a network or its config, got Linear"):
        convert(Linear(4, 4, rng=rng), rng=rng)
