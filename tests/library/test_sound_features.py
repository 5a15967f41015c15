"""Tests of the steps from a waveform to quaternion features.

The steps are reading and resampling, the power spectrogram (short-time Fourier transform), the mel filterbank, the
conversion to decibels, and the delta features. The four components of a quaternion are the log-mel value and its first,
second and third delta. Each step is compared with a worked example and with loops that follow the formula of the step.
The mel spectrogram is also compared with librosa. The last section tests the augmentation of training batches.
"""

import cmath
import math

import numpy as np
import pytest
import scipy.signal
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quatnet.audio import (
    FrontEnd,
    deltas,
    fix_length,
    log_mel,
    mel_filterbank,
    mixup,
    read,
    resample,
    spec_augment,
    stft_power,
    time_shift,
)
from quatnet.audio.polyphase import resample_poly
from quatnet.errors import ConfigError, DataError, ShapeError

MEL = {"sample_rate_hz": 32000, "window": 1024, "mels": 64, "low_hz": 50.0, "high_hz": 14000.0}
seeds = st.integers(0, 2**32 - 1)


def sine(hz, sample_rate_hz, seconds=1.0, level=0.5):
    t = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def noise(samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


# Reading


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_U8", 1 / 128),  # 8 bits per sample give steps of 2 / 256
        ("a.wav", "PCM_16", 1e-4),
        ("a.wav", "PCM_24", 1e-6),
        ("a.wav", "FLOAT", 0),
        ("a.flac", "PCM_16", 1e-4),
        ("a.ogg", "VORBIS", 0.05),  # Vorbis is a lossy format
    ],
)
def test_read_formats(tmp_path, name, subtype, error):
    x = sine(440, 22050)
    soundfile.write(tmp_path / name, x, 22050, subtype=subtype)
    y, sample_rate_hz = read(tmp_path / name)
    assert (y.dtype, y.shape, sample_rate_hz) == (np.float32, x.shape, 22050)
    np.testing.assert_allclose(y, x, rtol=0, atol=error)


def test_read_averages_channels(tmp_path):
    left, right = [0.5, -0.25, 1.0], [0.25, -0.25, 0.0]
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 8000, subtype="FLOAT")
    np.testing.assert_array_equal(read(str(tmp_path / "a.wav"))[0], [0.375, -0.25, 0.5])


def test_read_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"missing\.wav: no such file"):
        read(tmp_path / "missing.wav")


@pytest.mark.parametrize("name", ["bad.wav", "bad.flac", "bad.raw", "bad"])
def test_read_unreadable_file(tmp_path, name):
    (tmp_path / name).write_bytes(b"not an audio file" * 100)
    with pytest.raises(DataError, match=rf"{name}: cannot be read as audio"):
        read(tmp_path / name)


def test_read_empty_file(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")  # the file has no header
    soundfile.write(tmp_path / "header.wav", np.zeros(0), 8000)  # the file has a header and no samples
    with pytest.raises(DataError, match=r"empty\.wav"):
        read(tmp_path / "empty.wav")
    with pytest.raises(DataError, match=r"header\.wav: .*0 samples"):
        read(tmp_path / "header.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_read_non_finite_samples(tmp_path, value):
    soundfile.write(tmp_path / "invalid.wav", np.array([0.1, value], np.float32), 8000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"invalid\.wav: .*NaN or infinity"):
        read(tmp_path / "invalid.wav")


# Resampling and length


@pytest.mark.parametrize("from_hz", [8000, 11025, 22050, 44100, 48000])
def test_resample_preserves_frequency_and_level(from_hz):
    y = resample(sine(440, from_hz), from_hz, 32000)
    # the tolerance is 1 % of the level 0.5
    np.testing.assert_allclose(y[1000:-1000], sine(440, 32000)[1000:-1000], atol=5e-3)


def test_resample_removes_frequencies_above_nyquist():
    y = resample(
        sine(7000, 32000), 32000, 8000
    )  # the Nyquist frequency is 4000 Hz, so without a filter the tone would be aliased to 1000 Hz
    assert np.abs(y[100:-100]).max() < 0.5 * 1e-2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("up", "down", "samples"),
    [
        (320, 441, 20000),
        (441, 160, 999),
        (2, 1, 50),
        (1, 2, 51),
        (7, 3, 20),
        (4, 125, 9000),
        (997, 1000, 300),
        (3, 2, 1),
    ],
)
def test_resample_poly_as_scipy(up, down, samples, dtype):
    x = np.random.default_rng(0).standard_normal(samples).astype(dtype)
    y, expected = resample_poly(x, up, down), scipy.signal.resample_poly(x, up, down)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=0, atol=10 * np.finfo(dtype).eps * np.abs(expected).max())


