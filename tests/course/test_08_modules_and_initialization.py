"""What holds the parameters, and what they are before anything is learnt.

A module holds the parameters of a network by name. Initial weights are drawn so that signals neither die out nor
blow up on the way: y = Σ w ⊗ x over n quaternions has n E|w|² times the variance of x, so E|w|² should be 1 / n,
or 2 / n where a relu follows that lets half of it through. Weights of random length and of one length both do.
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
        self.name = "neither a tensor nor an array: not part of the state"
        self.blocks = [Conv2d(4, 8, rng=rng), QuaternionConv2d(8, 8, rng=rng)]
        self.norm = BatchNorm(8, affine=False)
        self.head = Linear(8, 2, rng=rng)


def test_parameters_and_state_go_by_dotted_names():
    trained = {"blocks.0.weight", "blocks.1.weight", "head.weight", "head.bias"}
    assert dict(Net().named_parameters()).keys() == trained
    assert Net().state_dict().keys() == trained | {"norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"}


def test_state_is_a_copy():
    net = Net()
    state = net.state_dict()
    state["head.bias"][:] = 7
    assert float(xp.abs(net.head.bias.data).max()) == 0


def test_a_state_whose_axes_lie_the_other_way_round_in_memory_is_turned():
    net = Net()
    net.load_state_dict({name: np.asfortranarray(array) for name, array in Net(seed=1).state_dict().items()})
    assert net.head.weight.data.flags.c_contiguous  # a walk through it meets neighbors
    assert net.blocks[1].weight.data.flags.c_contiguous
    assert_close(net.blocks[1].weight.data, Net(seed=1).blocks[1].weight.data)


def test_state_goes_from_one_network_into_another():
    first, second = Net(seed=1), Net(seed=2)
    first.norm(Tensor(draw(0, 9, 8, dtype=np.float32)), train=True)
    kept = dict(second.named_parameters())
    second.load_state_dict(first.state_dict())
    for name, array in first.state_dict().items():
        assert_close(second.state_dict()[name], array, rtol=0, atol=0)
    assert all(
        dict(second.named_parameters())[name] is tensor for name, tensor in kept.items()
    )  # optimizers hold on to them


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("head.bias"), r"missing: \['head.bias'\]"),
        (lambda s: s.update(tail=np.ones(1)), r"unexpected: \['tail'\]"),
        (lambda s: s.update({"head.bias": np.ones(3)}), r"head.bias: expected \(2,\), got \(3,\)"),
    ],
)
def test_a_state_that_does_not_fit_is_named_and_changes_nothing(change, message):
    net, state = Net(seed=1), Net(seed=2).state_dict()
    before = net.state_dict()
    change(state)
    with pytest.raises(CheckpointError, match=message):
        net.load_state_dict(state)
    for name, array in net.state_dict().items():
        assert_close(array, before[name], rtol=0, atol=0)


# Initial weights


def test_the_modulus_of_a_polar_weight_is_chi_distributed(rng):
    # chi with 4 degrees of freedom: mean sqrt(2) Γ(5/2) / Γ(2) = 1.880, mean square 4; times the scale
    w = quaternion_polar((4, 100, 200), 0.5, rng=rng)
    modulus = np.sqrt((w.astype(np.float64) ** 2).sum(axis=0)).ravel() / 0.5
    assert modulus.mean() == pytest.approx(math.sqrt(2) * math.gamma(2.5), rel=0.01)
    assert (modulus**2).mean() == pytest.approx(4, rel=0.02)
    assert stats.kstest(modulus, stats.chi(4).cdf).pvalue > 0.01


def test_the_angle_of_a_polar_weight_is_uniform_and_its_axes_alike(rng):
    # E[cos²] = 1/2, so half of |w|² is real; the other half is shared by i, j and k
    w = quaternion_polar((4, 100, 200), 1.0, rng=rng)
    share = (w.astype(np.float64) ** 2).mean(axis=(1, 2)) / 4
    np.testing.assert_allclose(share, [1 / 2, 1 / 6, 1 / 6, 1 / 6], rtol=0.04)
    np.testing.assert_allclose(w.mean(axis=(1, 2)), 0, atol=0.05)


def test_unitary_weights_have_one_length_and_any_direction(rng):
    # a direction uniform on the sphere: a component squared is 1/4 of the length squared on average
    w = quaternion_unitary((4, 100, 200), 0.5, rng=rng)
    np.testing.assert_allclose(np.sqrt((w.astype(np.float64) ** 2).sum(axis=0)), 1, rtol=1e-6)
    np.testing.assert_allclose((w**2).mean(axis=(1, 2)), 1 / 4, rtol=0.03)
    np.testing.assert_allclose(w.mean(axis=(1, 2)), 0, atol=0.02)
    # Archimedes in four dimensions: the real part has density 2/π sqrt(1 - r²), so |r| > 1/2 in 39.1 % of all cases
    assert (np.abs(w[0]) > 0.5).mean() == pytest.approx(2 / 3 - math.sqrt(3) / (2 * math.pi), abs=0.015)


def test_fans_are_counted_with_a_pencil():
    # 3 x 3 taps, 2 quaternions in, 6 out: fans 18 and 54, so 1 / sqrt(2 · 72) = 1/12 and 1 / sqrt(2 · 18) = 1/6
    assert glorot_scale((4, 3, 3, 2, 6)) == pytest.approx(1 / 12)
    assert he_scale((4, 3, 3, 2, 6)) == pytest.approx(1 / 6)
    # without taps: 1 / sqrt(2 (2 + 6)) and 1 / sqrt(2 · 2)
    assert (glorot_scale((4, 2, 6)), he_scale((4, 2, 6))) == (1 / 4, 1 / 2)


def test_layers_draw_their_weights_so():
    conv, linear = (
        layer(8, 16, rng=np.random.default_rng(1)).weight.data for layer in (QuaternionConv2d, QuaternionLinear)
    )
    for weight, scale in [(conv, glorot_scale), (linear, he_scale)]:
        expected = quaternion_polar(weight.shape, scale(weight.shape), rng=np.random.default_rng(1))
        assert_close(weight, expected, rtol=1e-6, atol=1e-6)


DRAWS = {"polar": quaternion_polar, "unitary": quaternion_unitary}


@pytest.mark.parametrize("name", DRAWS)
def test_glorot_keeps_the_variance_of_a_linear_layer_forward_and_backward(name, rng):
    # 256 quaternions in and out, 65,536 weights: the average |w|² is right to a percent or so
    shape = (4, 256, 256)
    w = Tensor(DRAWS[name](shape, glorot_scale(shape), rng=rng))
    x = Tensor(draw(rng, 200, 1024, dtype=np.float32), requires_grad=True)
    y = ops.quaternion_linear(x, w, Tensor(np.zeros(1024, np.float32)))
    y.backward(draw(rng, *y.shape))
    components = asnumpy(y.data).reshape(200, 4, 256)
    assert components.var() == pytest.approx(asnumpy(x.data).var(), rel=0.04)
    np.testing.assert_allclose(components.var(axis=(0, 2)), 1, rtol=0.06)  # r, i, j, k alike
    assert asnumpy(x.grad).var() == pytest.approx(1, rel=0.04)


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize(("scale", "expected"), [(he_scale, 1.0), (glorot_scale, 2.0**-6)])
def test_he_keeps_the_size_through_relus_and_glorot_halves_it(name, scale, expected, rng):
    # six layers, each behind a relu, which makes 2 in each layer 64 in all; over 40 seeds He ends within 0.67 ... 1.26,
    # because the 200 rows end up alike and no longer average out
    x, shape = draw(rng, 200, 1024, dtype=np.float32), (4, 256, 256)
    h, bias = Tensor(x), Tensor(np.zeros(1024, np.float32))
    for _ in range(6):
        h = ops.quaternion_linear(ops.relu(h), Tensor(DRAWS[name](shape, scale(shape), rng=rng)), bias)
    assert float((h.data**2).mean()) == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("name", DRAWS)
def test_he_keeps_the_size_through_a_convolution_and_a_relu(name, rng):
    shape = (4, 3, 3, 16, 32)
    w = Tensor(DRAWS[name](shape, he_scale(shape), rng=rng))
    y = ops.quaternion_conv2d(ops.relu(Tensor(draw(rng, 4, 20, 20, 64, dtype=np.float32))), w)
    assert float((y.data**2).mean()) == pytest.approx(1, rel=0.15)


@pytest.mark.parametrize("name", DRAWS)
def test_drawn_weights_are_float32_and_repeat_with_the_seed(name):
    first, same, other = (DRAWS[name]((4, 2, 3), 1.0, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    assert first.dtype == np.float32


@pytest.mark.parametrize("shape", [(), (3, 2, 2), (2, 4)])
def test_weights_without_four_components_are_an_error(shape, rng):
    for name in DRAWS:
        with pytest.raises(ShapeError, match=r"shape \(4, ...\) of quaternion weights"):
            DRAWS[name](shape, 1.0, rng=rng)
    for scale in (glorot_scale, he_scale):
        with pytest.raises(ShapeError, match=r"shape \(4, ...\) of quaternion weights"):
            scale(shape)


@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 0, 2)])
def test_fans_need_channels_in_and_out(shape):
    for scale in (glorot_scale, he_scale):
        with pytest.raises(ShapeError, match=r"shape \(4, \*taps, C, O\) of a weight"):
            scale(shape)


def test_xavier_weights_fill_their_interval(rng):
    # ± sqrt(6 / (9 (16 + 32))) = ± 0.1179, variance a third of the square
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
        (QuaternionLinear, (400, 64), 2.0),  # as large as the relu behind it needs
    ],
)
def test_a_fresh_layer_keeps_the_size_of_its_signal(layer, shape, variance, rng):
    # as many channels out as in, and the edges, where padding is, left out
    y = asnumpy(layer(64, 64, rng=rng)(Tensor(draw(rng, *shape, dtype=np.float32))).data)
    assert (y[:, 1:-1, 1:-1] if y.ndim == 4 else y).var() == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("layer", [Conv2d, QuaternionConv2d, Linear, QuaternionLinear])
def test_one_seed_one_network_in_float32(layer):
    first, same, other = (layer(8, 8, rng=np.random.default_rng(seed)).state_dict() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["weight"], same["weight"])
    assert (first["weight"] != other["weight"]).any()
    assert {array.dtype for array in first.values()} == {np.dtype(np.float32)}
