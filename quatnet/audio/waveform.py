"""Validation, resampling and cropping of waveforms.

A waveform is a float array (samples,) in [-1, 1].
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from ..checks import as_array, checked_count
from ..errors import ConfigError, DataError, ShapeError
from .polyphase import ZERO_CROSSINGS, resample_poly

MAX_LEVEL = 100.0  # largest absolute value of a sample: 40 dB above full scale; integers without scale are larger
MAX_RATE_HZ = 1_000_000


def checked_waveform(waveform: np.ndarray) -> np.ndarray:
    """Return `waveform` after checking that the array is one-dimensional, floating-point, non-empty and finite.

    Raises
    ------
    ShapeError
        `waveform` is not a one-dimensional array of a float dtype.
    DataError
        `waveform` is empty, or contains NaN, infinity or samples far outside [-1, 1].
    """
    if isinstance(waveform, np.ma.MaskedArray):
        raise ShapeError("expected a waveform without a mask, got a MaskedArray; pass waveform.filled(0)")
    if not isinstance(waveform, np.ndarray):
        as_array(waveform, np)  # raises ShapeError for rows of different length
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
        raise ShapeError(
            f"expected a mono waveform (samples,) of floats in [-1, 1], got shape {waveform.shape} of "
            f"{waveform.dtype}; average the channels, and divide integers by their full scale"
        )
    if waveform.size == 0:
        raise DataError("expected a waveform, got no samples; remove the recording")
    check_samples(waveform)
    return waveform.astype(np.float32) if waveform.itemsize < 4 else waveform


def check_samples(samples: np.ndarray) -> None:
    """Raise DataError if `samples` contains NaN, infinity, or a value far outside [-1, 1]."""
    level = max(samples.max(), -samples.min())
    if not level <= MAX_LEVEL:  # false for NaN
        got = f"{level:.3g}; divide the samples by their full scale" if np.isfinite(level) else "NaN or infinity"
        raise DataError(f"expected finite samples in [-1, 1], got {got}; repair or remove the recording")


def resample(waveform: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Return the waveform resampled with a polyphase low-pass filter.

    The waveform is upsampled with zeros, low-pass filtered (Kaiser window) and downsampled. The ratio of both factors
    is to_hz / from_hz in lowest terms. Duration, pitch and level do not change.

    Parameters
    ----------
    waveform : float array (samples,)
    from_hz, to_hz : sample rates in Hz

    Returns
    -------
    array (ceil(samples * to_hz / from_hz),) of the same dtype, or `waveform` itself if the rates are equal

    Raises
    ------
    ShapeError, DataError
        See `checked_waveform`.
    ConfigError
        A rate is not an integer from 1 to 1,000,000.
    """
    waveform, (from_hz, to_hz, up, down) = checked_waveform(waveform), _checked_rates(from_hz, to_hz)
    if from_hz == to_hz:
        return waveform
    return fix_length(resample_poly(waveform, up, down), -(-len(waveform) * to_hz // from_hz))


def resample_blocks(blocks: Iterable[np.ndarray], from_hz: int, to_hz: int) -> Iterator[np.ndarray]:
    """Yield the blocks of `resample(concatenate(blocks), from_hz, to_hz)`, without the complete waveform in memory.

    Each block is resampled together with the samples on both sides that the filter uses. The first of these samples is
    at a multiple of the denominator of the ratio, so that the filter has the same phase as in `resample`.
    """
    from_hz, to_hz, up, down = _checked_rates(from_hz, to_hz)
    if from_hz == to_hz:
        yield from blocks
        return
    reach = -(-_filter_samples(up, down) // down) * down
    total = start = written = 0  # `start` is the place in `buffer` of the first sample that is not yet resampled
    buffer = np.zeros(0, np.float32)
    for block in blocks:
        total, buffer = total + len(block), np.concatenate([buffer, block])
        stop = (len(buffer) - reach) // down * down
        if stop > start:
            part = resample_poly(buffer, up, down)[start // down * up : stop // down * up]
            written += len(part)
            yield part
            start, buffer = min(stop, reach), buffer[max(0, stop - reach) :]
    if remaining := -(-total * to_hz // from_hz) - written:
        yield fix_length(resample_poly(buffer, up, down)[start // down * up :], remaining)


def _filter_samples(up: int, down: int) -> int:
    """Return the number of samples on each side of an output that the filter of `resample` uses."""
    return 2 + ZERO_CROSSINGS * max(up, down) // up


def _checked_rates(from_hz: int, to_hz: int) -> tuple[int, int, int, int]:
    """Return the rates as Python integers, which do not overflow, and the factors up and down of `resample_poly`.

    up / down is to_hz / from_hz, rounded to a denominator of at most 100,000, because the filter has 20 taps per unit.
    The ratio is exact for rates up to 100 kHz and their usual multiples. The error of other ratios is less than 1e-5.
    Raises ConfigError for an invalid rate.
    """
    for name, rate in (("to_hz", to_hz), ("from_hz", from_hz)):
        if checked_count(name, rate) > MAX_RATE_HZ:
            raise ConfigError(f"{name} must be at most {MAX_RATE_HZ}, got {rate}")
    from_hz, to_hz = int(from_hz), int(to_hz)
    ratio = Fraction(to_hz, from_hz).limit_denominator(max(100_000, from_hz // to_hz))
    return from_hz, to_hz, ratio.numerator, ratio.denominator


def resample_clip(waveform: np.ndarray, from_hz: int, to_hz: int, samples: int) -> np.ndarray:
    """Return fix_length(resample(waveform, from_hz, to_hz), samples), without resampling samples that are cropped."""
    *_, up, down = _checked_rates(from_hz, to_hz)
    needed = _filter_samples(up, down) - (-checked_count("samples", samples) * down // up)
    return fix_length(resample(checked_waveform(waveform)[:needed], from_hz, to_hz), samples)


def fix_length(waveform: np.ndarray, samples: int) -> np.ndarray:
    """Return the waveform cropped, or zero-padded at the end, to `samples` samples.

    Raises
    ------
    ShapeError, DataError
        See `checked_waveform`.
    ConfigError
        `samples` is not an integer of at least 1.

    >>> fix_length(np.array([0.5, 0.25]), 3)
    array([0.5 , 0.25, 0.  ])
    """
    waveform = checked_waveform(waveform)[: checked_count("samples", samples)]
    return np.pad(waveform, (0, samples - len(waveform)))
