"""Tests of chapter 2: the product as a matrix.

For a fixed quaternion p, the map q -> p ⊗ q is linear, so it is a real 4x4 matrix L(p). For a fixed q, the map
p -> p ⊗ q is a matrix R(q). The 16 entries of L(p) are the four components of p with signs, so a quaternion layer has a
quarter of the weights of a real layer.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

quaternions = arrays(float, 4, elements=st.floats(-10, 10))
matrices = arrays(float, (4, 4), elements=st.floats(-10, 10))
P = np.array([1.0, 2, 3, 4])
CONJUGATE = np.array([1, -1, -1, -1])


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-9)


# Worked examples


def test_left_matrix_worked_example(left_matrix):
    # With the unit u_b = 1, i, j, k, column b of L(p) is p ⊗ u_b. For p = 1 + 2i + 3j + 4k, column 1 is
    # p ⊗ i = i + 2ii + 3ji + 4ki = i - 2 - 3k + 4j = -2 + i + 4j - 3k.
    assert_close(left_matrix(P), [[1, -2, -3, -4], [2, 1, -4, 3], [3, 4, 1, -2], [4, -3, 2, 1]])


def test_right_matrix_worked_example(right_matrix):
    # Column b of R(p) is u_b ⊗ p. Column 1 is i ⊗ p = i + 2ii + 3ij + 4ik = -2 + i - 4j + 3k.
    assert_close(right_matrix(P), [[1, -2, -3, -4], [2, 1, 4, -3], [3, -4, 1, 2], [4, 3, -2, 1]])


def test_each_component_once_per_row_and_column(left_matrix):
    matrix = np.abs(left_matrix(P))
    for line in [*matrix, *matrix.T]:
        assert sorted(line) == [1, 2, 3, 4]


def test_matrix_of_one_is_the_identity(left_matrix, right_matrix):
    one = np.array([1.0, 0, 0, 0])
    assert_close(left_matrix(one), np.eye(4))
    assert_close(right_matrix(one), np.eye(4))


# Laws


@given(quaternions, quaternions)
def test_both_matrices_give_the_same_product(left_matrix, right_matrix, p, q):
    assert_close(left_matrix(p) @ q, right_matrix(q) @ p)


@given(quaternions, quaternions)
def test_matrix_of_a_product(left_matrix, right_matrix, p, q):
    product = left_matrix(p) @ q
    assert_close(left_matrix(product), left_matrix(p) @ left_matrix(q))
    assert_close(right_matrix(product), right_matrix(q) @ right_matrix(p))


@given(quaternions, quaternions)
def test_left_and_right_matrices_commute(left_matrix, right_matrix, p, q):
    # associativity, (p ⊗ x) ⊗ q = p ⊗ (x ⊗ q), in matrix form
    assert_close(left_matrix(p) @ right_matrix(q), right_matrix(q) @ left_matrix(p))


@given(quaternions)
def test_matrix_of_the_conjugate_is_transposed(left_matrix, right_matrix, p):
    assert_close(left_matrix(p * CONJUGATE), left_matrix(p).T)
    assert_close(right_matrix(p * CONJUGATE), right_matrix(p).T)


@given(quaternions)
def test_columns_are_orthogonal(left_matrix, p):
    # every column has the norm of p, because |p ⊗ u_b| = |p|
    assert_close(left_matrix(p).T @ left_matrix(p), (p @ p) * np.eye(4))


# The adjoint, which maps 16 entries to 4 components


def test_adjoint_of_ones_worked_example(left_matrix_adjoint):
    # The adjoint of a matrix of ones sums the signs of each component in L(p):
    # r: +1 +1 +1 +1 = 4      i: -1 +1 -1 +1 = 0      j: -1 +1 +1 -1 = 0      k: -1 -1 +1 +1 = 0
    assert_close(left_matrix_adjoint(np.ones((4, 4))), [4, 0, 0, 0])


def test_adjoint_of_one_entry_worked_example(left_matrix_adjoint):
    # For p = p_k k, the entry in row i and column j of L(p) is -p_k, because p_k k ⊗ j = -p_k i.
    matrix = np.zeros((4, 4))
    matrix[1, 2] = 1
    assert_close(left_matrix_adjoint(matrix), [0, 0, 0, -1])


@given(quaternions, matrices)
def test_adjoint_identity(left_matrix, left_matrix_adjoint, p, matrix):
    assert_close((left_matrix(p) * matrix).sum(), left_matrix_adjoint(matrix) @ p)


@given(quaternions)
def test_adjoint_of_the_own_matrix(left_matrix, left_matrix_adjoint, p):
    # every component is in four entries, and the square of each sign is 1
    assert_close(left_matrix_adjoint(left_matrix(p)), 4 * p)
