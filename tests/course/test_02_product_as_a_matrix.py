"""The product as a matrix, and the product in eight multiplications.

For a fixed p the map q -> p ⊗ q is linear, so it is a real 4x4 matrix L(p); for a fixed q, p -> p ⊗ q is R(q).
L(p) has sixteen entries made of four numbers: that is why a quaternion layer has a quarter of the weights of a
real one. Read as a matrix, the product costs sixteen real multiplications. It can be had for eight, and since
no two factors are ever swapped, this stays true when the entries are matrices or convolutions.
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

# The matrices of 1 + 2i + 3j + 4k, typed out: column b holds p ⊗ unit b (left), unit b ⊗ p (right)
LEFT = [[1, -2, -3, -4], [2, 1, -4, 3], [3, 4, 1, -2], [4, -3, 2, 1]]
RIGHT = [[1, -2, -3, -4], [2, 1, 4, -3], [3, -4, 1, 2], [4, 3, -2, 1]]


def apply(matrix, q):
    return (matrix @ xp.asarray(q)[..., None])[..., 0]


def transposed(matrix):
    return xp.swapaxes(matrix, -1, -2)


# By hand


def test_the_two_matrices_typed_out():
    assert_close(left_matrix([1.0, 2, 3, 4]), LEFT)
    assert_close(right_matrix([1.0, 2, 3, 4]), RIGHT)


def test_sixteen_entries_hold_four_numbers_each_once_per_row_and_column():
    matrix = np.abs(asnumpy(left_matrix([1.0, 2, 3, 4])))
    for line in [*matrix, *matrix.T]:
        assert sorted(line) == [1, 2, 3, 4]


def test_the_matrix_of_one_is_the_identity():
    for function in (left_matrix, right_matrix):
        assert_close(function([1.0, 0, 0, 0]), np.eye(4))


# The laws


@given(quaternions(), quaternions())
def test_matrix_times_vector_is_the_product(p, q):
    assert_close(apply(left_matrix(p), q), oracles.hamilton(p, q), atol=1e-9)
    assert_close(apply(right_matrix(q), p), oracles.hamilton(p, q), atol=1e-9)


@given(quaternions(), quaternions())
def test_the_matrix_of_a_product_is_the_product_of_the_matrices(p, q):
    assert_close(left_matrix(hamilton_product(p, q)), left_matrix(p) @ left_matrix(q), atol=1e-9)
    assert_close(right_matrix(hamilton_product(p, q)), right_matrix(q) @ right_matrix(p), atol=1e-9)


@given(quaternions(), quaternions())
def test_multiplying_from_the_left_and_from_the_right_commute(p, q):
    # (p ⊗ x) ⊗ q = p ⊗ (x ⊗ q): associativity, said with matrices
    assert_close(left_matrix(p) @ right_matrix(q), right_matrix(q) @ left_matrix(p), atol=1e-9)


@given(quaternions())
def test_the_conjugate_has_the_transposed_matrix(p):
    assert_close(left_matrix(conjugate(p)), transposed(left_matrix(p)))
    assert_close(right_matrix(conjugate(p)), transposed(right_matrix(p)))


@given(quaternions())
def test_the_columns_are_orthogonal_and_as_long_as_the_quaternion(p):
    length = float(asnumpy(norm(p)))
    assert_close(transposed(left_matrix(p)) @ left_matrix(p), length**2 * np.eye(4), atol=1e-9)


@given(seeds, shapes)
def test_any_axis_is_replaced_by_out_and_in(seed, shape):
    q = draw(seed, *shape, 4)
    for function in (left_matrix, right_matrix):
        expected = function(q)
        assert expected.shape == (*shape, 4, 4)
        for axis in range(len(shape) + 1):
            found = function(xp.moveaxis(q, -1, axis), axis=axis)
            assert_close(xp.moveaxis(found, (axis, axis + 1), (-2, -1)), expected)


def test_float32_stays_float32(rng):
    q = draw(rng, 3, 4, dtype=np.float32)
    matrices = [left_matrix(q), right_matrix(q)]
    results = [*matrices, left_matrix_adjoint(matrices[0]), right_matrix_adjoint(matrices[1])]
    assert {result.dtype for result in results} == {np.dtype(np.float32)}


@pytest.mark.parametrize("function", [left_matrix, right_matrix])
def test_three_numbers_have_no_matrix(function):
    with pytest.raises(ShapeError, match="length 4"):
        function(np.ones((4, 3)))


# The adjoint: the way back from sixteen entries to four numbers


def test_the_adjoint_of_the_matrix_of_ones_by_hand():
    # entry (out, in) of L(q) is ± one component; the adjoint adds up the signs in front of each component:
    # r: four times +      i: -1 +1 -1 +1 = 0      j: -1 +1 +1 -1 = 0      k: -1 -1 +1 +1 = 0
    assert_close(left_matrix_adjoint(np.ones((4, 4))), [4.0, 0, 0, 0])


def test_the_adjoint_from_the_right_of_one_entry_by_hand():
    # row i, column j holds +z in R(q), because j ⊗ zk = zi, and -z in L(q), because zk ⊗ j = -zi
    g = np.zeros((4, 4))
    g[1, 2] = 1.0
    assert_close(right_matrix_adjoint(g), [0.0, 0, 0, 1])
    assert_close(left_matrix_adjoint(g), [0.0, 0, 0, -1])


PAIRS = [(left_matrix, left_matrix_adjoint), (right_matrix, right_matrix_adjoint)]


@pytest.mark.parametrize(("function", "adjoint"), PAIRS)
@given(seed=seeds, shape=shapes)
def test_the_adjoint_moves_to_the_other_side_of_the_dot_product(function, adjoint, seed, shape):
    rng = np.random.default_rng(seed)
    q, g = draw(rng, *shape, 4), draw(rng, *shape, 4, 4)
    assert_close(dot(function(q), g), dot(q, adjoint(g)))


@pytest.mark.parametrize("adjoint", [left_matrix_adjoint, right_matrix_adjoint])
@given(seed=seeds, shape=shapes)
def test_the_adjoint_takes_any_axis(adjoint, seed, shape):
    g = draw(seed, *shape, 4, 4)
    for axis in range(len(shape) + 1):
        moved = xp.moveaxis(g, (-2, -1), (axis, axis + 1))
        assert_close(adjoint(moved, axis=axis), xp.moveaxis(adjoint(g), -1, axis))
        assert_close(adjoint(moved, axis=axis - g.ndim), xp.moveaxis(adjoint(g), -1, axis))


@given(quaternions())
def test_the_adjoint_of_the_matrix_itself_is_four_times_the_quaternion(q):
    assert_close(left_matrix_adjoint(left_matrix(q)), 4 * q)
    assert_close(right_matrix_adjoint(right_matrix(q)), 4 * q)


@pytest.mark.parametrize("adjoint", [left_matrix_adjoint, right_matrix_adjoint])
@pytest.mark.parametrize("shape", [(), (4,), (4, 3), (3, 4, 4, 2)])
def test_only_matrices_of_four_rows_and_columns_have_an_adjoint(adjoint, shape):
    with pytest.raises(ShapeError, match="4x4") as raised:
        adjoint(np.ones(shape))
    assert str(shape) in str(raised.value)


# Eight multiplications


class Counting:
    """A product that counts how often it was used."""

    def __init__(self, multiply):
        self.multiply, self.count = multiply, 0

    def __call__(self, a, b):
        self.count += 1
        return self.multiply(a, b)


def test_eight_products_worked_with_a_pencil():
    # p = 1 + 2i + 3j + 4k, q = 5 + 6i + 7j + 8k
    # H p = (10, -2, -4, 0), H q = (26, -2, -4, 0), entry by entry (260, 4, 16, 0)
    # H of that = (280, 272, 248, 240), z = a quarter of it = (70, 68, 62, 60)
    # r = 2·1·5 - 70 = -60   i = 68 - 2·4·7 = 12   j = 62 - 2·2·8 = 30   k = 60 - 2·3·6 = 24
    assert_close(HADAMARD @ [1, 2, 3, 4], [10, -2, -4, 0])
    found = eight_products(xp.asarray([1.0, 2, 3, 4]), xp.asarray([5.0, 6, 7, 8]), lambda a, b: a * b)
    assert_close(found, [-60.0, 12, 30, 24])


@given(quaternions(), quaternions())
def test_eight_multiplications_give_the_product(p, q):
    multiply = Counting(lambda a, b: a * b)
    found = eight_products(xp.asarray(p), xp.asarray(q), multiply)
    assert_close(found, oracles.hamilton(p, q), atol=1e-9)
    assert multiply.count == 8


@given(seeds)
def test_eight_products_of_matrices_that_do_not_commute(seed):
    rng = np.random.default_rng(seed)
    p, q = draw(rng, 4, 2, 3), draw(rng, 4, 3, 5)
    expected = np.zeros((4, 2, 5))
    for a, b in np.ndindex(4, 4):
        component, sign = oracles.unit_product(a, b)
        expected[component] += sign * asnumpy(p[a] @ q[b])
    multiply = Counting(lambda a, b: a @ b)
    assert_close(eight_products(p, q, multiply), expected)
    assert multiply.count == 8


def test_eight_products_in_float32_lose_only_the_last_digits(rng):
    p, q = draw(rng, 4, 1000, dtype=np.float32), draw(rng, 4, 1000, dtype=np.float32)
    found = eight_products(p, q, lambda a, b: a * b)
    assert found.dtype == np.float32
    assert_close(found, hamilton_product(p, q, axis=0), rtol=0, atol=2e-5)
