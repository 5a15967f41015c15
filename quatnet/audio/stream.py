"""Recordings of any length, read and resampled block by block."""

import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from os import PathLike
from typing import Any

import numpy as np
import soundfile

from ..checks import checked_path
from ..errors import ConfigError, DataError
from .read import Levels, mono_blocks, open_audio
from .waveform import resample_blocks

SILENT_PEAK = 1e-4  # -80 dB of full scale
CLIPPED_SHARE = 1e-3


class Stream:
    """Recording that is read and resampled block by block: an iterable of float32 blocks (samples,).

    The blocks together are the samples of `read`, resampled by `resample`. During the iteration, a progress bar is
    printed to a terminal. A warning is raised for a file that is clipped, has a silent channel, or has a lower sample
    rate than `sample_rate_hz`.

    Parameters
    ----------
    path : audio file
    sample_rate_hz : sample rate of the blocks in Hz
    channel : "mean" of the channels, or the number of a channel from 0

    Attributes
    ----------
    levels : `Levels` of the samples that have been read
    channels, seconds : number of channels, and seconds that have been read
    nyquist_hz : highest frequency in Hz, half of the lower one of the sample rates of the file and of the blocks

    Raises
    ------
    DataError
        See `read`. The error is raised during the iteration. There is no limit of the number of samples.
    ConfigError
        `channel` is neither "mean" nor an integer of at least 0.
    """

    def __init__(self, path: str | PathLike[str], sample_rate_hz: int, *, channel: str | int = "mean") -> None:
        if not re.fullmatch("mean|[0-9]{1,4}", str(channel)):
            raise ConfigError(f"expected the channel mean, 0, 1, ..., got {channel!r:.40}")
        self.path, self.sample_rate_hz, self.channel = checked_path(path), sample_rate_hz, str(channel)
        self.levels, self.channels, self.seconds, self.nyquist_hz = Levels(), 0, 0.0, sample_rate_hz / 2

    def __iter__(self) -> Iterator[np.ndarray]:
        self.levels = Levels()
        with open_audio(self.path) as file:
            self.channels, self.nyquist_hz = file.channels, min(file.samplerate, self.sample_rate_hz) / 2
            if self.channel != "mean" and int(self.channel) >= file.channels:
                raise DataError(f"expected a channel from 0 to {file.channels - 1}, got {self.channel}")
            yield from resample_blocks(self._decode(file), file.samplerate, self.sample_rate_hz)
            for note in self._notes(file.samplerate):
                warnings.warn(f"{self.path}: {note}", stacklevel=2)

    @property
    def is_silent(self) -> bool:
        """Whether no sample has a level above -80 dB of full scale."""
        return self.levels.peak < SILENT_PEAK

    def _decode(self, file: soundfile.SoundFile) -> Iterator[np.ndarray]:
        with _progress_bar(self.path.name, file.frames / file.samplerate) as bar:
            for block in mono_blocks(file, file.frames, self.path, channel=self.channel, levels=self.levels):
                self.seconds = self.levels.samples / file.samplerate
                yield block
                if bar:
                    bar.update(len(block) / file.samplerate)

    def _notes(self, rate_hz: int) -> Iterator[str]:
        levels = self.levels
        if (share := levels.clipped / levels.samples / levels.energy.size) > CLIPPED_SHARE:
            yield f"{share:.1%} of the samples are clipped"
        if self.channel == "mean" and levels.energy.min() < 1e-8 * levels.energy.max():
            yield f"channel {levels.energy.argmin()} is silent; select the other one with the option channel"
        if rate_hz < self.sample_rate_hz:
            yield f"the sample rate {rate_hz} Hz is below {self.sample_rate_hz} Hz; high frequencies are missing"


def _progress_bar(name: str, seconds: float) -> Any:
    """Return a progress bar that appears after two seconds, if stderr is a terminal."""
    if not sys.stderr.isatty():
        return nullcontext()
    from tqdm import tqdm

    form = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
    return tqdm(total=seconds, desc=name, delay=2, leave=False, bar_format=form)


def sliding_windows(blocks: Iterable[np.ndarray], window: int, hop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first sample and the samples of windows of a waveform, one every `hop` samples, 1 <= hop <= window.

    The last window ends with the waveform. A waveform that is shorter than a window is yielded as it is. `blocks` are
    the parts of the waveform, arrays (samples,).

    >>> [(start, len(samples)) for start, samples in sliding_windows([np.zeros(10)], window=4, hop=4)]
    [(0, 4), (4, 4), (6, 4)]
    """
    buffer, base, start = np.zeros(0, np.float32), 0, 0  # first samples of the buffer and of the next window
    for block in blocks:
        buffer = np.concatenate([buffer, block])
        while base + len(buffer) >= start + window:
            yield start, buffer[start - base : start - base + window]
            start += hop
        kept = max(base, start - window)
        base, buffer = kept, buffer[kept - base :]
    final = max(0, base + len(buffer) - window)  # start of the window that ends with the waveform
    if len(buffer) and start - hop < final:
        yield final, buffer[final - base :]
