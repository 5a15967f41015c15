"""Tests of backpropagation through a graph of operations.

Every operation records its parents (its input tensors) and a backward function. The backward function maps the gradient
of the result to the gradients of the parents. `backward` applies the chain rule: it calls the backward functions from
the last operation to the first. A tensor that is used twice receives the sum of both gradients. A tensor that was
broadcast receives the sum over the broadcast axes. `backward` frees the graph, so that the next training step can use
the memory (see test_autodiff_memory). The graphs in this module are small worked examples. test_random_graphs tests
arbitrary graphs, and test_gradcheck tests the function `gradcheck`.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.arrays import assert_close, draw
from support.parity import assert_parity
from support.strategies import seeds

from quatnet import Tensor, no_grad, ops
from quatnet.autodiff import gradcheck
from quatnet.autodiff.arrays import unbroadcast
from quatnet.backend import asnumpy, xp
from quatnet.errors import GraphFreedError, ShapeError


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


# Worked examples


def test_worked_example_of_the_chain_rule():
    # For z = u² with u = x y + 1, at x = 2 and y = 3: u = 7, z = 49
    # dz/du = 2·7 = 14,  dz/dx = 14·y = 42,  dz/dy = 14·x = 28
    x, y = leaf(2.0), leaf(3.0)
    z = (x * y + 1.0) ** 2
    z.backward()
    assert [float(a) for a in (z.data, x.grad, y.grad)] == [49, 42, 28]


def test_tensor_used_several_times_receives_the_sum():
    # x is used three times in y = x² + 3x, and dy/dx = 2x + 3 = 13 at x = 5
    x = leaf(5.0)
    (x * x + 3.0 * x).backward()
    assert float(x.grad) == 13


def test_shared_intermediate_result():
    # for a = 2x, y = a·a + a = 4x² + 2x and dy/dx = 8x + 2 = 26 at x = 3
    x = leaf(3.0)
    a = 2.0 * x
    (a * a + a).backward()
    assert float(x.grad) == 26


def test_gradients_of_two_losses_accumulate():
    x = leaf(3.0)
    (x * x).backward()
    (4.0 * x).backward()
    assert float(x.grad) == 6 + 4


def test_derivative_of_each_operator():
    cases = [
        (lambda x: x + 3.0, 1),
        (lambda x: 3.0 + x, 1),
        (lambda x: x - 3.0, 1),
        (lambda x: 3.0 - x, -1),
        (lambda x: -x, -1),
        (lambda x: x * 3.0, 3),
        (lambda x: 3.0 * x, 3),
        (lambda x: x / 4.0, 1 / 4),
        (lambda x: 4.0 / x, -4 / 2**2),
        (lambda x: x**3, 3 * 2**2),
        (lambda x: x**-0.5, -0.5 * 2**-1.5),
    ]
    for function, derivative in cases:
        x = leaf(2.0)
        function(x).backward()
        assert float(x.grad) == pytest.approx(derivative, rel=1e-14)


def test_gradients_of_a_matrix_product():
    # For Y = A B and the upstream gradient G = dL/dY = [[1, 10]]:
    # dL/dA = G Bᵀ = [[1·3 + 10·4, 1·5 + 10·6]] = [[43, 65]],  dL/dB = Aᵀ G = [[1, 10], [2, 20]]
    a, b = leaf([[1, 2]]), leaf([[3, 4], [5, 6]])
    (a @ b).backward(xp.asarray([[1.0, 10]]))
    assert_close(a.grad, [[43, 65]])
    assert_close(b.grad, [[1, 10], [2, 20]])


def test_broadcast_tensor_receives_the_sum():
    # The row (2,) is broadcast to 3 rows and the column (3, 1) to 2 columns.
    row, column = leaf([1, 2]), leaf([[1], [2], [3]])
    (row * column).backward(np.ones((3, 2)))
    assert_close(row.grad, [6, 6])  # the sum of the column is 1 + 2 + 3
    assert_close(column.grad, [[3], [3], [3]])  # the sum of the row is 1 + 2


def test_backward_of_a_leaf():
    x = leaf([1, 2])
    x.backward(xp.asarray([10.0, 20]))
    x.backward(xp.asarray([1.0, 2]))  # `backward` does not free a leaf, so a second call is allowed
    assert_close(x.grad, [11, 22])


# Properties

OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@given(
    st.sampled_from(sorted(OPERATORS)), hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), seeds
)
def test_operators_are_elementwise(name, shapes, seed):
    rng, operator = np.random.default_rng(seed), OPERATORS[name]
    a, b = (asnumpy(draw(rng, *shape)) for shape in shapes.input_shapes)
    for y in (operator(leaf(a), leaf(b)), operator(leaf(a), b), operator(a, leaf(b))):
        expected = np.empty(shapes.result_shape)
        for index in np.ndindex(expected.shape):
            i = tuple(0 if n == 1 else k for k, n in zip(index[len(index) - a.ndim :], a.shape, strict=True))
            j = tuple(0 if n == 1 else k for k, n in zip(index[len(index) - b.ndim :], b.shape, strict=True))
            expected[index] = operator(float(a[i]), float(b[j]))
        assert_close(y.data, expected, rtol=0, atol=0)  # the values are exactly equal


@given(seeds, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_matrix_product_equals_three_loops(seed, m, k, n):
    rng = np.random.default_rng(seed)
    a, b = draw(rng, m, k), draw(rng, k, n)
    expected = np.zeros((m, n))
    for i, j in np.ndindex(m, n):
        for t in range(k):
            expected[i, j] += float(a[i, t]) * float(b[t, j])
    for y in (leaf(a) @ leaf(b), leaf(a) @ b, a @ leaf(b)):
        assert_close(y.data, expected)
    gradcheck(lambda a, b: a @ b, [a, b], rng=rng, num_directions=1)


@given(seeds, st.integers(-3, 3) | st.floats(-2, 2))
def test_value_and_derivative_of_a_power(seed, exponent):
    rng = np.random.default_rng(seed)
    x = 0.5 + draw(rng, 3) ** 2
    assert_close((leaf(x) ** exponent).data, [float(entry) ** exponent for entry in x])
    gradcheck(lambda x: x**exponent, [x], rng=rng, num_directions=1)


def test_powers_of_zero():
    # At x = 0, the power x⁰ is 1 with derivative 0, x¹ is 0 with derivative 1, and x² is 0 with derivative 0.
    for exponent, value, derivative in [(0, 1, 0), (1, 0, 1), (2, 0, 0)]:
        x = leaf(0.0)
        y = x**exponent
        y.backward()
        assert (float(y.data), float(x.grad)) == (value, derivative)


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), seeds)
def test_gradients_of_broadcast_operands(shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (1.5 + 0.2 * draw(rng, *shape) ** 2 for shape in shapes.input_shapes)
    for operator in OPERATORS.values():
        gradcheck(operator, [a, b], rng=rng, num_directions=1)


@given(hnp.mutually_broadcastable_shapes(num_shapes=1, base_shape=(3, 2, 4)), seeds)
def test_unbroadcast_is_the_adjoint_of_broadcasting(shapes, seed):
    rng = np.random.default_rng(seed)
    (shape,) = shapes.input_shapes
    full_shape = np.broadcast_shapes(shape, (3, 2, 4))
    x, grad = draw(rng, *shape), draw(rng, *full_shape)
    assert unbroadcast(grad, shape).shape == shape
    assert_close((xp.broadcast_to(x, full_shape) * grad).sum(), (x * unbroadcast(grad, shape)).sum())


def test_gradient_of_an_expression(rng):
    def expression(a, b, c):
        hidden = (a @ b - c) / (c * c + 2.0)
        return hidden**2 + hidden * c

    gradcheck(expression, [draw(rng, 3, 4), draw(rng, 4, 2), draw(rng, 2)], rng=rng)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=6))
def test_derivative_of_a_product_of_factors(factors):
    x = leaf(1.0)
    y = x
    for factor in factors:
        y = y * factor
    y.backward()
    assert float(x.grad) == pytest.approx(np.prod(factors), rel=1e-12, abs=1e-300)


# Recording, dtypes and gradient arrays


def test_only_leaves_with_requires_grad_have_a_gradient(rng):
    x, constant = leaf(draw(rng, 3)), Tensor(draw(rng, 3))
    hidden = x * constant
    ops.sum(hidden).backward()
    assert x.grad is not None
    assert constant.grad is None
    assert hidden.grad is None


def test_no_grad_disables_recording():
    x = leaf(2.0)
    with no_grad():
        y = x * x
    assert not y.requires_grad
    with pytest.raises(ShapeError, match="requires_grad"):
        y.backward()
    assert (x * x).requires_grad


def test_no_grad_can_be_nested_and_ends_after_an_error():
    x = leaf(2.0)
    with no_grad():
        with no_grad():
            pass
        assert not (x * x).requires_grad
    with pytest.raises(ShapeError), no_grad():
        x @ x
    assert (x * x).requires_grad


CONSTANTS = {
    "2 x": lambda x: 2.0 * x,
    "x + 2": lambda x: x + np.float64(2),
    "2 / x": lambda x: np.float64(2) / x,
    "x - ones": lambda x: x - np.ones(3),
    "ones * x": lambda x: np.ones(3) * x,
    "-x": lambda x: -x,
    "x / integers": lambda x: x / np.arange(1, 4),
    "sqrt": lambda x: x**0.5,
    "sqrt with a NumPy number": lambda x: x ** np.float64(0.5),
    "x @ array": lambda x: ops.reshape(x, (1, 3)) @ np.ones((3, 3)),
    "array @ x": lambda x: np.ones((3, 3)) @ ops.reshape(x, (3, 1)),
    "mean": lambda x: ops.mean(x),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CONSTANTS)
def test_constant_is_converted_to_the_dtype_of_the_tensor(name, dtype):
    x = Tensor(xp.asarray([1, 2, 3], dtype=dtype), requires_grad=True)
    y = CONSTANTS[name](x)
    ops.sum(y).backward()
    assert (y.data.dtype, x.grad.dtype) == (dtype, dtype)


def test_integer_tensor_times_float():
    assert_close((Tensor(np.arange(3)) * 0.5).data, [0, 0.5, 1])


def test_array_plus_tensor_is_a_tensor():
    y = np.ones(3) + leaf([1, 2, 3])
    assert isinstance(y, Tensor)
    assert_close(y.data, [2, 3, 4])


MIXED_DTYPE_OPS = {
    "+": lambda x, y: x + y,
    "/": lambda x, y: y / (x + 4.0),
    "@": lambda x, y: x @ y,
    "concatenate": lambda x, y: ops.concatenate([x, y]),
    "several ops": lambda x, y: ops.relu(x * 2.0) * y - x,
}


@pytest.mark.parametrize("name", MIXED_DTYPE_OPS)
def test_gradient_has_the_dtype_of_its_tensor(name, rng):
    # The result is float64, as in NumPy. A float64 gradient would convert a float32 weight to float64 in an optimizer
    # step.
    x = Tensor(draw(rng, 2, 2, dtype=np.float32), requires_grad=True)
    y = leaf(draw(rng, 2, 2))
    result = MIXED_DTYPE_OPS[name](x, y)
    result.backward(draw(rng, *result.shape))
    assert (result.data.dtype, x.grad.dtype, y.grad.dtype) == (np.float64, np.float32, np.float64)


def test_gradients_of_leaves_do_not_share_memory(rng):
    # The backward function of `+` returns the same array for both leaves, so each leaf stores a copy.
    x, y, grad = leaf(draw(rng, 3)), leaf(draw(rng, 3)), xp.ones(3)
    (x + y).backward(grad)
    x.grad *= 0.5
    assert_close(x.grad, [0.5, 0.5, 0.5])
    assert_close(y.grad, [1, 1, 1])
    assert_close(grad, [1, 1, 1])


def test_gradient_of_a_scalar_is_a_writable_array():
    x = leaf(2.0)
    for _ in range(2):
        (x * x).backward()
        x.grad[...] += 1.0
    assert float(x.grad) == 4 + 1 + 4 + 1


def test_gradient_of_a_sum_is_writable():
    x = leaf([1, 2, 3])
    ops.sum(x).backward()
    x.grad /= 2.0
    assert_close(x.grad, [0.5, 0.5, 0.5])


# `backward` frees the graph


def test_second_backward_raises():
    x = leaf(3.0)
    y = x * x
    y.backward()
    with pytest.raises(GraphFreedError, match="compute the loss again"):
        y.backward()
    assert float(x.grad) == 6


def test_backward_of_two_losses_with_a_shared_part_raises():
    x, other = leaf(3.0), leaf(1.0)
    shared = x * x
    first, second = shared + 1.0, shared * other
    first.backward()
    with pytest.raises(GraphFreedError):
        second.backward()
    assert float(x.grad) == 6
    assert other.grad is None  # the error is raised before any gradient is accumulated


def test_backward_of_an_operation_on_a_freed_result_raises():
    x = leaf(3.0)
    hidden = x * x
    hidden.backward()
    y = hidden + x  # the value of y is correct, but the gradient would lack the term of `hidden`
    assert float(y.data) == 12
    with pytest.raises(GraphFreedError):
        y.backward()
    assert float(x.grad) == 6


def test_backward_that_raises_frees_nothing():
    x = leaf(3.0)
    shared = x * x
    (shared + 1.0).backward()
    other = x * 4.0
    with pytest.raises(GraphFreedError):
        (other * shared).backward()
    other.backward()
    assert float(x.grad) == 6 + 4


def test_backward_of_the_sum_of_two_losses():
    x, other = leaf(3.0), leaf(2.0)
    shared = x * x
    (shared + 1.0 + shared * other).backward()
    assert (float(x.grad), float(other.grad)) == (6 + 12, 9)


# Errors


def test_backward_of_an_array_without_grad_raises():
    with pytest.raises(ShapeError, match=r"grad= for a tensor of shape \(3,\)"):
        (leaf([1, 2, 3]) * 2.0).backward()


@pytest.mark.parametrize("shape", [(), (1,), (2,), (1, 3), (3, 1)])
def test_grad_of_another_shape_raises(shape):
    with pytest.raises(ShapeError, match=r"expected a gradient of shape \(3,\), got"):
        (leaf([1, 2, 3]) * 2.0).backward(np.ones(shape))


def test_integers_become_floats():
    assert Tensor(np.arange(3), requires_grad=True).dtype == np.float64


@pytest.mark.parametrize("value", [None, "a", 1j, [[1], [2, 3]], Tensor([1.0], True)], ids=repr)
def test_tensor_of_other_entries_than_real_numbers_raises(value):
    with pytest.raises(ShapeError, match="real numbers"):
        Tensor(value)
    if not isinstance(value, Tensor):
        with pytest.raises(ShapeError, match="real numbers"):
            leaf([1.0, 2]) + value


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize(
    "other", [np.ones(2), np.ones((3, 2)), Tensor(np.ones((2, 1, 2)))], ids=lambda x: str(getattr(x, "shape", ()))
)
def test_operands_that_do_not_broadcast_raise(name, other):
    x = leaf(np.ones((4, 3)))
    for function in (OPERATORS[name], lambda a, b: OPERATORS[name](b, a)):
        with pytest.raises(ShapeError, match=r"lengths must be equal or 1"):
            function(x, other)


@pytest.mark.parametrize("exponent", [np.ones(3), [1.0, 2], Tensor(2.0), "a"], ids=repr)
def test_exponent_other_than_one_number_raises(exponent):
    with pytest.raises(ShapeError, match="number"):
        leaf([1.0, 2]) ** exponent


def test_array_is_a_tensor_without_gradient():
    np.testing.assert_array_equal(ops.relu(np.array([-1.0, 2])).numpy(), [0, 2])
    np.testing.assert_array_equal(ops.hamilton_product([0, 1, 0, 0], [0, 0, 1, 0]).numpy(), [0, 0, 0, 1])  # ij = k


def test_backward_with_too_few_gradients_raises():
    x, y = leaf([1, 2]), leaf([3, 4])
    result = Tensor.from_op(x.data * y.data, (x, y), lambda grad: (grad * y.data,))
    with pytest.raises(ShapeError, match=r"expected a tuple of 2 gradients from backward, one per parent, .*; got 1"):
        result.backward(np.ones(2))


@pytest.mark.parametrize(("a", "b"), [((2, 3), (2, 3)), ((3,), (3, 2)), ((2, 3), (3,))])
def test_matrix_product_of_incompatible_shapes_raises(a, b):
    with pytest.raises(ShapeError, match=r"rows, inner\) @"):
        leaf(np.ones(a)) @ leaf(np.ones(b))


@pytest.mark.parity
@pytest.mark.parametrize("name", [*OPERATORS, "@", "**", "reflected"])
def test_parity_with_pytorch(name, torch, rng):
    functions = OPERATORS | {
        "@": lambda a, b: a @ b,
        "**": lambda a, b: (a * a + 1.0) ** 1.5 * b**3,
        "reflected": lambda a, b: (1.0 - a) * (2.0 / (b * b + 1.0)) + (3.0 + 4.0 * -a),
    }
    shapes = [(3, 4), (4, 2)] if name == "@" else [(2, 1, 3), (4, 1)]
    assert_parity(torch, functions[name], functions[name], [draw(rng, *shape) for shape in shapes], rng)
