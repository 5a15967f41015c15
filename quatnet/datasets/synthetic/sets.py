"""The built-in sets: synthesized sounds, music and voices, so that everything runs without a download."""

from functools import partial

import numpy as np

from ...errors import ConfigError
from .. import gtzan, ravdess
from ..records import Clip, Dataset
from .pieces import piece
from .sounds import SOUNDS
from .speech import speech
from .waveforms import RATE_HZ, recorded

NOTE = (
    "These sounds are synthesized, so their figures say little about real ones. "
    "Real recordings: --download fetches ESC-50, --data DIR takes a folder that holds it."
)
NO_FOLDER = "It is synthesized, so its figures say little about real ones; --data DIR takes real recordings."


def load(*, clips_per_class: int = 40, seed: int = 0, clip_seconds: float = 5.0) -> Dataset:
    """Return ten classes of synthesized sounds in 5 folds; the same `seed` makes the same samples.

    Raises
    ------
    ConfigError
        Fewer than 5 clips per class (one for each fold), or no length.
    """
    _check(clips_per_class, 5, clip_seconds)
    clips = tuple(
        _clip(seed, label, number, clip_seconds) for label in range(len(SOUNDS)) for number in range(clips_per_class)
    )
    return Dataset("synthesized", tuple(SOUNDS), clips, NOTE)


def _check(clips: int, least: int, clip_seconds: float) -> None:
    if clips < least or clip_seconds <= 0:
        raise ConfigError(f"expected clips_per_class >= {least} and clip_seconds > 0, got {clips}, {clip_seconds}")


def _clip(seed: int, label: int, number: int, clip_seconds: float) -> Clip:
    name = f"{list(SOUNDS)[label]} {number}"
    source = partial(synthesize, label, [seed, label, number], clip_seconds)
    return Clip(name, label, 1 + number % 5, source, key=f"synthesis 1: {seed} {label} {number} {clip_seconds}")


def synthesize(label: int, seed: list[int], clip_seconds: float) -> tuple[np.ndarray, int]:
    """Return (waveform (samples,) float32, sample rate in Hz) of the class `label`."""
    rng = np.random.default_rng(seed)
    sound = list(SOUNDS.values())[label]
    return recorded(sound(round(clip_seconds * RATE_HZ), rng), rng), RATE_HZ


def music(*, clips_per_class: int = 20, seed: int = 0, clip_seconds: float = 30.0) -> Dataset:
    """Return the genres of GTZAN, synthesized, in as many folds; ConfigError for fewer than 10 clips per class."""
    _check(clips_per_class, gtzan.FOLDS, clip_seconds)
    clips = tuple(
        _music_clip(label, number, seed, clip_seconds)
        for label in range(len(gtzan.GENRES))
        for number in range(clips_per_class)
    )
    return Dataset("synthesized music", gtzan.GENRES, clips, NO_FOLDER)


def _music_clip(label: int, number: int, seed: int, clip_seconds: float) -> Clip:
    source = partial(play, label, [seed, label, number], clip_seconds)
    name, key = f"{gtzan.GENRES[label]} {number}", f"music 1: {seed} {label} {number} {clip_seconds}"
    return Clip(name, label, 1 + number % gtzan.FOLDS, source, key)


def play(label: int, seed: list[int], clip_seconds: float) -> tuple[np.ndarray, int]:
    """Return (waveform (samples,) float32, sample rate in Hz) of the genre `label`."""
    rng = np.random.default_rng(seed)
    return recorded(piece(gtzan.GENRES[label], round(clip_seconds * RATE_HZ), rng), rng), RATE_HZ


def voices(*, repetitions: int = 2, actors: int = 24, seed: int = 0, clip_seconds: float = 3.0) -> Dataset:
    """Return the emotions of RAVDESS in synthesized voices and the folds of their actors.

    Raises
    ------
    ConfigError
        No repetition or length, or another number of actors than 2 to 24.
    """
    if repetitions < 1 or not 2 <= actors <= 24 or clip_seconds <= 0:
        raise ConfigError(
            f"expected repetitions >= 1, 2 to 24 actors, clip_seconds > 0, got {repetitions}, {actors}, {clip_seconds}"
        )
    clips = tuple(
        _voice_clip(label, actor, number, seed, clip_seconds)
        for actor in range(1, actors + 1)
        for label in range(len(ravdess.EMOTIONS))
        for number in range(repetitions)
    )
    return Dataset("synthesized voices", ravdess.EMOTIONS, clips, NO_FOLDER)


def _voice_clip(label: int, actor: int, number: int, seed: int, clip_seconds: float) -> Clip:
    source = partial(speak, label, actor, [seed, label, actor, number], clip_seconds)
    name, key = f"actor {actor} {ravdess.EMOTIONS[label]} {number}", f"{seed} {label} {actor} {number} {clip_seconds}"
    return Clip(name, label, ravdess.fold_of(actor), source, f"voice 1: {key}")


def speak(label: int, actor: int, seed: list[int], clip_seconds: float) -> tuple[np.ndarray, int]:
    """Return (waveform (samples,) float32, sample rate in Hz) of the emotion `label` in the voice of `actor`."""
    rng = np.random.default_rng(seed)
    return recorded(speech(ravdess.EMOTIONS[label], actor, round(clip_seconds * RATE_HZ), rng), rng), RATE_HZ
