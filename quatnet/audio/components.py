"""The four components of quaternion features, with one quaternion per frame and mel bin.

Each function takes a power spectrogram (frames, bins) and a mel filterbank (bins, mels) and returns an array
(frames, mels, 4). The first component is the log-mel spectrogram, which is the only input of a real network.
"""

import numpy as np

from ..checks import as_array
from ..errors import ShapeError
from .spectrogram import deltas, log_mel


def delta_components(power: np.ndarray, filterbank: np.ndarray, *, floor_db: float) -> np.ndarray:
    """Return the log-mel spectrogram and its first, second and third delta features.

    r = log-mel (dB), i = Δr, j = Δi, k = Δj, where Δ is the function `deltas` along time.
    """
    components = [log_mel(power, filterbank, floor_db=floor_db)]
    for _ in range(3):
        components.append(deltas(components[-1]))
    return np.stack(components, axis=-1)


def repeat_components(power: np.ndarray, filterbank: np.ndarray, *, floor_db: float) -> np.ndarray:
    """Return the log-mel spectrogram in all four components, as a baseline without delta features."""
    return np.repeat(log_mel(power, filterbank, floor_db=floor_db)[..., None], 4, axis=-1)


VARIANTS = {"delta": delta_components, "repeat": repeat_components}


def floored_cell_fractions(features: np.ndarray, *, floor_db: float) -> np.ndarray:
    """Return the fraction of cells without information in each component.

    These are the cells with the level `floor_db` in any component, and the cells with the value 0 in the components
    i, j and k.

    Parameters
    ----------
    features : features (..., 4) computed by a front end
    floor_db : parameter `floor_db` of the front end

    Returns
    -------
    array (4,) of fractions from 0 to 1

    Raises
    ------
    ShapeError
        `features` is empty, or its last axis is not of length 4.
    """
    features = as_array(features, np)
    if features.ndim < 2 or features.shape[-1] != 4 or not features.size:
        raise ShapeError(f"expected features (..., 4) of at least one cell, got shape {features.shape}")
    floored = features <= np.float32(floor_db) * (1 - 1e-6)  # in float32, the floor -100 dB is rounded to -99.99999 dB
    floored[..., 1:] |= features[..., 1:] == 0
    return floored.reshape(-1, 4).mean(axis=0)
