"""Tests of chapter 15: exponentials, logarithms and rotations.

The exponential of an imaginary quaternion is a unit quaternion, e^(uθ) = cos θ + u sin θ. The map v -> q ⊗ v ⊗ q* of
a unit quaternion keeps lengths and angles, and products of quaternions are compositions of rotations. Slerp moves on
the shortest arc between two rotations with constant speed.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support import oracles
from support.right_multiplication import random_unit
from support.strategies import quaternions, seeds

ONE, UNIT_I, UNIT_J, UNIT_K = np.eye(4)
X, Y, Z = np.eye(3)
angles, shares = st.floats(-3, 3), st.floats(0, 1)


def assert_close(actual, expected, atol=1e-8):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=atol)


def to_scipy(q):
    return Rotation.from_quat(np.roll(q, -1))  # scipy has the order i, j, k, r


# Exponential and logarithm


def test_exp_worked_example(exp):
    # e^(jπ/2) = j, e^(1 + kπ) = -e, e^0 = 1
    assert_close(exp(np.pi / 2 * UNIT_J), UNIT_J)
    assert_close(exp(ONE + np.pi * UNIT_K), -np.e * ONE)
    assert_close(exp(np.zeros(4)), ONE)
    # v = (3, 0, 4) has the length 5
    expected = np.exp(2) * np.array([np.cos(5), 0.6 * np.sin(5), 0, 0.8 * np.sin(5)])
    assert_close(exp(np.array([2.0, 3, 0, 4])), expected)


def test_log_worked_example(log):
    # |2j| = 2 with the angle π/2; |-1 + i| = √2 with the angle 3π/4; log e = 1
    assert_close(log(2 * UNIT_J), np.log(2) * ONE + np.pi / 2 * UNIT_J)
    assert_close(log(np.array([-1.0, 1, 0, 0])), [np.log(2) / 2, 3 * np.pi / 4, 0, 0])
    assert_close(log(np.e * ONE), ONE)


@given(quaternions(2.0))
def test_exp_equals_the_power_series(exp, q):
    term, expected = ONE, np.zeros(4)
    for n in range(1, 40):
        expected = expected + term
        term = oracles.hamilton(term, q) / n
    assert_close(exp(q), expected)


@given(quaternions(3.0))
def test_exp_of_log(exp, log, q):
    assume(np.abs(q).max() > 1e-3)
    assume(q[0] > 0 or np.abs(q[1:]).max() > 1e-3)
    assert_close(exp(log(q)), q)


# Rotations


def test_rotation_worked_example(rotate, from_axis_angle):
    # A quarter turn about z maps x to y, and y to -x. The length of the direction does not matter.
    q = from_axis_angle(3 * Z, np.pi / 2)
    assert_close(q, np.sqrt(0.5) * (ONE + UNIT_K))
    assert_close(rotate(q, X), Y)
    assert_close(rotate(q, Y), -X)
    # The rotation by 120° about (1, 1, 1) exchanges x -> y -> z -> x.
    assert_close(from_axis_angle(np.ones(3), 2 * np.pi / 3), np.full(4, 0.5))
    assert_close(rotate(np.full(4, 0.5), np.array([1.0, 2, 3])), [3, 1, 2])


def test_matrix_worked_example(to_matrix):
    # the columns are the rotated vectors x, y, z
    assert_close(to_matrix(np.sqrt(0.5) * (ONE + UNIT_K)), [[0, -1, 0], [1, 0, 0], [0, 0, 1]])


@given(seeds, seeds)
def test_rotation_keeps_lengths_and_angles(rotate, seed, other):
    # |q v q*| = |q| |v| |q*| = |v|, because norms multiply; scalar products follow from lengths
    v, w = np.random.default_rng(seed).standard_normal((2, 3))
    q = random_unit(other)
    assert_close(rotate(q, v) @ rotate(q, w), v @ w)
    assert_close(rotate(-q, v), rotate(q, v))  # q and -q are the same rotation


@given(seeds, seeds)
def test_product_is_the_composition_of_rotations(rotate, to_matrix, seed, other):
    p, q, v = random_unit(seed), random_unit(other), np.array([1.0, 2, 3])
    assert_close(rotate(oracles.hamilton(p, q), v), rotate(p, rotate(q, v)))
    assert_close(to_matrix(oracles.hamilton(p, q)), to_matrix(p) @ to_matrix(q))


@given(seeds, angles)
def test_rotation_is_an_exponential(exp, from_axis_angle, seed, angle):
    direction = np.random.default_rng(seed).standard_normal(3)
    unit = direction / np.linalg.norm(direction)
    assert_close(from_axis_angle(direction, angle), exp(np.array([0, *(unit * angle / 2)])))


@given(seeds)
def test_rotation_equals_scipy(rotate, to_matrix, seed):
    q, v = random_unit(seed), np.array([1.0, 2, 3])
    assert_close(rotate(q, v), to_scipy(q).apply(v))
    assert_close(to_matrix(q), to_scipy(q).as_matrix())


# Interpolation


def test_slerp_worked_example(slerp):
    # Ω = π/2 between 1 and k. A third of the path is the angle π/6: cos π/6 + k sin π/6.
    assert_close(slerp(ONE, UNIT_K, 1 / 3), np.cos(np.pi / 6) * ONE + np.sin(np.pi / 6) * UNIT_K)
    # from 1 to -(1 + k)/√2, which is the same rotation as (1 + k)/√2
    end = np.sqrt(0.5) * (ONE + UNIT_K)
    assert_close(slerp(ONE, -end, 0.5), np.cos(np.pi / 8) * ONE + np.sin(np.pi / 8) * UNIT_K)


@given(seeds, seeds, shares)
def test_slerp_has_constant_speed(slerp, seed, other, t):
    p, q = random_unit(seed), random_unit(other)
    assume(abs(p @ q) < 0.99)
    at_t = slerp(p, q, t)
    assert_close(at_t @ at_t, 1.0)
    omega = np.arccos(abs(p @ q))
    assert_close(p @ at_t, np.cos(t * omega))
    assert_close(abs(q @ at_t), np.cos((1 - t) * omega))


@given(seeds, seeds, shares)
def test_slerp_is_a_power_of_the_change(slerp, exp, log, seed, other, t):
    # slerp(p, q, t) = p (p* q)^t, with the power e^(t log ...)
    p, q = random_unit(seed), random_unit(other)
    q = -q if p @ q < 0 else q
    assume(p @ q < 0.99)
    change = oracles.hamilton(p * np.array([1, -1, -1, -1]), q)
    assert_close(slerp(p, q, t), oracles.hamilton(p, exp(t * log(change))))
