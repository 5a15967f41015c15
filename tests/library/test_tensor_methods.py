"""Test methods, comparisons and conversions of `Tensor`."""

import operator

import numpy as np
import pytest
from support.arrays import assert_close, draw

from quatnet import Tensor, gradcheck, graph, no_grad, ops
from quatnet.backend import asnumpy, on_gpu, xp
from quatnet.errors import ShapeError

MATMUL_SHAPES = [
    ((2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (5, 3, 4)),
]


@pytest.mark.parametrize(("a_shape", "b_shape"), MATMUL_SHAPES)
def test_matmul_value_and_gradient(a_shape, b_shape, rng):
    a, b = draw(rng, *a_shape), draw(rng, *b_shape)
    assert_close((Tensor(a) @ b).data, asnumpy(a) @ asnumpy(b))
    gradcheck(lambda a, b: a @ b, [a, b], rng=rng)


def test_matmul_of_incompatible_batch_axes_raises():
    with pytest.raises(ShapeError, match="do not broadcast"):
        Tensor(np.ones((2, 2, 3))) @ np.ones((3, 3, 4))


METHODS = {
    "getitem": lambda x: x[1:, 0],
    "reshape": lambda x: x.reshape(3, -1),
    "reshape with a tuple": lambda x: x.reshape((6, 4)),
    "transpose": lambda x: x.transpose(2, 0, 1),
    "transpose without axes": lambda x: x.transpose(),
    "T": lambda x: x.T,
    "sum": lambda x: x.sum(),
    "sum of one axis": lambda x: x.sum(axis=1),
    "mean": lambda x: x.mean(axis=(0, 2)),
}


@pytest.mark.parametrize("name", METHODS)
def test_method_value_and_gradient(name, rng):
    x = draw(rng, 2, 3, 4)
    assert_close(METHODS[name](Tensor(x)).data, METHODS[name](asnumpy(x)))
    gradcheck(METHODS[name], [x], rng=rng)


def test_max_along_axis(rng):
    x = draw(rng, 2, 3)
    assert_close(Tensor(x).max(axis=1).data, asnumpy(x).max(axis=1))


def test_attributes():
    x = Tensor(np.zeros((2, 3), np.float32))
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.dtype(np.float32), 2)
    assert [row.shape for row in x] == [(3,), (3,)]
    assert 2 * x.numpy().shape == (2, 3, 2, 3)


def test_item_float_and_bool():
    assert (Tensor(2.5).item(), float(Tensor([2.5])), bool(Tensor(0.0)), bool(Tensor(1.0))) == (2.5, 2.5, False, True)


@pytest.mark.parametrize("convert", [Tensor.item, float, bool])
def test_item_float_and_bool_of_several_entries_raise(convert):
    with pytest.raises(ShapeError, match=r"one entry, got shape \(2,\)"):
        convert(Tensor([1.0, 2.0]))


def test_len_of_a_tensor_without_axes_raises():
    with pytest.raises(ShapeError, match="no length"):
        len(Tensor(1.0))


def test_comparisons_are_elementwise_without_gradient():
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    for result, expected in [
        (x == 2, [0, 1, 0]), (x != 2, [1, 0, 1]), (x < 2, [1, 0, 0]),
        (x <= 2, [1, 1, 0]), (x > x, [0, 0, 0]), (x >= np.array([3.0, 2, 1]), [0, 1, 1]),
    ]:  # fmt: skip
        assert result.numpy().tolist() == [bool(entry) for entry in expected]
        assert not result.requires_grad
    assert (np.array([1.0, 0, 3]) == x).numpy().tolist() == [True, False, True]


def test_hash_by_identity():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert len({x, y, x}) == 2


def test_detach():
    x = Tensor([2.0], requires_grad=True)
    y = (x * x).detach()
    assert not y.requires_grad
    assert y.numpy().tolist() == [4.0]


NUMPY_FUNCTIONS = {
    "mean": np.mean,
    "argmax": np.argmax,
    "concatenate": lambda x: np.concatenate([x, x]),
    "asarray": np.asarray,
    "sort": np.sort,
    "where": lambda x: np.where(x, 1, 2),
}


@pytest.mark.skipif(on_gpu(), reason="the arrays are CuPy arrays, and NumPy functions take NumPy arrays")
@pytest.mark.parametrize("name", NUMPY_FUNCTIONS)
def test_numpy_function_of_a_tensor_raises(name):
    with pytest.raises(ShapeError, match=r"use .*\.numpy\(\)|\.numpy\(\) first"):
        NUMPY_FUNCTIONS[name](Tensor([1.0, 2.0]))


def test_numpy_function_of_the_array():
    x = Tensor([3.0, 1.0])
    assert np.mean(x.numpy()) == ops.mean(x).item() == 2.0


def test_parameters_are_updated_in_place_within_no_grad():
    w = Tensor(xp.asarray([2, 4], dtype=np.float32), requires_grad=True)
    first, before = w, w.data
    with no_grad():
        w -= Tensor(1.0)
        w += 3.0
        w *= 2.0
        w /= np.float64(4.0)
    assert w is first
    assert w.requires_grad
    assert w.dtype == np.float32
    np.testing.assert_array_equal(w.numpy(), [2, 3])
    np.testing.assert_array_equal(asnumpy(before), [2, 4])  # a new array, see arrays-and-threads.md


def test_other_in_place_updates():
    w, total = Tensor(xp.asarray([2, 4], dtype=np.float32), requires_grad=True), Tensor(0.0)
    with pytest.raises(ShapeError, match=r"within no_grad\(\) only"):
        w += 1.0
    with no_grad(), pytest.raises(ShapeError, match=r"expected an update of a parameter of shape \(2,\)"):
        w += np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(w.numpy(), [2, 4])
    total += (w * w).sum()
    total *= 2
    total.backward()
    np.testing.assert_array_equal(asnumpy(w.grad), [8, 16])


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv])
@pytest.mark.parametrize("kind", ["array", "booleans", "tensor of booleans"])
@pytest.mark.parametrize("reflected", [False, True])
def test_traced_operators_of_converted_operands(operation, kind, reflected):
    x, values = np.array([[1.0, 2, 3], [4, 5, 6]], np.float32), np.array([1, 1, 1 if kind == "array" else 0])
    values = values if operation is not operator.truediv or reflected else np.ones(3, int)
    other = xp.asarray(3.0 * values) if kind == "array" else xp.asarray(values > 0)
    other = Tensor(np.ones(3)) * values > 0.5 if kind == "tensor of booleans" else other
    pair = (lambda x: (other, x)) if reflected else (lambda x: (x, other))
    operands = (asnumpy(other.data if isinstance(other, Tensor) else other) * np.float32(1), x)
    expected = operation(*(operands if reflected else operands[::-1]))
    network = graph.GraphModule(graph.trace(lambda x: operation(*pair(x)), x))
    np.testing.assert_allclose(asnumpy(network(x).data), expected, rtol=1e-6)
