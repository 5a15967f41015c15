"""How a gradient finds its way back.

Every operation leaves a note on the tape: which tensors it came from, and a function that turns the gradient of
its result into gradients of those. `backward` reads the notes from the last to the first; that is the chain
rule. A tensor used twice receives both gradients, one that was stretched receives the sum, and what has been
read is thrown away, so that the memory of a training step is free before the next. The last part plants faults
in gradients, to see that `gradcheck`, on which the later files rely, finds each of them.
"""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.arrays import assert_close, draw
from support.strategies import seeds

from quatnet import Tensor, gradcheck, no_grad, ops
from quatnet.backend import asnumpy, xp
from quatnet.errors import GraphFreedError, ShapeError
from quatnet.gradcheck import GradientError
from quatnet.tensor import sum_to


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


# The laws


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), seeds)
def test_broadcasting_is_undone_in_every_operator(shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (1.5 + 0.2 * draw(rng, *shape) ** 2 for shape in shapes.input_shapes)
    for function in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b):
        gradcheck(function, [a, b], rng=rng, directions=1)


@given(hnp.mutually_broadcastable_shapes(num_shapes=1, base_shape=(3, 2, 4)), seeds)
def test_sum_to_is_the_adjoint_of_broadcasting(shapes, seed):
    rng = np.random.default_rng(seed)
    (shape,) = shapes.input_shapes
    full = np.broadcast_shapes(shape, (3, 2, 4))
    small, g = draw(rng, *shape), draw(rng, *full)
    assert sum_to(g, shape).shape == shape
    assert_close((xp.broadcast_to(small, full) * g).sum(), (small * sum_to(g, shape)).sum())


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


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 2.0 * x,
        lambda x: x + np.float64(2),
        lambda x: np.float64(2) / x,
        lambda x: x - np.ones(3),
        lambda x: np.ones(3) * x,
        lambda x: x**0.5,
        lambda x: x ** np.float64(0.5),
        lambda x: ops.mean(x),
    ],
)
def test_constants_keep_float32_forward_and_backward(function):
    x = Tensor(xp.asarray([1, 2, 3], dtype=np.float32), requires_grad=True)
    y = function(x)
    ops.sum(y).backward()
    assert (y.data.dtype, x.grad.dtype) == (np.float32, np.float32)


def test_an_array_on_the_left_gives_one_tensor_not_an_array_of_tensors():
    y = np.ones(3) + leaf([1, 2, 3])
    assert isinstance(y, Tensor)
    assert_close(y.data, [2, 3, 4])


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


def test_the_sum_of_two_losses_is_the_way_to_do_it():
    x, other = leaf(3.0), leaf(2.0)
    shared = x * x
    (shared + 1.0 + shared * other).backward()
    assert (float(x.grad), float(other.grad)) == (6 + 12, 9)


# Memory

ALL_OPS = {
    "arithmetic": lambda x: (x * x + 1.0) / 2.0 - x**2,
    "matmul": lambda x: ops.reshape(x, (8, 8)) @ ops.reshape(x, (8, 8)),
    "shape": lambda x: ops.concatenate([ops.getitem(x, 0), ops.transpose(ops.getitem(x, 0), (1, 0, 2))]),
    "reduce": lambda x: ops.max(ops.mean(x, axis=1), axis=0),
    "activations": lambda x: ops.log(ops.exp(ops.sigmoid(ops.relu(x)))),
    "hamilton": lambda x: ops.hamilton_product(x, x),
    "conv": lambda x: ops.conv2d(x, Tensor(np.ones((3, 3, 4, 2))), padding=1),
    "quaternion conv": lambda x: ops.quaternion_conv2d(x, Tensor(np.ones((4, 3, 3, 1, 1))), padding=1),
    "pooling": lambda x: ops.max_pool(ops.average_pool(x)),
    "batch norm": lambda x: ops.batch_norm(x, Tensor(np.ones(4)), Tensor(np.zeros(4)), relu=True),
    "dropout": lambda x: ops.dropout(x, 0.5, rng=np.random.default_rng(0), train=True),
    "loss": lambda x: ops.softmax_cross_entropy(ops.reshape(x, (16, 4)), np.ones((16, 4)) / 4),
}


