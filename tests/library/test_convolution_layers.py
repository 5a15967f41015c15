"""Convolution layers: a weight, its options, and a call.

Every layer counts real channels, four to a quaternion, and takes the same arguments, so that a real layer can be
exchanged for a quaternion one with a quarter of the weights. What a layer obeys is what its op obeys: without bias a
quaternion on the right goes through the linear ones. A bias breaks that law, because it does not turn with the input;
and the rotation layer has laws of its own (`test_rotation_convolution`).
"""

import numpy as np
import pytest
from hypothesis import given
from support.arrays import assert_close, draw
from support.right_multiplication import times
from support.strategies import quaternions, seeds

from quatnet import Tensor, nn, ops
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError

SIGNALS = [nn.Conv1d, nn.QuaternionConv1d]
FORWARD = [nn.Conv2d, nn.QuaternionConv2d, nn.QuaternionRotationConv2d]
BACK = [nn.ConvTranspose2d, nn.QuaternionConvTranspose2d]
LAYERS = SIGNALS + FORWARD + BACK
LINEAR = [nn.QuaternionConv1d, nn.QuaternionConv2d, nn.QuaternionConvTranspose2d]


def drawn_for(layer, seed, channels=16):
    """A signal (2, 9, C) or an image (2, 5, 6, C) in float32."""
    return draw(seed, *((2, 9) if layer in SIGNALS else (2, 5, 6)), channels, dtype=np.float32)


def built(layer, *channels, seed=0, **options):
    return layer(*channels, rng=np.random.default_rng(seed), **options)


# Shapes


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "options", [{}, {"kernel_size": 5}, {"kernel_size": 1}, {"dilation": 2}, {"groups": 2, "bias": True}]
)
def test_a_layer_keeps_the_size_unless_told_otherwise(layer, options):
    x = drawn_for(layer, 1)
    assert built(layer, 16, 8, **options)(Tensor(x)).shape == (*x.shape[:-1], 8)


@pytest.mark.parametrize("layer", BACK)
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 2), (2, 2), (1, 2), (5, 3), ((3, 4), (1, 2)), (3, 4)])
def test_a_transposed_layer_multiplies_the_size_by_its_stride(layer, kernel, stride):
    down, right = stride if isinstance(stride, tuple) else (stride, stride)
    y = built(layer, 16, 8, kernel_size=kernel, stride=stride)(Tensor(drawn_for(layer, 1)))
    assert y.shape == (2, 5 * down, 6 * right, 8)


@pytest.mark.parametrize("layer", BACK)
def test_paddings_that_are_given_are_taken(layer):
    x = Tensor(drawn_for(layer, 1))
    assert built(layer, 16, 8, stride=2, padding=0, output_padding=0)(x).shape == (2, 11, 13, 8)
    assert built(layer, 16, 8, stride=2, padding=(0, 1), output_padding=(1, 0))(x).shape == (2, 12, 11, 8)
    # output padding, 0 or 1 here, cannot bring stride times the size back from any padding, only come near
    assert built(layer, 16, 8, stride=2, padding=0)(x).shape == (2, 11, 13, 8)
    assert built(layer, 16, 8, stride=2, padding=2)(x).shape == (2, 8, 10, 8)


