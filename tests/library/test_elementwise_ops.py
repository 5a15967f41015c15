"""Tests of shape ops, reductions and elementwise ops.

Each op has a worked example, a reference in loops for random shapes, a gradient check with finite differences, and a
test of its errors. Values and gradients are compared with PyTorch.
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


def gradient(function, array, grad):
    """Return the gradient of `function` at `array` for the upstream gradient `grad`."""
    x = leaf(array)
    function(x).backward(xp.asarray(grad, dtype=np.float64))
    return x.grad


def axis_arguments(dimensions):
    """Draw None, one axis (negative or not), or multiple axes."""
    axis = st.integers(-dimensions, dimensions - 1)
    multiple = st.lists(st.integers(0, dimensions - 1), unique=True, min_size=1).map(tuple)
    return st.none() | axis | multiple


# Shape: worked examples


def test_gradient_of_reshape_and_transpose():
    grad = [[1, 2], [3, 4], [5, 6]]
    assert_close(gradient(lambda x: ops.reshape(x, (3, 2)), np.zeros((2, 3)), grad), [[1, 2, 3], [4, 5, 6]])
    assert_close(gradient(lambda x: ops.transpose(x, (1, 0)), np.zeros((2, 3)), grad), [[1, 3, 5], [2, 4, 6]])


def test_gradient_of_repeated_index():
    # For x[[0, 2, 0]] and grad = (1, 10, 100), the gradient is 1 + 100 for entry 0, 0 for entry 1 and 10 for entry 2.
    assert_close(gradient(lambda x: ops.getitem(x, [0, 2, 0]), [7, 8, 9], [1, 10, 100]), [101, 0, 10])


def test_gradient_of_concatenate():
    a, b = leaf([[1, 2]]), leaf([[3, 4, 5]])
    result = ops.concatenate([a, b])
    assert_close(result.data, [[1, 2, 3, 4, 5]])
    result.backward(xp.asarray([[10.0, 20, 30, 40, 50]]))
    assert_close(a.grad, [[10, 20]])
    assert_close(b.grad, [[30, 40, 50]])


# Shape: random shapes


@given(seeds, st.permutations([2, 3, 4]), st.integers(0, 3))
def test_reshape_keeps_c_order(seed, lengths, unknown):
    rng = np.random.default_rng(seed)
    x = draw(rng, 6, 4)
    shape = [-1 if axis == unknown else length for axis, length in enumerate(lengths)]
    y = ops.reshape(Tensor(x), shape).data
    entries = (float(entry) for row in x for entry in row)
    for index in np.ndindex(*lengths):
        assert float(y[index]) == next(entries)
    gradcheck(lambda x: ops.reshape(x, shape), [x], rng=rng, num_directions=1)


@given(seeds, st.permutations(range(4)))
def test_transpose_any_axes(seed, axes):
    rng = np.random.default_rng(seed)
    x = draw(rng, 2, 3, 1, 4)
    y = ops.transpose(Tensor(x), axes).data
    assert y.shape == tuple(x.shape[axis] for axis in axes)
    for index in np.ndindex(*y.shape):
        assert y[index] == x[tuple(index[axes.index(axis)] for axis in range(4))]
    gradcheck(lambda x: ops.transpose(x, axes), [x], rng=rng, num_directions=1)


@given(seeds, st.permutations(range(4)), st.permutations(range(4)))
def test_composition_of_transposes(seed, first, second):
    x = Tensor(draw(seed, 2, 3, 1, 4))
    combined = [first[axis] for axis in second]
    assert_close(ops.transpose(ops.transpose(x, first), second).data, ops.transpose(x, combined).data)


INDICES = hnp.basic_indices((3, 4, 2)) | hnp.integer_array_indices((3, 4, 2)) | hnp.arrays(bool, (3, 4))


@given(seeds, INDICES)
def test_getitem_any_index(seed, index):
    # The array `positions` has the index of each entry of x. The gradients of all copies of an entry are summed.
    rng = np.random.default_rng(seed)
    positions = np.arange(24).reshape(3, 4, 2)
    x = leaf(draw(rng, 3, 4, 2))
    y = ops.getitem(x, index)
    grad = asnumpy(draw(rng, *y.shape))
    expected = np.zeros(24)
    for value, position, part in zip(asnumpy(y.data).flat, np.ravel(positions[index]), grad.flat, strict=True):
        assert value == asnumpy(x.data).flat[position]
        expected[position] += part
    y.backward(xp.asarray(grad))
    assert_close(x.grad, expected.reshape(3, 4, 2))
    gradcheck(lambda x: ops.getitem(x, index), [x.data], rng=rng, num_directions=1)


@given(seeds, st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(-3, 2))
def test_concatenate_any_axis(seed, lengths, axis):
    rng = np.random.default_rng(seed)
    shapes = [[length if a == axis % 3 else 2 for a in range(3)] for length in lengths]
    arrays = [draw(rng, *shape) for shape in shapes]
    result = ops.concatenate([Tensor(a) for a in arrays], axis=axis)
    slices = [piece for a in arrays for piece in xp.moveaxis(a, axis, 0)]
    assert result.shape[axis] == len(slices)
    for actual, expected in zip(xp.moveaxis(result.data, axis, 0), slices, strict=True):
        assert_close(actual, expected, rtol=0, atol=0)
    gradcheck(lambda *parts: ops.concatenate(parts, axis=axis), arrays, rng=rng, num_directions=1)


# Shape: errors


@pytest.mark.parametrize("shape", [(4,), (-1, 4), (-1, -1), (2, 2), ("a",), 5], ids=str)
def test_reshape_errors(shape):
    with pytest.raises(ShapeError, match=r"a shape of 6 entries for a tensor of shape \(2, 3\), got shape"):
        ops.reshape(leaf(np.ones((2, 3))), shape)


@pytest.mark.parametrize("axes", [(), (0,), (0, 0), (1, 2), (0, -1), (0, 1, 2)], ids=str)
def test_transpose_errors(axes):
    with pytest.raises(ShapeError, match=r"expected each axis of shape \(2, 3\) once, from 0 to 1, got"):
        ops.transpose(leaf(np.ones((2, 3))), axes)


@pytest.mark.parametrize("index", [2, -3, (0, 3), (0, 0, 0), [0, 2], 1.5, "a", np.ones(3, bool)], ids=str)
def test_getitem_errors(index):
    with pytest.raises(ShapeError, match=r"expected an index within shape \(2, 3\)"):
        ops.getitem(leaf(np.ones((2, 3))), index)


def test_concatenate_shape_errors():
    parts = [Tensor(np.ones((2, 3))), Tensor(np.ones((3, 3)))]
    with pytest.raises(ShapeError, match=r"except along axis 1, got \[\(2, 3\), \(3, 3\)\]"):
        ops.concatenate(parts, axis=1)
    with pytest.raises(ShapeError, match="agree"):
        ops.concatenate([Tensor(np.ones((2, 3))), Tensor(np.ones(3))])
    with pytest.raises(ShapeError, match="agree"):
        ops.concatenate([])


@pytest.mark.parametrize(("shape", "axis"), [((2, 3), 2), ((2, 3), -3), ((), -1)])
def test_concatenate_axis_errors(shape, axis):
    with pytest.raises(ShapeError, match=rf"expected tensors with an axis {axis}, got shape"):
        ops.concatenate([Tensor(np.ones(shape))] * 2, axis=axis)


# Reduction: worked examples


def test_sum_and_mean_worked_examples():
    x, grad = [[1, 2, 3], [4, 5, 6]], [10, 20]
    assert_close(ops.sum(leaf(x), axis=1).data, [6, 15])
    assert_close(gradient(lambda x: ops.sum(x, axis=1), x, grad), [[10, 10, 10], [20, 20, 20]])
    assert_close(ops.mean(leaf(x), axis=0).data, [2.5, 3.5, 4.5])
    assert_close(gradient(lambda x: ops.mean(x), x, 12), [[2, 2, 2], [2, 2, 2]])


def test_max_worked_example():
    x = [[1, 9, 3], [7, 5, 7]]
    assert_close(ops.max(leaf(x), axis=1).data, [9, 7])
    # the first of two equal entries receives the gradient
    assert_close(gradient(lambda x: ops.max(x, axis=1), x, [10, 20]), [[0, 10, 0], [20, 0, 0]])


# Reduction: random axes


def groups(x, axis):
    """Return a dictionary that maps each index of the result to the list of entries that are reduced over `axis`."""
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
    groups = {}
    for index in np.ndindex(x.shape):
        groups.setdefault(tuple(i for a, i in enumerate(index) if a not in axes), []).append(float(x[index]))
    return groups


@given(st.data(), seeds, hnp.array_shapes(max_dims=4, max_side=3))
def test_sum_and_mean_equal_reference(data, seed, shape):
    rng, axis = np.random.default_rng(seed), data.draw(axis_arguments(len(shape)))
    x = draw(rng, *shape)
    total, mean = (op(Tensor(x), axis=axis).data for op in (ops.sum, ops.mean))
    combined = groups(asnumpy(x), axis)
    assert total.size == mean.size == len(combined)
    for index, entries in combined.items():
        assert float(total[index]) == pytest.approx(sum(entries), rel=1e-11, abs=1e-11)
        assert float(mean[index]) == pytest.approx(sum(entries) / len(entries), rel=1e-11, abs=1e-11)
    gradcheck(lambda x: ops.sum(x, axis=axis), [x], rng=rng, num_directions=1)
    gradcheck(lambda x: ops.mean(x, axis=axis), [x], rng=rng, num_directions=1)


@given(st.data(), seeds, hnp.array_shapes(max_dims=4, max_side=3))
def test_max_equals_reference(data, seed, shape):
    rng, axis = np.random.default_rng(seed), data.draw(st.integers(-len(shape), len(shape) - 1))
    # the entries are distinct, so the maximum is differentiable
    x = xp.asarray(rng.permutation(math.prod(shape)).reshape(shape).astype(float))
    y = ops.max(Tensor(x), axis=axis).data
    for index, entries in groups(asnumpy(x), axis).items():
        assert float(y[index]) == sorted(entries)[-1]
    gradcheck(lambda x: ops.max(x, axis=axis), [x], rng=rng, num_directions=1)


def test_sum_and_mean_of_scalar():
    for op in (ops.sum, ops.mean):
        assert_close(op(leaf(3.0)).data, 3.0)
        assert_close(gradient(op, 3.0, 10.0), 10.0)


def test_sum_of_empty_axis():
    assert_close(ops.sum(leaf(np.ones((0, 3))), axis=0).data, [0, 0, 0])


# Reduction: errors


@pytest.mark.parametrize("op", [ops.sum, ops.mean, ops.max])
@pytest.mark.parametrize("axis", [2, -3, (0, 0), (1, -1), (0, 2)], ids=str)
def test_reduction_axis_errors(op, axis):
    with pytest.raises(ShapeError, match=r"expected axes from -2 to 1 for shape \(2, 3\), each once, got axis="):
        op(leaf(np.ones((2, 3))), axis=axis)


@pytest.mark.parametrize("axis", [0, None, (0, 1)], ids=str)
def test_mean_of_empty_axis_raises(axis):
    with pytest.raises(
        ShapeError, match=r"expected at least one number to average: shape \(0, 3\) is empty along axis"
    ):
        ops.mean(leaf(np.ones((0, 3))), axis=axis)


@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 0), ((2, 3), (0, 1)), ((2, 3), None), ((2, 3), ())])
def test_max_axis_errors(shape, axis):
    with pytest.raises(ShapeError, match="expected one axis that is not empty"):
        ops.max(leaf(np.ones(shape)), axis=axis)


# Activations: worked examples


def test_relu_worked_example():
    assert_close(ops.relu(leaf([-2, 0, 3])).data, [0, 0, 3])
    assert_close(gradient(ops.relu, [-2, 0, 3], [10, 20, 30]), [0, 0, 30])  # the gradient is 0 at x = 0


def test_exp_log_sigmoid_worked_examples():
    # The sigmoid at log 3 is σ = 3 / (3 + 1) = 0.75, and its derivative is σ (1 - σ) = 0.1875.
    assert_close(ops.exp(leaf([0, math.log(2)])).data, [1, 2])
    assert_close(gradient(ops.exp, [0, math.log(2)], [1, 10]), [1, 20])
    assert_close(ops.log(leaf([1, math.e])).data, [0, 1])
    assert_close(gradient(ops.log, [1, 4], [1, 1]), [1, 0.25])
    assert_close(ops.sigmoid(leaf([0, math.log(3)])).data, [0.5, 0.75])
    assert_close(gradient(ops.sigmoid, [0, math.log(3)], [1, 1]), [0.25, 0.1875])


# Activations: random values


@given(st.floats(-30, 30))
def test_activations_equal_math_module(value):
    for function, expected in [
        (ops.relu, max(value, 0.0)),
        (ops.exp, math.exp(value)),
        (ops.sigmoid, 1 / (1 + math.exp(-value))),
        (ops.tanh, math.tanh(value)),
    ]:
        assert float(function(leaf(value)).data) == pytest.approx(expected, rel=1e-14, abs=0)


@given(seeds)
def test_gradcheck_of_activations(seed):
    rng = np.random.default_rng(seed)
    x = draw(rng, 4, 3)
    shifted = x + xp.sign(x) * 0.1
    for function in (ops.relu, ops.exp, ops.sigmoid, ops.tanh):
        gradcheck(function, [shifted], rng=rng)
    gradcheck(ops.log, [0.5 + x**2], rng=rng)


@given(st.floats(1e-300, 1e300))
def test_log_equals_math_module(value):
    assert float(ops.log(leaf(value)).data) == pytest.approx(math.log(value), rel=1e-14, abs=1e-15)


@given(seeds)
def test_identities_of_activations(seed):
    # The identities are log(exp(x)) = x, relu(x) - relu(-x) = x, and σ(-x) = 1 - σ(x).
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


def test_log_of_zero_and_negative():
    with np.errstate(divide="ignore", invalid="ignore"):
        values = asnumpy(ops.log(Tensor(np.array([0.0, -1]))).data)
    np.testing.assert_array_equal(values, [-np.inf, np.nan])


# All ops

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
def test_dtype_is_kept(name, dtype, rng):
    x = Tensor(draw(rng, 3, 4, dtype=dtype), requires_grad=True)
    y = OPS[name](x)
    y.backward(xp.ones_like(y.data))
    assert (y.data.dtype, x.grad.dtype) == (dtype, dtype)


@pytest.mark.parametrize("name", OPS)
def test_arguments_are_not_modified(name, rng):
    x = draw(rng, 3, 4)
    before = x.copy()
    y = OPS[name](Tensor(x, requires_grad=True))
    y.backward(xp.ones_like(y.data))
    assert_close(x, before, rtol=0, atol=0)


@pytest.mark.parity
@pytest.mark.parametrize("name", OPS)
def test_equals_pytorch(name, torch, rng):
    references = {
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
    assert_parity(torch, OPS[name], references[name], [draw(rng, 3, 4)], rng)
