"""The built-in set: synthesised environmental sounds, so that everything runs without a download."""

from functools import partial

import numpy as np

from ..errors import ConfigError
from .records import Clip, Dataset
from .sounds import SOUNDS
from .synthesis import RATE_HZ, recorded

NOTE = (
    "These sounds are synthesised, so their figures say little about real ones. "
    "Real recordings: --download fetches ESC-50, --data DIR takes a folder that holds it."
)


def load(*, clips_per_class: int = 40, seed: int = 0, clip_seconds: float = 5.0) -> Dataset:
    """Return ten classes of synthesised sounds in 5 folds; the same `seed` makes the same samples.

    Raises
    ------
    ConfigError
        Fewer than 5 clips per class (one for each fold), or no length.
    """
    if clips_per_class < 5 or clip_seconds <= 0:
        raise ConfigError(f"expected clips_per_class >= 5 and clip_seconds > 0, got {clips_per_class}, {clip_seconds}")
    clips = tuple(
        _clip(seed, label, number, clip_seconds) for label in range(len(SOUNDS)) for number in range(clips_per_class)
    )
    return Dataset("synthesised", tuple(SOUNDS), clips, NOTE)


def _clip(seed: int, label: int, number: int, clip_seconds: float) -> Clip:
    name = f"{list(SOUNDS)[label]} {number}"
    source = partial(synthesise, label, [seed, label, number], clip_seconds)
    return Clip(name, label, 1 + number % 5, source, key=f"synthesis 1: {seed} {label} {number} {clip_seconds}")


def synthesise(label: int, seed: list[int], clip_seconds: float) -> tuple[np.ndarray, int]:
    """Return (waveform (samples,) float32, sample rate in Hz) of the class `label`."""
    rng = np.random.default_rng(seed)
    sound = list(SOUNDS.values())[label]
    return recorded(sound(round(clip_seconds * RATE_HZ), rng), rng), RATE_HZ
