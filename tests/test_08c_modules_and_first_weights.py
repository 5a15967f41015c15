"""What holds the parameters, and what they are before anything is learnt.

A module holds the parameters of a network by name. Initial weights are drawn so that signals neither die out nor
blow up on the way.
"""

import math

import numpy as np
import pytest
from scipy import stats
from support.arrays import assert_close, draw

from quatnet import Tensor
from quatnet.backend import asnumpy, xp
from quatnet.errors import CheckpointError
from quatnet.nn import BatchNorm, Conv2d, Linear, Module, QuaternionConv2d, QuaternionLinear
from quatnet.nn.init import quaternion_polar, xavier_uniform

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
    assert Net().parameters().keys() == trained
    assert Net().state().keys() == trained | {"norm.scale", "norm.shift", "norm.mean", "norm.variance"}


def test_state_is_a_copy():
    net = Net()
    state = net.state()
    state["head.bias"][:] = 7
    assert float(xp.abs(net.head.bias.data).max()) == 0


def test_state_goes_from_one_network_into_another():
    first, second = Net(seed=1), Net(seed=2)
    first.norm(Tensor(draw(0, 9, 8, dtype=np.float32)), train=True)
    kept = second.parameters()
    second.load_state(first.state())
    for name, array in first.state().items():
        assert_close(second.state()[name], array, rtol=0, atol=0)
    assert all(second.parameters()[name] is tensor for name, tensor in kept.items())  # optimisers hold on to them


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("head.bias"), r"missing: \['head.bias'\]"),
        (lambda s: s.update(tail=np.ones(1)), r"unexpected: \['tail'\]"),
        (lambda s: s.update({"head.bias": np.ones(3)}), r"head.bias: expected \(2,\), got \(3,\)"),
    ],
)
def test_a_state_that_does_not_fit_is_named_and_changes_nothing(change, message):
    net, state = Net(seed=1), Net(seed=2).state()
    before = net.state()
    change(state)
    with pytest.raises(CheckpointError, match=message):
        net.load_state(state)
    for name, array in net.state().items():
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
    first, same, other = (layer(8, 8, rng=np.random.default_rng(seed)).state() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["weight"], same["weight"])
    assert (first["weight"] != other["weight"]).any()
    assert {array.dtype for array in first.values()} == {np.dtype(np.float32)}
