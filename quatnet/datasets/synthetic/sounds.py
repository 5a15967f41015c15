"""Synthesized environmental sounds of ten classes.

The classes differ mainly in the temporal structure, such as regular clicks, irregular clicks or rising and falling
tones. The spectrum, the level and the onset vary between clips.
"""

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from .waveforms import RATE_HZ, Rng, click, envelope, mix_at, noise, seconds, tone

Sound = Callable[[int, Rng], np.ndarray]


def dog(samples: int, rng: Rng) -> np.ndarray:
    """Return one to five barks, which are short falling tones."""
    pitch, gap = rng.uniform(250, 700), rng.uniform(0.35, 0.9)
    length = round(rng.uniform(0.12, 0.25) * RATE_HZ)
    sweep = pitch * np.linspace(1.5, 0.7, length)
    bark = envelope(length, attack=0.15) * (tone(sweep, rng, slope=0.8) + 0.6 * rng.standard_normal(length))
    start = rng.uniform(0, 1.5)
    return mix_at([(start + n * gap * rng.uniform(0.8, 1.2), bark) for n in range(rng.integers(1, 6))], samples)


def rooster(samples: int, rng: Rng) -> np.ndarray:
    """Return a crow of three short notes and one long note with rising and falling pitch."""
    base, start = rng.uniform(450, 900), rng.uniform(0, 2.0)
    parts = []
    for duration, peak in [(0.18, 1.1), (0.22, 1.3), (0.18, 1.2), (rng.uniform(0.7, 1.3), 1.6)]:
        length = round(duration * rng.uniform(0.8, 1.2) * RATE_HZ)
        pitch = base * (1 + (peak - 1) * np.sin(np.pi * np.linspace(0, 0.95, length)))
        parts.append((start, envelope(length, attack=0.2) * tone(pitch, rng, slope=0.6)))
        start += duration * 1.15
    return mix_at(parts, samples)


def rain(samples: int, rng: Rng) -> np.ndarray:
    """Return steady noise with random drops."""
    low = rng.uniform(300, 2500)
    drops = rng.poisson(rng.uniform(200, 900) / RATE_HZ, samples) * rng.exponential(1, samples)
    drops = lfilter([1], [1, -np.exp(-1 / (0.001 * RATE_HZ))], drops * rng.choice([-1, 1], samples))
    return noise(samples, rng, low_hz=low, high_hz=rng.uniform(4000, 12000)) + rng.uniform(0.5, 2) * drops / drops.std()


def sea_waves(samples: int, rng: Rng) -> np.ndarray:
    """Return noise whose level rises and falls every few seconds."""
    rate_hz, phase = rng.uniform(0.15, 0.4), rng.uniform(0, 2 * np.pi)
    swell = (0.5 + 0.5 * np.sin(2 * np.pi * rate_hz * seconds(samples) + phase)) ** rng.uniform(1.5, 4)
    low = rng.uniform(100, 2000)
    return (0.05 + swell) * noise(samples, rng, low_hz=low, high_hz=rng.uniform(3000, 10000))


def crackling_fire(samples: int, rng: Rng) -> np.ndarray:
    """Return clicks at random times and low-frequency noise."""
    times = rng.uniform(0, samples / RATE_HZ, rng.integers(25, 110))
    clicks = [
        (t, rng.exponential(1) * click(rng, hz=rng.uniform(800, 5000), decay_s=rng.uniform(0.001, 0.006)))
        for t in times
    ]
    level = rng.uniform(0.02, 0.15)
    return mix_at(clicks, samples) + level * noise(samples, rng, low_hz=60, high_hz=rng.uniform(300, 3000))


def crying_baby(samples: int, rng: Rng) -> np.ndarray:
    """Return wails, which are rising and falling tones with vibrato, separated by pauses."""
    pitch, start, parts = rng.uniform(300, 600), rng.uniform(0, 0.8), []
    while start < samples / RATE_HZ:
        length = round(rng.uniform(0.4, 1.1) * RATE_HZ)
        t = seconds(length)
        vibrato = 1 + 0.03 * np.sin(2 * np.pi * rng.uniform(5, 9) * t)
        bend = 0.85 + 0.3 * np.sin(np.pi * np.linspace(0, 1, length)) ** 0.7
        parts.append((start, envelope(length, attack=0.3) * tone(pitch * bend * vibrato, rng, slope=0.7)))
        start += length / RATE_HZ + rng.uniform(0.1, 0.5)
    return mix_at(parts, samples)


def sneezing(samples: int, rng: Rng) -> np.ndarray:
    """Return an inhalation followed by a burst of noise."""
    inhalation, burst = round(rng.uniform(0.3, 0.8) * RATE_HZ), round(rng.uniform(0.15, 0.4) * RATE_HZ)
    breath = noise(inhalation, rng, low_hz=800, high_hz=rng.uniform(3000, 6000))
    breath *= np.linspace(0, 0.25, inhalation) ** 1.5
    voice = tone(rng.uniform(200, 500) * np.linspace(1.3, 0.7, burst), rng, slope=1.0)
    blast = envelope(burst, attack=0.05) * (noise(burst, rng, low_hz=rng.uniform(500, 2500), high_hz=9000) + voice)
    start = rng.uniform(0, 2.5)
    return mix_at([(start, breath), (start + inhalation / RATE_HZ + 0.02, 1.5 * blast)], samples)


def clock_tick(samples: int, rng: Rng) -> np.ndarray:
    """Return regular clicks of two alternating kinds."""
    gap, start = rng.uniform(0.2, 0.6), rng.uniform(0, 0.5)
    pair = [click(rng, hz=rng.uniform(1000, 5000), decay_s=rng.uniform(0.002, 0.008)) for _ in range(2)]
    count = int((samples / RATE_HZ - start) / gap)
    return mix_at([(start + n * gap, pair[n % 2]) for n in range(count)], samples)


def helicopter(samples: int, rng: Rng) -> np.ndarray:
    """Return 9 to 20 noise pulses per second with slowly varying level."""
    t, rate_hz = seconds(samples), rng.uniform(9, 20)
    blades = (0.5 + 0.5 * np.sin(2 * np.pi * rate_hz * t)) ** rng.uniform(2, 5)
    distance = 1 + rng.uniform(0, 0.6) * np.sin(2 * np.pi * rng.uniform(0.05, 0.2) * t + rng.uniform(0, 6))
    level = distance * (0.15 + blades)
    return level * noise(samples, rng, low_hz=rng.uniform(40, 400), high_hz=rng.uniform(1000, 6000))


def chainsaw(samples: int, rng: Rng) -> np.ndarray:
    """Return a tone of many harmonics with varying pitch, and noise."""
    t = seconds(samples)
    relative_speed = 1 + rng.uniform(0.1, 0.5) * np.sin(2 * np.pi * rng.uniform(0.15, 0.7) * t + rng.uniform(0, 6))
    pitch = rng.uniform(60, 150) * np.maximum(relative_speed, 0.4)
    buzz = tone(pitch, rng, harmonics=40, slope=rng.uniform(0.1, 0.6))
    return buzz / buzz.std() + rng.uniform(0.2, 0.8) * noise(samples, rng, low_hz=500, high_hz=8000)


FUNCTIONS = (dog, rooster, rain, sea_waves, crackling_fire, crying_baby, sneezing, clock_tick, helicopter, chainsaw)
SOUNDS: dict[str, Sound] = {function.__name__.replace("_", " "): function for function in FUNCTIONS}
