"""Ops that move, reduce and bend numbers.

Each op is a function on tensors whose gradient says where every number came from: what only moved is moved
back, what was summed is spread out again, what lost the contest for the maximum receives nothing. For each
there is a case by hand, the same in loops for random shapes, a check of the gradient against difference
quotients, and what it says to somebody who asks for the impossible; PyTorch gives a second opinion.
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

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
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


@given(seeds, st.permutations([2, 3, 4]), st.integers(0, 3))
def test_reshape_keeps_the_order_of_reading(seed, lengths, unknown):
    rng = np.random.default_rng(seed)
    x = draw(rng, 6, 4)
    shape = [-1 if axis == unknown else length for axis, length in enumerate(lengths)]
    y = ops.reshape(Tensor(x), shape).data
    one_by_one = (float(entry) for row in x for entry in row)
    for index in np.ndindex(*lengths):
        assert float(y[index]) == next(one_by_one)
    gradcheck(lambda x: ops.reshape(x, shape), [x], rng=rng, directions=1)


@given(seeds, st.permutations(range(4)))
def test_transpose_takes_any_order_of_the_axes(seed, axes):
    rng = np.random.default_rng(seed)
    x = draw(rng, 2, 3, 1, 4)
    y = ops.transpose(Tensor(x), axes).data
    assert y.shape == tuple(x.shape[axis] for axis in axes)
    for index in np.ndindex(*y.shape):
        assert y[index] == x[tuple(index[axes.index(axis)] for axis in range(4))]
    gradcheck(lambda x: ops.transpose(x, axes), [x], rng=rng, directions=1)


@given(seeds, st.permutations(range(4)), st.permutations(range(4)))
def test_two_transpositions_are_one(seed, first, second):
    x = Tensor(draw(seed, 2, 3, 1, 4))
    together = [first[axis] for axis in second]
    assert_close(ops.transpose(ops.transpose(x, first), second).data, ops.transpose(x, together).data)


INDICES = hnp.basic_indices((3, 4, 2)) | hnp.integer_array_indices((3, 4, 2)) | hnp.arrays(bool, (3, 4))


@given(seeds, INDICES)
def test_any_index_returns_its_gradient(seed, index):
    # number the entries: what is taken shows its number, and each number collects the gradients of its copies
    rng = np.random.default_rng(seed)
    numbers = np.arange(24).reshape(3, 4, 2)
    x = leaf(draw(rng, 3, 4, 2))
    y = ops.getitem(x, index)
    g = asnumpy(draw(rng, *y.shape))
    expected = np.zeros(24)
    for value, number, part in zip(asnumpy(y.data).flat, np.ravel(numbers[index]), g.flat, strict=True):
        assert value == asnumpy(x.data).flat[number]
        expected[number] += part
    y.backward(xp.asarray(g))
    assert_close(x.grad, expected.reshape(3, 4, 2))
    gradcheck(lambda x: ops.getitem(x, index), [x.data], rng=rng, directions=1)


@given(seeds, st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(-3, 2))
def test_concatenate_along_any_axis(seed, lengths, axis):
    rng = np.random.default_rng(seed)
    shapes = [[length if a == axis % 3 else 2 for a in range(3)] for length in lengths]
    arrays = [draw(rng, *shape) for shape in shapes]
    joined = ops.concatenate([Tensor(a) for a in arrays], axis=axis)
    slices = [piece for a in arrays for piece in xp.moveaxis(a, axis, 0)]
    assert joined.shape[axis] == len(slices)
    for found, expected in zip(xp.moveaxis(joined.data, axis, 0), slices, strict=True):
        assert_close(found, expected, rtol=0, atol=0)
    gradcheck(lambda *parts: ops.concatenate(parts, axis=axis), arrays, rng=rng, directions=1)


# Shape, impossible


@pytest.mark.parametrize("shape", [(4,), (-1, 4), (-1, -1), (2, 2), ("a",), 5], ids=str)
def test_entries_must_fit_into_the_new_shape(shape):
    with pytest.raises(ShapeError, match=r"the 6 entries of shape \(2, 3\) do not fit into shape"):
        ops.reshape(leaf(np.ones((2, 3))), shape)


@pytest.mark.parametrize("axes", [(), (0,), (0, 0), (1, 2), (0, -1), (0, 1, 2)], ids=str)
def test_transpose_needs_each_axis_once(axes):
    with pytest.raises(ShapeError, match=r"expected each axis of shape \(2, 3\) once, 0 to 1, got"):
        ops.transpose(leaf(np.ones((2, 3))), axes)


@pytest.mark.parametrize("index", [2, -3, (0, 3), (0, 0, 0), [0, 2], 1.5, "a", np.ones(3, bool)], ids=str)
def test_an_index_outside_is_an_error(index):
    with pytest.raises(ShapeError, match=r"does not fit shape \(2, 3\)"):
        ops.getitem(leaf(np.ones((2, 3))), index)


def test_shapes_that_do_not_fit_cannot_be_joined():
    parts = [Tensor(np.ones((2, 3))), Tensor(np.ones((3, 3)))]
    with pytest.raises(ShapeError, match=r"except along axis 1, got \[\(2, 3\), \(3, 3\)\]"):
        ops.concatenate(parts, axis=1)
    with pytest.raises(ShapeError, match="agree"):
        ops.concatenate([Tensor(np.ones((2, 3))), Tensor(np.ones(3))])
    with pytest.raises(ShapeError, match="agree"):
        ops.concatenate([])


@pytest.mark.parametrize(("shape", "axis"), [((2, 3), 2), ((2, 3), -3), ((), -1)])
def test_tensors_cannot_be_joined_along_an_axis_they_do_not_have(shape, axis):
    with pytest.raises(ShapeError, match=rf"expected tensors with an axis {axis}, got shape"):
        ops.concatenate([Tensor(np.ones(shape))] * 2, axis=axis)


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


def groups(x, axis):
    """The entries that a reduction over `axis` puts together, by the index of the result."""
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
    found = {}
    for index in np.ndindex(x.shape):
        found.setdefault(tuple(i for a, i in enumerate(index) if a not in axes), []).append(float(x[index]))
    return found


@given(st.data(), seeds, hnp.array_shapes(max_dims=4, max_side=3))
def test_sum_and_mean_put_the_right_entries_together(data, seed, shape):
    rng, axis = np.random.default_rng(seed), data.draw(some_axes(len(shape)))
    x = draw(rng, *shape)
    total, mean = (op(Tensor(x), axis=axis).data for op in (ops.sum, ops.mean))
    together = groups(asnumpy(x), axis)
    assert total.size == mean.size == len(together)
    for index, entries in together.items():
        assert float(total[index]) == pytest.approx(sum(entries), rel=1e-11, abs=1e-11)
        assert float(mean[index]) == pytest.approx(sum(entries) / len(entries), rel=1e-11, abs=1e-11)
    gradcheck(lambda x: ops.sum(x, axis=axis), [x], rng=rng, directions=1)
    gradcheck(lambda x: ops.mean(x, axis=axis), [x], rng=rng, directions=1)


@given(st.data(), seeds, hnp.array_shapes(max_dims=4, max_side=3))
def test_max_finds_the_largest_along_any_axis(data, seed, shape):
    rng, axis = np.random.default_rng(seed), data.draw(st.integers(-len(shape), len(shape) - 1))
    x = xp.asarray(rng.permutation(math.prod(shape)).reshape(shape).astype(float))  # no two are near each other
    y = ops.max(Tensor(x), axis=axis).data
    for index, entries in groups(asnumpy(x), axis).items():
        assert float(y[index]) == sorted(entries)[-1]
    gradcheck(lambda x: ops.max(x, axis=axis), [x], rng=rng, directions=1)


def test_one_number_is_its_own_sum_and_mean():
    for op in (ops.sum, ops.mean):
        assert_close(op(leaf(3.0)).data, 3.0)
        assert_close(gradient(op, 3.0, 10.0), 10.0)


def test_the_sum_of_nothing_is_zero():
    assert_close(ops.sum(leaf(np.ones((0, 3))), axis=0).data, [0, 0, 0])


# Reduction, impossible


@pytest.mark.parametrize("op", [ops.sum, ops.mean, ops.max])
@pytest.mark.parametrize("axis", [2, -3, (0, 0), (1, -1), (0, 2)], ids=str)
def test_an_axis_must_exist_and_come_once(op, axis):
    with pytest.raises(ShapeError, match=r"expected axes from -2 to 1 of shape \(2, 3\), each once, got axis="):
        op(leaf(np.ones((2, 3))), axis=axis)


@pytest.mark.parametrize("axis", [0, None, (0, 1)], ids=str)
def test_nothing_has_no_mean(axis):
    with pytest.raises(ShapeError, match=r"the mean of no numbers: shape \(0, 3\) is empty along axis"):
        ops.mean(leaf(np.ones((0, 3))), axis=axis)


@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 0), ((2, 3), (0, 1)), ((2, 3), None), ((2, 3), ())])
def test_max_takes_one_axis_that_is_not_empty(shape, axis):
    with pytest.raises(ShapeError, match="expected one axis that is not empty"):
        ops.max(leaf(np.ones(shape)), axis=axis)


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
        (ops.tanh, math.tanh(value)),
    ]:
        assert float(function(leaf(value)).data) == pytest.approx(expected, rel=1e-14, abs=0)


@given(seeds)
def test_the_derivatives_of_activations_agree_with_difference_quotients(seed):
    rng = np.random.default_rng(seed)
    x = draw(rng, 4, 3)
    away_from_zero = x + xp.sign(x) * 0.1
    for function in (ops.relu, ops.exp, ops.sigmoid, ops.tanh):
        gradcheck(function, [away_from_zero], rng=rng)
    gradcheck(ops.log, [0.5 + x**2], rng=rng)


@given(st.floats(1e-300, 1e300))
def test_log_is_that_of_the_math_module(value):
    assert float(ops.log(leaf(value)).data) == pytest.approx(math.log(value), rel=1e-14, abs=1e-15)


@given(seeds)
def test_activations_obey_their_laws(seed):
    # log undoes exp, relu takes x apart into two positive parts, σ(-x) = 1 - σ(x)
    x = Tensor(draw(seed, 10))
    assert_close(ops.log(ops.exp(x)).data, x.data)
    assert_close((ops.relu(x) - ops.relu(-x)).data, x.data)
    assert_close(ops.sigmoid(-x).data, 1 - ops.sigmoid(x).data)


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
    "tanh": ops.tanh,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPS)
def test_dtype_in_is_dtype_out_forward_and_backward(name, dtype, rng):
    x = Tensor(draw(rng, 3, 4, dtype=dtype), requires_grad=True)
    y = OPS[name](x)
    y.backward(xp.ones_like(y.data))
    assert (y.data.dtype, x.grad.dtype) == (dtype, dtype)


@pytest.mark.parametrize("op", [ops.relu, ops.exp, ops.log, ops.sigmoid, ops.tanh])
def test_an_activation_takes_a_tensor(op):
    with pytest.raises(ShapeError, match="expected a Tensor, got ndarray; wrap it"):
        op(np.ones(3))


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
        "tanh": torch.tanh,
    }
    assert_parity(torch, OPS[name], twins[name], [draw(rng, 3, 4)], rng)
