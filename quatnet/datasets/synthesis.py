"""Ten kinds of environmental sound, each made by a short function from a generator. Plausible, not real.

A sound is a waveform (samples,) of arbitrary level at `RATE_HZ`. What tells the classes apart is mostly how they
move: regular or irregular clicks, slow swell, buzz, rising and falling tones. Spectrum, level, onset, background
and room differ from clip to clip.
"""

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter, oaconvolve

RATE_HZ = 32000
Rng = np.random.Generator
Sound = Callable[[int, Rng], np.ndarray]


def seconds(samples: int) -> np.ndarray:
    """Time axis (samples,) in seconds."""
    return np.arange(samples) / RATE_HZ


def noise(samples: int, rng: Rng, *, low_hz: float, high_hz: float) -> np.ndarray:
    """Noise between two frequencies, of standard deviation 1."""
    spectrum = rng.standard_normal(samples // 2 + 1) + 1j * rng.standard_normal(samples // 2 + 1)
    hz = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    spectrum *= 1 / (1 + (low_hz / np.maximum(hz, 1)) ** 4) / (1 + (hz / high_hz) ** 4)
    wave = np.fft.irfft(spectrum, samples)
    return wave / wave.std()


def tone(pitch_hz: np.ndarray, rng: Rng, *, harmonics: int = 12, slope: float = 1.2) -> np.ndarray:
    """Harmonics 1 ... n of a pitch (samples,) that may move, the n-th of level n^-slope times chance.

    One period is computed once, as a table of 2048 values, and read at the speed of the pitch.
    """
    levels = rng.uniform(0.4, 1, harmonics) * np.arange(1, harmonics + 1) ** -slope
    angle = 2 * np.pi * np.outer(np.arange(1, harmonics + 1), np.arange(2048)) / 2048
    period = levels @ np.sin(angle)
    return period[(2048 * np.cumsum(pitch_hz) / RATE_HZ).astype(int) % 2048]


def place(parts: list[tuple[float, np.ndarray]], samples: int) -> np.ndarray:
    """Add up sounds that begin at given seconds; what is too late or too long is cut."""
    wave = np.zeros(samples)
    for start_s, part in parts:
        begin = min(samples, round(start_s * RATE_HZ))
        part = part[: samples - begin]
        wave[begin : begin + len(part)] += part
    return wave


def arch(samples: int, *, attack: float = 0.1) -> np.ndarray:
    """An envelope that rises over the share `attack` and falls over the rest."""
    return np.interp(np.linspace(0, 1, samples), [0, attack, 1], [0, 1, 0])


def click(rng: Rng, *, hz: float, decay_s: float) -> np.ndarray:
    t = seconds(round(8 * decay_s * RATE_HZ))
    return np.exp(-t / decay_s) * (np.sin(2 * np.pi * hz * t) + 0.5 * rng.standard_normal(len(t)))


def dog(samples: int, rng: Rng) -> np.ndarray:
    """One to five barks: short tones that fall."""
    pitch, gap = rng.uniform(250, 700), rng.uniform(0.35, 0.9)
    length = round(rng.uniform(0.12, 0.25) * RATE_HZ)
    sweep = pitch * np.linspace(1.5, 0.7, length)
    bark = arch(length, attack=0.15) * (tone(sweep, rng, slope=0.8) + 0.6 * rng.standard_normal(length))
    start = rng.uniform(0, 1.5)
    return place([(start + n * gap * rng.uniform(0.8, 1.2), bark) for n in range(rng.integers(1, 6))], samples)


def rooster(samples: int, rng: Rng) -> np.ndarray:
    """A crow: three short notes and a long one that rises and falls."""
    base, start = rng.uniform(450, 900), rng.uniform(0, 2.0)
    parts = []
    for duration, peak in [(0.18, 1.1), (0.22, 1.3), (0.18, 1.2), (rng.uniform(0.7, 1.3), 1.6)]:
        length = round(duration * rng.uniform(0.8, 1.2) * RATE_HZ)
        pitch = base * (1 + (peak - 1) * np.sin(np.pi * np.linspace(0, 0.95, length)))
        parts.append((start, arch(length, attack=0.2) * tone(pitch, rng, slope=0.6)))
        start += duration * 1.15
    return place(parts, samples)


def rain(samples: int, rng: Rng) -> np.ndarray:
    """Steady noise and countless drops."""
    low = rng.uniform(300, 2500)
    drops = rng.poisson(rng.uniform(200, 900) / RATE_HZ, samples) * rng.exponential(1, samples)
    drops = lfilter([1], [1, -np.exp(-1 / (0.001 * RATE_HZ))], drops * rng.choice([-1, 1], samples))
    return noise(samples, rng, low_hz=low, high_hz=rng.uniform(4000, 12000)) + rng.uniform(0.5, 2) * drops / drops.std()


def sea_waves(samples: int, rng: Rng) -> np.ndarray:
    """Noise that swells every few seconds."""
    rate_hz, phase = rng.uniform(0.15, 0.4), rng.uniform(0, 2 * np.pi)
    swell = (0.5 + 0.5 * np.sin(2 * np.pi * rate_hz * seconds(samples) + phase)) ** rng.uniform(1.5, 4)
    low = rng.uniform(100, 2000)
    return (0.05 + swell) * noise(samples, rng, low_hz=low, high_hz=rng.uniform(3000, 10000))


def crackling_fire(samples: int, rng: Rng) -> np.ndarray:
    """Clicks at irregular times over a low rumble."""
    times = rng.uniform(0, samples / RATE_HZ, rng.integers(25, 110))
    clicks = [
        (t, rng.exponential(1) * click(rng, hz=rng.uniform(800, 5000), decay_s=rng.uniform(0.001, 0.006)))
        for t in times
    ]
    return place(clicks, samples) + rng.uniform(0.02, 0.15) * noise(
        samples, rng, low_hz=60, high_hz=rng.uniform(300, 3000)
    )


def crying_baby(samples: int, rng: Rng) -> np.ndarray:
    """Wails: arched, trembling tones with breaths between."""
    pitch, start, parts = rng.uniform(300, 600), rng.uniform(0, 0.8), []
    while start < samples / RATE_HZ:
        length = round(rng.uniform(0.4, 1.1) * RATE_HZ)
        t = seconds(length)
        tremble = 1 + 0.03 * np.sin(2 * np.pi * rng.uniform(5, 9) * t)
        bend = 0.85 + 0.3 * np.sin(np.pi * np.linspace(0, 1, length)) ** 0.7
        parts.append((start, arch(length, attack=0.3) * tone(pitch * bend * tremble, rng, slope=0.7)))
        start += length / RATE_HZ + rng.uniform(0.1, 0.5)
    return place(parts, samples)


def sneezing(samples: int, rng: Rng) -> np.ndarray:
    """A breath drawn in, then a burst."""
    drawn, burst = round(rng.uniform(0.3, 0.8) * RATE_HZ), round(rng.uniform(0.15, 0.4) * RATE_HZ)
    breath = np.linspace(0, 0.25, drawn) ** 1.5 * noise(drawn, rng, low_hz=800, high_hz=rng.uniform(3000, 6000))
    voice = tone(rng.uniform(200, 500) * np.linspace(1.3, 0.7, burst), rng, slope=1.0)
    blast = arch(burst, attack=0.05) * (noise(burst, rng, low_hz=rng.uniform(500, 2500), high_hz=9000) + voice)
    start = rng.uniform(0, 2.5)
    return place([(start, breath), (start + drawn / RATE_HZ + 0.02, 1.5 * blast)], samples)


def clock_tick(samples: int, rng: Rng) -> np.ndarray:
    """Clicks at even distances, every second one a little different."""
    gap, start = rng.uniform(0.2, 0.6), rng.uniform(0, 0.5)
    pair = [click(rng, hz=rng.uniform(1000, 5000), decay_s=rng.uniform(0.002, 0.008)) for _ in range(2)]
    count = int((samples / RATE_HZ - start) / gap)
    return place([(start + n * gap, pair[n % 2]) for n in range(count)], samples)


def helicopter(samples: int, rng: Rng) -> np.ndarray:
    """Thuds of noise, ten to twenty a second, coming and going."""
    t, rate_hz = seconds(samples), rng.uniform(9, 20)
    blades = (0.5 + 0.5 * np.sin(2 * np.pi * rate_hz * t)) ** rng.uniform(2, 5)
    distance = 1 + rng.uniform(0, 0.6) * np.sin(2 * np.pi * rng.uniform(0.05, 0.2) * t + rng.uniform(0, 6))
    return (
        distance * (0.15 + blades) * noise(samples, rng, low_hz=rng.uniform(40, 400), high_hz=rng.uniform(1000, 6000))
    )


def chainsaw(samples: int, rng: Rng) -> np.ndarray:
    """A buzz of many harmonics that revs up and down, with noise."""
    t = seconds(samples)
    revs = 1 + rng.uniform(0.1, 0.5) * np.sin(2 * np.pi * rng.uniform(0.15, 0.7) * t + rng.uniform(0, 6))
    pitch = rng.uniform(60, 150) * np.maximum(revs, 0.4)
    buzz = tone(pitch, rng, harmonics=40, slope=rng.uniform(0.1, 0.6))
    return buzz / buzz.std() + rng.uniform(0.2, 0.8) * noise(samples, rng, low_hz=500, high_hz=8000)


SOUNDS: dict[str, Sound] = {
    "dog": dog,
    "rooster": rooster,
    "rain": rain,
    "sea waves": sea_waves,
    "crackling fire": crackling_fire,
    "crying baby": crying_baby,
    "sneezing": sneezing,
    "clock tick": clock_tick,
    "helicopter": helicopter,
    "chainsaw": chainsaw,
}


def recorded(wave: np.ndarray, rng: Rng) -> np.ndarray:
    """Put a sound into a room with a background, through some microphone, at some level: |x| <= 1, float32."""
    length = round(rng.uniform(0.02, 0.6) * RATE_HZ)
    room = rng.standard_normal(length) * np.exp(-6 * np.linspace(0, 1, length)) * rng.uniform(0, 0.06)
    room[0] = 1
    wave = oaconvolve(wave, room)[: len(wave)]
    low = rng.uniform(50, 3000)
    background = noise(len(wave), rng, low_hz=low, high_hz=low * rng.uniform(2, 30))
    wave = wave / (np.abs(wave).max() + 1e-9) + 10 ** rng.uniform(-3, -1.2) * background
    wave = lfilter([1, rng.uniform(-0.9, 0.9)], [1, rng.uniform(-0.5, 0.5)], wave)  # a tilt, as of a microphone
    return (wave * rng.uniform(0.05, 0.95) / np.abs(wave).max()).astype(np.float32)
