"""Synthesized music in ten styles."""

from dataclasses import dataclass

import numpy as np

from .waveforms import RATE_HZ, Rng, click, envelope, mix_at, noise, tone


@dataclass(frozen=True)
class Style:
    """Parameters of a musical style. A bar has eight steps of half a beat."""

    tempo_bpm: tuple[int, int]  # smallest and largest number of beats per minute
    drum: str  # drum pattern of a bar, with x for a stroke
    cymbal: str  # cymbal pattern of a bar, with x for a stroke
    chord: tuple[int, ...]  # notes of a chord in semitones above the root
    slope: float  # harmonic n of a note has the level n^-slope
    steps: int  # length of a note in steps
    offbeat: bool = False  # whether chords are played between the beats


STYLES = {
    "blues": Style((60, 95), "x...x...", "..x...x.", (0, 4, 7, 10), 1.2, 2),
    "classical": Style((50, 110), "........", "........", (0, 4, 7, 12), 1.6, 3),
    "country": Style((90, 130), "x...x...", "..x...x.", (0, 4, 7), 0.8, 1),
    "disco": Style((112, 128), "x.x.x.x.", ".x.x.x.x", (0, 3, 7, 10), 1.0, 1),
    "hiphop": Style((80, 100), "x..x..x.", "....x...", (0, 3), 2.0, 8),
    "jazz": Style((120, 200), "........", "x.xxx.xx", (0, 4, 7, 11, 14), 1.4, 1),
    "metal": Style((140, 200), "xxxxxxxx", "x.x.x.x.", (0, 7, 12), 0.1, 1),
    "pop": Style((100, 128), "x...x...", "..x...x.", (0, 4, 7), 1.0, 4),
    "reggae": Style((65, 85), "....x...", "x.x.x.x.", (0, 3, 7), 1.2, 1, offbeat=True),
    "rock": Style((110, 140), "x..xx...", "x.x.x.x.", (0, 7, 12), 0.4, 2),
}


def music_waveform(genre: str, samples: int, rng: Rng) -> np.ndarray:
    """Return a waveform (samples,) of the given genre with arbitrary level."""
    style = STYLES[genre]
    step = 30 / rng.uniform(*style.tempo_bpm)  # duration of half a beat in seconds
    count = 1 + int(samples / RATE_HZ / step)
    starts = range(int(style.offbeat), count, max(style.steps, 1 + style.offbeat))
    notes = [(n * step, _chord(style, step, rng)) for n in starts]
    drum = 1.5 * click(rng, hz=rng.uniform(50, 90), decay_s=0.05)
    drums = [(n * step, drum) for n in range(count) if style.drum[n % 8] == "x"]
    length = round(0.06 * RATE_HZ)
    cymbal = envelope(length, attack=0.02) * noise(length, rng, low_hz=5000, high_hz=14000)
    cymbals = [(n * step, rng.uniform(0.3, 0.6) * cymbal) for n in range(count) if style.cymbal[n % 8] == "x"]
    return mix_at([*notes, *drums, *cymbals], samples)


def _chord(style: Style, step: float, rng: Rng) -> np.ndarray:
    root = rng.uniform(100, 130) * 2 ** (rng.choice([0, 5, 7]) / 12)  # the root is the tonic, the fourth or the fifth
    length = round(0.95 * style.steps * step * RATE_HZ)
    parts = [tone(np.full(length, root * 2 ** (semitones / 12)), rng, slope=style.slope) for semitones in style.chord]
    return envelope(length, attack=0.05) * np.sum(parts, axis=0) / len(parts)
