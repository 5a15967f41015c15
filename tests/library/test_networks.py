"""Networks, and what they cost.

A config says what a network is made of; one class builds the real network and its quaternion twin from it.
Costs follow from shapes, so that they can be checked with a pencil: a convolution costs pixels x taps x
channels in x channels out real multiplications, and a quaternion one half of that, because a Hamilton product
needs 8 of the 16 products in its block matrix. The published networks give the numbers to compare with.
"""

import numpy as np
import pytest
from support.modules import parameter_places

from quatnet import Tensor, nn
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy
from quatnet.errors import ConfigError, ShapeError
from quatnet.models import CNN, CNNConfig, cnn14, half_width, small_cnn
from quatnet.profile import count_parameters, layer_costs, layer_multiplications, milliseconds_per_clip, multiplications

TINY = CNNConfig(3, True, ((8,), (8, 12)), embedding=8, mels=8)


def tiny(seed: int = 0, **changes: object) -> CNN:
    return CNN(CNNConfig(**{**vars(TINY), **changes}), rng=np.random.default_rng(seed))


def parameters_from_config(config: CNNConfig) -> int:
    """Count by formula, without building 80 million numbers."""
    share = 4 if config.quaternion else 1
    channels = config.in_channels
    total = 2 * config.mels if config.input_norm == "mel" else 0
    for width in (width for block in config.widths for width in block):
        total += 9 * channels * width // share + 2 * width
        channels = width
    total += channels * config.embedding // share + config.embedding
    return total + config.embedding * config.classes + config.classes


def test_a_first_layer_is_counted_with_a_pencil() -> None:
    first = next(layer_costs(TINY, frames=10))
    # 10 x 8 pixels, 9 taps, 4 channels in, 8 out: 80 * 9 * 32 = 23,040 real products; half with eight each
    assert (first.multiplications_16, first.multiplications_8) == (23_040, 11_520)


@pytest.mark.parametrize(
    ("layer", "options", "pixels", "sixteen", "eight", "parameters"),
    [
        (nn.Conv2d, {"dilation": 2, "bias": True}, 80, 23_040, 23_040, 296),  # 80 · 9 · 4 · 8, and 8 for the bias
        (nn.Conv2d, {"groups": 2}, 80, 11_520, 11_520, 144),  # each filter sees 2 channels of the 4
        (nn.Conv1d, {}, 10, 960, 960, 96),  # 10 · 3 · 4 · 8
        (nn.ConvTranspose2d, {"stride": 2}, 20, 5_760, 5_760, 288),  # each pixel of the input times 9 · 4 · 8
        (nn.Linear, {}, 1, 32, 32, 40),
        (nn.QuaternionConv2d, {}, 80, 23_040, 11_520, 72),  # as the first layer above
        (nn.QuaternionConv1d, {"kernel_size": 5}, 10, 1_600, 800, 40),  # 10 · 5 · 32
        (nn.QuaternionConvTranspose2d, {"stride": 2}, 20, 5_760, 2_880, 72),
        (nn.QuaternionLinear, {"bias": False}, 1, 32, 16, 8),
        (nn.QuaternionRotationConv2d, {}, 80, 23_040, 23_040, 90),  # 72 and a scale to each quaternion
    ],
)
def test_every_layer_is_counted_with_a_pencil(layer, options, pixels, sixteen, eight, parameters) -> None:
    built = layer(4, 8, rng=np.random.default_rng(0), **options)
    assert layer_multiplications(built, pixels) == (sixteen, eight)
    assert count_parameters(built) == parameters


def test_the_count_of_a_layer_is_that_of_the_network_it_is_in() -> None:
    for quaternion in (False, True):
        model = tiny(quaternion=quaternion)
        layers = [conv for block in model.blocks for conv in block.convs] + [model.embedding, model.classifier]
        pixels = [10 * 8, 5 * 4, 5 * 4, 1, 1]
        for cost, layer, count in zip(layer_costs(model.config, frames=10), layers, pixels, strict=True):
            assert layer_multiplications(layer, count) == (cost.multiplications_16, cost.multiplications_8)


def test_a_layer_that_is_not_counted_is_refused_instead_of_forgotten() -> None:
    with pytest.raises(ConfigError, match="no count for BatchNorm; expected a linear or a convolution"):
        layer_multiplications(nn.BatchNorm(4), 80)


def test_multiplications_of_cnn14_and_qcnn14_are_the_published_ones() -> None:
    # 10 s at 32 kHz with hop 320: 1001 frames; 20.04 G real, 20.153 G and 10.077 G quaternion
    assert multiplications(cnn14(527), 1001) == (20_041_926_656, 20_041_926_656)
    sixteen, eight = multiplications(cnn14(527, quaternion=True), 1001)
    assert (round(sixteen / 1e9, 3), round(eight / 1e9, 3)) == (20.153, 10.077)


def test_parameters_of_cnn14_and_qcnn14_are_the_published_ones() -> None:
    assert parameters_from_config(cnn14(527)) == 80_753_615
    assert parameters_from_config(cnn14(527, quaternion=True)) == 21_012_431


