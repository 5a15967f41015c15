"""Synthesized data sets: environmental sounds, music and emotional speech."""

from functools import partial

import numpy as np

from ...errors import ConfigError
from .. import gtzan, ravdess
from ..records import Clip, Dataset
from .music_styles import music_waveform
from .sounds import SOUNDS
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
    _check(clips_per_class, 5, clip_seconds)
    clips = tuple(
        _clip(seed, label, number, clip_seconds) for label in range(len(SOUNDS)) for number in range(clips_per_class)
    )
    return Dataset("synthesized", tuple(SOUNDS), clips, NOTE)


def _check(clips: int, minimum: int, clip_seconds: float) -> None:
    if clips < minimum or not 0 < clip_seconds < 1e6:
        raise ConfigError(f"expected clips_per_class >= {minimum} and clip_seconds > 0, got {clips}, {clip_seconds}")


def _clip(seed: int, label: int, number: int, clip_seconds: float) -> Clip:
    name = f"{list(SOUNDS)[label]} {number}"
    source = partial(synthesize_sound, label, [seed, label, number], clip_seconds)
    return Clip(name, label, 1 + number % 5, source, key=f"synthesis 1: {seed} {label} {number} {clip_seconds}")


def synthesize_sound(label: int, seed: list[int], clip_seconds: float) -> tuple[np.ndarray, int]:
    """Return a float32 waveform (samples,) of the class `label`, and its sample rate in Hz."""
    rng = np.random.default_rng(seed)
    sound = list(SOUNDS.values())[label]
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
    _check(clips_per_class, gtzan.FOLDS, clip_seconds)
    clips = tuple(
        _music_clip(label, number, seed, clip_seconds)
        for label in range(len(gtzan.GENRES))
        for number in range(clips_per_class)
    )
    return Dataset("synthesized music", gtzan.GENRES, clips, NOTE)


def _music_clip(label: int, number: int, seed: int, clip_seconds: float) -> Clip:
    source = partial(synthesize_music, label, [seed, label, number], clip_seconds)
    name, key = f"{gtzan.GENRES[label]} {number}", f"music 1: {seed} {label} {number} {clip_seconds}"
    return Clip(name, label, 1 + number % gtzan.FOLDS, source, key)


def synthesize_music(label: int, seed: list[int], clip_seconds: float) -> tuple[np.ndarray, int]:
    """Return a float32 waveform (samples,) of the genre `label`, and its sample rate in Hz."""
    rng = np.random.default_rng(seed)
    return simulate_recording(music_waveform(gtzan.GENRES[label], round(clip_seconds * RATE_HZ), rng), rng), RATE_HZ


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
    if repetitions < 1 or not 2 <= actors <= 24 or not 0 < clip_seconds < 1e6:
        raise ConfigError(
            f"expected repetitions >= 1, 2 to 24 actors, clip_seconds > 0, got {repetitions}, {actors}, {clip_seconds}"
        )
    clips = tuple(
        _voice_clip(label, actor, number, seed, clip_seconds)
        for actor in range(1, actors + 1)
        for label in range(len(ravdess.EMOTIONS))
        for number in range(repetitions)
    )
    return Dataset("synthesized voices", ravdess.EMOTIONS, clips, NOTE)


def _voice_clip(label: int, actor: int, number: int, seed: int, clip_seconds: float) -> Clip:
    source = partial(synthesize_speech, label, actor, [seed, label, actor, number], clip_seconds)
    name, key = f"actor {actor} {ravdess.EMOTIONS[label]} {number}", f"{seed} {label} {actor} {number} {clip_seconds}"
    return Clip(name, label, ravdess.actor_fold(actor), source, f"voice 1: {key}")


def synthesize_speech(label: int, actor: int, seed: list[int], clip_seconds: float) -> tuple[np.ndarray, int]:
    """Return a float32 waveform (samples,) of the emotion `label` spoken by `actor`, and its sample rate in Hz."""
    rng = np.random.default_rng(seed)
    return simulate_recording(
        speech_waveform(ravdess.EMOTIONS[label], actor, round(clip_seconds * RATE_HZ), rng), rng
    ), RATE_HZ
