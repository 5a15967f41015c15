"""Tests of the quaternion algebra.

A quaternion r + xi + yj + zk has four real components. An array has the components along one axis, in the order r, i,
j, k. The algebra follows from i² = j² = k² = ijk = -1 (Hamilton, 1843). The first tests check this equation and a
worked example. The other tests check three properties. The product is associative and not commutative. The norm of a
product is the product of the norms. Every nonzero quaternion has an inverse.
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
UNARY_FUNCTIONS = [conjugate, norm, inverse]


# Worked examples


def test_hamilton_equation():
    for unit in (UNIT_I, UNIT_J, UNIT_K):
        assert_close(hamilton_product(unit, unit), -ONE)
    assert_close(hamilton_product(hamilton_product(UNIT_I, UNIT_J), UNIT_K), -ONE)


def test_products_of_units():
    for a, b in np.ndindex(4, 4):
        component, sign = oracles.unit_product(a, b)
        expected = np.zeros(4)
        expected[component] = sign
        assert_close(hamilton_product(np.eye(4)[a], np.eye(4)[b]), expected)


def test_product_worked_example():
    # The product (1 + 2i + 3j + 4k)(5 + 6i + 7j + 8k) has the components
    # r: 1·5 - 2·6 - 3·7 - 4·8 = 5 - 12 - 21 - 32 = -60
    # i: 1·6 + 2·5 + 3·8 - 4·7 = 6 + 10 + 24 - 28 =  12
    # j: 1·7 - 2·8 + 3·5 + 4·6 = 7 - 16 + 15 + 24 =  30
    # k: 1·8 + 2·7 - 3·6 + 4·5 = 8 + 14 - 18 + 20 =  24
    assert_close(hamilton_product([1.0, 2, 3, 4], [5.0, 6, 7, 8]), [-60.0, 12, 30, 24])


def test_product_is_not_commutative():
    # If the factors of the product are exchanged, only the signs of the cross terms change:
    # i: 6 + 10 - 24 + 28 = 20    j: 7 + 16 + 15 - 24 = 14    k: 8 - 14 + 18 + 20 = 32
    assert_close(hamilton_product([5.0, 6, 7, 8], [1.0, 2, 3, 4]), [-60.0, 20, 14, 32])


def test_conjugate_norm_and_inverse_worked_example():
    q = xp.asarray([1.0, -2, 4, 10])  # the squared norm is 1 + 4 + 16 + 100 = 121 = 11²
    assert_close(conjugate(q), [1.0, 2, -4, -10])
    assert_close(norm(q), 11.0)
    assert_close(inverse(q), [1 / 121, 2 / 121, -4 / 121, -10 / 121])


def test_rotation_by_a_unit_quaternion():
    half = math.pi / 4  # the rotation by a quarter turn about k maps i to j
    q = xp.asarray([math.cos(half), 0, 0, math.sin(half)])
    assert_close(hamilton_product(hamilton_product(q, UNIT_I), conjugate(q)), UNIT_J)


# Properties


@given(quaternions(), quaternions(), quaternions())
def test_product_is_associative(p, q, s):
    left = hamilton_product(hamilton_product(p, q), s)
    assert_close(left, hamilton_product(p, hamilton_product(q, s)), atol=1e-9)


@given(quaternions(), quaternions(), quaternions())
def test_product_is_distributive(p, q, s):
    assert_close(hamilton_product(p, q + s), hamilton_product(p, q) + hamilton_product(p, s), atol=1e-9)
    assert_close(hamilton_product(q + s, p), hamilton_product(q, p) + hamilton_product(s, p), atol=1e-9)


@given(quaternions(), quaternions())
def test_norm_of_product(p, q):
    assert_close(norm(hamilton_product(p, q)), norm(p) * norm(q), atol=1e-9)


@given(quaternions(), quaternions())
def test_conjugate_of_product(p, q):
    assert_close(conjugate(hamilton_product(p, q)), hamilton_product(conjugate(q), conjugate(p)))


@given(quaternions())
def test_product_with_conjugate_is_squared_norm(q):
    norm_q = float(asnumpy(norm(q)))
    assert_close(hamilton_product(q, conjugate(q)), [norm_q**2, 0.0, 0.0, 0.0], atol=1e-9)


@given(quaternions())
def test_product_with_inverse_is_one(q):
    assume(np.abs(q).max() > 1e-3)
    assert_close(hamilton_product(q, inverse(q)), ONE)
    assert_close(hamilton_product(inverse(q), q), ONE)


@given(quaternions(), quaternions())
def test_product_equals_reference(p, q):
    assert_close(hamilton_product(p, q), oracles.hamilton(p, q), atol=1e-9)


# Arrays of quaternions


@given(seeds, shapes)
def test_component_axis(seed, shape):
    rng = np.random.default_rng(seed)
    p, q = draw(rng, *shape, 4), draw(rng, *shape, 4)
    expected = hamilton_product(p, q)
    for axis in range(-len(shape) - 1, len(shape) + 1):
        moved = [xp.moveaxis(a, -1, axis) for a in (p, q)]
        assert_close(hamilton_product(*moved, axis=axis), xp.moveaxis(expected, -1, axis))
        assert_close(conjugate(moved[0], axis=axis), xp.moveaxis(conjugate(p), -1, axis))
        assert_close(inverse(moved[0], axis=axis), xp.moveaxis(inverse(p), -1, axis))
        assert_close(norm(moved[0], axis=axis), norm(p))


def test_other_axes_broadcast(rng):
    p, q = draw(rng, 3, 1, 4), draw(rng, 2, 4)
    product = hamilton_product(p, q)
    assert product.shape == (3, 2, 4)
    for a, b in np.ndindex(3, 2):
        assert_close(product[a, b], oracles.hamilton(asnumpy(p)[a, 0], asnumpy(q)[b]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(rng, dtype):
    q = draw(rng, 5, 4, dtype=dtype)
    assert hamilton_product(q, q).dtype == dtype
    assert {function(q).dtype for function in UNARY_FUNCTIONS} == {np.dtype(dtype)}


# Limits of the floating-point range


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e36), (np.float32, 1e-36), (np.float64, 1e300)])
def test_norm_does_not_overflow_or_underflow(dtype, size):
    # The square of 1e36 overflows in float32 and the square of 1e-36 underflows, but both norms are representable.
    q = xp.asarray([size, -size, size, -size], dtype=dtype)
    assert_close(norm(q) / dtype(size), 2.0, rtol=1e-6)
    assert_close(hamilton_product(q / dtype(size), inverse(q) * dtype(size)), ONE, rtol=1e-6, atol=1e-6)


def test_norm_of_zero_infinity_and_nan():
    norms = asnumpy(norm([[0.0, 0, 0, 0], [0.0, np.inf, 1, 2], [1.0, np.nan, 0, 0]]))
    np.testing.assert_array_equal(norms, [0.0, np.inf, np.nan])


def test_inverse_of_zero_is_nan():
    with np.errstate(invalid="ignore"):
        assert np.isnan(asnumpy(inverse(xp.zeros(4)))).all()


def test_inverse_of_infinity_is_zero():
    assert_close(inverse([np.inf, 0.0, -np.inf, 1.0]), [0.0, 0, 0, 0])


# Errors


@pytest.mark.parametrize("function", [*UNARY_FUNCTIONS, lambda q: hamilton_product(q, np.ones(4))])
@pytest.mark.parametrize("shape", [(3,), (4, 5), ()])
def test_wrong_axis_length_raises(function, shape):
    with pytest.raises(ShapeError, match="length 4") as raised:
        function(np.ones(shape))
    assert str(shape) in str(raised.value)


def test_missing_axis_raises():
    with pytest.raises(ShapeError, match="axis 2"):
        norm(np.ones((4, 4)), axis=2)
