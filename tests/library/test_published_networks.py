"""Test CNN6, CNN10, CNN14, ResNet38 and the quaternion networks with the same widths.

The networks consist of plain blocks and residual blocks. A plain block is a sequence of convolutions. A residual block
is relu(x + f(x)). If the sizes of x and f(x) differ, x is pooled and passed through a 1 x 1 convolution. The numbers of
parameters and multiplications are compared with published numbers. Logits and gradients are compared with PyTorch.
"""

from dataclasses import replace

import numpy as np
import pytest
from support.modules import parameter_attributes

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp
from quatnet.errors import CheckpointError, ConfigError, ShapeError
from quatnet.models import (
    NAMES,
    CNNConfig,
    ResNet,
    ResNetConfig,
    build,
    cnn6,
    compile,
    config_from_dict,
    from_name,
    half_width,
    resnet38,
)
from quatnet.models.blocks import ResidualBlock
from quatnet.profile import count_parameters, network_cost
from quatnet.prune import trace_groups
from quatnet.training.checkpoint import load_model, write
from quatnet.training.transfer import with_new_head

NO_DROPOUT = {"block_dropout": 0.0, "head_dropout": 0.0}
TINY = ResNetConfig(
    3, True, ((8,), (12, 8), (8, 8), (4, 12), (16, 16)), 8, mels=16, stages=(2, 1), residual_dropout=0.0, **NO_DROPOUT
)
WIDTHS = ((8, 8), (12, 8), (8, 8), (16, 24), (24, 24), (32, 16))
NARROW = {
    "cnn6": CNNConfig(5, False, ((8,), (16,), (24,)), 16, kernel_size=5, last_pool=True, **NO_DROPOUT),
    "cnn10": CNNConfig(5, False, ((8, 8), (16, 24)), 16, last_pool=True, **NO_DROPOUT),
    "cnn14": CNNConfig(5, False, ((8, 8), (16, 24), (32, 16)), 16, **NO_DROPOUT),
    "resnet38": ResNetConfig(5, False, WIDTHS, 16, stages=(2, 2), residual_dropout=0.0, **NO_DROPOUT),
}


def make_network(config, seed=0, **changes):
    """Return a network with random batch norm weights and biases."""
    rng = np.random.default_rng(seed)
    model = build(config_from_dict({**vars(config), **changes}), rng=rng)
    norms = {
        name: array
        for name, array in model.state_dict().items()
        if "norm" in name and name.endswith(("weight", "bias"))
    }
    perturbed = {name: rng.uniform(0.5, 1.5, array.shape) - 0.5 * ("bias" in name) for name, array in norms.items()}
    model.load_state_dict(model.state_dict() | {name: array.astype(np.float32) for name, array in perturbed.items()})
    return model


# Parameters and multiplications


@pytest.mark.parametrize(
    ("name", "parameters", "sixteen", "eight"),
    [
        ("cnn6", 4_837_455, 9.933, 9.933),
        ("cnn10", 5_219_279, 13.016, 13.016),
        ("cnn14", 80_753_615, 20.042, 20.042),
        ("resnet38", 73_783_247, 23.391, 23.391),
        ("qcnn14", 21_012_431, 20.153, 10.077),
        ("qresnet38", 19_276_751, 23.502, 11.751),
    ],
)
def test_published_parameters_and_multiplications(name: str, parameters: int, sixteen: float, eight: float) -> None:
    cost = network_cost(from_name(name, 527), 1001)  # a clip of 10 s
    assert cost.parameters == parameters
    assert round(cost.multiplications_16 / 1e9, 3) == sixteen
    assert round(cost.multiplications_8 / 1e9, 3) == eight