@pytest.mark.parametrize("quaternion", [False, True])
def test_the_formula_counts_what_a_built_network_holds(quaternion: bool) -> None:
    for config in (
        small_cnn(10, quaternion=quaternion),
        CNNConfig(**{**vars(TINY), "quaternion": quaternion}),
    ):
        model = CNN(config, rng=np.random.default_rng(0))
        assert count_parameters(model) == parameters_from_config(config)


def test_a_student_has_about_a_quarter_of_everything() -> None:
    teacher = small_cnn(10, quaternion=True)
    ratio = multiplications(half_width(teacher), 251)[1] / multiplications(teacher, 251)[1]
    assert 0.2 < ratio < 0.35  # the first layer reads four channels whatever the width, so a little more


def test_a_student_of_widths_without_a_half_has_whole_quaternions() -> None:
    # as pruning leaves them: 12 real channels are 3 quaternions, of which a student has 1; of 1 it has 1
    student = half_width(CNNConfig(3, True, ((12,), (4, 20)), embedding=28))
    assert (student.widths, student.embedding) == (((4,), (4, 8)), 12)
    student = half_width(CNNConfig(3, False, ((7,), (1, 8)), embedding=3))
    assert (student.widths, student.embedding) == (((3,), (1, 4)), 1)


@pytest.mark.parametrize("quaternion", [False, True])
def test_a_batch_of_clips_becomes_a_row_of_logits_each(quaternion: bool) -> None:
    model = tiny(quaternion=quaternion)
    x = np.random.default_rng(1).standard_normal((5, 12, 8, 4)).astype(np.float32)
    logits = asnumpy(model(x).data)
    assert logits.shape == (5, 3)
    assert logits.dtype == np.float32
    # in evaluation mode a clip's answer does not depend on the other clips of its batch
    np.testing.assert_allclose(asnumpy(model(x[2:3]).data), logits[2:3], rtol=1e-4, atol=1e-5)


def test_the_real_network_hears_the_log_mel_alone() -> None:
    model = tiny(quaternion=False)
    x = np.random.default_rng(1).standard_normal((2, 12, 8, 4)).astype(np.float32)
    deaf = x.copy()
    deaf[..., 1:] = 0
    np.testing.assert_array_equal(asnumpy(model(x).data), asnumpy(model(deaf).data))


@pytest.mark.parametrize("quaternion", [False, True])
@pytest.mark.parametrize("input_norm", ["mel", "cell"])
def test_the_gradient_of_a_whole_network_is_right(quaternion: bool, input_norm: str) -> None:
    model = tiny(quaternion=quaternion, input_norm=input_norm, block_dropout=0.0, head_dropout=0.0)
    rng = np.random.default_rng(3)
    for _, tensor, _ in model._entries():
        if isinstance(tensor, Tensor):
            tensor.data = tensor.data.astype(np.float64)
    x = rng.standard_normal((2, 6, 8, 4))
    places = list(parameter_places(model))
    arrays = [getattr(owner, key).data for owner, key in places]

    def network(*values: Tensor) -> Tensor:
        for (owner, key), value in zip(places, values, strict=True):
            setattr(owner, key, value)
        return model(x, train=True)

    gradcheck(network, arrays, rng=rng, tolerance=2e-5, directions=1)


def test_milliseconds_are_measured() -> None:
    assert milliseconds_per_clip(tiny(), np.zeros((12, 8, 4), np.float32), runs=3) > 0


@pytest.mark.parametrize(
    "wrong",
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
def test_a_config_that_cannot_work_is_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=r"expected|divisible"):
        tiny(**wrong)


def test_an_input_of_another_layout_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected input \(N, frames, 8, 4\), got \(2, 4, 12, 8\)"):
        tiny()(np.zeros((2, 4, 12, 8), np.float32))
    with pytest.raises(ShapeError, match="does not fit"):
        tiny()(np.zeros((2, 1, 8, 4), np.float32))


@pytest.mark.parity
@pytest.mark.parametrize("quaternion", [False, True])
def test_the_small_network_agrees_with_pytorch(quaternion: bool, torch) -> None:
    """Same weights, same input, training mode: logits, and the gradient of every parameter."""
    from support.torch_twin import twin_gradients

    config = CNNConfig(
        5, quaternion, ((8,), (16, 16), (16, 24)), embedding=16, mels=16, block_dropout=0, head_dropout=0
    )
    model = CNN(config, rng=np.random.default_rng(2))
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4, 24, 16, 4)).astype(np.float32)
    cotangent = rng.standard_normal((4, 5)).astype(np.float32)
    logits = model(x, train=True)
    logits.backward(cotangent)
    expected_logits, expected = twin_gradients(torch, model, x, cotangent)
    np.testing.assert_allclose(asnumpy(logits.data), expected_logits, rtol=1e-4, atol=1e-4)
    for name, tensor in model.named_parameters():
        scale = np.abs(expected[name]).max() + 1e-3
        np.testing.assert_allclose(asnumpy(tensor.grad) / scale, expected[name] / scale, atol=2e-4, err_msg=name)
