"""Test exponential, logarithm, powers and roots of quaternions, and products of quaternion matrices.

Every quaternion q lies in a plane spanned by 1 and an imaginary unit u with u² = -1. In this plane q equals the complex
number |q| (cos θ + u sin θ), and exp, log and sqrt are the functions of complex numbers. The textbook formulas are
inaccurate near 0, near θ = π and near |q| = 1. The functions are therefore compared with 50 digits of mpmath. Their
values at 0, infinity and nan are tested too.
"""

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from support import oracles
from support.arrays import assert_close, draw
from support.strategies import quaternions, seeds, shapes

from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError
from quatnet.quaternion import (
    conjugate,
    divide,
    exp,
    hamilton_product,
    imaginary_part,
    inner_product,
    inverse,
    log,
    matrix_product,
    norm,
    normalize,
    power,
    quaternion_power,
    real_part,
    sqrt,
    squared_norm,
)

ONE, UNIT_I, UNIT_J, UNIT_K = (xp.asarray(unit) for unit in np.eye(4))
INF, NAN, PI = math.inf, math.nan, math.pi
# functions of quaternion arrays with the components along `axis`
TO_QUATERNIONS = {
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
    "normalize": normalize,
    "power": lambda q, axis=-1: power(q, 0.3, axis=axis),
    "quaternion_power": lambda q, axis=-1: quaternion_power(q, q, axis=axis),
    "divide": lambda q, axis=-1: divide(q, q + 1, axis=axis),
    "imaginary_part": imaginary_part,
}
TO_SCALARS = {
    "real_part": real_part,
    "squared_norm": squared_norm,
    "inner_product": lambda q, axis=-1: inner_product(q, q + 1, axis=axis),
}
ALL = TO_QUATERNIONS | TO_SCALARS


# Worked examples


def test_exp_of_half_pi_unit():
    # Euler's formula for every u with u² = -1: e^{u π/2} = cos π/2 + u sin π/2 = u
    for unit in (UNIT_I, UNIT_J, UNIT_K):
        assert_close(exp(unit * PI / 2), unit)
        assert_close(exp(unit * PI), -ONE)


def test_exp_worked_example():
    # q = 1 + v with v = 2i + 4j + 4k = 6u, where u = (i + 2j + 2k) / 3, so e^q = e (cos 6 + u sin 6)
    c, s = math.e * math.cos(6), math.e * math.sin(6) / 3
    assert_close(exp([1.0, 2, 4, 4]), [c, s, 2 * s, 2 * s])


def test_log_worked_examples():
    assert_close(log(-ONE), [0.0, PI, 0.0, 0.0])
    assert_close(log(UNIT_J), [0.0, 0.0, PI / 2, 0.0])
    assert_close(log(math.e**2 * ONE), [2.0, 0.0, 0.0, 0.0])


def test_sqrt_worked_examples():
    # the square of 1 + i + j + k is 1 - 3 + 2 (i + j + k) = -2 + 2i + 2j + 2k
    assert_close(sqrt([-2.0, 2, 2, 2]), [1.0, 1.0, 1.0, 1.0])
    np.testing.assert_array_equal(asnumpy(sqrt([-9.0, 0, 0, 0])), [0, 3, 0, 0])


def test_integer_powers_of_units_are_exact():
    units = np.eye(4)
    for exponent in (-3, -2, -1, 0, 1, 2, 3, 4, 5):
        expected = np.eye(4)[0]
        for _ in range(abs(exponent)):
            expected = asnumpy(hamilton_product(expected, xp.asarray(units)))
        expected = asnumpy(conjugate(xp.asarray(expected))) if exponent < 0 else expected
        np.testing.assert_array_equal(asnumpy(power(units, exponent)), np.broadcast_to(expected, (4, 4)))


def test_functions_of_units_are_exact():
    np.testing.assert_array_equal(asnumpy(normalize(3 * np.eye(4))), np.eye(4))
    np.testing.assert_array_equal(asnumpy(divide(UNIT_K, UNIT_J)), np.eye(4)[1])  # k / j = i, since ij = k
    np.testing.assert_array_equal(asnumpy(log(np.eye(4))), np.eye(4) * PI / 2 * [[0], [1], [1], [1]])
    np.testing.assert_array_equal(asnumpy(inner_product(np.eye(4)[:, None], np.eye(4))), np.eye(4))


def test_i_to_the_power_j():
    # i^j = exp((log i) j) with log i = i π/2, so i^j = exp(k π/2) = k
    assert_close(quaternion_power(UNIT_I, UNIT_J), UNIT_K)


