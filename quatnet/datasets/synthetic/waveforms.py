"""Components of synthesized sounds: noise, tones, clicks, envelopes and recording conditions.

Waveforms are float64 arrays (samples,) of arbitrary level at the sample rate `RATE_HZ`. `simulate_recording` returns
waveforms in [-1, 1].
"""

import numpy as np
from scipy.signal import lfilter, oaconvolve

RATE_HZ = 32000
Rng = np.random.Generator


def seconds(samples: int) -> np.ndarray:
    """Return the time axis (samples,) in seconds."""
    return np.arange(samples) / RATE_HZ


def noise(samples: int, rng: Rng, *, low_hz: float, high_hz: float) -> np.ndarray:
    """Return band-pass noise (samples,) between two frequencies, with standard deviation 1."""
    spectrum = rng.standard_normal(samples // 2 + 1) + 1j * rng.standard_normal(samples // 2 + 1)
    hz = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    spectrum *= 1 / (1 + (low_hz / np.maximum(hz, 1)) ** 4) / (1 + (hz / high_hz) ** 4)
    wave = np.fft.irfft(spectrum, samples)
    return wave / wave.std()


def tone(pitch_hz: np.ndarray, rng: Rng, *, harmonics: int = 12, slope: float = 1.2) -> np.ndarray:
    """Return a harmonic tone (samples,) with time-varying pitch.

    Harmonic n has the level n^-slope times a random factor. The tone is computed by wavetable synthesis with 2048
    values per period.

    Parameters
    ----------
    pitch_hz : fundamental frequency in Hz of each sample, (samples,)
    rng : random generator
    harmonics : number of harmonics
    slope : exponent of the decay of the harmonics
    """
    levels = rng.uniform(0.4, 1, harmonics) * np.arange(1, harmonics + 1) ** -slope
    angle = 2 * np.pi * np.outer(np.arange(1, harmonics + 1), np.arange(2048)) / 2048
    period = levels @ np.sin(angle)
    return period[(2048 * np.cumsum(pitch_hz) / RATE_HZ).astype(int) % 2048]


def mix_at(parts: list[tuple[float, np.ndarray]], samples: int) -> np.ndarray:
    """Return the sum (samples,) of sounds that start at given times in seconds.

    Sounds that exceed the length are cropped.
    """
    wave = np.zeros(samples)
    for start_s, part in parts:
        begin = min(samples, round(start_s * RATE_HZ))
        part = part[: samples - begin]
        wave[begin : begin + len(part)] += part
    return wave


def envelope(samples: int, *, attack: float = 0.1) -> np.ndarray:
    """Return an envelope (samples,) that rises linearly from 0 to 1 and then falls linearly to 0.

    `attack` is the length of the rise as a fraction of the envelope.
    """
    return np.interp(np.linspace(0, 1, samples), [0, attack, 1], [0, 1, 0])


def click(rng: Rng, *, hz: float, decay_s: float) -> np.ndarray:
    """Return a noisy sine of frequency `hz` that decays to 1/e in `decay_s` seconds."""
    t = seconds(round(8 * decay_s * RATE_HZ))
    return np.exp(-t / decay_s) * (np.sin(2 * np.pi * hz * t) + 0.5 * rng.standard_normal(len(t)))


def simulate_recording(wave: np.ndarray, rng: Rng) -> np.ndarray:
    """Return the waveform with random reverberation, background noise, microphone filter and level.

    The result is a float32 array (samples,) in [-1, 1].
    """
    length = round(rng.uniform(0.02, 0.6) * RATE_HZ)
    room = rng.standard_normal(length) * np.exp(-6 * np.linspace(0, 1, length)) * rng.uniform(0, 0.06)
    room[0] = 1
    wave = oaconvolve(wave, room)[: len(wave)]
    low = rng.uniform(50, 3000)
    background = noise(len(wave), rng, low_hz=low, high_hz=low * rng.uniform(2, 30))
    wave = wave / (np.abs(wave).max() + 1e-9) + 10 ** rng.uniform(-3, -1.2) * background
    wave = lfilter([1, rng.uniform(-0.9, 0.9)], [1, rng.uniform(-0.5, 0.5)], wave)  # spectral tilt of a microphone
    return (wave * rng.uniform(0.05, 0.95) / np.abs(wave).max()).astype(np.float32)
