"""Tests of chapter 1: quaternions.

A quaternion q_r + q_i i + q_j j + q_k k has four real components, in the order r, i, j, k. The algebra follows from
i² = j² = k² = ijk = -1 (Hamilton, 1843). The first tests check this equation and a worked example. The other tests
check three properties. The product is associative and not commutative. The norm of a product is the product of the
norms. Every nonzero quaternion has an inverse.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

ONE, UNIT_I, UNIT_J, UNIT_K = np.eye(4)
UNITS = {"1": ONE, "i": UNIT_I, "j": UNIT_J, "k": UNIT_K}
# Rows are left factors and columns are right factors.
TABLE = """
    1   i   j   k
    i  -1   k  -j
    j  -k  -1   i
    k   j  -i  -1
"""
quaternions = arrays(float, 4, elements=st.floats(-10, 10))


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-9)


# Worked examples


def test_products_of_units(hamilton_product):
    for row in TABLE.split("\n")[1:5]:
        left, products = row.split()[0], row.split()
        for right, product in zip(UNITS, products, strict=True):
            expected = UNITS[product.lstrip("-")] * (-1 if product.startswith("-") else 1)
            assert_close(hamilton_product(UNITS[left], UNITS[right]), expected)


def test_hamilton_equation(hamilton_product):
    for unit in (UNIT_I, UNIT_J, UNIT_K):
        assert_close(hamilton_product(unit, unit), -ONE)
    assert_close(hamilton_product(hamilton_product(UNIT_I, UNIT_J), UNIT_K), -ONE)  # (ij)k = kk
    assert_close(hamilton_product(UNIT_I, hamilton_product(UNIT_J, UNIT_K)), -ONE)  # i(jk) = ii


def test_product_worked_example(hamilton_product):
    # The product (1 + 2i + 3j + 4k)(5 + 6i + 7j + 8k) has the components
    # r: 1·5 - 2·6 - 3·7 - 4·8 = 5 - 12 - 21 - 32 = -60
    # i: 1·6 + 2·5 + 3·8 - 4·7 = 6 + 10 + 24 - 28 =  12
    # j: 1·7 - 2·8 + 3·5 + 4·6 = 7 - 16 + 15 + 24 =  30
    # k: 1·8 + 2·7 - 3·6 + 4·5 = 8 + 14 - 18 + 20 =  24
    assert_close(hamilton_product(np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])), [-60, 12, 30, 24])


def test_product_is_not_commutative(hamilton_product):
    # If the factors of the product are exchanged, only the signs of the cross terms change:
    # i: 6 + 10 - 24 + 28 = 20    j: 7 + 16 + 15 - 24 = 14    k: 8 - 14 + 18 + 20 = 32
    assert_close(hamilton_product(np.array([5.0, 6, 7, 8]), np.array([1.0, 2, 3, 4])), [-60, 20, 14, 32])


Q = np.array([1.0, -2, 4, 10])  # the squared norm is 1 + 4 + 16 + 100 = 121 = 11²


def test_conjugate_worked_example(conjugate):
    assert_close(conjugate(Q), [1, 2, -4, -10])


def test_norm_worked_example(norm):
    assert_close(norm(Q), 11)


def test_inverse_worked_example(inverse):
    assert_close(inverse(Q), [1 / 121, 2 / 121, -4 / 121, -10 / 121])


def test_rotation_by_a_unit_quaternion(hamilton_product, conjugate):
    # the rotation by a quarter turn about k maps i to j
    half = np.pi / 4
    q = np.array([np.cos(half), 0, 0, np.sin(half)])
    assert_close(hamilton_product(hamilton_product(q, UNIT_I), conjugate(q)), UNIT_J)


# Laws


@given(quaternions, quaternions, quaternions)
def test_product_is_associative(hamilton_product, p, q, s):
    left = hamilton_product(hamilton_product(p, q), s)
    assert_close(left, hamilton_product(p, hamilton_product(q, s)))


@given(quaternions, quaternions, quaternions)
def test_product_is_distributive(hamilton_product, p, q, s):
    assert_close(hamilton_product(p, q + s), hamilton_product(p, q) + hamilton_product(p, s))
    assert_close(hamilton_product(q + s, p), hamilton_product(q, p) + hamilton_product(s, p))


@given(quaternions, quaternions)
def test_norm_of_a_product(hamilton_product, norm, p, q):
    assert_close(norm(hamilton_product(p, q)), norm(p) * norm(q))


@given(quaternions, quaternions)
def test_conjugate_of_a_product(hamilton_product, conjugate, p, q):
    assert_close(conjugate(hamilton_product(p, q)), hamilton_product(conjugate(q), conjugate(p)))


@given(quaternions)
def test_product_with_the_conjugate_is_the_squared_norm(hamilton_product, conjugate, norm, q):
    assert_close(hamilton_product(q, conjugate(q)), norm(q) ** 2 * ONE)


@given(quaternions)
def test_product_with_the_inverse_is_one(hamilton_product, inverse, q):
    assume(np.abs(q).max() > 1e-3)
    assert_close(hamilton_product(q, inverse(q)), ONE)
    assert_close(hamilton_product(inverse(q), q), ONE)


# Reference: the 16 products of units


@given(quaternions, quaternions)
def test_product_equals_the_sum_over_the_table(hamilton_product, p, q):
    expected, entries = np.zeros(4), TABLE.split()
    for a, b in np.ndindex(4, 4):
        entry = entries[4 * a + b]
        expected += UNITS[entry.lstrip("-")] * (-1 if entry.startswith("-") else 1) * p[a] * q[b]
    assert_close(hamilton_product(p, q), expected)
