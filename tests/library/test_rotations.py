"""Test rotations in space as unit quaternions.

The map v -> q v q⁻¹ rotates a vector v about the imaginary part of the quaternion q. The quaternion of a rotation by θ
is cos(θ/2) + u sin(θ/2) with a unit vector u. Conversions to axis and angle, 3x3 matrices and Euler angles are tested,
and interpolation, means and random rotations. The references are SciPy and 50 digits of mpmath. The quaternions q and
-q are the same rotation, so comparisons ignore the sign.
"""

import inspect
import math
import warnings
from inspect import Parameter
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support import oracles
from support.arrays import FLOATS, assert_close, draw
from support.strategies import quaternions, seeds, shapes

from quatnet import quaternion
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError
from quatnet.quaternion import (
    align_vectors,
    angular_velocity,
    conjugate,
    from_axis_angle,
    from_euler,
    from_matrix,
    from_rotation_vector,
    geodesic_distance,
    hamilton_product,
    inner_product,
    integrate_angular_velocity,
    interpolate,
    isclose,
    mean_rotation,
    minimal_rotation,
    nearest_rotation,
    norm,
    power,
    random_rotations,
    rotate,
    slerp,
    squad,
    squad_control,
    to_axis_angle,
    to_euler,
    to_matrix,
    to_rotation_vector,
    unflip,
)

PI, H = math.pi, math.sqrt(0.5)
ONE, UNIT_I, UNIT_J, UNIT_K = (xp.asarray(unit) for unit in np.eye(4))
CONVENTIONS = ["".join(c) for c in product("XYZ", repeat=3) if c[0] != c[1] != c[2]]
CONVENTIONS += [convention.lower() for convention in CONVENTIONS]


def ones(q, axis):
    """Return the vector (1, 1, 1) along `axis`, with the dtype and the number of axes of q."""
    return xp.moveaxis(xp.ones((1,) * (q.ndim - 1) + (3,), q.dtype), -1, axis)


UNARY_FUNCTIONS = {
    "rotate": lambda q, axis=-1: rotate(q, ones(q, axis), axis=axis),
    "to_euler": lambda q, axis=-1: to_euler(q, convention="ZYX", axis=axis),
    "slerp": lambda q, axis=-1: slerp(q, xp.flip(q, axis), 0.3, axis=axis),
    "squad": lambda q, axis=-1: squad(q, q, xp.flip(q, axis), xp.flip(q, axis), 0.3, axis=axis),
    "squad_control": lambda q, axis=-1: squad_control(xp.flip(q, axis), q, q, axis=axis),
}


def assert_same_rotation(actual, expected, atol=1e-11):
    """Raise AssertionError unless two rotations are equal. The quaternions q and -q are the same rotation."""
    sign = xp.where(inner_product(actual, expected) < 0, -1.0, 1.0)[..., None]
    assert_close(actual * sign, expected, atol=atol)


def scipy_rotation(q):
    return Rotation.from_quat(asnumpy(q), scalar_first=True)


# Rotated vectors


def test_quarter_turn_about_z():
    q = from_axis_angle([0.0, 0, 1], PI / 2)
    assert_close(q, [H, 0.0, 0.0, H])  # cos 45° + k sin 45°, with half the angle of the rotation
    assert_close(rotate(q, [1.0, 0, 0]), [0.0, 1.0, 0.0])
    assert_close(rotate(q, [0.0, 1, 0]), [-1.0, 0.0, 0.0])
    assert_close(rotate(q, [0.0, 0, 1]), [0.0, 0.0, 1.0])


def test_half_turns_and_third_of_a_turn_are_exact():
    # the rotation by i negates y and z; the rotation by (1 + i + j + k) / 2 maps x to y, y to z, and z to x
    v = [1.0, 2, 3]
    np.testing.assert_array_equal(asnumpy(rotate(UNIT_I, v)), [1, -2, -3])
    np.testing.assert_array_equal(asnumpy(rotate(UNIT_J, v)), [-1, 2, -3])
    np.testing.assert_array_equal(asnumpy(rotate(UNIT_K, v)), [-1, -2, 3])
    np.testing.assert_array_equal(asnumpy(rotate([1.0, 1, 1, 1], v)), [3, 1, 2])


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e150, 1e300])
def test_rotate_with_extreme_norms(size):
    assert_close(rotate([size, size, size, size], [1e200, 2e200, 3e200]), [3e200, 1e200, 2e200], rtol=1e-15, atol=0)
    assert_close(rotate([size, size, size, size], [1e-300, 0, 0]), [0, 1e-300, 0], rtol=1e-15, atol=0)


