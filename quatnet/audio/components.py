"""Four numbers for each cell of time and frequency, so that it is a quaternion: which ones, in three ways.

Each function takes a power spectrogram (frames, bins) and mel filters (bins, mels), and returns (frames, mels, 4) with
the log-mel in front, which is all that a real network reads.
"""

import numpy as np

from ..errors import ConfigError, ShapeError
from .spectrogram import deltas, log_mel


def corrected(power: np.ndarray, filterbank: np.ndarray, *, floor_db: float) -> np.ndarray:
    """Log-mel, then three slopes along time: r = log-mel (dB), i = Δr, j = Δi, k = Δj, with Δ of `deltas`."""
    components = [log_mel(power, filterbank, floor_db=floor_db)]
    for _ in range(3):
        components.append(deltas(components[-1]))
    return np.stack(components, axis=-1)


def released(power: np.ndarray, filterbank: np.ndarray, *, floor_db: float) -> np.ndarray:
    """Differences of the power along frequency, each through mel and logarithm after: the released code, as it is.

    p_0 = `power`, p_n = Δ p_(n-1) with Δ of `deltas` along the bins instead of time; component n is the log-mel of p_n.
    A difference below 0 has no logarithm, and is raised to the floor.

    Source: A. Singh and others, `audio-pruning`, the code of Compressing Quaternion Convolutional Neural Networks for
    Audio Classification, 2025; before it in Cross-Caps, `QPANN`, 2024.
    """
    powers = [power]
    for _ in range(3):
        powers.append(deltas(powers[-1].T).T)
    return np.stack([log_mel(p, filterbank, floor_db=floor_db) for p in powers], axis=-1)


def repeated(power: np.ndarray, filterbank: np.ndarray, *, floor_db: float) -> np.ndarray:
    """The log-mel four times: what a quaternion network makes of the sound without being told how it changes."""
    return np.repeat(log_mel(power, filterbank, floor_db=floor_db)[..., None], 4, axis=-1)


COMPONENTS = {function.__name__: function for function in (corrected, released, repeated)}


def checked_variant(name: str) -> str:
    """Return `name` if it is one of COMPONENTS, else raise a ConfigError that lists them."""
    if name not in COMPONENTS:
        raise ConfigError(f"expected a variant out of {', '.join(COMPONENTS)}, got {name!r}")
    return name


def floored_cells(features: np.ndarray, *, floor_db: float) -> np.ndarray:
    """Return the share of cells that say nothing, for each component: levels at the floor, slopes of exactly 0.

    Parameters
    ----------
    features : array (..., 4), of any of the variants
    floor_db : of the front end that made them

    Returns
    -------
    array (4,), from 0 to 1

    Raises
    ------
    ShapeError
        `features` has no cells, or not four components.
    """
    if features.ndim < 2 or features.shape[-1] != 4 or not features.size:
        raise ShapeError(f"expected features (..., 4) of at least one cell, got shape {features.shape}")
    nothing = features <= np.float32(floor_db) * (1 - 1e-6)  # -100 dB come out of a float32 logarithm as -99.99999
    nothing[..., 1:] |= features[..., 1:] == 0
    return nothing.reshape(-1, 4).mean(axis=0)