def test_arithmetic_worked_examples():
    q = xp.asarray([1.0, -2, 4, 10])  # |q|² = 1 + 4 + 16 + 100 = 11²
    assert_close(real_part(q), 1.0)
    assert_close(imaginary_part(q), [-2.0, 4.0, 10.0])
    assert_close(squared_norm(q), 121.0)
    assert_close(normalize(q), [1 / 11, -2 / 11, 4 / 11, 10 / 11])
    assert_close(inner_product(q, [1.0, 1, 1, -1]), -7.0)  # 1 - 2 + 4 - 10 = -7
    # the worked example of test_01_quaternions
    assert_close(divide([-60.0, 12, 30, 24], [5.0, 6, 7, 8]), [1.0, 2, 3, 4])


# Properties


@given(quaternions())
def test_exp_of_log(q):
    assume(np.abs(q).max() > 1e-3)
    assert_close(exp(log(q)), q)


@given(quaternions(largest=PI / 2))
def test_log_of_exp(q):
    assert_close(log(exp(q)), q, atol=1e-10)  # the norm of the imaginary part is at most sqrt(3) π/2 < π


@given(quaternions(largest=3))
def test_exp_of_conjugate(q):
    assert_close(exp(conjugate(q)), conjugate(exp(q)))


@given(quaternions(largest=3))
def test_exp_of_negative_is_inverse(q):
    assert_close(hamilton_product(exp(q), exp(-q)), ONE)


def test_exp_of_sum():
    assert_close(exp(0.3 * UNIT_I + 0.4 * UNIT_I), hamilton_product(exp(0.3 * UNIT_I), exp(0.4 * UNIT_I)))
    exp_of_sum, product_of_exps = exp(UNIT_I + UNIT_J), hamilton_product(exp(UNIT_I), exp(UNIT_J))
    assert float(asnumpy(norm(exp_of_sum - product_of_exps))) > 0.5


@given(quaternions())
def test_square_of_sqrt(q):
    root = sqrt(q)
    assert float(asnumpy(real_part(root))) >= 0
    assert_close(hamilton_product(root, root), q)


@given(quaternions())
def test_power_special_exponents(q):
    assume(np.abs(q).max() > 1e-3)
    assert_close(power(q, 0.5), sqrt(q))
    assert_close(power(q, 3), hamilton_product(q, hamilton_product(q, q)), atol=1e-9)
    assert_close(power(q, -1), inverse(q))


@given(quaternions())
def test_quaternion_power_with_real_exponent(q):
    assume(np.abs(q).max() > 1e-3)
    assert_close(quaternion_power(q, 1.7 * ONE), power(q, 1.7), atol=1e-9)


@given(quaternions(), quaternions())
def test_divide_of_product(p, q):
    assume(np.abs(q).max() > 1e-3)
    assert_close(divide(hamilton_product(p, q), q), p, atol=1e-9)


@given(quaternions(), quaternions())
def test_inner_product_is_real_part_of_conjugate_product(p, q):
    assert_close(inner_product(p, q), real_part(hamilton_product(conjugate(p), q)), atol=1e-9)


# Accuracy


SIZES = (0.0, 1e-300, 1e-30, 1e-9, 1e-3, 1.0, 3.0)
DIFFICULT = [
    [1.0, 1e-9, 2e-9, -1e-9],
    [-1.0, 1e-9, 2e-9, -1e-9],
    [-1.0, 1e-200, 0.0, 3e-200],
    [1 + 2**-40, 1e-8, 0, 0],
    [1 - 2**-40, 0, 1e-7, 1e-7],
    [1.0, 1e-20, 0, 0],
    [0.6, 0.8, 0, 0],
    [0.5, -0.5, 0.5, 0.5 + 2**-50],
    [0.0, PI, 0, 0],
    [0.0, 1.8, 1.8, 1.8],
    [-2.0, 3.14, 1e-9, 0],
    [0.0, 0, 1e-310, 1e-310],
    [1e154, 1e154, -1e154, 1],
]


def difficult_quaternions() -> np.ndarray:
    """Return quaternions with components of very different magnitudes, for which textbook formulas are inaccurate."""
    rng = np.random.default_rng(0)
    mixed = [[r, *(s * rng.standard_normal(3))] for r in SIZES for s in SIZES for r in (r, -r) if r or s]
    units = normalize(rng.standard_normal((20, 4)))
    return np.concatenate([mixed, DIFFICULT, asnumpy(units), rng.standard_normal((20, 4))])


def complex_reference(mpmath, function, q):
    """Return the function of a quaternion r + v with 50 digits.

    The result is computed from the complex number r + |v| i. For v = 0 the imaginary unit is i.
    """
    with mpmath.workdps(50):
        r, *v = (mpmath.mpf(float(component)) for component in q)
        imaginary_norm = mpmath.sqrt(sum(c * c for c in v))
        value = function(mpmath.mpc(r, imaginary_norm))
        unit = [c / imaginary_norm for c in v] if imaginary_norm else [1, 0, 0]
        return [value.real, *(value.imag * c for c in unit)]


