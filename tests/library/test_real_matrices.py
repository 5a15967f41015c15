"""Tests of the real matrices, of their adjoints and of the eight products: axes, dtypes, matrix components and errors.

The worked examples and the laws are in tests/course, test_02_product_as_a_matrix.py and
test_03_eight_multiplications.py.
"""

import numpy as np
import pytest
from hypothesis import given
from support import oracles
from support.arrays import assert_close, dot, draw
from support.strategies import quaternions, seeds, shapes

from quatnet.backend import asnumpy, xp
from quatnet.errors import ShapeError
from quatnet.quaternion import (
    HADAMARD,
    eight_products,
    hamilton_product,
    left_matrix,
    left_matrix_adjoint,
    right_matrix,
    right_matrix_adjoint,
)


def apply(matrix, q):
    return (matrix @ xp.asarray(q)[..., None])[..., 0]


# Properties


@given(quaternions(), quaternions())
def test_matrix_times_vector(p, q):
    assert_close(apply(left_matrix(p), q), oracles.hamilton(p, q), atol=1e-9)
    assert_close(apply(right_matrix(q), p), oracles.hamilton(p, q), atol=1e-9)


@given(seeds, shapes)
def test_component_axis(seed, shape):
    q = draw(seed, *shape, 4)
    for function in (left_matrix, right_matrix):
        expected = function(q)
        assert expected.shape == (*shape, 4, 4)
        for axis in range(len(shape) + 1):
            actual = function(xp.moveaxis(q, -1, axis), axis=axis)
            assert_close(xp.moveaxis(actual, (axis, axis + 1), (-2, -1)), expected)


def test_float32_is_kept(rng):
    q = draw(rng, 3, 4, dtype=np.float32)
    matrices = [left_matrix(q), right_matrix(q)]
    results = [*matrices, left_matrix_adjoint(matrices[0]), right_matrix_adjoint(matrices[1])]
    assert {result.dtype for result in results} == {np.dtype(np.float32)}


@pytest.mark.parametrize("function", [left_matrix, right_matrix])
def test_wrong_axis_length_raises(function):
    with pytest.raises(ShapeError, match="length 4"):
        function(np.ones((4, 3)))


# The adjoint, which maps 16 entries to 4 components


FUNCTIONS_AND_ADJOINTS = [(left_matrix, left_matrix_adjoint), (right_matrix, right_matrix_adjoint)]


@pytest.mark.parametrize(("function", "adjoint"), FUNCTIONS_AND_ADJOINTS)
@given(seed=seeds, shape=shapes)
def test_adjoint_identity(function, adjoint, seed, shape):
    rng = np.random.default_rng(seed)
    q, grad = draw(rng, *shape, 4), draw(rng, *shape, 4, 4)
    assert_close(dot(function(q), grad), dot(q, adjoint(grad)))


@pytest.mark.parametrize("adjoint", [left_matrix_adjoint, right_matrix_adjoint])
@given(seed=seeds, shape=shapes)
def test_adjoint_axis(adjoint, seed, shape):
    grad = draw(seed, *shape, 4, 4)
    for axis in range(len(shape) + 1):
        moved = xp.moveaxis(grad, (-2, -1), (axis, axis + 1))
        assert_close(adjoint(moved, axis=axis), xp.moveaxis(adjoint(grad), -1, axis))
        assert_close(adjoint(moved, axis=axis - grad.ndim), xp.moveaxis(adjoint(grad), -1, axis))


@pytest.mark.parametrize("adjoint", [left_matrix_adjoint, right_matrix_adjoint])
@pytest.mark.parametrize("shape", [(), (4,), (4, 3), (3, 4, 4, 2)])
def test_adjoint_of_wrong_shape_raises(adjoint, shape):
    with pytest.raises(ShapeError, match="4x4") as raised:
        adjoint(np.ones(shape))
    assert str(shape) in str(raised.value)


# Eight multiplications


class CountedProduct:
    """An elementwise or matrix product that counts its calls."""

    def __init__(self, multiply):
        self.multiply, self.count = multiply, 0

    def __call__(self, a, b):
        self.count += 1
        return self.multiply(a, b)


@given(quaternions(), quaternions())
def test_eight_products_equals_reference(p, q):
    multiply = CountedProduct(lambda a, b: a * b)
    actual = eight_products(xp.asarray(p), xp.asarray(q), multiply)
    assert_close(actual, oracles.hamilton(p, q), atol=1e-9)
    assert multiply.count == 8


def test_hadamard_matrix():
    # 1 + 2 + 3 + 5 = 11    1 - 2 + 3 - 5 = -3    1 + 2 - 3 - 5 = -5    1 - 2 - 3 + 5 = 1
    assert (HADAMARD @ [1, 2, 3, 5]).tolist() == [11, -3, -5, 1]
    assert (HADAMARD @ HADAMARD).tolist() == (4 * np.eye(4)).tolist()


@given(seeds)
def test_eight_products_of_matrices(seed):
    rng = np.random.default_rng(seed)
    p, q = draw(rng, 4, 2, 3), draw(rng, 4, 3, 5)
    expected = np.zeros((4, 2, 5))
    for a, b in np.ndindex(4, 4):
        component, sign = oracles.unit_product(a, b)
        expected[component] += sign * asnumpy(p[a] @ q[b])
    multiply = CountedProduct(lambda a, b: a @ b)
    assert_close(eight_products(p, q, multiply), expected)
    assert multiply.count == 8


def test_eight_products_in_float32(rng):
    p, q = draw(rng, 4, 1000, dtype=np.float32), draw(rng, 4, 1000, dtype=np.float32)
    actual = eight_products(p, q, lambda a, b: a * b)
    assert actual.dtype == np.float32
    assert_close(actual, hamilton_product(p, q, axis=0), rtol=0, atol=2e-5)
