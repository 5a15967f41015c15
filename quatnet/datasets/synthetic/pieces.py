"""Ten kinds of music, each a row of a table: how fast, which drums, which notes, how bright. Plausible, not real."""

from dataclasses import dataclass

import numpy as np

from .waveforms import RATE_HZ, Rng, arch, click, noise, place, tone


@dataclass(frozen=True)
class Style:
    """Beats a minute, strokes of drum and cymbal in a bar of eight steps, half tones of the chord, and its sound."""

    beats: tuple[int, int]
    drum: str
    cymbal: str
    chord: tuple[int, ...]
    slope: float  # harmonics of a note fall with n^-slope
    steps: int  # a note lasts so many steps
    off: bool = False  # chords come between the beats


STYLES = {
    "blues": Style((60, 95), "x...x...", "..x...x.", (0, 4, 7, 10), 1.2, 2),
    "classical": Style((50, 110), "........", "........", (0, 4, 7, 12), 1.6, 3),
    "country": Style((90, 130), "x...x...", "..x...x.", (0, 4, 7), 0.8, 1),
    "disco": Style((112, 128), "x.x.x.x.", ".x.x.x.x", (0, 3, 7, 10), 1.0, 1),
    "hiphop": Style((80, 100), "x..x..x.", "....x...", (0, 3), 2.0, 8),
    "jazz": Style((120, 200), "........", "x.xxx.xx", (0, 4, 7, 11, 14), 1.4, 1),
    "metal": Style((140, 200), "xxxxxxxx", "x.x.x.x.", (0, 7, 12), 0.1, 1),
    "pop": Style((100, 128), "x...x...", "..x...x.", (0, 4, 7), 1.0, 4),
    "reggae": Style((65, 85), "....x...", "x.x.x.x.", (0, 3, 7), 1.2, 1, off=True),
    "rock": Style((110, 140), "x..xx...", "x.x.x.x.", (0, 7, 12), 0.4, 2),
}


def piece(genre: str, samples: int, rng: Rng) -> np.ndarray:
    """Return a piece of music: (samples,) of arbitrary level."""
    style = STYLES[genre]
    step = 30 / rng.uniform(*style.beats)  # seconds of half a beat
    count = 1 + int(samples / RATE_HZ / step)
    notes = [
        (n * step, _chord(style, step, rng)) for n in range(int(style.off), count, max(style.steps, 1 + style.off))
    ]
    thud = _thud(rng)
    drums = [(n * step, thud) for n in range(count) if style.drum[n % 8] == "x"]
    hiss = arch(round(0.06 * RATE_HZ), attack=0.02) * noise(round(0.06 * RATE_HZ), rng, low_hz=5000, high_hz=14000)
    cymbals = [(n * step, rng.uniform(0.3, 0.6) * hiss) for n in range(count) if style.cymbal[n % 8] == "x"]
    return place([*notes, *drums, *cymbals], samples)


def _chord(style: Style, step: float, rng: Rng) -> np.ndarray:
    root = rng.uniform(100, 130) * 2 ** (rng.choice([0, 5, 7]) / 12)  # tonic, fourth or fifth
    length = round(0.95 * style.steps * step * RATE_HZ)
    parts = [tone(np.full(length, root * 2 ** (half / 12)), rng, slope=style.slope) for half in style.chord]
    return arch(length, attack=0.05) * np.sum(parts, axis=0) / len(parts)


def _thud(rng: Rng) -> np.ndarray:
    return 1.5 * click(rng, hz=rng.uniform(50, 90), decay_s=0.05)