def test_a_layer_does_what_its_op_does():
    options = {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
    passed = {name: value for name, value in options.items() if name != "kernel_size"}
    for layer, op in [(nn.Conv2d, ops.conv2d), (nn.QuaternionConv2d, ops.quaternion_conv2d)]:
        conv, x = built(layer, 16, 8, **options), Tensor(drawn_for(layer, 1))
        assert_close(conv(x).data, op(x, conv.weight, **passed).data)
    for layer, op in [(nn.ConvTranspose2d, ops.conv_transpose2d)]:
        conv, x = built(layer, 16, 8, **options, output_padding=(1, 0)), Tensor(drawn_for(layer, 1))
        assert_close(conv(x).data, op(x, conv.weight, **passed, output_padding=(1, 0)).data)
    conv, x = built(nn.QuaternionRotationConv2d, 16, 8, **options), Tensor(drawn_for(nn.Conv2d, 1))
    assert_close(conv(x).data, ops.quaternion_rotation_conv2d(x, conv.weight, conv.scale, **passed).data)


# Parameters


@pytest.mark.parametrize(("real", "quaternion"), [SIGNALS, FORWARD[:2], BACK])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_quarter_of_the_weights_for_the_same_channels(real, quaternion, groups):
    sizes = [built(layer, 16, 24, groups=groups).weight.data.size for layer in (real, quaternion)]
    assert sizes[0] == 4 * sizes[1]


def test_weights_are_laid_out_channels_in_before_channels_out():
    shapes = {layer.__name__: built(layer, 16, 24, kernel_size=5, groups=2).weight.shape for layer in LAYERS}
    assert shapes == {
        "Conv1d": (5, 8, 24),
        "Conv2d": (5, 5, 8, 24),
        "ConvTranspose2d": (5, 5, 8, 24),
        "QuaternionConv1d": (4, 5, 2, 6),
        "QuaternionConv2d": (4, 5, 5, 2, 6),
        "QuaternionConvTranspose2d": (4, 5, 5, 2, 6),
        "QuaternionRotationConv2d": (4, 5, 5, 2, 6),
    }


@pytest.mark.parametrize("layer", LAYERS)
def test_all_parameters_are_trained(layer, rng):
    conv = built(layer, 8, 8, bias=True)
    y = conv(Tensor(drawn_for(layer, 1, channels=8)))
    y.backward(draw(rng, *y.shape, dtype=np.float32))
    names = {"weight", "bias"} | ({"scale"} if layer is nn.QuaternionRotationConv2d else set())
    assert dict(conv.named_parameters()).keys() == names
    assert all(float(xp.abs(tensor.grad).max()) > 0 for tensor in conv.parameters())
    assert {tensor.grad.dtype for tensor in conv.parameters()} == {y.data.dtype} == {np.dtype(np.float32)}


@pytest.mark.parametrize("layer", [*LAYERS, nn.Linear, nn.QuaternionLinear])
def test_without_bias_there_is_none(layer):
    assert "bias" not in built(layer, 8, 8, bias=False).state_dict()
    assert built(layer, 8, 8, bias=True).state_dict()["bias"].shape == (8,)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("groups", [1, 4])
def test_a_fresh_layer_keeps_the_size_of_its_signal(layer, groups):
    # as many channels out as in, and the edges, where padding is, left out
    x = draw(1, *((8, 60) if layer in SIGNALS else (2, 16, 16)), 64, dtype=np.float32)
    y = asnumpy(built(layer, 64, 64, groups=groups)(Tensor(x)).data)
    inside = y[:, 1:-1] if layer in SIGNALS else y[:, 1:-1, 1:-1]
    assert inside.var() == pytest.approx(1, rel=0.15)


def test_fresh_rotations_are_unit_quaternions_that_prefer_no_direction():
    w = built(nn.QuaternionRotationConv2d, 256, 256).weight.data
    assert_close((w**2).sum(axis=0), xp.ones(w.shape[1:]), atol=1e-6)
    assert_close(w.mean(axis=(1, 2, 3, 4)), xp.zeros(4), atol=0.02)
    assert_close((w**2).mean(axis=(1, 2, 3, 4)), xp.full(4, 0.25), atol=0.01)


@pytest.mark.parametrize("layer", LAYERS)
def test_one_seed_one_layer_in_float32(layer):
    first, same, other = (built(layer, 8, 8, seed=seed).state_dict() for seed in (1, 1, 2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, same[name])
        assert (array != other[name]).any()
        assert array.dtype == np.float32


# The law


@given(seeds, quaternions(3.0))
@pytest.mark.parametrize("layer", [*LINEAR, nn.QuaternionLinear])
def test_a_quaternion_on_the_right_goes_through_a_layer_without_bias(layer, seed, q):
    q = q.astype(np.float32)
    x = draw(seed, 3, 8, dtype=np.float32) if layer is nn.QuaternionLinear else drawn_for(layer, seed, channels=8)
    model = built(layer, 8, 12, seed=seed, bias=False)
    assert_close(model(Tensor(times(x, q))).data, times(model(Tensor(x)).data, q), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", [*LINEAR, nn.QuaternionLinear])
def test_a_bias_breaks_the_law_by_what_it_fails_to_turn(layer, rng):
    # layer(x ⊗ q) - layer(x) ⊗ q = bias - bias ⊗ q
    q = draw(rng, 4, dtype=np.float32)
    x = draw(rng, 3, 8, dtype=np.float32) if layer is nn.QuaternionLinear else drawn_for(layer, 1, channels=8)
    model = built(layer, 8, 12, bias=True)
    model.bias.data = draw(rng, 12, dtype=np.float32)
    difference = model(Tensor(times(x, q))).data - times(model(Tensor(x)).data, q)
    expected = model.bias.data - times(model.bias.data, q)
    assert_close(difference, xp.broadcast_to(expected, difference.shape), rtol=1e-4, atol=1e-4)
    assert float(xp.abs(expected).max()) > 0.1


def test_the_real_part_of_a_rotation_layer_is_a_real_layer():
    model, x = built(nn.QuaternionRotationConv2d, 8, 12), drawn_for(nn.Conv2d, 1, channels=8)
    y = model(Tensor(x)).data
    assert_close(y[..., :3], ops.conv2d(Tensor(x[..., :2]), model.scale, padding=1).data, rtol=1e-5, atol=1e-5)


# Mistakes


@pytest.mark.parametrize("layer", [*LINEAR, nn.QuaternionRotationConv2d])
@pytest.mark.parametrize("channels", [(6, 8), (8, 6), (0, 4), (4, 0), (-4, 4)])
def test_channels_must_be_divisible_by_four(layer, channels):
    with pytest.raises(ShapeError, match="multiple of 4 real channels"):
        built(layer, *channels)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("groups", [0, 3, -1])
def test_groups_must_come_out_equal(layer, groups):
    with pytest.raises(ShapeError, match=f"channels in {groups} equal groups"):
        built(layer, 16, 8, groups=groups)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "options", [{"kernel_size": 0}, {"dilation": 0}, {"kernel_size": 1.5}, {"kernel_size": (1, 2, 3)}]
)
def test_a_kernel_without_taps_is_refused(layer, options):
    with pytest.raises(ConfigError, match=r"at least 1|whole number"):
        built(layer, 8, 8, **options)


def test_a_layer_for_signals_has_one_direction():
    for layer in SIGNALS:
        with pytest.raises(ConfigError, match="one direction of a signal"):
            built(layer, 8, 8, kernel_size=(3, 3))