@pytest.fixture
def no_garbage_collector():
    """Leave memory to reference counting alone: what is part of a cycle then stays for ever."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", ALL_OPS)
def test_a_graph_dies_with_its_last_name(name, rng, no_garbage_collector):
    x = leaf(draw(rng, 1, 4, 4, 4))
    hidden = x * 2.0
    result = ALL_OPS[name](hidden)
    watched = [weakref.ref(hidden), weakref.ref(result)]
    del hidden, result
    assert [ref() for ref in watched] == [None, None]


@pytest.mark.parametrize("name", ALL_OPS)
def test_backward_frees_the_graph_while_the_loss_still_lives(name, rng, no_garbage_collector):
    x = leaf(draw(rng, 1, 4, 4, 4))
    hidden = x * 2.0
    watched = weakref.ref(hidden)
    result = ALL_OPS[name](hidden)
    del hidden
    result.backward(xp.ones_like(result.data))
    assert watched() is None
    assert x.grad.shape == x.shape


def test_ten_thousand_nodes_in_a_row_need_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y + 1.0
    y.backward()
    assert (float(y.data), float(x.grad)) == (10_001, 1)


def test_ten_thousand_nodes_can_be_dropped_without_a_walk():
    y = leaf(1.0)
    for _ in range(10_000):
        y = y + 1.0
    del y


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


@pytest.mark.parametrize(("a", "b"), [((2, 3), (2, 3)), ((3,), (3, 2)), ((2, 2, 3), (3, 2)), ((2, 3), (3,))])
def test_a_matrix_product_takes_two_matrices_that_fit(a, b):
    with pytest.raises(ShapeError, match=r"\(M, K\) @ \(K, N\)"):
        leaf(np.ones(a)) @ leaf(np.ones(b))


# Does the checker find a wrong gradient?

MATRIX = np.arange(9.0).reshape(3, 3)


def with_backward(backward, forward=lambda a: xp.asarray(MATRIX) @ a):
    """An op, by default y = M x, with a gradient of our own."""
    return lambda x: Tensor.from_op(forward(x.data), (x,), backward)


def test_the_checker_accepts_the_right_gradient(rng):
    gradcheck(with_backward(lambda g: (xp.asarray(MATRIX).T @ g,)), [draw(rng, 3, 3)], rng=rng)


FAULTS = {
    "zero": lambda g: (g * 0,),
    "none at all": lambda g: (None,),
    "not transposed": lambda g: (MATRIX @ g,),
    "from the wrong side": lambda g: (g @ MATRIX,),
    "wrong sign": lambda g: (-(MATRIX.T @ g),),
    "a factor of 1.001": lambda g: (1.001 * (MATRIX.T @ g),),
    "one entry wrong": lambda g: (MATRIX.T @ g + np.eye(3)[:, :1] * np.eye(3)[:1],),
    "wrong dtype": lambda g: ((MATRIX.T @ g).astype(np.float32),),
    "wrong shape": lambda g: ((MATRIX.T @ g)[None],),
    "not a number": lambda g: (MATRIX.T @ g * np.nan,),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_checker_finds_a_planted_fault(fault, rng):
    with pytest.raises(GradientError):
        gradcheck(with_backward(lambda g: FAULTS[fault](asnumpy(g))), [asnumpy(draw(rng, 3, 3))], rng=rng)


def test_the_checker_finds_a_missing_sum_after_broadcasting(rng):
    forgotten = with_backward(lambda g: (g,), forward=lambda a: a + xp.zeros((2, 3)))
    with pytest.raises(GradientError, match=r"\(3,\) float64, its gradient \(2, 3\)"):
        gradcheck(forgotten, [draw(rng, 3)], rng=rng)


def test_the_checker_looks_at_every_argument(rng):
    def product(a, b):
        return Tensor.from_op(a.data * b.data, (a, b), lambda g: (g * b.data, g * b.data))

    with pytest.raises(GradientError, match="argument 1"):
        gradcheck(product, [draw(rng, 3), draw(rng, 3)], rng=rng)


def test_the_checker_insists_on_float64(rng):
    with pytest.raises(ShapeError, match="float32"):
        gradcheck(lambda x: x * x, [draw(rng, 3, dtype=np.float32)], rng=rng)