def test_rotate_worked_example():
    # The formula is v + 2 (r w + u × w) / |q|², with w = u × v and the quaternion q with real part r and vector part u.
    # Here r = 1, u = (1, 2, 0), |q|² = 6 and v = (0, 3, 1).
    # w = (2·1 - 0·3, 0·0 - 1·1, 1·3 - 2·0) = (2, -1, 3)
    # u × w = (2·3 + 0·1, 0·2 - 1·3, -1·1 - 2·2) = (6, -3, -5), and r w + u × w = (8, -4, -2)
    # v + 2/6 (8, -4, -2) = (8/3, 3 - 4/3, 1 - 2/3)
    assert_close(rotate([1.0, 1, 2, 0], [0.0, 3, 1]), [8 / 3, 5 / 3, 1 / 3])
    # the product u ⊗ v has the real part -u·v = -6 and the imaginary part u × v
    assert_close(hamilton_product([0.0, 1, 2, 0], [0.0, 0, 3, 1]), [-6.0, 2, -1, 3])


@given(quaternions(), quaternions(), seeds)
def test_rotate_properties(p, q, seed):
    assume(min(np.abs(p).max(), np.abs(q).max()) > 1e-3)
    v = draw(seed, 3)
    assert_close(rotate(hamilton_product(p, q), v), rotate(p, rotate(q, v)), atol=1e-9)
    assert_close(rotate(-3 * q, v), rotate(q, v))
    assert_close((rotate(q, v) ** 2).sum(), (v**2).sum())


def test_rotate_equals_reference(rng):
    q, v = random_rotations((3, 1), rng=rng), draw(rng, 2, 3)
    rotated = rotate(q, v)
    assert rotated.shape == (3, 2, 3)
    for a, b in np.ndindex(3, 2):
        unit = asnumpy(q)[a, 0]
        expected = oracles.hamilton(oracles.hamilton(unit, [0, *asnumpy(v)[b]]), asnumpy(conjugate(unit)))
        assert_close(rotated[a, b], expected[1:])


# Axis and angle


@given(seeds, st.floats(1e-12, PI))
def test_axis_angle_round_trip(seed, angle):
    direction = draw(seed, 3)
    u, theta = to_axis_angle(from_axis_angle(direction, angle))
    assert_close(theta, xp.asarray(angle))
    expected = direction / xp.sqrt((direction**2).sum())
    if angle < PI - 1e-9:
        assert_close(u, expected)


def test_angle_above_half_turn():
    u, theta = to_axis_angle(from_axis_angle([0.0, 2, 0], 1.5 * PI))
    assert_close(u, [0.0, -1.0, 0.0])
    assert_close(theta, PI / 2)


