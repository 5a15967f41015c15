"""Tests of the conversion of a real network to a quaternion network.

Both networks have the same config, in which the widths are numbers of real channels. Each quaternion convolution has a
quarter of the weights of the real convolution. The new weights are random and have to be trained.
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


def parameter_sizes(model):
    return {name: tensor.data.size for name, tensor in model.named_parameters()}


def test_parameter_sizes_by_hand(rng):
    real, quaternion = parameter_sizes(CNN(REAL, rng=rng)), parameter_sizes(convert(REAL, rng=rng))
    # The real first convolution has 1 input channel and 9 · 1 · 8 = 72 weights.
    # The quaternion first convolution has 4 input channels and 9 · 4 · 8 / 4 = 72 weights.
    assert (real["blocks.0.convs.0.weight"], quaternion["blocks.0.convs.0.weight"]) == (72, 72)
    # The real layers have 9 · 8 · 12 = 864 weights in the second block and 12 · 8 = 96 in the embedding.
    # The quaternion layers have a quarter of these weights.
    assert (real["blocks.1.convs.1.weight"], quaternion["blocks.1.convs.1.weight"]) == (864, 216)
    assert (real["embedding.weight"], quaternion["embedding.weight"]) == (96, 24)
    # The sizes of all other arrays are equal.
    others = [name for name in real if "convs" not in name and name != "embedding.weight"]
    assert [quaternion[name] for name in others] == [real[name] for name in others]
    assert quaternion.keys() == real.keys()


@pytest.mark.parametrize("config", [REAL, small_cnn(10, quaternion=False)])
def test_convert_of_a_network_and_of_its_config(config):
    from_config = convert(config, rng=np.random.default_rng(1))
    from_network = convert(CNN(config, rng=np.random.default_rng(2)), rng=np.random.default_rng(1))
    assert from_config.config == from_network.config == replace(config, quaternion=True)
    for name, array in from_config.state_dict().items():
        np.testing.assert_array_equal(array, from_network.state_dict()[name])


def test_all_layers_but_the_classifier_are_quaternion_layers(rng):
    quaternion = convert(REAL, rng=rng)
    assert all(type(conv) is QuaternionConv2d for block in quaternion.blocks for conv in block.convs)
    assert type(quaternion.embedding) is QuaternionLinear
    assert type(quaternion.classifier) is Linear


def test_convert_does_not_modify_the_real_network(rng):
    model = CNN(REAL, rng=rng)
    before = model.state_dict()
    convert(model, rng=rng)
    assert model.config is REAL
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_converted_network_has_the_same_shapes_and_can_be_trained(rng):
    model = CNN(REAL, rng=rng)
    quaternion = convert(model, rng=rng)
    x, labels = draw(rng, 6, 12, 8, 4, dtype=np.float32), np.eye(3)[[0, 1, 2, 0, 1, 2]]
    assert quaternion(x).shape == model(x).shape == (6, 3)
    optimizer, losses = Adam(quaternion.parameters()), []
    for _ in range(5):
        loss = ops.cross_entropy(quaternion(x, train=True, rng=np.random.default_rng(0)), labels)
        loss.backward()
        optimizer.step(lr=0.01)
        optimizer.zero_grad()
        losses.append(float(loss.data))
    assert losses[-1] < losses[0]


def test_convert_of_a_quaternion_network(rng):
    config = replace(REAL, quaternion=True)
    for model in (config, CNN(config, rng=rng)):
        with pytest.raises(ConfigError, match="expected a real network, got a quaternion network"):
            convert(model, rng=rng)


@pytest.mark.parametrize("change", [{"widths": ((8,), (8, 10))}, {"embedding": 6}])
def test_widths_not_divisible_by_4(change, rng):
    with pytest.raises(ConfigError, match="a quaternion network needs widths divisible by 4"):
        convert(CNN(replace(REAL, **change), rng=rng), rng=rng)


def test_convert_of_another_type(rng):
    with pytest.raises(ConfigError, match="expected a network or its config, got Linear"):
        convert(Linear(4, 4, rng=rng), rng=rng)
