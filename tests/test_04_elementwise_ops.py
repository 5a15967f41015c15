"""Ops that move, reduce and bend numbers.

Each op is a function on tensors whose gradient says where every number came from: what only moved is moved
back, what was summed is spread out again, what lost the contest for the maximum receives nothing. For each
there is a case by hand, the same in loops or by NumPy for random shapes, and a check of the gradient against
difference quotients; PyTorch gives a second opinion.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.arrays import assert_close, draw
from support.parity import assert_parity
from support.strategies import seeds

from quatnet import Tensor, gradcheck, ops
from quatnet.backend import asnumpy, xp
from quatnet.errors import ShapeError


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


def gradient(function, array, g):
    """The gradient that `function` at `array` makes of `g`."""
    x = leaf(array)
    function(x).backward(xp.asarray(g, dtype=np.float64))
    return x.grad


def some_axes(dimensions):
    """None, one axis counted from either end, or several."""
    axis = st.integers(-dimensions, dimensions - 1)
    several = st.lists(st.integers(0, dimensions - 1), unique=True, min_size=1).map(tuple)
    return st.none() | axis | several


# Shape, by hand


def test_reshape_and_transpose_move_the_gradient_back():
    g = [[1, 2], [3, 4], [5, 6]]
    assert_close(gradient(lambda x: ops.reshape(x, (3, 2)), np.zeros((2, 3)), g), [[1, 2, 3], [4, 5, 6]])
    assert_close(gradient(lambda x: ops.transpose(x, (1, 0)), np.zeros((2, 3)), g), [[1, 3, 5], [2, 4, 6]])


def test_an_entry_that_is_taken_twice_receives_both_gradients():
    # x[[0, 2, 0]] with g = (1, 10, 100): entry 0 gets 1 + 100, entry 1 nothing, entry 2 gets 10
    assert_close(gradient(lambda x: ops.getitem(x, [0, 2, 0]), [7, 8, 9], [1, 10, 100]), [101, 0, 10])


def test_concatenate_cuts_the_gradient_at_the_seams():
    a, b = leaf([[1, 2]]), leaf([[3, 4, 5]])
    joined = ops.concatenate([a, b])
    assert_close(joined.data, [[1, 2, 3, 4, 5]])
    joined.backward(xp.asarray([[10.0, 20, 30, 40, 50]]))
    assert_close(a.grad, [[10, 20]])
    assert_close(b.grad, [[30, 40, 50]])


# Shape, for any shape


@given(seeds, st.permutations(range(4)))
def test_transpose_takes_any_order_of_the_axes(seed, axes):
    rng = np.random.default_rng(seed)
    x = draw(rng, 2, 3, 1, 4)
    assert_close(ops.transpose(Tensor(x), axes).data, x.transpose(axes))
    gradcheck(lambda x: ops.transpose(x, axes), [x], rng=rng, directions=1)


@given(seeds, hnp.basic_indices((3, 4, 2)))
def test_any_index_returns_its_gradient(seed, index):
    rng = np.random.default_rng(seed)
    x = draw(rng, 3, 4, 2)
    assert_close(ops.getitem(Tensor(x), index).data, x[index])
    gradcheck(lambda x: ops.getitem(x, index), [x], rng=rng, directions=1)


@given(seeds, st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(-3, 2))
def test_concatenate_along_any_axis(seed, lengths, axis):
    rng = np.random.default_rng(seed)
    shapes = [[length if a == axis % 3 else 2 for a in range(3)] for length in lengths]
    arrays = [draw(rng, *shape) for shape in shapes]
    joined = ops.concatenate([Tensor(a) for a in arrays], axis=axis)
    assert_close(joined.data, xp.concatenate(arrays, axis=axis))
    gradcheck(lambda *parts: ops.concatenate(parts, axis=axis), arrays, rng=rng, directions=1)


def test_shapes_that_do_not_fit_cannot_be_joined():
    parts = [Tensor(np.ones((2, 3))), Tensor(np.ones((3, 3)))]
    with pytest.raises(ShapeError, match=r"except along axis 1, got \[\[2, 3\], \[3, 3\]\]"):
        ops.concatenate(parts, axis=1)
    with pytest.raises(ShapeError):
        ops.concatenate([Tensor(np.ones((2, 3))), Tensor(np.ones(3))])


# Reduction, by hand


def test_a_sum_sends_its_gradient_to_every_entry_and_a_mean_shares_it():
    x, g = [[1, 2, 3], [4, 5, 6]], [10, 20]
    assert_close(ops.sum(leaf(x), axis=1).data, [6, 15])
    assert_close(gradient(lambda x: ops.sum(x, axis=1), x, g), [[10, 10, 10], [20, 20, 20]])
    assert_close(ops.mean(leaf(x), axis=0).data, [2.5, 3.5, 4.5])
    assert_close(gradient(lambda x: ops.mean(x), x, 12), [[2, 2, 2], [2, 2, 2]])


def test_only_the_largest_entry_receives_a_gradient():
    x = [[1, 9, 3], [7, 5, 7]]
    assert_close(ops.max(leaf(x), axis=1).data, [9, 7])
    # of the two sevens, the first wins
    assert_close(gradient(lambda x: ops.max(x, axis=1), x, [10, 20]), [[0, 10, 0], [20, 0, 0]])


# Reduction, for any axes


@given(st.data(), seeds, hnp.array_shapes(max_dims=4, max_side=3))
def test_sum_and_mean_over_any_axes_are_those_of_numpy(data, seed, shape):
    rng, axis = np.random.default_rng(seed), data.draw(some_axes(len(shape)))
    x = draw(rng, *shape)
    assert_close(ops.sum(Tensor(x), axis=axis).data, asnumpy(x).sum(axis=axis))
    assert_close(ops.mean(Tensor(x), axis=axis).data, asnumpy(x).mean(axis=axis))
    gradcheck(lambda x: ops.sum(x, axis=axis), [x], rng=rng, directions=1)
    gradcheck(lambda x: ops.mean(x, axis=axis), [x], rng=rng, directions=1)


@given(st.data(), seeds, hnp.array_shapes(max_dims=4, max_side=3))
def test_max_over_any_axis_is_that_of_numpy(data, seed, shape):
    rng, axis = np.random.default_rng(seed), data.draw(st.integers(-len(shape), len(shape) - 1))
    x = xp.asarray(rng.permutation(math.prod(shape)).reshape(shape).astype(float))  # no two are near each other
    assert_close(ops.max(Tensor(x), axis=axis).data, asnumpy(x).max(axis=axis))
    gradcheck(lambda x: ops.max(x, axis=axis), [x], rng=rng, directions=1)


# Activations, by hand


def test_relu_cuts_off_what_is_negative():
    assert_close(ops.relu(leaf([-2, 0, 3])).data, [0, 0, 3])
    assert_close(gradient(ops.relu, [-2, 0, 3], [10, 20, 30]), [0, 0, 30])  # at the kink: 0


def test_exp_log_and_sigmoid_at_points_one_knows():
    # σ(log 3) = 3 / (3 + 1) = 0.75, and σ' = σ (1 - σ) = 0.1875
    assert_close(ops.exp(leaf([0, math.log(2)])).data, [1, 2])
    assert_close(gradient(ops.exp, [0, math.log(2)], [1, 10]), [1, 20])
    assert_close(ops.log(leaf([1, math.e])).data, [0, 1])
    assert_close(gradient(ops.log, [1, 4], [1, 1]), [1, 0.25])
    assert_close(ops.sigmoid(leaf([0, math.log(3)])).data, [0.5, 0.75])
    assert_close(gradient(ops.sigmoid, [0, math.log(3)], [1, 1]), [0.25, 0.1875])


# Activations, entry by entry


@given(st.floats(-30, 30))
def test_activations_are_those_of_the_math_module(value):
    for function, expected in [
        (ops.relu, max(value, 0.0)),
        (ops.exp, math.exp(value)),
        (ops.sigmoid, 1 / (1 + math.exp(-value))),
    ]:
        assert float(function(leaf(value)).data) == pytest.approx(expected, rel=1e-14, abs=0)


@given(seeds)
def test_the_derivatives_of_activations_agree_with_difference_quotients(seed):
    rng = np.random.default_rng(seed)
    x = draw(rng, 4, 3)
    away_from_zero = x + xp.sign(x) * 0.1
    for function in (ops.relu, ops.exp, ops.sigmoid):
        gradcheck(function, [away_from_zero], rng=rng)
    gradcheck(ops.log, [0.5 + x**2], rng=rng)


def test_log_undoes_exp(rng):
    x = draw(rng, 10)
    assert_close(ops.log(ops.exp(Tensor(x))).data, x)


@pytest.mark.filterwarnings("error")
def test_sigmoid_does_not_overflow():
    x = leaf([-1000, 1000])
    y = ops.sigmoid(x)
    y.backward(np.ones(2))
    assert_close(y.data, [0, 1])
    assert_close(x.grad, [0, 0])


def test_log_of_zero_and_below_is_what_numpy_says():
    with np.errstate(divide="ignore", invalid="ignore"):
        values = asnumpy(ops.log(Tensor(np.array([0.0, -1]))).data)
    np.testing.assert_array_equal(values, [-np.inf, np.nan])


# All of them

OPS = {
    "reshape": lambda x: ops.reshape(x, (4, -1)),
    "transpose": lambda x: ops.transpose(x, (1, 0)),
    "getitem": lambda x: ops.getitem(x, (slice(None), [0, 0])),
    "concatenate": lambda x: ops.concatenate([x, x]),
    "sum": lambda x: ops.sum(x, axis=0),
    "mean": lambda x: ops.mean(x, axis=1),
    "max": lambda x: ops.max(x, axis=1),
    "relu": ops.relu,
    "exp": ops.exp,
    "log": lambda x: ops.log(x * x + 1.0),
    "sigmoid": ops.sigmoid,
}


@pytest.mark.parametrize("name", OPS)
def test_float32_stays_float32_forward_and_backward(name, rng):
    x = Tensor(draw(rng, 3, 4, dtype=np.float32), requires_grad=True)
    y = OPS[name](x)
    y.backward(xp.ones_like(y.data))
    assert (y.data.dtype, x.grad.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("name", OPS)
def test_arguments_are_left_as_they_were(name, rng):
    x = draw(rng, 3, 4)
    before = x.copy()
    y = OPS[name](Tensor(x, requires_grad=True))
    y.backward(xp.ones_like(y.data))
    assert_close(x, before, rtol=0, atol=0)


@pytest.mark.parity
@pytest.mark.parametrize("name", OPS)
def test_values_and_gradients_are_those_of_pytorch(name, torch, rng):
    twins = {
        "reshape": lambda x: x.reshape(4, -1),
        "transpose": lambda x: x.permute(1, 0),
        "getitem": lambda x: x[:, [0, 0]],
        "concatenate": lambda x: torch.cat([x, x], dim=-1),
        "sum": lambda x: x.sum(dim=0),
        "mean": lambda x: x.mean(dim=1),
        "max": lambda x: x.max(dim=1).values,
        "relu": torch.relu,
        "exp": torch.exp,
        "log": lambda x: torch.log(x * x + 1.0),
        "sigmoid": torch.sigmoid,
    }
    assert_parity(torch, OPS[name], twins[name], [draw(rng, 3, 4)], rng)
