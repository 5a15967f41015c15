"""Reading, validation and resampling of waveforms.

A waveform is a float array (samples,) in [-1, 1].
"""

from os import PathLike
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from ..checks import checked_count
from ..errors import DataError, ShapeError


def read(path: str | PathLike[str]) -> tuple[np.ndarray, int]:
    """Return the samples of an audio file (WAV, FLAC, Ogg, MP3, AIFF, ...), averaged over the channels.

    Returns
    -------
    waveform : float32 array (samples,) in [-1, 1]
    sample_rate_hz : sample rate of the file in Hz

    Raises
    ------
    DataError
        The file is missing, unreadable, empty, or contains NaN or infinity. The message names the file.
    """
    channels, sample_rate_hz = _read_channels(Path(path))
    try:
        return checked_waveform(channels.mean(axis=1)), sample_rate_hz
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _read_channels(path: Path) -> tuple[np.ndarray, int]:
    """Return the samples as float32 (samples, channels) and the sample rate in Hz."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path")
    try:
        return soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError is raised for a headerless .raw file
        raise DataError(f"{path}: cannot be read as audio ({error}); convert it to WAV or FLAC") from error


def checked_waveform(waveform: np.ndarray) -> np.ndarray:
    """Return `waveform` after checking that the array is one-dimensional, floating-point, non-empty and finite.

    Raises
    ------
    ShapeError
        `waveform` is not a one-dimensional array of a float dtype.
    DataError
        `waveform` is empty, or contains NaN or infinity.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
        raise ShapeError(
            f"expected a mono waveform (samples,) of floats in [-1, 1], got shape {waveform.shape} of "
            f"{waveform.dtype}; average the channels, and divide integers by their full scale"
        )
    if waveform.size == 0:
        raise DataError("expected a waveform, got no samples; remove the recording")
    if not np.isfinite(waveform).all():
        raise DataError("expected finite samples, got NaN or infinity; repair or remove the recording")
    return waveform


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
        A rate is not an integer of at least 1.
    """
    waveform = checked_waveform(waveform)
    up, down = checked_count("to_hz", to_hz), checked_count("from_hz", from_hz)
    # resample_poly reduces the ratio of the rates and uses the dtype of the waveform
    return waveform if up == down else resample_poly(waveform, up, down).astype(waveform.dtype, copy=False)


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