def test_resample_with_equal_rates():
    x = noise(100)
    assert resample(x, 44100, 44100) is x


@given(st.integers(1, 3000), st.sampled_from([7, 160, 441, 1000]), st.sampled_from([3, 160, 320]))
@settings(deadline=None, max_examples=50)
def test_resample_length_and_dtype(samples, from_hz, to_hz):
    for dtype in (np.float32, np.float64):
        y = resample(np.ones(samples, dtype), from_hz, to_hz)
        assert (len(y), y.dtype) == (math.ceil(samples * to_hz / from_hz), dtype)


@pytest.mark.parametrize("rate", [0, -1, 44100.0, None])
def test_resample_rejects_invalid_rates(rate):
    with pytest.raises(ConfigError, match="from_hz"):
        resample(noise(10), rate, 32000)


def test_fix_length():
    x = np.array([1, 2, 3], np.float32)
    np.testing.assert_array_equal(fix_length(x, 2), [1, 2])
    np.testing.assert_array_equal(fix_length(x, 5), [1, 2, 3, 0, 0])
    assert fix_length(x, 5).dtype == np.float32
    with pytest.raises(ConfigError, match="samples"):
        fix_length(x, 0)


# Power spectrogram


def test_stft_power_of_cosine():
    # For window = 4, the Hann window is h = 0, 1/2, 1, 1/2. The signal is x = 1, 0, -1, 0, 1, ...
    # The frame centered on sample 4 is -1, 0, 1, 0. The windowed frame is the impulse 0, 0, 1, 0.
    # So |X|² = 1 in all three bins.
    x = np.array([1, 0, -1, 0, 1, 0, -1, 0, 1], np.float32)
    np.testing.assert_allclose(stft_power(x, window=4, hop=4)[1], [1, 1, 1], atol=1e-6)


def test_stft_power_of_constant():
    # Bin 0 is the sum of the Hann window, 8 / 2 = 4, squared: 16.
    # Bin 1 is the coefficient of the cosine term of the window, -4 / 2, squared: 4. The other bins are 0.
    power = stft_power(np.ones(32, np.float32), window=8, hop=4)
    np.testing.assert_allclose(power, np.broadcast_to([16, 4, 0, 0, 0], (9, 5)), atol=1e-5)


