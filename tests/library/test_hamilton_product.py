"""Tests of the quaternion algebra: component axes, broadcasting, dtypes, extreme numbers and errors.

The worked examples and the laws are in tests/course/test_01_quaternions.py.
"""

import numpy as np
import pytest
from hypothesis import given
from support import oracles
from support.arrays import assert_close, draw
from support.strategies import quaternions, seeds, shapes

from quatnet.backend import asnumpy, xp
from quatnet.errors import ShapeError
from quatnet.quaternion import conjugate, hamilton_product, inverse, norm

ONE, UNIT_I, UNIT_J, UNIT_K = (xp.asarray(unit) for unit in np.eye(4))
UNARY_FUNCTIONS = [conjugate, norm, inverse]


# Properties


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