@pytest.mark.parametrize("name", ["cnn6", "qcnn6", "qcnn10", "qresnet38"])
def test_weights_have_the_shapes_of_the_config(name: str) -> None:
    config = half_width(half_width(half_width(from_name(name, 10))))
    model = build(config, rng=np.random.default_rng(0))
    for layer in config.layers(64):
        module = model
        for key in layer.name.split("."):
            module = module[int(key)] if key.isdigit() else getattr(module, key)
        shape = (layer.kernel_size, layer.kernel_size, layer.in_channels, layer.out_channels)[2 * layer.linear :]
        if layer.quaternion:
            shape = (4, *shape[:-2], shape[-2] // 4, shape[-1] // 4)
        assert module.weight.shape == shape, layer.name
    assert count_parameters(model) == network_cost(config, 64).parameters


def test_half_width_and_quaternion_names() -> None:
    assert half_width(resnet38(10)).widths[0] == (32, 32)
    assert replace(cnn6(3), quaternion=True) == from_name("qcnn6", 3)


# Residual block


def test_residual_block_by_hand() -> None:
    # The batch norms are the identity: running mean 0, running variance 1, weight 1 and bias 0.
    # The result is relu(x + 0.25 relu(2 x)), which is 4.5 for x = 3 and 0 for x = -1.
    config = ResNetConfig(2, False, ((1,), (1, 1), (1,)), 1, stages=(1,))
    block = ResidualBlock(1, (1, 1), config, shortcut=False, dropout=0.0, rng=np.random.default_rng(0))
    for conv, factor in zip(block.convs, (2.0, 0.25), strict=True):
        conv.weight.data[...] = 0
        conv.weight.data[1, 1] = factor
    x = Tensor(xp.array([3.0, -1.0], dtype=xp.float32).reshape(1, 1, 2, 1))
    assert block(x, train=False).data.ravel().tolist() == [3, 0]  # the weight of the last batch norm is initially 0
    block.norms[1].weight.data[...] = 1
    y = asnumpy(block(x, train=False).data.ravel())
    np.testing.assert_allclose(y, [3 + 0.25 * 6, 0], rtol=1e-4)  # the tolerance includes eps


def test_shortcut_pools_and_changes_the_channels() -> None:
    model = make_network(TINY)
    x = Tensor(xp.asarray(np.random.default_rng(1).standard_normal((2, 6, 5, 8)), dtype=xp.float32))
    block = model.blocks[3]
    assert block(x, train=False).shape == (2, 3, 2, 12)
    block.norms[1].weight.data[...] = block.norms[1].bias.data[...] = 0
    shortcut = ops.relu(block.shortcut_norm(block.shortcut(ops.avg_pool2d(x)), train=False))
    np.testing.assert_allclose(asnumpy(block(x, train=False).data), asnumpy(shortcut.data), rtol=1e-6)


# Networks


@pytest.mark.parametrize("config", [TINY, *NARROW.values()], ids=["tiny", *NARROW])
@pytest.mark.parametrize("quaternion", [False, True])
def test_logits_do_not_depend_on_the_batch(config, quaternion: bool) -> None:
    model = make_network(config, quaternion=quaternion, mels=16)
    x = np.random.default_rng(1).standard_normal((3, 24, 16, 4)).astype(np.float32)
    logits = asnumpy(model(x).data)
    assert logits.shape == (3, config.classes)
    np.testing.assert_allclose(asnumpy(model(x[1:2]).data), logits[1:2], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("quaternion", [False, True])
def test_residual_dropout_is_active_in_training_only(quaternion: bool) -> None:
    model = make_network(TINY, quaternion=quaternion, residual_dropout=0.5)
    x = np.random.default_rng(1).standard_normal((2, 24, 16, 4)).astype(np.float32)
    drawn = [asnumpy(model(x, train=True, rng=np.random.default_rng(seed)).data) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.abs(drawn[0] - drawn[2]).max() > 1e-3
    np.testing.assert_array_equal(asnumpy(model(x, rng=np.random.default_rng(0)).data), asnumpy(model(x).data))


@pytest.mark.parametrize("config", [TINY, *NARROW.values()], ids=["tiny", *NARROW])
@pytest.mark.parametrize("quaternion", [False, True])
def test_compiled_network_equals_the_network(config, quaternion: bool) -> None:
    model = make_network(config, quaternion=quaternion, mels=16)
    x = np.random.default_rng(1).standard_normal((2, 50, 16, 4)).astype(np.float32)
    expected = asnumpy(model(x).data)
    assert np.abs(asnumpy(compile(model)(x).data) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_checkpoint_restores_the_network(tmp_path) -> None:
    x = np.random.default_rng(1).standard_normal((2, 24, 16, 4)).astype(np.float32)
    for config in (TINY, NARROW["cnn6"]):
        model = make_network(config, mels=16)
        write(tmp_path / "model.npz", model, {})
        loaded = load_model(tmp_path / "model.npz")
        assert loaded.config == model.config
        np.testing.assert_array_equal(asnumpy(loaded(x).data), asnumpy(model(x).data))


def test_checkpoint_without_kernel_size_and_last_pool(tmp_path, monkeypatch) -> None:
    model = make_network(CNNConfig(3, True, ((8,),), 8))
    fields = {key: value for key, value in vars(model.config).items() if key not in ("kernel_size", "last_pool")}
    monkeypatch.setattr("quatnet.training.checkpoint.asdict", lambda config: fields)
    write(tmp_path / "old.npz", model, {})
    assert load_model(tmp_path / "old.npz").config == model.config


def test_with_new_head_of_a_residual_network() -> None:
    new = with_new_head(make_network(TINY), 7, rng=np.random.default_rng(0))
    assert isinstance(new, ResNet)
    assert new.config.classes == 7


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("cnn6", [0.2] * 4 + [0.5]),
        ("cnn10", [0.2] * 4 + [0.5]),
        ("cnn14", [0.2] * 6 + [0.5]),
        ("resnet38", [0.2] + [0.1] * 16 + [0.2] * 2 + [0.5]),
    ],
)
@pytest.mark.parametrize("quaternion", [False, True])
def test_positions_and_rates_of_dropout(name: str, rates: list[float], quaternion: bool, monkeypatch) -> None:
    """Test that dropout follows each block, is inside residual blocks, and precedes the embedding."""
    used_rates, dropout = [], ops.dropout

    def spy(x: Tensor, rate: float, **options) -> Tensor:
        used_rates.append(rate)
        return dropout(x, rate, **options)

    monkeypatch.setattr(ops, "dropout", spy)
    model = make_network(half_width(half_width(half_width(from_name(name, 3)))), quaternion=quaternion)
    x = xp.asarray(np.random.default_rng(1).standard_normal((2, 64, 64, 4)).astype(np.float32))
    logits = model(x, train=True, rng=np.random.default_rng(0))
    assert used_rates == rates
    embedding = model.embed(x, train=True, rng=np.random.default_rng(0))
    assert float(embedding.data.min()) == 0  # the embedding is the output of a ReLU
    classified = model.classifier(embedding).data
    np.testing.assert_allclose(asnumpy(classified), asnumpy(logits.data), rtol=1e-5, atol=1e-6)


def test_head_by_hand() -> None:
    model = make_network(CNNConfig(2, False, ((2,),), embedding=2, **NO_DROPOUT))
    model.load_state_dict(
        model.state_dict()
        | {"embedding.weight": np.eye(2, dtype=np.float32), "embedding.bias": np.array([0, -20.0], "f4")}
    )
    # the features have 3 frames, 2 mels and 2 channels
    features = np.array([[[1, 10], [3, 0]], [[5, 2], [7, 4]], [[0, 6], [0, 0]]], np.float32)
    # the means over mels are 2, 6, 0 in the first channel and 5, 3, 3 in the second channel
    # the maximum plus the mean over time is 6 + 8/3 and 5 + 11/3; the ReLU of 5 + 11/3 - 20 is 0
    embedding = asnumpy(model.head(Tensor(xp.asarray(features[None]))).data)
    np.testing.assert_allclose(embedding, [[6 + 8 / 3, 0]], rtol=1e-6)


# Channel groups


def test_channel_groups_of_a_residual_network() -> None:
    groups = {group.name: group for group in trace_groups(make_network(TINY))}
    first = groups["blocks.0.convs.0"]  # residual blocks add their output to the output of the plain block
    assert names(first.producers) == ["blocks.0.convs.0", "blocks.1.convs.1", "blocks.2.convs.1"]
    assert names(first.norms) == ["blocks.0.norms.0", "blocks.1.norms.1", "blocks.2.norms.1"]
    assert names(first.consumers) == ["blocks.1.convs.0", "blocks.2.convs.0", "blocks.3.convs.0", "blocks.3.shortcut"]
    assert names(groups["blocks.1.convs.0"].consumers) == ["blocks.1.convs.1"]
    second = groups["blocks.3.shortcut"]
    assert names(second.producers) == ["blocks.3.convs.1", "blocks.3.shortcut"]
    assert names(second.norms) == ["blocks.3.norms.1", "blocks.3.shortcut_norm"]
    assert names(second.consumers) == ["blocks.4.convs.0"]
    assert names(groups["blocks.4.convs.1"].consumers) == ["embedding"]


def names(arrays) -> list[str]:
    return sorted(name.removesuffix(".weight") for name in arrays)


@pytest.mark.parametrize("config", [TINY, *NARROW.values()], ids=["tiny", *NARROW])
def test_all_convolutions_and_the_embedding_are_producers(config) -> None:
    groups = trace_groups(make_network(config))
    producers = [name for group in groups for name in names(group.producers)]
    assert sorted(producers) == sorted(layer.name for layer in config.layers(24) if layer.name != "classifier")
    assert list(groups.fixed) == ["classifier.weight"]


# Gradients


@pytest.mark.parametrize("quaternion", [False, True])
def test_gradient_of_a_residual_network(quaternion: bool) -> None:
    model = make_network(TINY, quaternion=quaternion)
    rng = np.random.default_rng(3)
    for _, _, _, tensor in model._entries():
        if isinstance(tensor, Tensor):
            tensor.data = tensor.data.astype(np.float64)
    attributes = list(parameter_attributes(model))
    x = xp.asarray(rng.standard_normal((2, 16, 16, 4)))

    def network(*values: Tensor) -> Tensor:
        for (module, key), value in zip(attributes, values, strict=True):
            setattr(module, key, value)
        return model(x, train=True)

    gradcheck(
        network, [getattr(module, key).data for module, key in attributes], rng=rng, tolerance=2e-5, num_directions=1
    )


@pytest.mark.parity
@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("quaternion", [False, True])
def test_network_agrees_with_pytorch(name: str, quaternion: bool, torch) -> None:
    """Compare logits and gradients of all parameters in training mode, with the same weights and inputs."""
    from support.torch_networks import torch_gradients

    model = make_network(NARROW[name], seed=2, quaternion=quaternion, mels=16)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4, 32, 16, 4)).astype(np.float32)
    cotangent = rng.standard_normal((4, 5)).astype(np.float32)
    logits = model(x, train=True)
    logits.backward(xp.asarray(cotangent))
    expected_logits, expected = torch_gradients(torch, model, x, cotangent)
    assert np.abs(asnumpy(logits.data) - expected_logits).max() <= 1e-4 * np.abs(expected_logits).max()
    for key, tensor in model.named_parameters():
        assert np.abs(asnumpy(tensor.grad) - expected[key]).max() <= 1e-4 * np.abs(expected[key]).max() + 1e-6, key


# Errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": (2, 2)}, "residual blocks between two plain blocks"),
        ({"stages": ()}, "residual blocks between two plain blocks"),
        ({"widths": ((8,), (12, 8), (8, 12), (4, 12), (16, 16))}, "block 2 adds 8 channels to 12: make them equal"),
        ({"widths": ((12,), (12, 8), (8, 8), (4, 12), (16, 16))}, "block 1 adds 12 channels to 8"),
        ({"residual_dropout": 1.0}, "residual_dropout in"),
        ({"kernel_size": 4}, "an odd kernel_size"),
        ({"embedding": 6}, "divisible by 4"),
    ],
)
def test_invalid_config(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_network(TINY, **changes)


def test_unknown_network_name() -> None:
    assert {"cnn14", "qcnn14", "resnet38", "qresnet38", "qcnn6", "qcnn10"} < set(NAMES)
    for name in ("cnn15", "qqcnn14", "", "q"):
        with pytest.raises(ConfigError, match=f"expected a network among cnn6, .*, got '{name}'"):
            from_name(name, 10)


def test_invalid_type_or_fields_of_a_config(tmp_path) -> None:
    with pytest.raises(ConfigError, match="expected a CNNConfig or a ResNetConfig, got dict"):
        build({}, rng=np.random.default_rng(0))
    with pytest.raises(TypeError):
        config_from_dict({"stages": (1,), "color": "red"})
    model = make_network(TINY)
    write(tmp_path / "model.npz", model, {"config": {**vars(TINY), "stages": [3]}})
    with pytest.raises(CheckpointError, match="no usable network"):
        load_model(tmp_path / "model.npz")


def test_too_few_frames() -> None:
    with pytest.raises(ShapeError, match="window is larger than"):
        make_network(TINY)(np.zeros((1, 4, 16, 4), np.float32))