@given(st.integers(17, 400), st.sampled_from([2, 8, 32]), st.integers(1, 50))
@settings(deadline=None, max_examples=50)
def test_stft_power_shape_and_dtype(samples, window, hop):
    power = stft_power(noise(samples), window=window, hop=hop)
    assert (power.shape, power.dtype) == ((1 + samples // hop, window // 2 + 1), np.float32)


def test_stft_power_shape_of_ten_seconds():
    assert stft_power(noise(320000)).shape == (1001, 513)


def stft_in_loops(x, window, hop):
    half, last = window // 2, len(x) - 1
    power = np.zeros((1 + len(x) // hop, half + 1))
    for t in range(len(power)):
        for f in range(half + 1):
            total = 0j
            for n in range(window):
                index = abs(t * hop + n - half)  # reflects the index at the first sample
                index = last - abs(last - index)  # reflects the index at the last sample
                h = 0.5 - 0.5 * math.cos(2 * math.pi * n / window)
                total += h * float(x[index]) * cmath.exp(-2j * math.pi * f * n / window)
            power[t, f] = abs(total) ** 2
    return power


def test_stft_power_matches_loops():
    for samples, window, hop in [(50, 16, 5), (61, 16, 8), (9, 16, 3)]:
        x = noise(samples)
        expected = stft_in_loops(x, window, hop)
        np.testing.assert_allclose(stft_power(x, window=window, hop=hop), expected, atol=1e-6 * expected.max())


def test_stft_power_rejects_short_waveforms():
    assert stft_power(noise(513)).shape == (2, 513)
    with pytest.raises(DataError, match="more than 512 samples"):
        stft_power(noise(512))


# Mel filterbank


def test_mel_filters_have_area_one():
    # The bins are 1 Hz apart, so the sum over the bins is the integral over frequency.
    filters = mel_filterbank(sample_rate_hz=32000, window=32000, mels=40, low_hz=50.0, high_hz=14000.0)
    np.testing.assert_allclose(filters.sum(axis=0), 1, atol=1e-3)


def mel_in_loops(sample_rate_hz, window, mels, low_hz, high_hz):
    def to_mel(hz):
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000, 6.4)

    def to_hz(mel):
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    step = (to_mel(high_hz) - to_mel(low_hz)) / (mels + 1)
    edges = [to_hz(to_mel(low_hz) + m * step) for m in range(mels + 2)]
    filters = np.zeros((window // 2 + 1, mels))
    for m in range(mels):
        a, b, c = edges[m : m + 3]
        for n in range(window // 2 + 1):
            hz = n * sample_rate_hz / window
            height = (hz - a) / (b - a) if a <= hz <= b else (c - hz) / (c - b) if b < hz <= c else 0
            filters[n, m] = height * 2 / (c - a)
    return filters


def test_mel_filterbank_matches_loops():
    np.testing.assert_allclose(mel_filterbank(**MEL), mel_in_loops(**MEL), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("hz", [100, 440, 1000, 5000, 12000])
def test_sine_peaks_in_mel_bin_of_its_frequency(hz):
    gains = mel_in_loops(**MEL)[round(hz * 1024 / 32000)]  # gain of each mel filter at the bin nearest to the frequency
    energies = log_mel(stft_power(sine(hz, 32000)), mel_filterbank(**MEL))[50]
    assert gains[energies.argmax()] >= 0.3 * gains.max() > 0


def test_log_mel_worked_example():
    # With a filter of gain 1, the powers 1, 10 and 0 have the levels 0 dB, 10 dB and -100 dB (the floor 1e-10).
    energies = log_mel(np.array([[1.0], [10.0], [0.0]]), np.ones((1, 1)))
    np.testing.assert_allclose(energies, [[0], [10], [-100]])


def test_log_mel_rejects_different_bins():
    with pytest.raises(ShapeError, match="equal bins"):
        log_mel(np.ones((3, 513)), np.ones((257, 64)))


def test_mel_filterbank_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        mel_filterbank(**MEL)[0, 0] = 1


@pytest.mark.parametrize(("sample_rate_hz", "window", "hop", "mels"), [(32000, 1024, 320, 64), (22050, 512, 200, 40)])
def test_mel_spectrogram_matches_librosa(sample_rate_hz, window, hop, mels):
    librosa = pytest.importorskip("librosa", reason="librosa is not installed")
    x = noise(sample_rate_hz)
    band = {
        "sample_rate_hz": sample_rate_hz,
        "window": window,
        "mels": mels,
        "low_hz": 50.0,
        "high_hz": 11000.0,
    }
    actual = stft_power(x, window=window, hop=hop) @ mel_filterbank(**band)
    expected = librosa.feature.melspectrogram(
        y=x, sr=sample_rate_hz, n_fft=window, hop_length=hop, window="hann", center=True, pad_mode="reflect",
        power=2, htk=False, norm="slaney", n_mels=mels, fmin=50.0, fmax=11000.0,
    )  # fmt: skip
    np.testing.assert_allclose(actual, expected.T, rtol=1e-4)


# Delta features

features = hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.floats(-100, 100))


def test_deltas_of_constant():
    np.testing.assert_array_equal(deltas(np.full((7, 2), 3.0)), np.zeros((7, 2)))


def test_deltas_of_ramp():
    # For a ramp c with the slope s, the delta of an inner frame is (1 (s - -s) + 2 (2s - -2s)) / 10 = s.
    # For the first frame, c_-1 = c_-2 = c_0, so the delta is (s + 2·2s) / 10 = s/2.
    ramp = 3.0 * np.arange(8)[:, None]
    np.testing.assert_allclose(deltas(ramp)[:, 0], [1.5, 2.4, 3, 3, 3, 3, 2.4, 1.5])


@given(features, st.floats(-5, 5), st.floats(-5, 5))
def test_deltas_are_linear(c, a, b):
    d = c[::-1] ** 2 / 100
    np.testing.assert_allclose(deltas(a * c + b * d), a * deltas(c) + b * deltas(d), atol=1e-9)


@given(features)
def test_deltas_match_loops(c):
    expected = np.zeros_like(c)
    for t in range(len(c)):
        for n in (1, 2):
            expected[t] += n * (c[min(t + n, len(c) - 1)] - c[max(t - n, 0)]) / 10
    np.testing.assert_allclose(deltas(c), expected, atol=1e-9)


def test_deltas_dtype_and_empty_input():
    assert deltas(np.ones((4, 2), np.float32)).dtype == np.float32
    with pytest.raises(ShapeError, match="at least one frame"):
        deltas(np.ones((0, 64)))


# Front end


def test_components_are_log_mel_and_deltas():
    x = noise(32000 * 5)
    r, i, j, k = np.moveaxis(FrontEnd()(x, 32000), -1, 0)
    np.testing.assert_array_equal(r, log_mel(stft_power(x), mel_filterbank(**MEL)))
    for component, previous in [(i, r), (j, i), (k, j)]:
        np.testing.assert_array_equal(component, deltas(previous))


@given(st.integers(1, 60000), st.sampled_from([8000, 44100]), st.sampled_from([160, 320]))
@settings(deadline=None, max_examples=20)
def test_front_end_shape_and_dtype(samples, sample_rate_hz, hop):
    front_end = FrontEnd(clip_seconds=0.5, hop=hop)
    y = front_end(noise(samples).astype(np.float64), sample_rate_hz)
    assert (y.shape, y.dtype) == ((front_end.frames, 64, 4), np.float32)
    assert np.isfinite(y).all()


def test_front_end_frames():
    assert FrontEnd().frames == 501  # the number of frames is 1 + 5 · 32000 / 320
    assert FrontEnd(clip_seconds=10).frames == 1001


def test_front_end_of_silence():
    y = FrontEnd(clip_seconds=0.5)(np.zeros(100, np.float32), 8000)
    np.testing.assert_allclose(y[..., 0], -100, rtol=1e-6)
    np.testing.assert_array_equal(y[..., 1:], 0)


def test_doubled_level_adds_six_decibels_and_keeps_deltas():
    x = noise(16000)
    front_end = FrontEnd(clip_seconds=0.5)
    change = front_end(2 * x, 32000) - front_end(x, 32000)
    np.testing.assert_allclose(change, np.broadcast_to([20 * math.log10(2), 0, 0, 0], change.shape), atol=1e-4)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("high_hz", 16001.0, "half the sample rate"),
        ("low_hz", -1.0, "low_hz"),
        ("low_hz", 14000.0, "low_hz < high_hz"),
        ("low_hz", math.nan, "low_hz"),
        ("hop", 0, "hop"),
        ("hop", 320.0, "integer"),
        ("window", 1023, "even"),
        ("window", 0, "window"),
        ("mels", 0, "mels"),
        ("mels", 500, "fewer mels"),
        ("sample_rate_hz", 0, "sample_rate_hz"),
        ("clip_seconds", 0.016, "clip_seconds"),  # 512 samples are half a window
        ("clip_seconds", math.inf, "clip_seconds"),
        ("clip_seconds", math.nan, "clip_seconds"),
    ],
)
def test_front_end_rejects_invalid_settings(setting, value, message):
    with pytest.raises(ConfigError, match=message):
        FrontEnd(**{setting: value})


@pytest.mark.parametrize(
    ("waveform", "error", "message"),
    [
        (np.zeros(0, np.float32), DataError, "no samples"),
        (np.array([0.0, np.nan]), DataError, "NaN"),
        (np.array([0.0, np.inf]), DataError, "infinity"),
        (np.zeros((2, 100)), ShapeError, "mono"),
        (np.zeros(100, np.int16), ShapeError, "int16"),
    ],
)
def test_front_end_rejects_invalid_waveforms(waveform, error, message):
    with pytest.raises(error, match=message):
        FrontEnd()(waveform, 44100)


# Augmentation

batches = st.builds(
    lambda seed, shape, dtype: np.random.default_rng(seed).standard_normal((*shape, 4)).astype(dtype),
    seeds,
    st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 12)),
    st.sampled_from([np.float32, np.float64]),
)


def one_hot(classes):
    return np.eye(5, dtype=np.float32)[classes]


@given(batches, seeds)
@settings(deadline=None)
def test_augmentation_is_deterministic_and_copies(x, seed):
    t, before = one_hot(np.arange(len(x)) % 5), x.copy()
    for augment in (spec_augment, time_shift, lambda x, rng: mixup(x, t, rng=rng, alpha=0.4)[0]):
        y = augment(x, rng=np.random.default_rng(seed))
        assert (y.shape, y.dtype) == (x.shape, x.dtype)
        assert not np.shares_memory(x, y)
        np.testing.assert_array_equal(x, before)
        np.testing.assert_array_equal(y, augment(x, rng=np.random.default_rng(seed)))


@given(batches, seeds)
@settings(deadline=None)
def test_spec_augment_fills_masks_with_mean(x, seed):
    y = spec_augment(x, rng=np.random.default_rng(seed), num_masks=2, max_frames=4, max_mels=3)
    for before, after in zip(x, y, strict=True):
        masked = (after != before).any(axis=-1)
        mean = before.mean(axis=(0, 1))
        np.testing.assert_allclose(after[masked], np.broadcast_to(mean, after[masked].shape), atol=1e-5)
        rows, columns = masked.all(axis=1), masked.all(axis=0)  # every masked cell is in a fully masked row or column
        np.testing.assert_array_equal(masked, rows[:, None] | columns)
        if before.shape[0] > 6 and before.shape[1] > 4:  # in smaller clips, the masks can cover the whole clip
            assert rows.sum() <= 2 * 3
            assert columns.sum() <= 2 * 2


def test_spec_augment_mask_widths_and_positions():
    x = np.tile(noise(20 * 10 * 4).reshape(1, 20, 10, 4), (300, 1, 1, 1))
    y = spec_augment(x, rng=np.random.default_rng(0), num_masks=1, max_frames=5, max_mels=4)
    masked = (y != x).any(axis=-1)
    rows, columns = masked.all(axis=2), masked.all(axis=1)
    assert set(rows.sum(axis=1)) == {0, 1, 2, 3, 4}
    assert set(columns.sum(axis=1)) == {0, 1, 2, 3}
    assert rows.any(axis=0).all()
    assert columns.any(axis=0).all()


def test_mixup_worked_example():
    # One clip is 0 and the other is 1. Each mixed clip is constant and equal to the weight of the second clip.
    x = np.stack([np.zeros((2, 3, 4)), np.ones((2, 3, 4))])
    y, t = mixup(x, np.eye(2), rng=np.random.default_rng(3), alpha=1.0)
    assert (t != np.eye(2)).any(), "the permutation of this seed must swap the two clips"
    for n in range(2):
        np.testing.assert_allclose(y[n], np.full((2, 3, 4), t[n, 1]))


@given(batches, seeds, st.sampled_from([0.2, 1.0, 5.0]))
@settings(deadline=None)
def test_mixup_is_convex(x, seed, alpha):
    y, t = mixup(x, one_hot(np.arange(len(x)) % 5), rng=np.random.default_rng(seed), alpha=alpha)
    assert (y >= x.min(axis=0) - 1e-5).all()
    assert (y <= x.max(axis=0) + 1e-5).all()
    assert (y.dtype, t.dtype) == (x.dtype, np.float32)
    assert (t >= 0).all()
    np.testing.assert_allclose(t.sum(axis=1), 1, atol=1e-6)


def test_mixup_draws_lambda_per_clip():
    t = mixup(np.zeros((200, 1, 1, 4)), np.eye(200), rng=np.random.default_rng(0), alpha=1.0)[1]
    weights = np.diag(t)
    assert len(np.unique(weights)) > 190
    assert abs(weights.mean() - 0.5) < 0.1  # the mean of Beta(1, 1) is 0.5


@given(batches, seeds)
@settings(deadline=None)
def test_time_shift_rolls_each_clip(x, seed):
    for before, after in zip(x, time_shift(x, rng=np.random.default_rng(seed)), strict=True):
        assert any((np.roll(before, s, axis=0) == after).all() for s in range(len(before)))


def test_time_shift_covers_all_shifts():
    x = np.tile(np.arange(6.0)[:, None, None], (200, 1, 1, 4))
    assert set(time_shift(x, rng=np.random.default_rng(0))[:, 0, 0, 0]) == set(range(6))


X, T = np.zeros((2, 5, 6, 4), np.float32), np.eye(2)


@pytest.mark.parametrize("x", [X[0], X[..., :3], X.astype(int)])
def test_augmentation_rejects_invalid_batches(x):
    for augment in (spec_augment, time_shift, lambda x, rng: mixup(x, T, rng=rng, alpha=1.0)):
        with pytest.raises(ShapeError, match="expected a float batch"):
            augment(x, rng=np.random.default_rng(0))


def test_augmentation_rejects_invalid_settings():
    rng = np.random.default_rng(0)
    for invalid in ({"num_masks": 0}, {"max_frames": 0}, {"max_mels": 1.5}):
        with pytest.raises(ConfigError, match="integer"):
            spec_augment(X, rng=rng, **invalid)
    for alpha in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="alpha"):
            mixup(X, T, rng=rng, alpha=alpha)
    for targets in (T[:1], T[0]):
        with pytest.raises(ShapeError, match=r"targets \(2, classes\)"):
            mixup(X, targets, rng=rng, alpha=1.0)
    with pytest.raises(ShapeError, match="at least one frame"):
        time_shift(X[:, :0], rng=rng)
