"""Tests of the parameters, options and calls of convolution layers.

All layers have the same arguments and count real channels, four per quaternion. A quaternion layer with a quarter of
the weights can therefore replace a real layer. Without bias, the linear quaternion layers are equivariant to right
multiplication by a quaternion. A bias breaks the equivariance, because the bias is not multiplied.
`test_rotation_convolution` tests the properties of the rotation layer.
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

CONV1D = [nn.Conv1d, nn.QuaternionConv1d]
CONV2D = [nn.Conv2d, nn.QuaternionConv2d, nn.QuaternionRotationConv2d]
TRANSPOSED = [nn.ConvTranspose2d, nn.QuaternionConvTranspose2d]
LAYERS = CONV1D + CONV2D + TRANSPOSED
EQUIVARIANT = [nn.QuaternionConv1d, nn.QuaternionConv2d, nn.QuaternionConvTranspose2d]


def draw_input(layer, seed, channels=16):
    """Draw two float32 signals of 9 samples, or two float32 images of 5 x 6 pixels."""
    return draw(seed, *((2, 9) if layer in CONV1D else (2, 5, 6)), channels, dtype=np.float32)


def make_layer(layer, *channels, seed=0, **options):
    return layer(*channels, rng=np.random.default_rng(seed), **options)


# Shapes


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "options", [{}, {"kernel_size": 5}, {"kernel_size": 1}, {"dilation": 2}, {"groups": 2, "bias": True}]
)
def test_default_padding_keeps_the_size(layer, options):
    x = draw_input(layer, 1)
    assert make_layer(layer, 16, 8, **options)(Tensor(x)).shape == (*x.shape[:-1], 8)


@pytest.mark.parametrize("layer", TRANSPOSED)
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 2), (2, 2), (1, 2), (5, 3), ((3, 4), (1, 2)), (3, 4)])
def test_default_padding_of_transposed_layers_multiplies_the_size_by_the_stride(layer, kernel, stride):
    stride_h, stride_w = stride if isinstance(stride, tuple) else (stride, stride)
    y = make_layer(layer, 16, 8, kernel_size=kernel, stride=stride)(Tensor(draw_input(layer, 1)))
    assert y.shape == (2, 5 * stride_h, 6 * stride_w, 8)


@pytest.mark.parametrize("layer", TRANSPOSED)
def test_explicit_padding_of_transposed_layers(layer):
    x = Tensor(draw_input(layer, 1))
    assert make_layer(layer, 16, 8, stride=2, padding=0, output_padding=0)(x).shape == (2, 11, 13, 8)
    assert make_layer(layer, 16, 8, stride=2, padding=(0, 1), output_padding=(1, 0))(x).shape == (2, 12, 11, 8)
    # By default, the output padding (0 or 1) makes the output size as close as possible to stride times the input size.
    assert make_layer(layer, 16, 8, stride=2, padding=0)(x).shape == (2, 11, 13, 8)
    assert make_layer(layer, 16, 8, stride=2, padding=2)(x).shape == (2, 8, 10, 8)


def test_layers_agree_with_ops():
    options = {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
    op_options = {name: value for name, value in options.items() if name != "kernel_size"}
    for layer, op in [(nn.Conv2d, ops.conv2d), (nn.QuaternionConv2d, ops.quaternion_conv2d)]:
        conv, x = make_layer(layer, 16, 8, **options), Tensor(draw_input(layer, 1))
        assert_close(conv(x).data, op(x, conv.weight, **op_options).data)
    for layer, op in [(nn.ConvTranspose2d, ops.conv_transpose2d)]:
        conv, x = make_layer(layer, 16, 8, **options, output_padding=(1, 0)), Tensor(draw_input(layer, 1))
        assert_close(conv(x).data, op(x, conv.weight, **op_options, output_padding=(1, 0)).data)
    conv, x = make_layer(nn.QuaternionRotationConv2d, 16, 8, **options), Tensor(draw_input(nn.Conv2d, 1))
    assert_close(conv(x).data, ops.quaternion_rotation_conv2d(x, conv.weight, conv.scale, **op_options).data)


# Parameters


@pytest.mark.parametrize(("real", "quaternion"), [CONV1D, CONV2D[:2], TRANSPOSED])
@pytest.mark.parametrize("groups", [1, 2])
def test_quaternion_layers_have_a_quarter_of_the_weights(real, quaternion, groups):
    sizes = [make_layer(layer, 16, 24, groups=groups).weight.data.size for layer in (real, quaternion)]
    assert sizes[0] == 4 * sizes[1]


def test_shapes_of_weights():
    shapes = {layer.__name__: make_layer(layer, 16, 24, kernel_size=5, groups=2).weight.shape for layer in LAYERS}
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
def test_all_parameters_have_gradients(layer, rng):
    conv = make_layer(layer, 8, 8, bias=True)
    y = conv(Tensor(draw_input(layer, 1, channels=8)))
    y.backward(draw(rng, *y.shape, dtype=np.float32))
    names = {"weight", "bias"} | ({"scale"} if layer is nn.QuaternionRotationConv2d else set())
    assert dict(conv.named_parameters()).keys() == names
    assert all(float(xp.abs(tensor.grad).max()) > 0 for tensor in conv.parameters())
    assert {tensor.grad.dtype for tensor in conv.parameters()} == {y.data.dtype} == {np.dtype(np.float32)}


@pytest.mark.parametrize("layer", [*LAYERS, nn.Linear, nn.QuaternionLinear])
def test_bias_is_optional(layer):
    assert "bias" not in make_layer(layer, 8, 8, bias=False).state_dict()
    assert make_layer(layer, 8, 8, bias=True).state_dict()["bias"].shape == (8,)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("groups", [1, 4])
def test_initialization_keeps_the_variance(layer, groups):
    # The numbers of input and output channels are equal. The border is excluded because it depends on the padding.
    x = draw(1, *((8, 60) if layer in CONV1D else (2, 16, 16)), 64, dtype=np.float32)
    y = asnumpy(make_layer(layer, 64, 64, groups=groups)(Tensor(x)).data)
    inside = y[:, 1:-1] if layer in CONV1D else y[:, 1:-1, 1:-1]
    assert inside.var() == pytest.approx(1, rel=0.15)


def test_initial_rotations_are_uniform_unit_quaternions():
    w = make_layer(nn.QuaternionRotationConv2d, 256, 256).weight.data
    assert_close((w**2).sum(axis=0), xp.ones(w.shape[1:]), atol=1e-6)
    assert_close(w.mean(axis=(1, 2, 3, 4)), xp.zeros(4), atol=0.02)
    assert_close((w**2).mean(axis=(1, 2, 3, 4)), xp.full(4, 0.25), atol=0.01)


@pytest.mark.parametrize("layer", LAYERS)
def test_initialization_depends_on_the_seed_only(layer):
    first, same, other = (make_layer(layer, 8, 8, seed=seed).state_dict() for seed in (1, 1, 2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, same[name])
        assert (array != other[name]).any()
        assert array.dtype == np.float32


# Equivariance: layer(x ⊗ q) = layer(x) ⊗ q


@given(seeds, quaternions(3.0))
@pytest.mark.parametrize("layer", [*EQUIVARIANT, nn.QuaternionLinear])
def test_equivariance_without_bias(layer, seed, q):
    q = q.astype(np.float32)
    x = draw(seed, 3, 8, dtype=np.float32) if layer is nn.QuaternionLinear else draw_input(layer, seed, channels=8)
    model = make_layer(layer, 8, 12, seed=seed, bias=False)
    assert_close(model(Tensor(times(x, q))).data, times(model(Tensor(x)).data, q), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", [*EQUIVARIANT, nn.QuaternionLinear])
def test_bias_breaks_equivariance(layer, rng):
    # The difference layer(x ⊗ q) - layer(x) ⊗ q is bias - bias ⊗ q.
    q = draw(rng, 4, dtype=np.float32)
    x = draw(rng, 3, 8, dtype=np.float32) if layer is nn.QuaternionLinear else draw_input(layer, 1, channels=8)
    model = make_layer(layer, 8, 12, bias=True)
    model.bias.data = draw(rng, 12, dtype=np.float32)
    difference = model(Tensor(times(x, q))).data - times(model(Tensor(x)).data, q)
    expected = model.bias.data - times(model.bias.data, q)
    assert_close(difference, xp.broadcast_to(expected, difference.shape), rtol=1e-4, atol=1e-4)
    assert float(xp.abs(expected).max()) > 0.1


def test_real_part_of_a_rotation_layer():
    model, x = make_layer(nn.QuaternionRotationConv2d, 8, 12), draw_input(nn.Conv2d, 1, channels=8)
    y = model(Tensor(x)).data
    assert_close(y[..., :3], ops.conv2d(Tensor(x[..., :2]), model.scale, padding=1).data, rtol=1e-5, atol=1e-5)


# Errors


@pytest.mark.parametrize("layer", [*EQUIVARIANT, nn.QuaternionRotationConv2d])
@pytest.mark.parametrize("channels", [(6, 8), (8, 6), (0, 4), (4, 0), (-4, 4)])
def test_channels_must_be_divisible_by_four(layer, channels):
    with pytest.raises(ShapeError, match="multiple of 4 real channels"):
        make_layer(layer, *channels)


@pytest.mark.parametrize("layer", LAYERS)
def test_groups_must_be_equal(layer):
    with pytest.raises(ShapeError, match="divisible by groups=3"):
        make_layer(layer, 16, 8, groups=3)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "options", [{"kernel_size": 0}, {"dilation": 0}, {"kernel_size": 1.5}, {"kernel_size": (1, 2, 3)}]
)
def test_invalid_kernel_size_and_dilation(layer, options):
    with pytest.raises(ConfigError, match=r"at least 1|an int|one int"):
        make_layer(layer, 8, 8, **options)


def test_options_of_conv1d_layers_are_single_numbers():
    for layer in CONV1D:
        with pytest.raises(ConfigError, match="one int for a 1d convolution"):
            make_layer(layer, 8, 8, kernel_size=(3, 3))
