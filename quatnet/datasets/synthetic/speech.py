"""Synthesized speech of 24 actors in eight emotions, without words.

The pitch and the formants of an actor are the same in all clips. In a split by actor, the test clips therefore have
voices that do not occur in the training clips.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from .waveforms import RATE_HZ, Rng, envelope, mix_at, seconds, tone


@dataclass(frozen=True)
class Prosody:
    """Prosody parameters of an emotion."""

    pitch: float  # pitch relative to the pitch of the actor
    sweep: float  # pitch at the end of a syllable relative to the pitch at the start
    rate_hz: float  # number of syllables per second
    slope: float  # harmonic n of the voice has the level n^-slope
    vibrato: float  # relative depth of the vibrato


PROSODIES = {
    "neutral": Prosody(1.0, 0.95, 4.0, 1.2, 0.0),
    "calm": Prosody(0.9, 0.95, 2.8, 1.5, 0.0),
    "happy": Prosody(1.4, 1.3, 4.5, 0.8, 0.0),
    "sad": Prosody(0.9, 0.75, 2.2, 1.6, 0.02),
    "angry": Prosody(1.3, 0.7, 5.0, 0.3, 0.0),
    "fearful": Prosody(1.7, 1.1, 5.5, 0.9, 0.06),
    "disgust": Prosody(0.85, 0.6, 2.8, 0.7, 0.01),
    "surprised": Prosody(1.6, 1.9, 4.0, 0.9, 0.0),
}


def speech_waveform(emotion: str, actor: int, samples: int, rng: Rng) -> np.ndarray:
    """Return a waveform (samples,) of syllables with arbitrary level.

    `actor` is from 1 to 24. Actors with odd numbers have a low voice.
    """
    prosody, voice = PROSODIES[emotion], np.random.default_rng(actor)
    pitch = voice.uniform(90, 140) if actor % 2 else voice.uniform(170, 250)
    scale = voice.uniform(0.9, 1.0) if actor % 2 else voice.uniform(1.05, 1.2)
    start, parts = rng.uniform(0.1, 0.4), []
    while start < samples / RATE_HZ - 0.3:
        gap = rng.uniform(0.8, 1.2) / prosody.rate_hz
        parts.append((start, _syllable(prosody, pitch, scale, 0.8 * gap, rng)))
        start += gap
    return mix_at(parts, samples)


def _syllable(prosody: Prosody, pitch: float, scale: float, length_s: float, rng: Rng) -> np.ndarray:
    t = seconds(round(length_s * RATE_HZ))
    sweep = np.linspace(1, prosody.sweep, len(t)) * rng.uniform(0.93, 1.07)
    vibrato = 1 + prosody.vibrato * np.sin(2 * np.pi * rng.uniform(6, 9) * t)
    wave = tone(prosody.pitch * pitch * sweep * vibrato, rng, harmonics=30, slope=prosody.slope)
    for hz in scale * np.array([rng.uniform(300, 800), rng.uniform(900, 2300)]):  # two formants of a vowel
        wave = wave + _resonance(wave, hz)
    return envelope(len(t), attack=0.2) * wave


def _resonance(wave: np.ndarray, hz: float) -> np.ndarray:
    radius, angle = 0.985, 2 * np.pi * hz / RATE_HZ
    return (1 - radius) * 8 * lfilter([1], [1, -2 * radius * np.cos(angle), radius**2], wave)
