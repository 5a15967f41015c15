"""Quaternions and their product.

A quaternion r + xi + yj + zk is four real numbers; here they lie along one axis of an array, in the order
r, i, j, k. All of the algebra follows from one line that Hamilton cut into a bridge in 1843:
i² = j² = k² = ijk = -1. The file starts with that line, works one product with a pencil, and then states the
laws: the product may be grouped freely (associative) but not swapped (ij = k, ji = -k), lengths multiply, and
whatever is not 0 can be divided by.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from support import oracles
from support.arrays import assert_close, draw
from support.strategies import quaternions, seeds, shapes

from quatnet.backend import asnumpy, xp
from quatnet.errors import ShapeError
from quatnet.quaternion import conjugate, hamilton_product, inverse, norm

ONE, UNIT_I, UNIT_J, UNIT_K = (xp.asarray(unit) for unit in np.eye(4))
FUNCTIONS_OF_ONE = [conjugate, norm, inverse]


# By hand


def test_i_squared_is_j_squared_is_k_squared_is_ijk_is_minus_one():
    for unit in (UNIT_I, UNIT_J, UNIT_K):
        assert_close(hamilton_product(unit, unit), -ONE)
    assert_close(hamilton_product(hamilton_product(UNIT_I, UNIT_J), UNIT_K), -ONE)


def test_all_sixteen_products_of_units_stand_in_hamiltons_table():
    for a, b in np.ndindex(4, 4):
        component, sign = oracles.unit_product(a, b)
        expected = np.zeros(4)
        expected[component] = sign
        assert_close(hamilton_product(np.eye(4)[a], np.eye(4)[b]), expected)


def test_a_product_worked_with_a_pencil():
    # (1 + 2i + 3j + 4k)(5 + 6i + 7j + 8k)
    # r: 1·5 - 2·6 - 3·7 - 4·8 = 5 - 12 - 21 - 32 = -60
    # i: 1·6 + 2·5 + 3·8 - 4·7 = 6 + 10 + 24 - 28 =  12
    # j: 1·7 - 2·8 + 3·5 + 4·6 = 7 - 16 + 15 + 24 =  30
    # k: 1·8 + 2·7 - 3·6 + 4·5 = 8 + 14 - 18 + 20 =  24
    assert_close(hamilton_product([1.0, 2, 3, 4], [5.0, 6, 7, 8]), [-60.0, 12, 30, 24])


def test_swapping_the_factors_changes_the_product():
    # the same product the other way round: only the signs of the cross terms turn
    # i: 6 + 10 - 24 + 28 = 20    j: 7 + 16 + 15 - 24 = 14    k: 8 - 14 + 18 + 20 = 32
    assert_close(hamilton_product([5.0, 6, 7, 8], [1.0, 2, 3, 4]), [-60.0, 20, 14, 32])


def test_conjugate_norm_and_inverse_worked_with_a_pencil():
    q = xp.asarray([1.0, -2, 4, 10])  # 1 + 4 + 16 + 100 = 121 = 11²
    assert_close(conjugate(q), [1.0, 2, -4, -10])
    assert_close(norm(q), 11.0)
    assert_close(inverse(q), [1 / 121, 2 / 121, -4 / 121, -10 / 121])


def test_a_unit_quaternion_turns_a_vector_by_twice_its_angle():
    half = math.pi / 4  # a quarter turn around k takes i to j
    q = xp.asarray([math.cos(half), 0, 0, math.sin(half)])
    assert_close(hamilton_product(hamilton_product(q, UNIT_I), conjugate(q)), UNIT_J)


# The laws


@given(quaternions(), quaternions(), quaternions())
def test_the_product_is_associative(p, q, s):
    left = hamilton_product(hamilton_product(p, q), s)
    assert_close(left, hamilton_product(p, hamilton_product(q, s)), atol=1e-9)


@given(quaternions(), quaternions(), quaternions())
def test_the_product_distributes_over_sums_on_either_side(p, q, s):
    assert_close(hamilton_product(p, q + s), hamilton_product(p, q) + hamilton_product(p, s), atol=1e-9)
    assert_close(hamilton_product(q + s, p), hamilton_product(q, p) + hamilton_product(s, p), atol=1e-9)


@given(quaternions(), quaternions())
def test_the_length_of_a_product_is_the_product_of_the_lengths(p, q):
    assert_close(norm(hamilton_product(p, q)), norm(p) * norm(q), atol=1e-9)


@given(quaternions(), quaternions())
def test_the_conjugate_of_a_product_is_the_product_of_the_conjugates_swapped(p, q):
    assert_close(conjugate(hamilton_product(p, q)), hamilton_product(conjugate(q), conjugate(p)))


@given(quaternions())
def test_a_quaternion_times_its_conjugate_is_its_length_squared(q):
    length = float(asnumpy(norm(q)))
    assert_close(hamilton_product(q, conjugate(q)), [length**2, 0.0, 0.0, 0.0], atol=1e-9)


@given(quaternions())
def test_the_inverse_undoes_the_product_from_either_side(q):
    assume(np.abs(q).max() > 1e-3)
    assert_close(hamilton_product(q, inverse(q)), ONE)
    assert_close(hamilton_product(inverse(q), q), ONE)


@given(quaternions(), quaternions())
def test_the_product_is_the_sum_over_the_table(p, q):
    assert_close(hamilton_product(p, q), oracles.hamilton(p, q), atol=1e-9)


# Arrays of quaternions


@given(seeds, shapes)
def test_any_axis_may_hold_the_components(seed, shape):
    rng = np.random.default_rng(seed)
    p, q = draw(rng, *shape, 4), draw(rng, *shape, 4)
    expected = hamilton_product(p, q)
    for axis in range(-len(shape) - 1, len(shape) + 1):
        moved = [xp.moveaxis(a, -1, axis) for a in (p, q)]
        assert_close(hamilton_product(*moved, axis=axis), xp.moveaxis(expected, -1, axis))
        assert_close(conjugate(moved[0], axis=axis), xp.moveaxis(conjugate(p), -1, axis))
        assert_close(inverse(moved[0], axis=axis), xp.moveaxis(inverse(p), -1, axis))
        assert_close(norm(moved[0], axis=axis), norm(p))


def test_the_other_axes_broadcast(rng):
    p, q = draw(rng, 3, 1, 4), draw(rng, 2, 4)
    product = hamilton_product(p, q)
    assert product.shape == (3, 2, 4)
    for a, b in np.ndindex(3, 2):
        assert_close(product[a, b], oracles.hamilton(asnumpy(p)[a, 0], asnumpy(q)[b]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(rng, dtype):
    q = draw(rng, 5, 4, dtype=dtype)
    assert hamilton_product(q, q).dtype == dtype
    assert {function(q).dtype for function in FUNCTIONS_OF_ONE} == {np.dtype(dtype)}


# The edges of floating point


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e38), (np.float32, 1e-38), (np.float64, 1e300)])
def test_the_norm_neither_overflows_nor_underflows(dtype, size):
    # (1e38)² is inf in float32, (1e-38)² is 0: both would be lost on the way to a length that fits
    q = xp.asarray([size, -size, size, -size], dtype=dtype)
    assert_close(norm(q) / dtype(size), 2.0, rtol=1e-6)
    assert_close(hamilton_product(q / dtype(size), inverse(q) * dtype(size)), ONE, rtol=1e-6, atol=1e-6)


def test_the_norm_of_zero_infinity_and_nan_is_what_it_is():
    lengths = asnumpy(norm([[0.0, 0, 0, 0], [0.0, np.inf, 1, 2], [1.0, np.nan, 0, 0]]))
    np.testing.assert_array_equal(lengths, [0.0, np.inf, np.nan])


def test_zero_has_no_inverse():
    with np.errstate(invalid="ignore"):
        assert np.isnan(asnumpy(inverse(xp.zeros(4)))).all()


def test_the_inverse_of_infinity_is_zero():
    assert_close(inverse([np.inf, 0.0, -np.inf, 1.0]), [0.0, 0, 0, 0])


# Mistakes


@pytest.mark.parametrize("function", [*FUNCTIONS_OF_ONE, lambda q: hamilton_product(q, np.ones(4))])
@pytest.mark.parametrize("shape", [(3,), (4, 5), ()])
def test_an_axis_of_another_length_is_an_error_that_shows_the_shape(function, shape):
    with pytest.raises(ShapeError, match="length 4") as raised:
        function(np.ones(shape))
    assert str(shape) in str(raised.value)


def test_an_axis_that_does_not_exist_is_an_error():
    with pytest.raises(ShapeError, match="axis 2"):
        norm(np.ones((4, 4)), axis=2)
