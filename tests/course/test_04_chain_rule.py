"""Tests of chapter 4: the chain rule.

The gradient of a loss with respect to an array contains the partial derivatives with respect to each entry. The
backward function of an operation maps the gradient of its result (the upstream gradient) to the gradients of its
arguments. A tape records the operations. The tape is traversed in reversed order, and the gradients of a value that is
used several times are added.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

seeds = st.integers(0, 2**32 - 1)
BROADCAST = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((), (2, 3)), ((2, 1, 4), (3, 1)), ((1,), (3, 2))]


def assert_close(actual, expected, atol=1e-9):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=atol)


def numerical_gradients(function, arrays, grad, step=1e-6):
    """Return the gradients of <function(*arrays), grad> by central differences."""
    results = []
    for position, array in enumerate(arrays):
        result = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            change = np.zeros(array.shape)
            change[index] = step
            up, down = ([*arrays[:position], array + d, *arrays[position + 1 :]] for d in (change, -change))
            result[index] = ((function(*up) - function(*down)) * grad).sum() / (2 * step)
        results.append(result)
    return results


# Broadcasting


def test_unbroadcast_worked_example(unbroadcast):
    grad = np.array([[1.0, 2, 3], [10, 20, 30]])
    assert_close(unbroadcast(grad, (3,)), [11, 22, 33])  # a row that was used for both rows
    assert_close(unbroadcast(grad, (2, 1)), [[6], [60]])  # a column that was used for all three columns
    assert_close(unbroadcast(grad, ()), 66)
    assert_close(unbroadcast(grad, (2, 3)), grad)


@given(st.sampled_from(BROADCAST), seeds)
def test_unbroadcast_is_the_adjoint_of_broadcasting(unbroadcast, shapes, seed):
    rng = np.random.default_rng(seed)
    x, grad = rng.standard_normal(shapes[0]), rng.standard_normal(np.broadcast_shapes(*shapes))
    assert_close((np.broadcast_to(x, grad.shape) * grad).sum(), (x * unbroadcast(grad, x.shape)).sum())


# Operations


def test_multiply_backward_worked_example(multiply_backward):
    # y = ab = 6 for a = 2 and b = 3. If the loss changes by 10 per unit of y, it changes by 10·3 per unit of a.
    grad_a, grad_b = multiply_backward(np.array(10.0), np.array(2.0), np.array(3.0))
    assert_close(grad_a, 30)
    assert_close(grad_b, 20)
    grad_a, grad_b = multiply_backward(np.array([1.0, 10]), np.array([2.0, 3]), np.array(5.0))
    assert_close(grad_a, [5, 50])
    assert_close(grad_b, 1 * 2 + 10 * 3)  # b is used for both entries


def test_divide_backward_worked_example(divide_backward):
    # the derivatives of a/b are 1/b = 1/4 and -a/b² = -2/16
    grad_a, grad_b = divide_backward(np.array(8.0), np.array(2.0), np.array(4.0))
    assert_close(grad_a, 2)
    assert_close(grad_b, -1)


def test_matmul_backward_worked_example(matmul_backward):
    # the loss is y[0, 1] = a[0, 0] b[0, 1] + a[0, 1] b[1, 1]
    a, b = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6], [7, 8]])
    grad_a, grad_b = matmul_backward(np.array([[0.0, 1], [0, 0]]), a, b)
    assert_close(grad_a, [[6, 8], [0, 0]])
    assert_close(grad_b, [[0, 1], [0, 2]])


@given(st.sampled_from(BROADCAST), seeds)
def test_gradients_equal_central_differences(multiply_backward, divide_backward, shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.uniform(1, 2, shape) for shape in shapes)
    grad = rng.standard_normal(np.broadcast_shapes(*shapes))
    for backward, function in ((multiply_backward, np.multiply), (divide_backward, np.divide)):
        for actual, expected in zip(backward(grad, a, b), numerical_gradients(function, [a, b], grad), strict=True):
            assert_close(actual, expected, atol=1e-6)


@given(seeds, *(st.integers(1, 4) for _ in range(3)))
def test_gradients_of_a_matrix_product(matmul_backward, seed, m, k, n):
    # The product is linear in each factor, so <a @ b, grad> = <a, grad_a> = <b, grad_b>.
    rng = np.random.default_rng(seed)
    a, b, grad = rng.standard_normal((m, k)), rng.standard_normal((k, n)), rng.standard_normal((m, n))
    grad_a, grad_b = matmul_backward(grad, a, b)
    assert_close((a * grad_a).sum(), (a @ b * grad).sum())
    assert_close((b * grad_b).sum(), (a @ b * grad).sum())


# The tape

LEAF = ((), None)


def product(a, b, values):
    """Return the entry of the product of the entries a and b, with the given values."""
    return (a, b), lambda g: (g * values[b], g * values[a])


def test_tape_of_one_product(backpropagate):
    values = [2.0, 3.0]  # y = x0 x1
    assert_close(backpropagate([LEAF, LEAF, product(0, 1, values)], 10.0), [30, 20])


def test_value_used_twice_receives_the_sum(backpropagate):
    # y = x x for x = 3: both factors are x, so the gradient is x + x = 6
    assert_close(backpropagate([LEAF, product(0, 0, [3.0])], 1.0), [6])


def test_chain_of_operations(backpropagate):
    # y = exp(x²) for x = 1/2 has the derivative 2 x exp(x²)
    x = 0.5
    tape = [LEAF, product(0, 0, [x]), ((1,), lambda g: (g * np.exp(x * x),))]
    assert_close(backpropagate(tape, 1.0), [2 * x * np.exp(x * x)])


def test_shared_intermediate_result(backpropagate):
    # s = x z, y = s s + s: dy/ds = 2 s + 1, dy/dx = (2 s + 1) z, dy/dz = (2 s + 1) x, for x = 2, z = 3, s = 6
    values = [2.0, 3.0, 6.0]
    tape = [LEAF, LEAF, product(0, 1, values), product(2, 2, values), ((3, 2), lambda g: (g, g))]
    assert_close(backpropagate(tape, 1.0), [13 * 3, 13 * 2])


def test_unused_leaf_has_the_gradient_zero(backpropagate):
    assert_close(backpropagate([LEAF, LEAF, product(0, 0, [3.0])], 1.0), [6, 0])


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=6))
def test_product_of_many_factors(backpropagate, factors):
    # The derivative of x0 x1 ... xn with respect to one factor is the product of the others.
    values, tape = list(factors), [LEAF] * len(factors)
    last = 0
    for n in range(1, len(factors)):
        tape.append(product(last, n, values))
        values.append(values[last] * values[n])
        last = len(values) - 1
    expected = [np.prod(factors[:n] + factors[n + 1 :]) for n in range(len(factors))]
    if len(factors) > 1:
        assert_close(backpropagate(tape, 1.0), expected)
