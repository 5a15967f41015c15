"""Test CNNs built from a config, and their numbers of multiplications and parameters.

The same class is used for real and quaternion networks. A real convolution needs pixels x taps x input channels x
output channels multiplications. A quaternion convolution needs half as many, since a Hamilton product needs 8 real
multiplications and its block matrix has 16 entries. Expected values are computed by hand or published.
"""

import numpy as np
import pytest
from support.modules import parameter_attributes

from quatnet import Tensor, nn
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy
from quatnet.errors import ConfigError, ShapeError
from quatnet.models import CNN, CNNConfig, cnn14, half_width, small_cnn
from quatnet.profile import count_parameters, layer_costs, milliseconds_per_clip, multiplications, network_cost

TINY = CNNConfig(3, True, ((8,), (8, 12)), embedding=8, mels=8)


def make_tiny(seed: int = 0, **changes: object) -> CNN:
    return CNN(CNNConfig(**{**vars(TINY), **changes}), rng=np.random.default_rng(seed))


def parameters_from_config(config: CNNConfig) -> int:
    """Return the number of parameters, computed from the config without building the network."""
    factor = 4 if config.quaternion else 1
    channels = config.in_channels
    total = 2 * config.mels if config.input_norm == "mel" else 0
    for width in (width for block in config.widths for width in block):
        total += 9 * channels * width // factor + 2 * width
        channels = width
    total += channels * config.embedding // factor + config.embedding
    return total + config.embedding * config.classes + config.classes


def test_multiplications_of_the_first_layer_by_hand() -> None:
    first = next(layer_costs(TINY, frames=10))
    # 10 x 8 pixels, 9 taps, 4 input channels and 8 output channels: 80 · 9 · 32 = 23,040 multiplications
    # with eight multiplications per quaternion product: half of 23,040
    assert (first.multiplications_16, first.multiplications_8) == (23_040, 11_520)


def test_published_multiplications_of_cnn14_and_qcnn14() -> None:
    # a clip of 10 s at 32 kHz has 1001 frames with a hop of 320 samples
    assert multiplications(cnn14(527), 1001) == (20_041_926_656, 20_041_926_656)
    sixteen, eight = multiplications(cnn14(527, quaternion=True), 1001)
    assert (round(sixteen / 1e9, 3), round(eight / 1e9, 3)) == (20.153, 10.077)


def test_published_parameters_of_cnn14_and_qcnn14() -> None:
    assert parameters_from_config(cnn14(527)) == 80_753_615
    assert parameters_from_config(cnn14(527, quaternion=True)) == 21_012_431


@pytest.mark.parametrize("quaternion", [False, True])
def test_parameter_formula_agrees_with_the_network(quaternion: bool) -> None:
    for config in (
        small_cnn(10, quaternion=quaternion),
        CNNConfig(**{**vars(TINY), "quaternion": quaternion}),
    ):
        model = CNN(config, rng=np.random.default_rng(0))
        assert count_parameters(model) == parameters_from_config(config)


def test_half_width_has_about_a_quarter_of_the_multiplications() -> None:
    teacher = small_cnn(10, quaternion=True)
    ratio = multiplications(half_width(teacher), 251)[1] / multiplications(teacher, 251)[1]
    assert 0.2 < ratio < 0.35  # the ratio exceeds 1/4, since the first layer of every network has four input channels


def test_half_width_rounds_down_to_quaternions() -> None:
    # 12 real channels of a pruned network are 3 quaternion channels, and half of 3 is rounded down to 1
    # the minimum is 1 quaternion channel
    student = half_width(CNNConfig(3, True, ((12,), (4, 20)), embedding=28))
    assert (student.widths, student.embedding) == (((4,), (4, 8)), 12)
    student = half_width(CNNConfig(3, False, ((7,), (1, 8)), embedding=3))
    assert (student.widths, student.embedding) == (((3,), (1, 4)), 1)


@pytest.mark.parametrize("quaternion", [False, True])
def test_output_shape_and_independence_of_the_batch(quaternion: bool) -> None:
    model = make_tiny(quaternion=quaternion)
    x = np.random.default_rng(1).standard_normal((5, 12, 8, 4)).astype(np.float32)
    logits = asnumpy(model(x).data)
    assert logits.shape == (5, 3)
    assert logits.dtype == np.float32
    # in evaluation mode the logits of a clip do not depend on the other clips of the batch
    np.testing.assert_allclose(asnumpy(model(x[2:3]).data), logits[2:3], rtol=1e-4, atol=1e-5)


