"""Eight emotions in 24 voices that speak no words: a row of a table says how pitch, pace and loudness go. Not real.

A voice is its actor's own pitch and resonances, the same in every clip, so that a split by actor asks for new voices.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from .waveforms import RATE_HZ, Rng, arch, place, seconds, tone


@dataclass(frozen=True)
class Manner:
    """Factor on the pitch, its sweep in a syllable, syllables a second, brightness, and trembling."""

    pitch: float
    sweep: float
    pace: float
    slope: float
    tremble: float


MANNERS = {
    "neutral": Manner(1.0, 0.95, 4.0, 1.2, 0.0),
    "calm": Manner(0.9, 0.95, 2.8, 1.5, 0.0),
    "happy": Manner(1.4, 1.3, 4.5, 0.8, 0.0),
    "sad": Manner(0.9, 0.75, 2.2, 1.6, 0.02),
    "angry": Manner(1.3, 0.7, 5.0, 0.3, 0.0),
    "fearful": Manner(1.7, 1.1, 5.5, 0.9, 0.06),
    "disgust": Manner(0.85, 0.6, 2.8, 0.7, 0.01),
    "surprised": Manner(1.6, 1.9, 4.0, 0.9, 0.0),
}


def speech(emotion: str, actor: int, samples: int, rng: Rng) -> np.ndarray:
    """Return syllables of `actor` (1 to 24; odd ones are low): (samples,) of arbitrary level."""
    manner, voice = MANNERS[emotion], np.random.default_rng(actor)
    pitch = voice.uniform(90, 140) if actor % 2 else voice.uniform(170, 250)
    scale = voice.uniform(0.9, 1.0) if actor % 2 else voice.uniform(1.05, 1.2)
    start, parts = rng.uniform(0.1, 0.4), []
    while start < samples / RATE_HZ - 0.3:
        gap = rng.uniform(0.8, 1.2) / manner.pace
        parts.append((start, _syllable(manner, pitch, scale, 0.8 * gap, rng)))
        start += gap
    return place(parts, samples)


def _syllable(manner: Manner, pitch: float, scale: float, length_s: float, rng: Rng) -> np.ndarray:
    t = seconds(round(length_s * RATE_HZ))
    bend = np.linspace(1, manner.sweep, len(t)) * rng.uniform(0.93, 1.07)
    shake = 1 + manner.tremble * np.sin(2 * np.pi * rng.uniform(6, 9) * t)
    wave = tone(manner.pitch * pitch * bend * shake, rng, harmonics=30, slope=manner.slope)
    for hz in scale * np.array([rng.uniform(300, 800), rng.uniform(900, 2300)]):  # a vowel
        wave = wave + _resonance(wave, hz)
    return arch(len(t), attack=0.2) * wave


def _resonance(wave: np.ndarray, hz: float) -> np.ndarray:
    radius, angle = 0.985, 2 * np.pi * hz / RATE_HZ
    return (1 - radius) * 8 * lfilter([1], [1, -2 * radius * np.cos(angle), radius**2], wave)
