"""Synthesized data sets: environmental sounds, music and emotional speech."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from ...checks import checked_count, checked_number
from ...errors import ConfigError
from .. import gtzan, ravdess
from ..records import Clip, Dataset
from .music_styles import music_waveform
from .sounds import SOUNDS, Sound
from .speech import speech_waveform
from .waveforms import RATE_HZ, simulate_recording

NOTE = "These sounds are synthesized; accuracies do not transfer to real recordings."


def load(*, clips_per_class: int = 40, seed: int = 0, clip_seconds: float = 5.0) -> Dataset:
    """Return a data set of synthesized environmental sounds with ten classes and five folds.

    Parameters
    ----------
    clips_per_class : number of clips of each class, at least 5
    seed : seed of the synthesis. Equal seeds give equal samples
    clip_seconds : length of a clip in seconds

    Raises
    ------
    ConfigError
        `clips_per_class` is less than 5, or `clip_seconds` is not positive.
    """
    return _sounds_in_folds("synthesized", "synthesis", SOUNDS, 5, clips_per_class, seed, clip_seconds)


def _sounds_in_folds(
    name: str, kind: str, sounds: Mapping[str, Sound], folds: int, clips_per_class: int, seed: int, clip_seconds: float
) -> Dataset:
    """Return a data set with the classes `sounds`. Clip n of a class is in fold 1 + n mod folds."""
    checked_count("clips_per_class", clips_per_class, folds)
    checked_number("clip_seconds", clip_seconds, "(0, 1e6)")
    clips = tuple(
        _clip(kind, f"{class_name} {n}", [seed, label, n], 1 + n % folds, sound, clip_seconds)
        for label, (class_name, sound) in enumerate(sounds.items())
        for n in range(clips_per_class)
    )
    return Dataset(name, tuple(sounds), clips, NOTE)


def _clip(kind: str, name: str, seeds: list[int], fold: int, sound: Sound, clip_seconds: float) -> Clip:
    """Return a clip. `seeds` are the seed of the data set, the label, and further numbers of the clip."""
    key = f"{kind} 1: {' '.join(map(str, seeds))} {clip_seconds}"
    return Clip(name, seeds[1], fold, partial(synthesize, sound, seeds, clip_seconds), key)


def synthesize(sound: Sound, seed: list[int], clip_seconds: float) -> tuple[np.ndarray, int]:
    """Return a float32 waveform (samples,) of a sound, and its sample rate in Hz."""
    rng = np.random.default_rng(seed)
    return simulate_recording(sound(round(clip_seconds * RATE_HZ), rng), rng), RATE_HZ


def music(*, clips_per_class: int = 20, seed: int = 0, clip_seconds: float = 30.0) -> Dataset:
    """Return a data set of synthesized music with the ten genres and ten folds of GTZAN.

    Parameters
    ----------
    clips_per_class : number of clips of each genre, at least 10
    seed : seed of the synthesis
    clip_seconds : length of a clip in seconds

    Raises
    ------
    ConfigError
        `clips_per_class` is less than 10, or `clip_seconds` is not positive.
    """
    genres = {genre: partial(music_waveform, genre) for genre in gtzan.GENRES}
    return _sounds_in_folds("synthesized music", "music", genres, gtzan.FOLDS, clips_per_class, seed, clip_seconds)


def voices(*, repetitions: int = 2, actors: int = 24, seed: int = 0, clip_seconds: float = 3.0) -> Dataset:
    """Return a data set of synthesized speech with the eight emotions, the actors and the folds of RAVDESS.

    Parameters
    ----------
    repetitions : number of clips of each actor and emotion
    actors : number of actors, 2 to 24
    seed : seed of the synthesis
    clip_seconds : length of a clip in seconds

    Raises
    ------
    ConfigError
        `repetitions` is less than 1, `actors` is not from 2 to 24, or `clip_seconds` is not positive.
    """
    checked_count("repetitions", repetitions)
    checked_number("clip_seconds", clip_seconds, "(0, 1e6)")
    if checked_count("actors", actors, 2) > 24:
        raise ConfigError(f"expected 2 to 24 actors, got {actors}")
    clips = tuple(
        _clip(
            "voice", f"actor {actor} {emotion} {n}", [seed, label, actor, n], ravdess.actor_fold(actor),
            partial(speech_waveform, emotion, actor), clip_seconds,
        )
        for actor in range(1, actors + 1)
        for label, emotion in enumerate(ravdess.EMOTIONS)
        for n in range(repetitions)
    )  # fmt: skip
    return Dataset("synthesized voices", ravdess.EMOTIONS, clips, NOTE)