def test_real_network_ignores_the_deltas() -> None:
    model = make_tiny(quaternion=False)
    x = np.random.default_rng(1).standard_normal((2, 12, 8, 4)).astype(np.float32)
    log_mel_only = x.copy()
    log_mel_only[..., 1:] = 0
    np.testing.assert_array_equal(asnumpy(model(x).data), asnumpy(model(log_mel_only).data))


@pytest.mark.parametrize("quaternion", [False, True])
@pytest.mark.parametrize("input_norm", ["mel", "cell"])
def test_gradient_of_a_network(quaternion: bool, input_norm: str) -> None:
    model = make_tiny(quaternion=quaternion, input_norm=input_norm, block_dropout=0.0, head_dropout=0.0)
    rng = np.random.default_rng(3)
    for _, _, _, tensor in model._entries():
        if isinstance(tensor, Tensor):
            tensor.data = tensor.data.astype(np.float64)
    x = rng.standard_normal((2, 6, 8, 4))
    attributes = list(parameter_attributes(model))
    arrays = [getattr(module, key).data for module, key in attributes]

    def network(*values: Tensor) -> Tensor:
        for (module, key), value in zip(attributes, values, strict=True):
            setattr(module, key, value)
        return model(x, train=True)

    gradcheck(network, arrays, rng=rng, tolerance=2e-5, num_directions=1)


def test_milliseconds_per_clip() -> None:
    assert milliseconds_per_clip(make_tiny(), np.zeros((12, 8, 4), np.float32), runs=3) > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"widths": ((6,),)},
        {"widths": ()},
        {"widths": ((8,), ())},
        {"classes": 0},
        {"embedding": 6},
        {"head_dropout": 1.0},
        {"input_norm": "none"},
    ],
)
def test_invalid_config(changes: dict) -> None:
    with pytest.raises(ConfigError, match=r"expected|divisible|at least 1, got 0"):
        make_tiny(**changes)


def test_input_of_another_shape() -> None:
    with pytest.raises(ShapeError, match=r"expected input \(N, frames, 8, 4\), got \(2, 4, 12, 8\)"):
        make_tiny()(np.zeros((2, 4, 12, 8), np.float32))
    with pytest.raises(ShapeError, match="window is larger than"):
        make_tiny()(np.zeros((2, 1, 8, 4), np.float32))


@pytest.mark.parity
@pytest.mark.parametrize("quaternion", [False, True])
def test_network_agrees_with_pytorch(quaternion: bool, torch) -> None:
    """Compare logits and gradients of all parameters in training mode, with the same weights and inputs."""
    from support.torch_networks import torch_gradients

    config = CNNConfig(
        5, quaternion, ((8,), (16, 16), (16, 24)), embedding=16, mels=16, block_dropout=0, head_dropout=0
    )
    model = CNN(config, rng=np.random.default_rng(2))
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4, 24, 16, 4)).astype(np.float32)
    cotangent = rng.standard_normal((4, 5)).astype(np.float32)
    logits = model(x, train=True)
    logits.backward(cotangent)
    expected_logits, expected = torch_gradients(torch, model, x, cotangent)
    np.testing.assert_allclose(asnumpy(logits.data), expected_logits, rtol=1e-4, atol=1e-4)
    for name, tensor in model.named_parameters():
        scale = np.abs(expected[name]).max() + 1e-3
        np.testing.assert_allclose(asnumpy(tensor.grad) / scale, expected[name] / scale, atol=2e-4, err_msg=name)


def test_cost_of_a_network_in_place_of_its_config():
    with pytest.raises(ConfigError, match=r"expected the config .*, got Linear; graph\.count counts other networks"):
        network_cost(nn.Linear(4, 2, rng=np.random.default_rng(0)), np.zeros((1, 4)))


@pytest.mark.parametrize("runs", [0, -1, 1.5])
def test_latency_of_no_runs(runs):
    with pytest.raises(ConfigError, match="runs must be an integer of at least 1"):
        milliseconds_per_clip(nn.ReLU(), np.zeros(4), runs=runs)
