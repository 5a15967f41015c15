"""Tests of modules and of the initial weights.

A module holds the parameters of a network by name. The initial weights keep the variance of signals constant across
layers. For n input quaternions and weights w, the variance of y = Σ w ⊗ x is n E|w|² times the variance of x. So E|w|²
should be 1 / n. After a ReLU, which halves the mean square, E|w|² should be 2 / n. Two initializations satisfy this
condition: weights with a random norm (polar) and weights with a constant norm (unitary).
"""

import math

import numpy as np
import pytest
from scipy import stats
from support.arrays import assert_close, draw

from quatnet import Tensor, ops
from quatnet.backend import asnumpy, xp
from quatnet.errors import CheckpointError, ShapeError
from quatnet.nn import BatchNorm, Conv2d, Linear, Module, QuaternionConv2d, QuaternionLinear
from quatnet.nn.init import glorot_scale, he_scale, quaternion_polar, quaternion_unitary, xavier_uniform

# Modules


class Net(Module):
    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.name = "a string, which is not part of the state"
        self.blocks = [Conv2d(4, 8, rng=rng), QuaternionConv2d(8, 8, rng=rng)]
        self.norm = BatchNorm(8, affine=False)
        self.head = Linear(8, 2, rng=rng)


def test_names_of_parameters_and_state():
    parameters = {"blocks.0.weight", "blocks.1.weight", "head.weight", "head.bias"}
    assert dict(Net().named_parameters()).keys() == parameters
    assert Net().state_dict().keys() == parameters | {
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
    }


def test_state_dict_returns_copies():
    net = Net()
    state = net.state_dict()
    state["head.bias"][:] = 7
    assert float(xp.abs(net.head.bias.data).max()) == 0


def test_load_state_dict_converts_to_c_order():
    net = Net()
    net.load_state_dict({name: np.asfortranarray(array) for name, array in Net(seed=1).state_dict().items()})
    assert net.head.weight.data.flags.c_contiguous
    assert net.blocks[1].weight.data.flags.c_contiguous
    assert_close(net.blocks[1].weight.data, Net(seed=1).blocks[1].weight.data)


def test_load_state_dict_of_another_network():
    first, second = Net(seed=1), Net(seed=2)
    first.norm(Tensor(draw(0, 9, 8, dtype=np.float32)), train=True)
    parameters = dict(second.named_parameters())
    second.load_state_dict(first.state_dict())
    for name, array in first.state_dict().items():
        assert_close(second.state_dict()[name], array, rtol=0, atol=0)
    # An optimizer references the parameter tensors, so `load_state_dict` must not replace the tensors.
    assert all(dict(second.named_parameters())[name] is tensor for name, tensor in parameters.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("head.bias"), r"missing: \['head.bias'\]"),
        (lambda s: s.update(tail=np.ones(1)), r"unexpected: \['tail'\]"),
        (lambda s: s.update({"head.bias": np.ones(3)}), r"head.bias: expected \(2,\) float32, got \(3,\)"),
    ],
)
def test_load_state_dict_of_other_names_or_shapes_raises(change, message):
    net, state = Net(seed=1), Net(seed=2).state_dict()
    before = net.state_dict()
    change(state)
    with pytest.raises(CheckpointError, match=message):
        net.load_state_dict(state)
    for name, array in net.state_dict().items():
        assert_close(array, before[name], rtol=0, atol=0)


# Initial weights


def test_modulus_of_polar_weights_is_chi_distributed(rng):
    # The modulus has a chi distribution with 4 degrees of freedom, times the scale. The mean of the distribution is
    # sqrt(2) Γ(5/2) / Γ(2) = 1.880, and its mean square is 4.
    w = quaternion_polar((4, 100, 200), 0.5, rng=rng)
    modulus = np.sqrt((w.astype(np.float64) ** 2).sum(axis=0)).ravel() / 0.5
    assert modulus.mean() == pytest.approx(math.sqrt(2) * math.gamma(2.5), rel=0.01)
    assert (modulus**2).mean() == pytest.approx(4, rel=0.02)
    assert stats.kstest(modulus, stats.chi(4).cdf).pvalue > 0.01