def error_in_ulp(mpmath, actual, expected, eps):
    """Return the norm of actual - expected in units in the last place (ulp) of the norm of expected."""
    with mpmath.workdps(50):
        size = mpmath.sqrt(sum(c * c for c in expected))
        difference = mpmath.sqrt(sum((mpmath.mpf(float(f)) - e) ** 2 for f, e in zip(actual, expected, strict=True)))
        return float(difference / (size * eps)) if size else float(difference)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "power"])
def test_accuracy_against_mpmath(name, dtype):
    mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed")
    exponent = dtype(0.3)
    reference = {"power": lambda z: z ** mpmath.mpf(float(exponent))}.get(name) or getattr(mpmath, name)
    ours = (lambda q: power(q, exponent)) if name == "power" else ALL[name]
    numbers = difficult_quaternions()
    size = np.abs(numbers).max(axis=1)
    numbers = numbers[size < (20 if name == "exp" else np.finfo(dtype).max)].astype(dtype)
    numbers = numbers[(numbers != 0).any(axis=1)]
    worst = max(
        error_in_ulp(mpmath, result, complex_reference(mpmath, reference, q), np.finfo(dtype).eps)
        for q, result in zip(numbers, asnumpy(ours(xp.asarray(numbers))), strict=True)
    )
    assert worst < 8  # only exp of |v| near 10 exceeds 2 ulp, since its error is 10 times the rounding error of |v|


def test_log_near_norm_one():
    # for q = 1 + h, ln |q| = h - h²/2 + ..., and log(|q|) would be wrong from the 8th digit because 1 + h is rounded
    h = 2.0**-30
    assert_close(log([1 + h, 0.0, 0, 0])[0], h - h * h / 2 + h**3 / 3, rtol=1e-15, atol=0)


# Quaternion matrices


@pytest.mark.parametrize("products", [8, 16])
def test_matrix_product_equals_reference(rng, products):
    p, q = draw(rng, 4, 2, 3), draw(rng, 4, 3, 5)
    actual = matrix_product(p, q, products=products)
    assert actual.shape == (4, 2, 5)
    for m, n in np.ndindex(2, 5):
        terms = [oracles.hamilton(asnumpy(p)[:, m, k], asnumpy(q)[:, k, n]) for k in range(3)]
        assert_close(actual[:, m, n], sum(terms))


@pytest.mark.parametrize("columns", [255, 256, 257, 600])
def test_matrix_product_in_column_chunks(rng, columns):
    p, q = draw(rng, 4, 3, 1, 2, 3), draw(rng, 4, 2, 3, columns)
    assert_close(matrix_product(p, q), matrix_product(p, q, products=16))


@pytest.mark.parametrize("products", [8, 16])
def test_matrix_product_of_units_is_exact(products):
    p, q = np.eye(4)[:, :, None, None, None], np.eye(4)[:, None, :, None, None]
    p, q = np.moveaxis(p, 0, -3), np.moveaxis(q, 0, -3)
    expected = asnumpy(hamilton_product(p, q, axis=-3))
    np.testing.assert_array_equal(asnumpy(matrix_product(p, q, axis=-3, products=products)), expected)


@pytest.mark.parametrize("products", [8, 16])
@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -2, -3, -4])
def test_matrix_product_axis(rng, products, axis):
    p, q = draw(rng, 4, 6, 2, 3), draw(rng, 4, 1, 3, 5)
    moved = [xp.moveaxis(matrix, 0, axis) for matrix in (p, q)]
    actual = matrix_product(*moved, axis=axis, products=products)
    assert_close(actual, xp.moveaxis(matrix_product(p, q, products=24 - products), 0, axis))


def test_matrix_product_errors():
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(2, 3\)"):
        matrix_product(np.ones((4, 2, 3)), np.ones((4, 2, 3)))
    with pytest.raises(ShapeError, match="length 4"):
        matrix_product(np.ones((3, 2, 2)), np.ones((4, 2, 2)))
    with pytest.raises(ConfigError, match="8 or 16"):
        matrix_product(np.ones((4, 2, 2)), np.ones((4, 2, 2)), products=12)


# Arrays of quaternions


@given(seeds, shapes)
def test_component_axis(seed, shape):
    q = draw(seed, *shape, 4)
    for axis in range(-len(shape) - 1, len(shape) + 1):
        moved = xp.moveaxis(q, -1, axis)
        for function in TO_QUATERNIONS.values():
            assert_close(function(moved, axis=axis), xp.moveaxis(function(q), -1, axis))
        for function in TO_SCALARS.values():
            assert_close(function(moved, axis=axis), function(q))


