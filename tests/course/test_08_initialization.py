"""Tests of chapter 8: initialization.

The initial weights keep the variance of signals constant across layers. For n input quaternions and weights w, the
variance of y = Σ w ⊗ x is n E|w|² times the variance of x. So E|w|² should be 1 / n. After a ReLU, which halves the
mean square, E|w|² should be 2 / n. In polar form, w = m (cos θ + u sin θ) with |w| = m. If m / s is chi-distributed
with 4 degrees of freedom, E|w|² = 4s². The real part then has the variance 2s², and each imaginary component 2/3 s².

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.strategies import seeds

from quatnet.nn.init import quaternion_polar, quaternion_unitary

# Worked examples


def test_fans_worked_example(fans):
    # A 3x3 kernel with 2 input and 6 output quaternions adds 9·2 products for one output.
    assert tuple(fans((4, 3, 3, 2, 6))) == (18, 54)
    assert tuple(fans((4, 5, 7))) == (5, 7)  # a linear layer has no kernel


def test_scales_worked_example(glorot_scale, he_scale):
    # The scales are 1 / sqrt(2 · 72) = 1/12 (Glorot) and 1 / sqrt(2 · 18) = 1/6 (He).
    assert glorot_scale((4, 3, 3, 2, 6)) == pytest.approx(1 / 12)
    assert he_scale((4, 3, 3, 2, 6)) == pytest.approx(1 / 6)
    # The scales of the linear layer are 1 / sqrt(2 (2 + 6)) and 1 / sqrt(2 · 2).
    assert (glorot_scale((4, 2, 6)), he_scale((4, 2, 6))) == (1 / 4, 1 / 2)


def test_polar_weights_worked_example(polar_weights):
    # The modulus is 5 with cos θ = 3/5 and sin θ = 4/5, so w = 3 + 4u. The axis (0, 2, 0) gives u = j.
    w = polar_weights(np.array([5.0]), np.array([np.arctan2(4.0, 3.0)]), np.array([[0.0], [2], [0]]))
    np.testing.assert_allclose(w[:, 0], [3, 0, 4, 0], atol=1e-12)


def test_output_variance_worked_example(output_variance):
    # For w = i, a component of w ⊗ x is one component of x with a sign: the variance does not change. Ten such terms
    # have ten times the variance.
    assert output_variance(1, 1.0, 3.0) == pytest.approx(3)
    assert output_variance(10, 1.0, 3.0) == pytest.approx(30)
    assert output_variance(10, 4.0, 3.0) == pytest.approx(120)  # for w = 2i


# Laws


@given(seeds)
def test_norm_of_polar_weights_is_the_modulus(polar_weights, seed):
    rng = np.random.default_rng(seed)
    modulus, angle, axis = rng.uniform(0.1, 2, (2, 3)), rng.uniform(-4, 4, (2, 3)), rng.standard_normal((3, 2, 3))
    w = polar_weights(modulus, angle, axis)
    assert w.shape == (4, 2, 3)
    np.testing.assert_allclose(np.sqrt((w**2).sum(axis=0)), modulus)
    np.testing.assert_allclose(w[0], modulus * np.cos(angle))


def test_component_variances_of_polar_weights(polar_weights, rng):
    # E m² = 4s² and E cos²θ = E sin²θ = 1/2, so the real part has the variance 2s². The imaginary part has the mean
    # square 2s², shared by three components: 2/3 s² each.
    count, scale = 100_000, 0.5
    modulus, angle = scale * np.sqrt(rng.chisquare(4, count)), rng.uniform(-np.pi, np.pi, count)
    w = polar_weights(modulus, angle, rng.uniform(-1, 1, (3, count)))
    expected = scale**2 * np.array([2, 2 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose((w**2).mean(axis=1), expected, rtol=0.03)


@given(st.integers(1, 9), st.integers(1, 64))
def test_glorot_scale_keeps_the_variance_for_equal_fans(glorot_scale, output_variance, taps, channels):
    scale = glorot_scale((4, taps, channels, channels))
    assert output_variance(taps * channels, 4 * scale**2, 1.0) == pytest.approx(1)


@given(st.integers(1, 9), st.integers(1, 64), st.integers(1, 64))
def test_he_scale_doubles_the_variance(he_scale, output_variance, taps, channels, outputs):
    # the ReLU before the layer has halved the mean square
    scale = he_scale((4, taps, channels, outputs))
    assert output_variance(taps * channels, 4 * scale**2, 1.0) == pytest.approx(2)


# Measured on random layers


def apply(w, x):
    """Return the sums over the input channels of w ⊗ x, for weights (4, C, O) and inputs (4, N, C)."""
    shape = (*x.shape, w.shape[2])
    w, x = np.broadcast_to(w[:, None], shape), np.broadcast_to(x[..., None], shape)
    return oracles.hamilton(w, x).sum(axis=2)


def test_output_variance_is_the_measured_one(output_variance, he_scale, rng):
    shape = (4, 64, 16)
    for initialize in (quaternion_polar, quaternion_unitary):
        y = apply(initialize(shape, he_scale(shape), rng=rng).astype(float), rng.standard_normal((4, 300, 64)))
        assert y.var() == pytest.approx(output_variance(64, 4 * he_scale(shape) ** 2, 1.0), rel=0.1)


def test_mean_square_after_four_relu_layers(he_scale, glorot_scale, rng):
    # Each layer follows a ReLU. The He scale keeps the mean square. The Glorot scale halves it in each layer.
    shape = (4, 32, 32)
    for scale, expected in ((he_scale, 1.0), (glorot_scale, 2.0**-4)):
        h = rng.standard_normal((4, 200, 32))
        for _ in range(4):
            h = apply(quaternion_polar(shape, scale(shape), rng=rng).astype(float), np.maximum(h, 0))
        assert (h**2).mean() == pytest.approx(expected, rel=0.5)
