"""From a waveform to features: power spectrogram, mel filterbank, decibels, and differences along time."""

from functools import lru_cache

import numpy as np
from scipy.fft import rfft

from ..errors import ConfigError, DataError, ShapeError
from .read import checked_count, checked_waveform


def stft_power(waveform: np.ndarray, *, window: int = 1024, hop: int = 320) -> np.ndarray:
    """Short-time Fourier transform: |X|² of overlapping frames, each centered on its time.

    X[t, f] = Σ_n h[n] x[t·hop + n - window/2] e^(-2πi f n / window), h[n] = ½ - ½ cos(2πn / window) (the
    periodic Hann window), and x reflected at both ends without repeating the end sample.

    Parameters
    ----------
    waveform : float array (samples,), more than window / 2 samples
    window, hop : samples; `window` is even

    Returns
    -------
    float32 array (1 + samples // hop, window // 2 + 1): frames, bins

    Raises
    ------
    ShapeError, DataError
        As `checked_waveform`; DataError also if the waveform is too short to be reflected.
    ConfigError
        `window` or `hop` cannot work.
    """
    check_frames(window, hop)
    waveform = checked_waveform(waveform).astype(np.float32, copy=False)
    if len(waveform) <= window // 2:
        raise DataError(
            f"expected more than {window // 2} samples for a window of {window}, got {len(waveform)}; "
            "pad the waveform with fit_length"
        )
    padded = np.pad(waveform, window // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]  # (frames, window), a view
    spectrum = rfft(frames * hann(window), overwrite_x=True)
    return spectrum.real**2 + spectrum.imag**2


def check_frames(window: int, hop: int) -> None:
    """Raise ConfigError unless `hop` >= 1 and `window` is even and >= 2, both in whole samples."""
    checked_count("hop", hop)
    if checked_count("window", window) % 2:
        raise ConfigError(f"window must be an even number of samples, got {window}; {window + 1} would do")


@lru_cache(maxsize=8)
def hann(window: int) -> np.ndarray:
    """Return the periodic Hann window h[n] = ½ - ½ cos(2πn / window): float32 (window,), read-only."""
    return _read_only(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window))


def _read_only(array: np.ndarray) -> np.ndarray:
    """As float32; locked, since a cache hands the same array to everyone."""
    array = array.astype(np.float32)
    array.flags.writeable = False
    return array


@lru_cache(maxsize=8)
def mel_filterbank(*, sample_rate_hz: int, window: int, mels: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Triangular filters, equally wide on the Slaney mel scale, each with area 1 over frequency in Hz.

    Filter m rises from edge e_m to e_{m+1} and falls to e_{m+2}; its peak is 2 / (e_{m+2} - e_m). The
    mels + 2 edges are equally spaced in mel from `low_hz` to `high_hz`.

    Returns
    -------
    float32 array (window // 2 + 1, mels): bins, mels; read-only, since it is cached

    Raises
    ------
    ConfigError
        Not 0 <= low_hz < high_hz <= sample_rate_hz / 2, or a filter falls between two bins.

    Source: M. Slaney, Auditory Toolbox, version 2, 1998.
    """
    nyquist_hz = checked_count("sample_rate_hz", sample_rate_hz) / 2
    if not 0 <= low_hz < high_hz <= nyquist_hz:
        raise ConfigError(
            f"expected 0 <= low_hz < high_hz <= half the sample rate, {nyquist_hz}, got {low_hz=}, {high_hz=}"
        )
    bins_hz = np.arange(checked_count("window", window) // 2 + 1)[:, None] * sample_rate_hz / window
    edges_mel = np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), checked_count("mels", mels) + 2)
    left, centre, right = (mel_to_hz(edges_mel)[m : m + mels] for m in range(3))
    triangles = np.minimum((bins_hz - left) / (centre - left), (right - bins_hz) / (right - centre)).clip(0)
    if empty := int((triangles.max(axis=0) == 0).sum()):
        raise ConfigError(f"{empty} of {mels} mel filters hold no bin; use fewer mels or a longer window")
    return _read_only(2 * triangles / (right - left))


def hz_to_mel(hz: float | np.ndarray) -> np.ndarray:
    """Slaney's scale: 3 mel per 200 Hz up to 1000 Hz = 15 mel, then 27 mel for each factor of 6.4."""
    return np.minimum(hz, 1000) * 3 / 200 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4)


def mel_to_hz(mel: float | np.ndarray) -> np.ndarray:
    """Return the frequency in Hz of a place on Slaney's scale: the inverse of `hz_to_mel`."""
    return np.minimum(mel, 15) * 200 / 3 * 6.4 ** ((np.maximum(mel, 15) - 15) / 27)


def log_mel(power: np.ndarray, filterbank: np.ndarray, *, floor_db: float = -100.0) -> np.ndarray:
    """Mel energies in decibels: 10 log10(max(power @ filterbank, 10^(floor_db / 10))).

    Parameters
    ----------
    power : array (frames, bins)
    filterbank : array (bins, mels)
    floor_db : the least level; digital silence has none of its own

    Raises
    ------
    ShapeError
        The numbers of bins differ.
    """
    if power.ndim != 2 or filterbank.ndim != 2 or power.shape[1] != filterbank.shape[0]:
        raise ShapeError(
            "expected power (frames, bins) and filterbank (bins, mels) with equal bins, "
            f"got {power.shape} and {filterbank.shape}; use the same window for both"
        )
    return 10 * np.log10(np.maximum(power @ filterbank, np.float32(10 ** (floor_db / 10))))


def deltas(features: np.ndarray) -> np.ndarray:
    """Slope along time (axis 0), by linear regression over five frames; the edge frames are repeated.

    d_t = Σ_{n=1,2} n (c_{t+n} - c_{t-n}) / 10, c = `features` (frames, ...); shape and dtype stay.

    Raises
    ------
    ShapeError
        `features` has no frames.
    """
    if features.ndim == 0 or len(features) == 0:
        raise ShapeError(f"expected features (frames, ...) with at least one frame, got shape {features.shape}")
    c = np.pad(features, [(2, 2)] + [(0, 0)] * (features.ndim - 1), mode="edge")
    return (c[3:-1] - c[1:-3] + 2 * (c[4:] - c[:-4])) / 10