def test_other_axes_broadcast(rng):
    p, q, t = draw(rng, 3, 1, 4), draw(rng, 2, 4), draw(rng, 3, 1)
    assert quaternion_power(p, q).shape == divide(p, q).shape == power(q, t).shape == (3, 2, 4)
    assert inner_product(p, q).shape == (3, 2)
    assert_close(power(q, t)[2, 1], power(q[1], t[2, 0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("name", ALL)
def test_dtype_is_kept(rng, name, dtype):
    assert ALL[name](draw(rng, 5, 4, dtype=dtype)).dtype == dtype
    assert power(draw(rng, 5, 4, dtype=dtype), np.ones(5)).dtype == dtype


# Limits of floating point


Z, NANS = [0.0, 0, 0, 0], [NAN] * 4
H = math.sqrt(0.5)
EDGES = [
    (exp, Z, [1, 0, 0, 0]),
    (exp, [INF, 0, 0, 0], [INF, 0, 0, 0]),
    (exp, [-INF, 1, 2, 3], Z),
    (exp, [0, INF, 0, 0], NANS),
    (exp, [NAN, 0, 0, 0], NANS),
    (log, Z, [-INF, 0, 0, 0]),
    (log, [-0.0, 0, 0, 0], [-INF, 0, 0, 0]),
    (log, [INF, 1, 0, 0], [INF, 0, 0, 0]),
    (log, [0, 0, INF, 0], [INF, 0, PI / 2, 0]),
    (log, [1, 0, NAN, 0], NANS),
    (sqrt, Z, Z),
    (sqrt, [INF, 0, 0, 0], [INF, 0, 0, 0]),
    (sqrt, [-INF, 0, 0, 0], [0, INF, 0, 0]),
    (sqrt, [NAN, 0, 0, 0], NANS),
    (normalize, Z, NANS),
    (normalize, [INF, 1, 0, -INF], [H, 0, 0, -H]),
    (normalize, [5e-324, 0, -5e-324, 0], [H, 0, -H, 0]),
    (normalize, [1.7e308, 0, 1.7e308, 0], [H, 0, H, 0]),
    (lambda q: power(q, 0), Z, [1, 0, 0, 0]),
    (lambda q: power(q, 0), [INF, 3, 0, 0], [1, 0, 0, 0]),
    (lambda q: power(q, 2.5), Z, Z),
    (lambda q: power(q, -1), Z, NANS),
    (lambda q: power(q, -1), [INF, 0, 0, 1], Z),
    (lambda q: power(q, INF), [1, 0, 0, 0], NANS),
    (lambda q: power(q, 0), NANS, NANS),
    (lambda q: quaternion_power(q, np.eye(4)[0]), Z, Z),
    (lambda q: quaternion_power(q, np.zeros(4)), Z, [1, 0, 0, 0]),
    (lambda q: quaternion_power(q, np.eye(4)[1]), Z, NANS),
    (lambda q: quaternion_power(q, np.eye(4)[0]), [INF, 0, 0, 0], NANS),
    (lambda q: divide(np.eye(4)[0], q), Z, NANS),
    (lambda q: divide(np.eye(4)[0], q), [0, INF, 0, 0], Z),
]


@pytest.mark.parametrize(("function", "q", "expected"), EDGES)
def test_zero_infinity_and_nan_without_warning(function, q, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        actual = asnumpy(function(xp.asarray(q, dtype=np.float64)))
    np.testing.assert_allclose(actual, expected, rtol=1e-15, atol=0)


def test_log_and_sqrt_when_norm_overflows():
    size = 1.5e308  # |q| = 2 · 1.5e308 overflows
    assert_close(log([size] * 4), [math.log(2) + math.log(size), *[PI / 3 / math.sqrt(3)] * 3])
    assert_close(sqrt([size] * 4) / math.sqrt(size), sqrt([1.0] * 4))


def test_exp_when_factor_overflows():
    # e^710 overflows, but the real part e^710 cos 1.57 = e^(710 + ln cos 1.57) does not
    with np.errstate(over="ignore"):
        actual = exp([710.0, 1.57, 0, 0])
    assert_close(actual[0], math.exp(710 + math.log(math.cos(1.57))), rtol=1e-12, atol=0)


def test_integers_are_converted_to_float():
    assert_close(power([4, 0, 0, 0], 0.5), [2.0, 0, 0, 0])


# Errors


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(3,), (4, 5), ()])
def test_wrong_axis_length_raises(name, shape):
    with pytest.raises(ShapeError, match="length 4") as raised:
        ALL[name](np.ones(shape))
    assert str(shape) in str(raised.value)