def test_axis_angle_of_identity():
    u, theta = to_axis_angle(xp.asarray([[1.0, 0, 0, 0], [-2.0, 0, 0, 0]]))
    np.testing.assert_array_equal(asnumpy(u), [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(asnumpy(theta), [0, 0])


@pytest.mark.parametrize("q", [[1.0, 3e-9, 0, 4e-9], [3e-9, 1, 2, 2], [1e-200, 0, 1, 1], [1.0, 1e-200, 1e-200, 0]])
def test_accuracy_near_zero_and_half_turn(q):
    mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed")
    with mpmath.workdps(50):
        r, *v = map(mpmath.mpf, q)
        expected = float(2 * mpmath.atan2(mpmath.sqrt(sum(c * c for c in v)), r))
    assert_close(to_axis_angle(q)[1], expected, rtol=1e-15, atol=0)
    assert_close(geodesic_distance(ONE, q), expected, rtol=1e-15, atol=0)
    assert_close(geodesic_distance(q, -ONE), expected, rtol=1e-15, atol=0)


# Matrices


def test_matrix_worked_examples():
    assert_close(to_matrix([H, 0.0, 0, H]), [[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(asnumpy(to_matrix(UNIT_J)), np.diag([-1, 1, -1]))


def test_matrix_equals_rotate_and_scipy(rng):
    q, v = random_rotations((20,), rng=rng), draw(rng, 20, 3)
    assert_close((to_matrix(q) @ v[..., None])[..., 0], rotate(q, v))
    assert_close(to_matrix(q), scipy_rotation(q).as_matrix())


@given(seeds, st.sampled_from([0.0, 1e-200, 1e-12, 1e-6, 1.0]), st.integers(0, 3))
def test_matrix_round_trip(seed, size, largest):
    q = asnumpy(draw(seed, 4)) * size
    q[largest] = 2.0
    expected = q / np.linalg.norm(q)
    result = from_matrix(to_matrix(q))
    assert float(result[0]) >= 0
    assert_same_rotation(result, expected, atol=4e-16 * 4)


def test_matrix_round_trip_of_units_is_exact():
    np.testing.assert_array_equal(asnumpy(from_matrix(to_matrix(xp.eye(4)))), np.eye(4))


def test_matrix_axes(rng):
    q = random_rotations((2, 3), rng=rng)
    for axis in (0, 1, 2, -1, -2, -3):
        moved = xp.moveaxis(q, -1, axis)
        matrix = to_matrix(moved, axis=axis)
        position = axis % 3
        assert matrix.shape[position : position + 2] == (3, 3)
        assert_same_rotation(xp.moveaxis(from_matrix(matrix, axis=position), position, -1), q)
        assert_same_rotation(xp.moveaxis(from_matrix(matrix, axis=position - 4), position, -1), q)


# Euler angles


def test_euler_angles_worked_examples():
    # a quarter turn about z and a quarter turn about the rotated x: (1 + k)(1 + i)/2 = (1 + i + j + k)/2
    assert_close(from_euler([PI / 2, 0.0, PI / 2], convention="ZYX"), [0.5, 0.5, 0.5, 0.5])
    # for fixed axes, later rotations are multiplied from the left: (1 + i)(1 + k)/2 = (1 + i - j + k)/2
    assert_close(from_euler([PI / 2, 0.0, PI / 2], convention="zyx"), [0.5, 0.5, -0.5, 0.5])


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_euler_conventions_equal_scipy(rng, convention):
    angles = draw(rng, 20, 3)
    q = from_euler(angles, convention=convention)
    reference = Rotation.from_euler(convention, asnumpy(angles))
    assert_same_rotation(q, xp.asarray(reference.as_quat(scalar_first=True)))
    actual = to_euler(q, convention=convention)
    assert_close(actual, scipy_rotation(q).as_euler(convention))
    assert_same_rotation(from_euler(actual, convention=convention), q)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("middle", [-PI / 2, 0.0, PI / 2, PI, 1e-9])
def test_gimbal_lock(convention, middle):
    q = from_euler([0.3, middle, -1.1], convention=convention)
    angles = to_euler(q, convention=convention)
    assert np.isfinite(asnumpy(angles)).all()
    assert_same_rotation(from_euler(angles, convention=convention), q)


@pytest.mark.parametrize("convention", ["", "ZZ", "XXY", "XYy", "xYz", "ZYW", "XYZX"])
def test_invalid_convention_raises(convention):
    with pytest.raises(ConfigError, match="three letters"):
        from_euler(np.zeros(3), convention=convention)
    with pytest.raises(ConfigError, match="three letters"):
        to_euler(np.ones(4), convention=convention)


# Interpolation


def test_slerp_worked_example():
    eighth = from_axis_angle([0.0, 0, 1], PI / 4)
    assert_close(slerp(ONE, [H, 0.0, 0, H], 0.5), eighth)
    assert_close(slerp(ONE, [-H, 0.0, 0, -H], 0.5), eighth)  # -q is the same rotation
    assert_close(geodesic_distance(ONE, eighth), PI / 4)


@given(seeds, st.floats(0, 1))
def test_slerp_is_power_of_relative_rotation(seed, t):
    p, q = random_rotations((2,), rng=np.random.default_rng(seed))
    q = q if float(inner_product(p, q)) >= 0 else -q
    assert_close(slerp(p, q, t), hamilton_product(p, power(hamilton_product(conjugate(p), q), t)))
    assert_close(norm(slerp(p, q, t)), 1.0)


@given(seeds, st.floats(0, 1))
def test_slerp_has_constant_speed(seed, t):
    p, q = random_rotations((2,), rng=np.random.default_rng(seed))
    distance = geodesic_distance(p, q)
    assert float(distance) <= PI
    assert_close(geodesic_distance(p, slerp(p, q, t)), t * distance)
    assert_close(geodesic_distance(slerp(p, q, t), q), (1 - t) * distance)


@pytest.mark.parametrize("angle", [0.0, 1e-300, 1e-16, 1e-8, PI - 1e-8, 2 * PI - 1e-8, 2 * PI])
@pytest.mark.parametrize("t", [0.0, 0.25, 1.0])
def test_slerp_accuracy_near_equal_and_opposite_ends(angle, t):
    # the ends differ by `angle` about z; above half a turn, the arc in the other direction is shorter
    shorter = angle if angle < PI else angle - 2 * PI
    sign = 1 if angle < PI else -1
    q = sign * from_axis_angle([0.0, 0, 1], shorter)
    expected = from_axis_angle([0.0, 0, 1], t * shorter)
    assert_close(slerp(ONE, q, t), expected, rtol=1e-15, atol=0)


def test_slerp_ends_and_shape(rng):
    p, q = random_rotations((2, 50), rng=rng)
    assert_close(slerp(p, q, 0), p, rtol=1e-15, atol=1e-16)
    assert_same_rotation(slerp(p, q, 1), q, atol=4e-16)
    assert slerp(p[:, None], q, np.ones((3, 1, 1))).shape == (3, 50, 50, 4)


def test_squad_with_equal_steps_is_slerp():
    keys = from_axis_angle([0.0, 1, 0], np.arange(4) * 0.7)
    a, b = squad_control(keys[0], keys[1], keys[2]), squad_control(keys[1], keys[2], keys[3])
    assert_close(a, keys[1])  # the logarithms of the two opposite rotations add up to 0
    t = xp.linspace(0, 1, 5)
    assert_close(squad(keys[1], a, b, keys[2], t), slerp(keys[1], keys[2], t))


def test_squad_is_continuously_differentiable():
    rng, h = np.random.default_rng(3), 1e-6
    rotations = from_axis_angle(draw(rng, 4, 3), 0.4)
    k0, k1, k2, k3 = (from_axis_angle([1.0, 0, 0], 0.5 * n) for n in range(4))
    k0, k1, k2, k3 = (hamilton_product(k, rotation) for k, rotation in zip((k0, -k1, k2, k3), rotations, strict=True))
    a0, a1, a2 = squad_control(k0, k0, k1), squad_control(k0, k1, k2), squad_control(k1, k2, k3)
    assert_same_rotation(squad(k0, a0, a1, k1, 1), k1)
    assert_same_rotation(squad(k1, a1, a2, k2, 0), k1)
    velocity_before = hamilton_product(conjugate(squad(k0, a0, a1, k1, 1 - h)), k1) / h
    velocity_after = hamilton_product(conjugate(k1), squad(k1, a1, a2, k2, h)) / h
    velocity_before, velocity_after = (q[1:] * np.sign(q[0]) for q in (velocity_before, velocity_after))
    assert_close(velocity_before, velocity_after, atol=1e-5)
    assert np.abs(asnumpy(velocity_after)).max() > 0.05


# Means and random rotations


def test_mean_of_rotations_about_one_axis():
    q = from_axis_angle([0.0, 0, 1], [0.2, 0.6])
    assert_close(mean_rotation(q), from_axis_angle([0.0, 0, 1], 0.4))
    assert_close(mean_rotation(q * xp.asarray([[1], [-1]])), from_axis_angle([0.0, 0, 1], 0.4))
    assert_close(mean_rotation(q, [1, 0]), q[0])
    np.testing.assert_array_equal(np.abs(asnumpy(mean_rotation(np.eye(4)[[2, 2]]))), np.eye(4)[2])


@given(seeds)
def test_mean_equals_scipy_and_is_equivariant(seed):
    rng = np.random.default_rng(seed)
    q, weights = random_rotations((5,), rng=rng), rng.random(5)
    eigenvalues = np.linalg.eigvalsh(np.einsum("n,na,nb->ab", weights, asnumpy(q), asnumpy(q)))
    assume(eigenvalues[-1] - eigenvalues[-2] > 1e-2)
    actual = mean_rotation(q, weights)
    assert_same_rotation(actual, xp.asarray(scipy_rotation(q).mean(weights).as_quat(scalar_first=True)), atol=1e-9)
    rotated = mean_rotation(hamilton_product(q[0], q), weights)
    assert_same_rotation(rotated, hamilton_product(q[0], actual), atol=1e-9)


def test_mean_axes(rng):
    q, weights = random_rotations((3, 5), rng=rng), rng.random((3, 5))
    for over, axis in product(range(3), range(3)):
        if over != axis:
            other = 3 - over - axis
            moved = xp.moveaxis(q, (0, 1, 2), (other, over, axis))
            moved_weights = weights if other < over else weights.T
            actual = mean_rotation(moved, moved_weights, sample_axis=over, axis=axis)
            assert actual.shape == ((3, 4) if other < axis else (4, 3))
            expected = xp.stack([mean_rotation(q[n], weights[n]) for n in range(3)])
            assert_close(actual if other < axis else actual.T, expected)
            assert_close(mean_rotation(moved, moved_weights, sample_axis=over - 3, axis=axis - 3), actual)


def test_random_rotations_are_uniform_and_reproducible():
    q = random_rotations((20_000,), rng=np.random.default_rng(0))
    assert_close(norm(q), np.ones(20_000))
    assert_close(q.T @ q / 20_000, np.eye(4) / 4, atol=0.01)  # on the unit sphere each component has the variance 1/4
    # the angle θ has the density (1 - cos θ)/π on [0, π], so the mean angle is π/2 + 2/π
    assert_close(to_axis_angle(q)[1].mean(), PI / 2 + 2 / PI, atol=0.02)
    np.testing.assert_array_equal(asnumpy(q[:3]), asnumpy(random_rotations((3,), rng=np.random.default_rng(0))))
    assert random_rotations((2, 3), rng=np.random.default_rng(0), dtype=np.float32, axis=0).shape == (4, 2, 3)
    assert random_rotations(rng=np.random.default_rng(0), dtype=np.float32).dtype == np.float32


# Arrays, limits, errors


@given(seeds, shapes)
def test_component_axis(seed, shape):
    q = random_rotations(shape, rng=np.random.default_rng(seed))
    for axis in range(-len(shape) - 1, len(shape) + 1):
        moved = xp.moveaxis(q, -1, axis)
        for function in UNARY_FUNCTIONS.values():
            assert_close(function(moved, axis=axis), xp.moveaxis(function(q), -1, axis))
        u, theta = to_axis_angle(moved, axis=axis)
        assert_same_rotation(xp.moveaxis(from_axis_angle(u, theta, axis=axis), axis, -1), q)
        angles = to_euler(moved, convention="XZX", axis=axis)
        assert_same_rotation(xp.moveaxis(from_euler(angles, convention="XZX", axis=axis), axis, -1), q)
        assert_close(geodesic_distance(moved, -moved, axis=axis), np.zeros(shape))


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtype_is_kept(rng, dtype):
    q = random_rotations((5,), rng=rng, dtype=dtype)
    results = [function(q) for function in UNARY_FUNCTIONS.values()]
    results += [to_matrix(q), from_matrix(to_matrix(q)), *to_axis_angle(q), from_axis_angle(q[:, 1:], np.ones(5))]
    results += [from_euler(q[:, 1:], convention="XYZ"), slerp(q, q, np.ones(5)), geodesic_distance(q, q)]
    results += [mean_rotation(q, np.ones(5))]
    assert {result.dtype for result in results} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", [*UNARY_FUNCTIONS, "to_matrix", "mean_rotation", "geodesic_distance", "to_axis_angle"])
@pytest.mark.parametrize("q", [[0.0, 0, 0, 0], [1.0, math.nan, 0, 0]])
def test_zero_and_nan_give_nan_without_warning(name, q):
    functions = UNARY_FUNCTIONS | {
        "to_matrix": to_matrix,
        "mean_rotation": lambda q: mean_rotation(q[None]),
        "geodesic_distance": lambda q: geodesic_distance(q, ONE),
        "to_axis_angle": lambda q: xp.concatenate([part.ravel() for part in to_axis_angle(q)]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(asnumpy(functions[name](xp.asarray(q)))).all()
        assert np.isnan(asnumpy(from_matrix(np.full((3, 3), math.nan)))).all()


def test_infinities():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_close(rotate([1.0, 0, math.inf, 0], [1.0, 2, 3]), [-1.0, 2, -3])
        assert np.isnan(asnumpy(rotate(ONE, [math.inf, 0, 0]))).all()
        assert np.isnan(asnumpy(slerp(ONE, UNIT_I, math.inf))).all()
        assert np.isnan(asnumpy(from_axis_angle([1.0, 0, 0], math.inf))).all()
        assert np.isnan(asnumpy(from_axis_angle([0.0, 0, 0], 1.0))).all()
        assert np.isnan(asnumpy(from_euler([0.0, math.inf, 0], convention="XYZ"))).all()


@pytest.mark.parametrize("name", [*UNARY_FUNCTIONS, "to_matrix", "mean_rotation", "to_axis_angle", "geodesic_distance"])
def test_wrong_axis_length_raises(name):
    functions = UNARY_FUNCTIONS | {"to_matrix": to_matrix, "mean_rotation": mean_rotation}
    functions["to_axis_angle"] = to_axis_angle
    functions["geodesic_distance"] = lambda q: geodesic_distance(ONE, q)
    for shape in ((3,), (4, 5)):
        with pytest.raises(ShapeError, match="length 4") as raised:
            functions[name](xp.ones(shape))
        assert str(shape) in str(raised.value)


def test_wrong_shapes_raise():
    with pytest.raises(ShapeError, match=r"length 3 along axis -1, got an array of shape \(4,\)"):
        rotate(ONE, np.ones(4))
    with pytest.raises(ShapeError, match="length 3"):
        from_axis_angle(np.ones(2), 1.0)
    with pytest.raises(ShapeError, match="length 3"):
        from_euler(np.ones(4), convention="XYZ")
    for shape in ((), (3,), (3, 4), (2, 3)):
        with pytest.raises(ShapeError, match="3x3"):
            from_matrix(np.ones(shape))
    with pytest.raises(ShapeError, match="at least one"):
        mean_rotation(np.ones((0, 4)))
    with pytest.raises(ShapeError, match="sample_axis=0"):
        mean_rotation(np.ones(4))


# Rotation vectors, vectors and noisy matrices


def to_scipy(q):
    return Rotation.from_quat(np.roll(asnumpy(q), -1, axis=-1))  # scipy has the order i, j, k, r


@given(seeds, shapes)
def test_rotation_vector_round_trip_and_scipy(seed, shape):
    v = draw(seed, *shape, 3)
    q = from_rotation_vector(v)
    assert_close(norm(q), np.ones(shape))
    assert_close(rotate(q, v), v)  # the vector is the axis
    short = v * (3 / (3 + vector_length(v)))  # shorter than half a turn
    assert_close(to_rotation_vector(from_rotation_vector(short)), short)
    rows = asnumpy(v).reshape(-1, 3)
    assert_same_matrices(q.reshape(-1, 4), Rotation.from_rotvec(rows))


def assert_same_matrices(q, rotation, atol=1e-9):
    assert_close(to_matrix(q), rotation.as_matrix(), atol=atol)


@given(seeds)
def test_minimal_rotation_maps_one_direction_to_the_other(seed):
    v, w = draw(seed, 2, 5, 3)
    q = minimal_rotation(v, w)
    assert_close(rotate(q, v) / vector_length(v), w / vector_length(w))
    # the axis is orthogonal to both vectors, so no rotation about v or w is added
    axis, angle = to_axis_angle(q)
    assert_close((axis * v).sum(axis=-1), np.zeros(5))
    cosine = (v * w).sum(axis=-1) / (vector_length(v) * vector_length(w))[..., 0]
    assert_close(angle, xp.arccos(cosine), atol=1e-7)


def vector_length(v):
    return xp.sqrt((v**2).sum(axis=-1, keepdims=True))


def test_minimal_rotation_of_equal_and_opposite_vectors(rng):
    v = xp.concatenate([xp.eye(3), draw(rng, 4, 3)])
    assert_close(minimal_rotation(v, 2 * v), np.tile([1.0, 0, 0, 0], (7, 1)))
    q = minimal_rotation(v, -3 * v)
    assert_close(rotate(q, v), -v)
    assert_close(q[:, 0], np.zeros(7))
    assert_close(minimal_rotation([1.0, 0, 0], [0.0, 1, 0]), [H, 0, 0, H])


@given(seeds)
def test_nearest_rotation_of_a_noisy_matrix(seed):
    rng = np.random.default_rng(seed)
    q = random_rotations(4, rng=rng)
    assert_close(geodesic_distance(nearest_rotation(to_matrix(q)), q), np.zeros(4), atol=1e-7)
    matrix = to_matrix(q) + 0.3 * draw(rng, 4, 3, 3)
    nearest = nearest_rotation(matrix)
    error = ((to_matrix(nearest) - matrix) ** 2).sum(axis=(-2, -1))
    for _ in range(20):  # no other rotation is nearer
        other = hamilton_product(from_rotation_vector(0.1 * draw(rng, 4, 3)), nearest)
        assert bool((((to_matrix(other) - matrix) ** 2).sum(axis=(-2, -1)) >= error - 1e-12).all())


def test_nearest_rotation_of_a_reflection_is_a_rotation():
    q = nearest_rotation(np.diag([1.0, 1, -0.5]))
    assert_close(to_matrix(q), np.eye(3))
    assert np.isnan(asnumpy(nearest_rotation(np.full((3, 3), np.inf)))).all()


@given(seeds)
def test_align_vectors_equals_scipy(seed):
    rng = np.random.default_rng(seed)
    q, v, weights = random_rotations((), rng=rng), rng.standard_normal((6, 3)), rng.uniform(0.1, 1, 6)
    assert_close(geodesic_distance(align_vectors(v, rotate(q, v)), q), 0.0, atol=1e-7)
    w = asnumpy(rotate(q, v)) + 0.3 * rng.standard_normal((6, 3))
    assert_same_matrices(align_vectors(v, w, weights), Rotation.align_vectors(w, v, weights=weights)[0])
    assert align_vectors(np.stack([v, v]), np.stack([w, w])).shape == (2, 4)


def test_isclose():
    q = xp.asarray([[1.0, 2, 3, 4], [1, 2, 3, 4.1], [-1, -2, -3, -4]])
    assert asnumpy(isclose(q, q[0])).tolist() == [True, False, False]
    assert asnumpy(isclose(q, q[0], atol=0.2)).tolist() == [True, True, False]
    assert asnumpy(isclose([np.nan, 0, 0, 0], [np.nan, 0, 0, 0])).tolist() is False


# Degrees


def scipy_degrees(q):
    """Return SciPy's values in degrees for every function of the algebra that returns angles, for five rotations q."""
    rotation, times = scipy_rotation(q), np.array([0.0, 1, 3, 4, 6])
    vectors = rotation.as_rotvec(degrees=True)
    steps = (rotation[1:] * rotation[:-1].inv()).as_rotvec(degrees=True)
    return {
        "to_rotation_vector": (to_rotation_vector(q, degrees=True), vectors),
        "to_axis_angle": (to_axis_angle(q, degrees=True)[1], np.linalg.norm(vectors, axis=-1)),
        "to_euler": (to_euler(q, convention="ZYX", degrees=True), rotation.as_euler("ZYX", degrees=True)),
        "geodesic_distance": (geodesic_distance(q[:-1], q[1:], degrees=True), np.linalg.norm(steps, axis=-1)),
        "angular_velocity": (angular_velocity(q, times, degrees=True), steps / np.diff(times)[:, None]),
    }


def scipy_rotations_of_degrees(v):
    """Return quaternions and SciPy's rotations for every function of the algebra that takes angles, for v (5, 3)."""
    times, angles = np.array([0.0, 1, 3, 4, 6]), asnumpy(v)
    rotvecs = (np.array([0, 0, 1.0]) * angles[:, :1], angles * np.array([[1], [2], [1], [2], [1]]))
    series = [Rotation.identity()]
    for vector in rotvecs[1][:-1]:
        series.append(Rotation.from_rotvec(vector, degrees=True) * series[-1])
    return {
        "from_rotation_vector": (from_rotation_vector(v, degrees=True), Rotation.from_rotvec(angles, degrees=True)),
        "from_axis_angle": (
            from_axis_angle(np.array([0, 0, 1.0]), v[:, 0], degrees=True),
            Rotation.from_rotvec(rotvecs[0], degrees=True),
        ),
        "from_euler": (
            from_euler(v, convention="xyz", degrees=True), Rotation.from_euler("xyz", angles, degrees=True)
        ),
        "integrate_angular_velocity": (
            integrate_angular_velocity(v[:-1], times, np.eye(4)[0], degrees=True), Rotation.concatenate(series)
        ),
    }  # fmt: skip


@given(seeds)
def test_degrees_equal_scipy(seed):
    for actual, expected in scipy_degrees(random_rotations(5, rng=np.random.default_rng(seed))).values():
        assert_close(actual, expected, atol=1e-7)
    for actual, expected in scipy_rotations_of_degrees(90 * draw(seed, 5, 3)).values():
        assert_same_matrices(actual, expected)


def test_degrees_are_a_keyword_of_every_function_of_angles(rng):
    q = random_rotations(5, rng=rng)
    tested = {*scipy_degrees(q), *scipy_rotations_of_degrees(q[:, 1:])}
    functions = {name: getattr(quaternion, name) for name in quaternion.__all__ if callable(getattr(quaternion, name))}
    parameters = {name: inspect.signature(f).parameters.get("degrees") for name, f in functions.items()}
    assert {name for name, parameter in parameters.items() if parameter} == tested
    assert {(parameters[name].kind, parameters[name].default) for name in tested} == {(Parameter.KEYWORD_ONLY, False)}


@pytest.mark.parametrize("dtype", FLOATS)
def test_degrees_keep_the_dtype(rng, dtype):
    q, times = random_rotations((5,), rng=rng, dtype=dtype), np.arange(5, dtype=dtype)
    results = [*to_axis_angle(q, degrees=True), from_axis_angle(q[:, 1:], times, degrees=True)]
    results += [to_euler(q, convention="XYZ", degrees=True), from_euler(q[:, 1:], convention="XYZ", degrees=True)]
    results += [to_rotation_vector(q, degrees=True), from_rotation_vector(q[:, 1:], degrees=True)]
    results += [geodesic_distance(q, q[::-1], degrees=True), angular_velocity(q, times, degrees=True)]
    results += [integrate_angular_velocity(q[1:, 1:], times, q[0], degrees=True)]
    assert {result.dtype for result in results} == {np.dtype(dtype)}


# Rotations over time


@given(seeds)
def test_unflip_makes_signs_continuous(seed):
    rng = np.random.default_rng(seed)
    q = random_rotations((9, 2), rng=rng)
    continuous = unflip(q)
    assert bool((inner_product(continuous[:-1], continuous[1:]) >= 0).all())
    assert_close(continuous[0], q[0])
    assert_close(xp.abs(inner_product(q, continuous)), np.ones((9, 2)))  # q or -q
    signs = xp.asarray(rng.choice([-1.0, 1.0], (9, 2, 1)))
    assert_close(unflip(q * signs), continuous * signs[0])


@given(seeds)
def test_integral_of_the_angular_velocity(seed):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.1, 1, 7))
    q = unflip(random_rotations((7, 2), rng=rng))
    velocity = angular_velocity(q, times)
    assert velocity.shape == (6, 2, 3)
    assert_close(integrate_angular_velocity(velocity, times, q[0]), q)


def test_angular_velocity_of_a_uniform_rotation():
    # 3 rad/s about z: the sign and the frame are those of scipy's rotation vectors of q_{n+1} q_n*
    times = np.array([0.0, 0.2, 0.5])
    start = from_rotation_vector([1.0, 0, 0])
    q = hamilton_product(from_rotation_vector(times[:, None] * np.array([0, 0, 3.0])), start)
    assert_close(angular_velocity(q, times), [[0, 0, 3], [0, 0, 3]])
    assert_close(
        (to_scipy(q[1:]) * to_scipy(q[:-1]).inv()).as_rotvec() / np.diff(times)[:, None], angular_velocity(q, times)
    )
    assert_close(angular_velocity(-q, times), angular_velocity(q, times))


@pytest.mark.parametrize("method", ["slerp", "squad"])
def test_interpolation_reaches_the_samples_and_keeps_uniform_rotation(rng, method):
    times = np.array([0.0, 1, 2, 3, 4])
    q = random_rotations((5, 2), rng=rng)
    assert_close(geodesic_distance(interpolate(q, times, times, method=method), q), np.zeros((5, 2)), atol=1e-7)
    uniform = from_rotation_vector(times[:, None] * np.array([0, 0, 0.5]))
    middle = np.array([0.25, 1.5, 3.9])
    expected = from_rotation_vector(middle[:, None] * np.array([0, 0, 0.5]))
    if method == "slerp":
        assert_close(interpolate(uniform, times, middle), expected)
        with np.errstate(all="ignore"):
            assert_close(interpolate(uniform, times, np.array([5.0])), from_rotation_vector([[0, 0, 2.5]]))
    else:
        inner = np.array([1.25, 1.5, 2.9])  # squad is uniform away from the ends
        expected = from_rotation_vector(inner[:, None] * np.array([0, 0, 0.5]))
        assert_close(interpolate(uniform, times, inner, method=method), expected)


def test_slerp_over_time_equals_scipy(rng):
    from scipy.spatial.transform import Slerp

    times, new_times = np.array([0.0, 0.5, 2.0, 2.25]), np.linspace(0, 2.25, 11)
    q = random_rotations(4, rng=rng)
    expected = Slerp(times, to_scipy(q))(new_times)
    assert_same_matrices(interpolate(q, times, new_times), expected)


@pytest.mark.parametrize("times", [[0.0, 1], [0.0, 1, 1], [2.0, 1, 0], [[0.0, 1, 2]]])
def test_times_that_do_not_increase_raise(times):
    q = np.eye(4)[:3]
    for call in (
        lambda: angular_velocity(q, times),
        lambda: interpolate(q, times, [0.5]),
        lambda: integrate_angular_velocity(np.ones((2, 3)), times, q[0]),
    ):
        with pytest.raises(ShapeError, match="increasing times"):
            call()
    with pytest.raises(ConfigError, match="slerp or squad"):
        interpolate(q, [0, 1, 2], [0.5], method="linear")
    with pytest.raises(ShapeError, match="equal shape"):
        align_vectors(np.ones((2, 3)), np.ones((3, 3)))
