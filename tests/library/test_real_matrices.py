"""Tests of the Hamilton product as a real matrix and of the product with eight multiplications.

For a fixed quaternion p, the map q -> p ⊗ q is linear, so it is a real 4x4 matrix L(p). For a fixed q, the map p -> p ⊗
q is a matrix R(q). The 16 entries of L(p) are the four components of p with signs, so a quaternion layer has a quarter
of the weights of a real layer. As a matrix product, p ⊗ q costs 16 real multiplications. Eight multiplications are
sufficient. The components can also be matrices or convolutions, because the order of the factors is kept.
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
    conjugate,
    eight_products,
    hamilton_product,
    left_matrix,
    left_matrix_adjoint,
    norm,
    right_matrix,
    right_matrix_adjoint,
)

# LEFT and RIGHT are the matrices of p = 1 + 2i + 3j + 4k. With the unit u_b = 1, i, j, k, column b of LEFT is p ⊗ u_b
# and column b of RIGHT is u_b ⊗ p.
LEFT = [[1, -2, -3, -4], [2, 1, -4, 3], [3, 4, 1, -2], [4, -3, 2, 1]]
RIGHT = [[1, -2, -3, -4], [2, 1, 4, -3], [3, -4, 1, 2], [4, 3, -2, 1]]


def apply(matrix, q):
    return (matrix @ xp.asarray(q)[..., None])[..., 0]


def transpose(matrix):
    return xp.swapaxes(matrix, -1, -2)


# Worked examples


def test_left_and_right_matrix_worked_example():
    assert_close(left_matrix([1.0, 2, 3, 4]), LEFT)
    assert_close(right_matrix([1.0, 2, 3, 4]), RIGHT)


def test_each_component_once_per_row_and_column():
    matrix = np.abs(asnumpy(left_matrix([1.0, 2, 3, 4])))
    for line in [*matrix, *matrix.T]:
        assert sorted(line) == [1, 2, 3, 4]


def test_matrix_of_one_is_the_identity():
    for function in (left_matrix, right_matrix):
        assert_close(function([1.0, 0, 0, 0]), np.eye(4))


# Properties


@given(quaternions(), quaternions())
def test_matrix_times_vector(p, q):
    assert_close(apply(left_matrix(p), q), oracles.hamilton(p, q), atol=1e-9)
    assert_close(apply(right_matrix(q), p), oracles.hamilton(p, q), atol=1e-9)


@given(quaternions(), quaternions())
def test_matrix_of_product(p, q):
    assert_close(left_matrix(hamilton_product(p, q)), left_matrix(p) @ left_matrix(q), atol=1e-9)
    assert_close(right_matrix(hamilton_product(p, q)), right_matrix(q) @ right_matrix(p), atol=1e-9)


@given(quaternions(), quaternions())
def test_left_and_right_matrices_commute(p, q):
    # associativity, (p ⊗ x) ⊗ q = p ⊗ (x ⊗ q), in matrix form
    assert_close(left_matrix(p) @ right_matrix(q), right_matrix(q) @ left_matrix(p), atol=1e-9)


@given(quaternions())
def test_matrix_of_conjugate_is_transposed(p):
    assert_close(left_matrix(conjugate(p)), transpose(left_matrix(p)))
    assert_close(right_matrix(conjugate(p)), transpose(right_matrix(p)))


@given(quaternions())
def test_columns_are_orthogonal(p):
    norm_p = float(asnumpy(norm(p)))
    assert_close(transpose(left_matrix(p)) @ left_matrix(p), norm_p**2 * np.eye(4), atol=1e-9)


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


def test_adjoint_of_ones_worked_example():
    # Every entry of L(q) is one component of q with a sign. The adjoint of a matrix of ones sums these signs:
    # r: +1 +1 +1 +1 = 4      i: -1 +1 -1 +1 = 0      j: -1 +1 +1 -1 = 0      k: -1 -1 +1 +1 = 0
    assert_close(left_matrix_adjoint(np.ones((4, 4))), [4.0, 0, 0, 0])


def test_adjoint_of_one_entry_worked_example():
    # For q = zk, the entry in row i and column j is +z in R(q), because j ⊗ zk = zi. The entry is -z in L(q), because
    # zk ⊗ j = -zi.
    grad = np.zeros((4, 4))
    grad[1, 2] = 1.0
    assert_close(right_matrix_adjoint(grad), [0.0, 0, 0, 1])
    assert_close(left_matrix_adjoint(grad), [0.0, 0, 0, -1])


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


@given(quaternions())
def test_adjoint_of_own_matrix(q):
    assert_close(left_matrix_adjoint(left_matrix(q)), 4 * q)
    assert_close(right_matrix_adjoint(right_matrix(q)), 4 * q)


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


def test_eight_products_worked_example():
    # With the Hadamard matrix H, p = 1 + 2i + 3j + 4k and q = 5 + 6i + 7j + 8k:
    # H p = (10, -2, -4, 0), H q = (26, -2, -4, 0), elementwise product (260, 4, 16, 0)
    # H (260, 4, 16, 0) = (280, 272, 248, 240), z = ¼ (280, 272, 248, 240) = (70, 68, 62, 60)
    # r = 2·1·5 - 70 = -60   i = 68 - 2·4·7 = 12   j = 62 - 2·2·8 = 30   k = 60 - 2·3·6 = 24
    assert_close(HADAMARD @ [1, 2, 3, 4], [10, -2, -4, 0])
    actual = eight_products(xp.asarray([1.0, 2, 3, 4]), xp.asarray([5.0, 6, 7, 8]), lambda a, b: a * b)
    assert_close(actual, [-60.0, 12, 30, 24])


@given(quaternions(), quaternions())
def test_eight_products_equals_reference(p, q):
    multiply = CountedProduct(lambda a, b: a * b)
    actual = eight_products(xp.asarray(p), xp.asarray(q), multiply)
    assert_close(actual, oracles.hamilton(p, q), atol=1e-9)
    assert multiply.count == 8


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