def test_component_variances_of_polar_weights(rng):
    # Because E[cos²] = 1/2, half of |w|² is in the real part. The other half is divided equally among i, j and k.
    w = quaternion_polar((4, 100, 200), 1.0, rng=rng)
    fractions = (w.astype(np.float64) ** 2).mean(axis=(1, 2)) / 4
    np.testing.assert_allclose(fractions, [1 / 2, 1 / 6, 1 / 6, 1 / 6], rtol=0.04)
    np.testing.assert_allclose(w.mean(axis=(1, 2)), 0, atol=0.05)


def test_unitary_weights_have_constant_norm_and_uniform_direction(rng):
    # For a direction uniform on the sphere, the mean square of a component is 1/4 of the squared norm.
    w = quaternion_unitary((4, 100, 200), 0.5, rng=rng)
    np.testing.assert_allclose(np.sqrt((w.astype(np.float64) ** 2).sum(axis=0)), 1, rtol=1e-6)
    np.testing.assert_allclose((w**2).mean(axis=(1, 2)), 1 / 4, rtol=0.03)
    np.testing.assert_allclose(w.mean(axis=(1, 2)), 0, atol=0.02)
    # On the unit sphere in four dimensions, the real part r has the density 2/π sqrt(1 - r²), so P(|r| > 1/2) = 0.391.
    assert (np.abs(w[0]) > 0.5).mean() == pytest.approx(2 / 3 - math.sqrt(3) / (2 * math.pi), abs=0.015)


def test_worked_example_of_scales():
    # A 3x3 kernel with 2 input and 6 output quaternions has fan_in 18 and fan_out 54.
    # The scales are 1 / sqrt(2 · 72) = 1/12 (Glorot) and 1 / sqrt(2 · 18) = 1/6 (He).
    assert glorot_scale((4, 3, 3, 2, 6)) == pytest.approx(1 / 12)
    assert he_scale((4, 3, 3, 2, 6)) == pytest.approx(1 / 6)
    # The scales of the linear layer are 1 / sqrt(2 (2 + 6)) and 1 / sqrt(2 · 2).
    assert (glorot_scale((4, 2, 6)), he_scale((4, 2, 6))) == (1 / 4, 1 / 2)


def test_initialization_of_quaternion_layers():
    conv, linear = (
        layer(8, 16, rng=np.random.default_rng(1)).weight.data for layer in (QuaternionConv2d, QuaternionLinear)
    )
    for weight, scale in [(conv, glorot_scale), (linear, he_scale)]:
        expected = quaternion_polar(weight.shape, scale(weight.shape), rng=np.random.default_rng(1))
        assert_close(weight, expected, rtol=1e-6, atol=1e-6)


