"""Tests of chapter 11: sound to quaternions.

A mel filterbank sums the power of neighboring frequencies. The logarithm gives levels in dB. The deltas, which are
slopes over five frames, of first, second and third order are the imaginary components of one quaternion for each frame
and mel bin.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import seeds

from quatnet.audio.spectrogram import mel_filterbank, mel_to_hz


def assert_close(actual, expected, rtol=1e-6):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-9)


# Mel filters


def test_hz_to_mel_worked_example(hz_to_mel):
    # 200 Hz are 3 mel, 1000 Hz are 15 mel, and a factor of 6.4 adds 27 mel
    assert_close(hz_to_mel(np.array([0.0, 200, 1000, 6400, 6400 * 6.4])), [0, 3, 15, 42, 69])


@given(st.floats(0, 20_000))
def test_hz_to_mel_is_the_inverse_of_mel_to_hz(hz_to_mel, hz):
    assert mel_to_hz(hz_to_mel(np.array([hz])))[0] == pytest.approx(hz, abs=1e-6)


def test_mel_filters_worked_example(mel_filters):
    # The filter from 0 Hz over 100 Hz to 400 Hz has the peak 2 / 400. It has half of the peak at 50 Hz and at 250 Hz.
    filters = mel_filters(np.array([0.0, 50, 100, 250, 400, 500]), np.array([0.0, 100, 400]))
    assert_close(filters, np.array([[0, 0.5, 1, 0.5, 0, 0]]).T * 2 / 400)


def test_mel_filters_have_area_one(mel_filters):
    bins = np.arange(0.0, 1001)
    filters = mel_filters(bins, np.array([0.0, 100, 300, 600, 1000]))
    assert_close(filters.sum(axis=0), np.ones(3))


def test_mel_filters_equal_the_filterbank_of_quatnet(hz_to_mel, mel_filters):
    edges = mel_to_hz(np.linspace(*hz_to_mel(np.array([50.0, 14_000.0])), 66))
    bins = np.arange(513) * 32_000 / 1024
    expected = mel_filterbank(sample_rate_hz=32_000, window=1024, mels=64, low_hz=50.0, high_hz=14_000.0)
    np.testing.assert_allclose(mel_filters(bins, edges), expected, rtol=1e-4, atol=1e-7)


# Log-mel spectrogram


def test_log_mel_worked_example(log_mel):
    # 100 is 20 dB, 1 + 9 = 10 is 10 dB, and silence has the level of the floor
    filterbank = np.array([[1.0], [1.0]])
    assert_close(log_mel(np.array([[100.0, 0], [1, 9], [0, 0]]), filterbank, -100.0), [[20], [10], [-100]])
    assert_close(log_mel(np.array([[100.0, 0], [1, 9], [0, 0]]), filterbank, 10.0), [[20], [10], [10]])


@given(seeds)
def test_double_amplitude_adds_six_decibels(log_mel, deltas, seed):
    # twice the amplitude is four times the power, 10 log10(4) = 6.02 dB; the deltas do not change
    power, filterbank = np.random.default_rng(seed).uniform(0.1, 1, (2, 6, 6))
    levels, louder = log_mel(power, filterbank, -100.0), log_mel(4 * power, filterbank, -100.0)
    assert_close(louder - levels, np.full((6, 6), 10 * np.log10(4)))
    np.testing.assert_allclose(deltas(louder), deltas(levels), atol=1e-6)


# Deltas


def test_deltas_of_one_pulse(deltas):
    # A pulse at frame 3 is at the distances +2, +1, -1, -2 from the frames 1, 2, 4, 5.
    pulse = np.array([0.0, 0, 0, 10, 0, 0, 0])[:, None]
    assert_close(deltas(pulse), np.array([[0.0, 2, 1, 0, -1, -2, 0]]).T)


def test_deltas_of_a_ramp(deltas):
    # The slope of a ramp is 1. At the first frame, the two frames before are repetitions: (1 + 2·2) / 10 = 0.5, and
    # at the second frame (2 + 2 (3 - 0)) / 10 = 0.8.
    ramp = np.arange(6.0)[:, None] * [1, 2]
    assert_close(deltas(ramp), np.array([[0.5, 0.8, 1, 1, 0.8, 0.5]]).T * [1, 2])


@given(seeds, st.floats(-3, 3), st.floats(-3, 3))
def test_deltas_are_linear(deltas, seed, a, b):
    c, d = np.random.default_rng(seed).standard_normal((2, 7, 3))
    assert_close(deltas(a * c + b * d), a * deltas(c) + b * deltas(d))


@given(seeds, st.integers(1, 8))
def test_deltas_equal_loops(deltas, seed, frames):
    c = np.random.default_rng(seed).standard_normal((frames, 2))
    expected = np.zeros((frames, 2))
    for t in range(frames):
        for n in (1, 2):
            expected[t] += n * (c[min(t + n, frames - 1)] - c[max(t - n, 0)]) / 10
    assert_close(deltas(c), expected)


# Quaternions


def test_quaternion_features_of_a_parabola(quaternion_features):
    # away from the ends, the deltas of t² are 2t, their deltas 2, and their deltas 0
    t = np.arange(20.0)
    features = quaternion_features((t**2)[:, None])
    assert features.shape == (20, 1, 4)
    assert_close(features[8:12, 0], np.stack([t**2, 2 * t, 2 + 0 * t, 0 * t], axis=-1)[8:12])


@given(seeds)
def test_components_are_deltas_of_each_other(quaternion_features, deltas, seed):
    features = quaternion_features(np.random.default_rng(seed).standard_normal((6, 3)))
    for component in range(3):
        assert_close(features[..., component + 1], deltas(features[..., component]))
