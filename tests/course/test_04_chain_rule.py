"""How a gradient finds its way back.

Every operation leaves a note on the tape: which tensors it came from, and a function that turns the gradient of
its result into gradients of those. `backward` reads the notes from the last to the first; that is the chain
rule. A tensor used twice receives both gradients, one that was stretched receives the sum, and what has been
read is thrown away, so that the memory of a training step is free before the next (test_autodiff_memory). Here the
graphs
are small enough for a pencil; test_random_graphs grows any graph, and test_gradcheck asks whether the checks can fail.
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


# By hand


def test_the_chain_rule_worked_with_a_pencil():
    # z = (x y + 1)² at x = 2, y = 3: inside 7, z = 49
    # dz/dinside = 2·7 = 14,  dz/dx = 14·y = 42,  dz/dy = 14·x = 28
    x, y = leaf(2.0), leaf(3.0)
    z = (x * y + 1.0) ** 2
    z.backward()
    assert [float(a) for a in (z.data, x.grad, y.grad)] == [49, 42, 28]


def test_a_tensor_used_twice_adds_up_both_gradients():
    # y = x² + 3x, so dy/dx = 2x + 3 = 13 at x = 5; x enters three times
    x = leaf(5.0)
    (x * x + 3.0 * x).backward()
    assert float(x.grad) == 13


def test_a_diamond_is_walked_once_per_node():
    # a = 2x, y = a·a + a = 4x² + 2x, dy/dx = 8x + 2 = 26 at x = 3
    x = leaf(3.0)
    a = 2.0 * x
    (a * a + a).backward()
    assert float(x.grad) == 26


def test_two_walks_from_two_losses_add_up_in_the_leaf():
    x = leaf(3.0)
    (x * x).backward()
    (4.0 * x).backward()
    assert float(x.grad) == 6 + 4


def test_each_operator_has_the_derivative_of_the_school_book():
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


def test_a_matrix_product_sends_back_the_transposed_matrices():
    # y = A B with g = [[1, 10]]: gA = g Bᵀ = [1·3 + 10·4, 1·5 + 10·6] = [43, 65], gB = Aᵀ g = [[1, 10], [2, 20]]
    a, b = leaf([[1, 2]]), leaf([[3, 4], [5, 6]])
    (a @ b).backward(xp.asarray([[1.0, 10]]))
    assert_close(a.grad, [[43, 65]])
    assert_close(b.grad, [[1, 10], [2, 20]])


def test_a_stretched_tensor_receives_the_sum():
    # the row (2,) is used in 3 rows, the column (3, 1) in 2 columns
    row, column = leaf([1, 2]), leaf([[1], [2], [3]])
    (row * column).backward(np.ones((3, 2)))
    assert_close(row.grad, [6, 6])  # 1 + 2 + 3
    assert_close(column.grad, [[3], [3], [3]])  # 1 + 2


def test_a_leaf_is_a_graph_of_one_node():
    x = leaf([1, 2])
    x.backward(xp.asarray([10.0, 20]))
    x.backward(xp.asarray([1.0, 2]))  # nothing was freed, because there was nothing to free
    assert_close(x.grad, [11, 22])


# The laws

OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@given(
    st.sampled_from(sorted(OPERATORS)), hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), seeds
)
def test_every_operator_works_entry_by_entry(name, shapes, seed):
    rng, operator = np.random.default_rng(seed), OPERATORS[name]
    a, b = (asnumpy(draw(rng, *shape)) for shape in shapes.input_shapes)
    for y in (operator(leaf(a), leaf(b)), operator(leaf(a), b), operator(a, leaf(b))):
        expected = np.empty(shapes.result_shape)
        for index in np.ndindex(expected.shape):
            i = tuple(0 if n == 1 else k for k, n in zip(index[len(index) - a.ndim :], a.shape, strict=True))
            j = tuple(0 if n == 1 else k for k, n in zip(index[len(index) - b.ndim :], b.shape, strict=True))
            expected[index] = operator(float(a[i]), float(b[j]))
        assert_close(y.data, expected, rtol=0, atol=0)  # to the last digit


@given(seeds, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_a_matrix_product_is_three_loops(seed, m, k, n):
    rng = np.random.default_rng(seed)
    a, b = draw(rng, m, k), draw(rng, k, n)
    expected = np.zeros((m, n))
    for i, j in np.ndindex(m, n):
        for t in range(k):
            expected[i, j] += float(a[i, t]) * float(b[t, j])
    for y in (leaf(a) @ leaf(b), leaf(a) @ b, a @ leaf(b)):
        assert_close(y.data, expected)
    gradcheck(lambda a, b: a @ b, [a, b], rng=rng, directions=1)


@given(seeds, st.integers(-3, 3) | st.floats(-2, 2))
def test_a_power_has_the_derivative_of_the_school_book(seed, exponent):
    rng = np.random.default_rng(seed)
    x = 0.5 + draw(rng, 3) ** 2
    assert_close((leaf(x) ** exponent).data, [float(entry) ** exponent for entry in x])
    gradcheck(lambda x: x**exponent, [x], rng=rng, directions=1)


def test_powers_of_zero():
    # 0⁰ = 1 with derivative 0, 0¹ with derivative 1, 0² with derivative 0
    for exponent, value, derivative in [(0, 1, 0), (1, 0, 1), (2, 0, 0)]:
        x = leaf(0.0)
        y = x**exponent
        y.backward()
        assert (float(y.data), float(x.grad)) == (value, derivative)


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), seeds)
def test_broadcasting_is_undone_in_every_operator(shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (1.5 + 0.2 * draw(rng, *shape) ** 2 for shape in shapes.input_shapes)
    for operator in OPERATORS.values():
        gradcheck(operator, [a, b], rng=rng, directions=1)


@given(hnp.mutually_broadcastable_shapes(num_shapes=1, base_shape=(3, 2, 4)), seeds)
def test_sum_to_is_the_adjoint_of_broadcasting(shapes, seed):
    rng = np.random.default_rng(seed)
    (shape,) = shapes.input_shapes
    full = np.broadcast_shapes(shape, (3, 2, 4))
    small, g = draw(rng, *shape), draw(rng, *full)
    assert unbroadcast(g, shape).shape == shape
    assert_close((xp.broadcast_to(small, full) * g).sum(), (small * unbroadcast(g, shape)).sum())


def test_a_whole_expression_agrees_with_difference_quotients(rng):
    def expression(a, b, c):
        hidden = (a @ b - c) / (c * c + 2.0)
        return hidden**2 + hidden * c

    gradcheck(expression, [draw(rng, 3, 4), draw(rng, 4, 2), draw(rng, 2)], rng=rng)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=6))
def test_a_chain_of_factors_has_their_product_as_derivative(factors):
    x = leaf(1.0)
    y = x
    for factor in factors:
        y = y * factor
    y.backward()
    assert float(x.grad) == pytest.approx(np.prod(factors), rel=1e-12, abs=1e-300)


# What is recorded, and what is not


def test_only_leaves_that_ask_for_a_gradient_get_one(rng):
    x, constant = leaf(draw(rng, 3)), Tensor(draw(rng, 3))
    hidden = x * constant
    ops.sum(hidden).backward()
    assert x.grad is not None
    assert constant.grad is None
    assert hidden.grad is None


def test_inside_no_grad_nothing_is_recorded():
    x = leaf(2.0)
    with no_grad():
        y = x * x
    assert not y.requires_grad
    with pytest.raises(ShapeError, match="requires_grad"):
        y.backward()
    assert (x * x).requires_grad


def test_no_grad_ends_even_when_its_block_fails_and_may_be_nested():
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
    "ones x": lambda x: np.ones(3) * x,
    "-x": lambda x: -x,
    "x / whole numbers": lambda x: x / np.arange(1, 4),
    "sqrt": lambda x: x**0.5,
    "sqrt, a NumPy number": lambda x: x ** np.float64(0.5),
    "x by matrix": lambda x: ops.reshape(x, (1, 3)) @ np.ones((3, 3)),
    "matrix by x": lambda x: np.ones((3, 3)) @ ops.reshape(x, (3, 1)),
    "mean": lambda x: ops.mean(x),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_take_the_dtype_of_the_tensor(name, dtype):
    x = Tensor(xp.asarray([1, 2, 3], dtype=dtype), requires_grad=True)
    y = CONSTANTS[name](x)
    ops.sum(y).backward()
    assert (y.data.dtype, x.grad.dtype) == (dtype, dtype)


def test_whole_numbers_are_not_rounded():
    assert_close((Tensor(np.arange(3)) * 0.5).data, [0, 0.5, 1])


def test_an_array_on_the_left_gives_one_tensor_not_an_array_of_tensors():
    y = np.ones(3) + leaf([1, 2, 3])
    assert isinstance(y, Tensor)
    assert_close(y.data, [2, 3, 4])


MIXTURES = {
    "+": lambda x, y: x + y,
    "/": lambda x, y: y / (x + 4.0),
    "@": lambda x, y: x @ y,
    "joined": lambda x, y: ops.concatenate([x, y]),
    "further down": lambda x, y: ops.relu(x * 2.0) * y - x,
}


@pytest.mark.parametrize("name", MIXTURES)
def test_where_two_dtypes_meet_each_gradient_keeps_its_own(name, rng):
    # the result is float64, as in NumPy; a float64 gradient would turn a float32 weight into float64
    x = Tensor(draw(rng, 2, 2, dtype=np.float32), requires_grad=True)
    y = leaf(draw(rng, 2, 2))
    result = MIXTURES[name](x, y)
    result.backward(draw(rng, *result.shape))
    assert (result.data.dtype, x.grad.dtype, y.grad.dtype) == (np.float64, np.float32, np.float64)


def test_every_leaf_has_a_gradient_of_its_own(rng):
    # + sends one array to both leaves; each keeps a copy, so that halving one leaves the other, and g, alone
    x, y, g = leaf(draw(rng, 3)), leaf(draw(rng, 3)), xp.ones(3)
    (x + y).backward(g)
    x.grad *= 0.5
    assert_close(x.grad, [0.5, 0.5, 0.5])
    assert_close(y.grad, [1, 1, 1])
    assert_close(g, [1, 1, 1])


def test_a_gradient_is_an_array_even_where_it_is_one_number():
    x = leaf(2.0)
    for _ in range(2):
        (x * x).backward()
        x.grad[...] += 1.0
    assert float(x.grad) == 4 + 1 + 4 + 1


def test_the_gradient_of_a_sum_can_be_written_to():
    x = leaf([1, 2, 3])
    ops.sum(x).backward()
    x.grad /= 2.0
    assert_close(x.grad, [0.5, 0.5, 0.5])


# A graph is read once


def test_a_second_walk_is_an_error_and_not_a_wrong_gradient():
    x = leaf(3.0)
    y = x * x
    y.backward()
    with pytest.raises(GraphFreedError, match="compute the loss again"):
        y.backward()
    assert float(x.grad) == 6


def test_two_losses_that_share_a_part_cannot_be_walked_one_after_the_other():
    x, other = leaf(3.0), leaf(1.0)
    shared = x * x
    first, second = shared + 1.0, shared * other
    first.backward()
    with pytest.raises(GraphFreedError):
        second.backward()
    assert float(x.grad) == 6
    assert other.grad is None  # refused before anything was added


def test_what_is_built_on_a_freed_graph_cannot_be_walked_either():
    x = leaf(3.0)
    hidden = x * x
    hidden.backward()
    later = hidden + x  # its value is right, its gradient would lack the part through hidden
    assert float(later.data) == 12
    with pytest.raises(GraphFreedError):
        later.backward()
    assert float(x.grad) == 6


def test_a_walk_that_is_refused_frees_nothing():
    x = leaf(3.0)
    shared = x * x
    (shared + 1.0).backward()
    other = x * 4.0
    with pytest.raises(GraphFreedError):
        (other * shared).backward()
    other.backward()
    assert float(x.grad) == 6 + 4


def test_the_sum_of_two_losses_is_the_way_to_do_it():
    x, other = leaf(3.0), leaf(2.0)
    shared = x * x
    (shared + 1.0 + shared * other).backward()
    assert (float(x.grad), float(other.grad)) == (6 + 12, 9)


# Mistakes


def test_a_whole_array_needs_a_gradient_to_start_from():
    with pytest.raises(ShapeError, match=r"grad= for a result of shape \(3,\)"):
        (leaf([1, 2, 3]) * 2.0).backward()


@pytest.mark.parametrize("shape", [(), (1,), (2,), (1, 3), (3, 1)])
def test_the_starting_gradient_must_have_the_shape_of_the_result(shape):
    with pytest.raises(ShapeError, match=r"expected a gradient of shape \(3,\), got"):
        (leaf([1, 2, 3]) * 2.0).backward(np.ones(shape))


def test_whole_numbers_have_no_gradient():
    with pytest.raises(ShapeError, match="int64"):
        Tensor(np.arange(3), requires_grad=True)


@pytest.mark.parametrize("thing", [None, "a", 1j, [[1], [2, 3]], Tensor([1.0])], ids=repr)
def test_a_tensor_is_made_of_real_numbers(thing):
    with pytest.raises(ShapeError, match="real numbers"):
        Tensor(thing)
    if not isinstance(thing, Tensor):
        with pytest.raises(ShapeError, match="real numbers"):
            leaf([1.0, 2]) + thing


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("other", [np.ones(2), np.ones((3, 2)), Tensor(np.ones((2, 1, 2)))], ids=lambda x: str(getattr(x, "shape", ())))
def test_shapes_that_do_not_fit_together_are_an_error(name, other):
    x = leaf(np.ones((4, 3)))
    for function in (OPERATORS[name], lambda a, b: OPERATORS[name](b, a)):
        with pytest.raises(ShapeError, match=r"lengths must be equal or 1"):
            function(x, other)


@pytest.mark.parametrize("exponent", [np.ones(3), [1.0, 2], Tensor(2.0), "a"], ids=repr)
def test_an_exponent_is_one_number(exponent):
    with pytest.raises(ShapeError, match="number"):
        leaf([1.0, 2]) ** exponent


def test_an_op_takes_tensors():
    for op in (ops.relu, ops.exp, ops.sigmoid, lambda x: ops.hamilton_product(x, x)):
        with pytest.raises(ShapeError, match=r"expected a Tensor, got ndarray; wrap it"):
            op(np.ones(4))


def test_a_backward_returns_one_gradient_for_each_parent():
    x, y = leaf([1, 2]), leaf([3, 4])
    forgetful = Tensor.from_op(x.data * y.data, (x, y), lambda g: (g * y.data,))
    with pytest.raises(ShapeError, match=r"one gradient per parent, 2, from backward; got 1"):
        forgetful.backward(np.ones(2))


@pytest.mark.parametrize(("a", "b"), [((2, 3), (2, 3)), ((3,), (3, 2)), ((2, 3), (3,))])
def test_a_matrix_product_takes_two_matrices_that_fit(a, b):
    with pytest.raises(ShapeError, match=r"M, K\) @"):
        leaf(np.ones(a)) @ leaf(np.ones(b))


@pytest.mark.parity
@pytest.mark.parametrize("name", [*OPERATORS, "@", "**", "reflected"])
def test_values_and_gradients_are_those_of_pytorch(name, torch, rng):
    functions = OPERATORS | {
        "@": lambda a, b: a @ b,
        "**": lambda a, b: (a * a + 1.0) ** 1.5 * b**3,
        "reflected": lambda a, b: (1.0 - a) * (2.0 / (b * b + 1.0)) + (3.0 + 4.0 * -a),
    }
    shapes = [(3, 4), (4, 2)] if name == "@" else [(2, 1, 3), (4, 1)]
    assert_parity(torch, functions[name], functions[name], [draw(rng, *shape) for shape in shapes], rng)