INITIALIZERS = {"polar": quaternion_polar, "unitary": quaternion_unitary}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_glorot_scale_keeps_variance_forward_and_backward(name, rng):
    # With 256 input and 256 output quaternions, the mean |w|² deviates by about 1 % from its expectation.
    shape = (4, 256, 256)
    w = Tensor(INITIALIZERS[name](shape, glorot_scale(shape), rng=rng))
    x = Tensor(draw(rng, 200, 1024, dtype=np.float32), requires_grad=True)
    y = ops.quaternion_linear(x, w, Tensor(np.zeros(1024, np.float32)))
    y.backward(draw(rng, *y.shape))
    components = asnumpy(y.data).reshape(200, 4, 256)
    assert components.var() == pytest.approx(asnumpy(x.data).var(), rel=0.04)
    np.testing.assert_allclose(components.var(axis=(0, 2)), 1, rtol=0.06)  # the variances of r, i, j and k are equal
    assert asnumpy(x.grad).var() == pytest.approx(1, rel=0.04)


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize(("scale", "expected"), [(he_scale, 1.0), (glorot_scale, 2.0**-6)])
def test_mean_square_after_six_relu_layers(name, scale, expected, rng):
    # Each of the six layers follows a ReLU. The He scale keeps the mean square.
    # The Glorot scale halves the mean square in each layer.
    # Over 40 seeds, the mean square for He was between 0.67 and 1.26.
    # The mean square varies because the 200 rows become similar in deep layers.
    x, shape = draw(rng, 200, 1024, dtype=np.float32), (4, 256, 256)
    h, bias = Tensor(x), Tensor(np.zeros(1024, np.float32))
    for _ in range(6):
        h = ops.quaternion_linear(ops.relu(h), Tensor(INITIALIZERS[name](shape, scale(shape), rng=rng)), bias)
    assert float((h.data**2).mean()) == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_he_scale_keeps_mean_square_of_a_convolution_after_relu(name, rng):
    shape = (4, 3, 3, 16, 32)
    w = Tensor(INITIALIZERS[name](shape, he_scale(shape), rng=rng))
    y = ops.quaternion_conv2d(ops.relu(Tensor(draw(rng, 4, 20, 20, 64, dtype=np.float32))), w)
    assert float((y.data**2).mean()) == pytest.approx(1, rel=0.15)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initial_weights_are_float32_and_reproducible(name):
    first, same, other = (INITIALIZERS[name]((4, 2, 3), 1.0, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    assert first.dtype == np.float32


@pytest.mark.parametrize("shape", [(), (3, 2, 2), (2, 4)])
def test_weights_without_four_components_raise(shape, rng):
    for name in INITIALIZERS:
        with pytest.raises(ShapeError, match=r"shape \(4, ...\) of quaternion weights"):
            INITIALIZERS[name](shape, 1.0, rng=rng)
    for scale in (glorot_scale, he_scale):
        with pytest.raises(ShapeError, match=r"shape \(4, ...\) of quaternion weights"):
            scale(shape)


@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 0, 2)])
def test_scale_of_a_shape_without_channels_raises(shape):
    for scale in (glorot_scale, he_scale):
        with pytest.raises(ShapeError, match=r"shape \(4, \*kernel_size, C, O\) of a weight"):
            scale(shape)


def test_xavier_weights_are_uniform(rng):
    # The weights are uniform with the bound sqrt(6 / (9 (16 + 32))) = 0.1179. Their variance is bound² / 3.
    w = xavier_uniform((3, 3, 16, 32), rng=rng)
    bound = math.sqrt(6 / (9 * 48))
    assert np.abs(w).max() == pytest.approx(bound, rel=0.01)
    assert w.var() == pytest.approx(bound**2 / 3, rel=0.05)


@pytest.mark.parametrize(
    ("layer", "shape", "variance"),
    [
        (Conv2d, (1, 20, 20, 64), 1.0),
        (QuaternionConv2d, (1, 20, 20, 64), 1.0),
        (Linear, (400, 64), 1.0),
        (QuaternionLinear, (400, 64), 2.0),  # the He scale is for a layer after a ReLU
    ],
)
def test_output_variance_of_initialized_layers(layer, shape, variance, rng):
    # The numbers of input and output channels are equal. The border is excluded because padding reduces its variance.
    y = asnumpy(layer(64, 64, rng=rng)(Tensor(draw(rng, *shape, dtype=np.float32))).data)
    assert (y[:, 1:-1, 1:-1] if y.ndim == 4 else y).var() == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("layer", [Conv2d, QuaternionConv2d, Linear, QuaternionLinear])
def test_layer_parameters_are_float32_and_reproducible(layer):
    first, same, other = (layer(8, 8, rng=np.random.default_rng(seed)).state_dict() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["weight"], same["weight"])
    assert (first["weight"] != other["weight"]).any()
    assert {array.dtype for array in first.values()} == {np.dtype(np.float32)}
