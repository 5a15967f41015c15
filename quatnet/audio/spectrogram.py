"""Power spectrogram, mel filterbank, log-mel spectrogram and delta features."""

from functools import lru_cache

import numpy as np

from ..checks import as_array, checked_count, checked_number
from ..errors import ConfigError, DataError, ShapeError
from ..threads import single_threaded_blas
from .waveform import checked_waveform


def stft_power(waveform: np.ndarray, *, window: int = 1024, hop: int = 320) -> np.ndarray:
    """Return the power spectrogram |X|² of the short-time Fourier transform X with centered frames.

    X[t, f] = Σ_n h[n] x[t·hop + n - window/2] e^(-2πi f n / window) for frame t and bin f, where x is the waveform and
    h[n] = ½ - ½ cos(2πn / window) is the periodic Hann window. The waveform is padded by reflection at both ends,
    without repeating the first or last sample.

    Parameters
    ----------
    waveform : float array (samples,) with more than window / 2 samples
    window, hop : window length and hop length in samples; `window` is even

    Returns
    -------
    float32 array (frames, bins) = (1 + samples // hop, window // 2 + 1)

    Raises
    ------
    ShapeError, DataError
        See `checked_waveform`. DataError is also raised if the waveform is too short for the padding.
    ConfigError
        `window` is not an even integer of at least 2, or `hop` is not an integer of at least 1.
    """
    check_frames(window, hop)
    waveform = checked_waveform(waveform).astype(np.float32, copy=False)
    if len(waveform) <= window // 2:
        raise DataError(
            f"expected more than {window // 2} samples for a window of {window}, got {len(waveform)}; "
            "pad the waveform with fix_length"
        )
    padded = np.pad(waveform, window // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]  # view (frames, window)
    spectrum = np.fft.rfft(frames * hann(window))  # scipy.fft is faster, but its import takes 0.3 s
    return spectrum.real**2 + spectrum.imag**2


def check_frames(window: int, hop: int) -> None:
    """Raise ConfigError unless `hop` is an integer >= 1 and `window` is an even integer >= 2."""
    checked_count("hop", hop)
    if checked_count("window", window) % 2:
        raise ConfigError(f"window must be an even number of samples, got {window}; use {window + 1}")


@lru_cache(maxsize=8)
def hann(window: int) -> np.ndarray:
    """Return the periodic Hann window h[n] = ½ - ½ cos(2πn / window) as a read-only float32 array (window,)."""
    return _read_only(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window))


def _read_only(array: np.ndarray) -> np.ndarray:
    """Return a read-only float32 copy. Cached arrays are read-only because they are shared between callers."""
    array = array.astype(np.float32)
    array.flags.writeable = False
    return array


@lru_cache(maxsize=8)
def mel_filterbank(*, sample_rate_hz: int, window: int, mels: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Return triangular filters of equal width on Slaney's mel scale, normalized to area 1 in Hz.

    The mels + 2 edges e_m in Hz are equally spaced in mel from `low_hz` to `high_hz`. Filter m rises from e_m to
    e_{m+1} and falls to e_{m+2}. The peak of the filter is 2 / (e_{m+2} - e_m).

    Parameters
    ----------
    sample_rate_hz : sample rate of the waveform in Hz
    window : window length of the STFT in samples
    mels : number of filters
    low_hz, high_hz : lowest and highest edge in Hz

    Returns
    -------
    float32 array (bins, mels) = (window // 2 + 1, mels), cached and read-only

    Raises
    ------
    ConfigError
        The condition 0 <= low_hz < high_hz <= sample_rate_hz / 2 is false, or a filter lies between two bins.

    Source: M. Slaney, Auditory Toolbox, version 2, 1998.
    """
    nyquist_hz = checked_count("sample_rate_hz", sample_rate_hz) / 2
    if not 0 <= low_hz < high_hz <= nyquist_hz:
        raise ConfigError(
            f"expected 0 <= low_hz < high_hz <= half the sample rate, {nyquist_hz}, got {low_hz=}, {high_hz=}"
        )
    bins_hz = np.arange(checked_count("window", window) // 2 + 1)[:, None] * sample_rate_hz / window
    edges_mel = np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), checked_count("mels", mels) + 2)
    left, center, right = (mel_to_hz(edges_mel)[m : m + mels] for m in range(3))
    triangles = np.minimum((bins_hz - left) / (center - left), (right - bins_hz) / (right - center)).clip(0)
    if empty := int((triangles.max(axis=0) == 0).sum()):
        raise ConfigError(f"{empty} of {mels} mel filters contain no bin; use fewer mels or a longer window")
    return _read_only(2 * triangles / (right - left))


def hz_to_mel(hz: float | np.ndarray) -> np.ndarray:
    """Return the frequency in mel on Slaney's scale.

    The scale is linear up to 1000 Hz, with 3 mel per 200 Hz. Above, the scale is logarithmic, with 27 mel per factor of
    6.4.
    """
    return np.minimum(hz, 1000) * 3 / 200 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4)


def mel_to_hz(mel: float | np.ndarray) -> np.ndarray:
    """Return the frequency in Hz. This function is the inverse of `hz_to_mel`."""
    return np.minimum(mel, 15) * 200 / 3 * 6.4 ** ((np.maximum(mel, 15) - 15) / 27)


def log_mel(power: np.ndarray, filterbank: np.ndarray, *, floor_db: float = -100.0) -> np.ndarray:
    """Return the log-mel spectrogram in dB, 10 log10(max(power @ filterbank, 10^(floor_db / 10))).

    Parameters
    ----------
    power : array (frames, bins)
    filterbank : array (bins, mels)
    floor_db : lower limit in dB, because the logarithm of digital silence is -infinity

    Returns
    -------
    array (frames, mels)

    Raises
    ------
    ShapeError
        An array is not two-dimensional, or the numbers of bins differ.
    ConfigError
        `floor_db` is below -370 dB, which is 0 in float32.
    """
    floor_db = checked_number("floor_db", floor_db, "[-370, inf)")
    power, filterbank = as_array(power, np), as_array(filterbank, np)
    if power.ndim != 2 or filterbank.ndim != 2 or power.shape[1] != filterbank.shape[0]:
        raise ShapeError(
            "expected power (frames, bins) and filterbank (bins, mels) with equal bins, "
            f"got {power.shape} and {filterbank.shape}; use the same window for both"
        )
    with single_threaded_blas():
        energies = power @ filterbank
    return 10 * np.log10(np.maximum(energies, np.float32(10 ** (floor_db / 10))))


def deltas(features: np.ndarray) -> np.ndarray:
    """Return the delta features along time (axis 0), computed by linear regression over five frames.

    d_t = Σ_{n=1,2} n (c_{t+n} - c_{t-n}) / 10 for frame t, where c is `features` (frames, ...). The first and the last
    frame are repeated for padding. The result has the shape and dtype of `features`, or float64 for integers.

    Raises
    ------
    ShapeError
        `features` has no frames.
    """
    features = as_array(features, np)
    if features.ndim == 0 or len(features) == 0:
        raise ShapeError(f"expected features (frames, ...) with at least one frame, got shape {features.shape}")
    c = np.pad(features, [(2, 2)] + [(0, 0)] * (features.ndim - 1), mode="edge")
    return (c[3:-1] - c[1:-3] + 2 * (c[4:] - c[:-4])) / 10
