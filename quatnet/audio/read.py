"""Reading of audio files, block by block."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ..checks import checked_path
from ..errors import ConfigError, DataError
from .waveform import MAX_RATE_HZ, check_samples

MIN_RATE_HZ = 1000
MAX_SAMPLES = 60_000_000  # largest number of samples in memory, 240 MB
FULL_SCALE = 1 - 2**-15  # the largest value of 16-bit samples, at which a recording is clipped
MAX_PAGE_SAMPLES = 1 << 20  # a page of Vorbis ends at most 255 packets of 4096 samples, and the next one overlaps
MP3_BEFORE = 16 * 1152  # samples of 16 frames, which the decoder of MP3 needs before the first sample
BLOCK_VALUES = 1 << 18  # number of values of all channels that are decoded at once
MAX_SAMPLES_PER_BYTE = 8192  # of a channel; a constant block of FLAC has 65,535 samples in more than 10 bytes
UNKNOWN_FRAMES = (1 << 63) - 1  # number of frames that libsndfile returns for a stream of unknown length
STREAM_BYTES = 0x7FFFF000  # programs that write into a pipe announce this number of bytes, or more
# libsndfile writes the announced and the existing number of bytes into its log
ANNOUNCED_BYTES = re.compile(r"(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)")


def read(
    path: str | PathLike[str], *, start_seconds: float = 0.0, stop_seconds: float = float("inf")
) -> tuple[np.ndarray, int]:
    """Return the samples of an audio file (WAV, FLAC, Ogg, MP3, AIFF, ...), averaged over the channels.

    The file is decoded block by block, and only up to `stop_seconds`. A warning is raised if the channels cancel each
    other in the mean, and for an Ogg or MP3 file that seems to be truncated.

    Parameters
    ----------
    path : audio file
    start_seconds, stop_seconds : part of the recording that is returned, by default the complete recording

    Returns
    -------
    waveform : float32 array (samples,) in [-1, 1]
    sample_rate_hz : sample rate of the file in Hz

    Raises
    ------
    DataError
        The file is missing, unreadable, truncated or empty, contains NaN, infinity or samples far outside [-1, 1], or
        has more than 60 million samples between `start_seconds` and `stop_seconds`. The message names the file.
    ConfigError
        The condition 0 <= start_seconds < stop_seconds is false.
    """
    with _open_part(path, start_seconds=start_seconds, stop_seconds=stop_seconds) as (file, samples):
        if samples > MAX_SAMPLES:
            raise DataError(f"more than {MAX_SAMPLES} samples; read a part with start_seconds and stop_seconds")
        mono = bytearray()
        for block in mono_blocks(file, samples, path):
            mono += block.tobytes()
        return np.frombuffer(mono, np.float32), file.samplerate


def read_blocks(path: str | PathLike[str], **part: float) -> Iterator[np.ndarray]:
    """Yield the waveform of `read(path, **part)` in blocks (samples,). There is no limit of the number of samples."""
    with _open_part(path, **part) as (file, samples):
        yield from mono_blocks(file, samples, path)


@contextmanager
def _open_part(
    path: str | PathLike[str], *, start_seconds: float = 0.0, stop_seconds: float = float("inf")
) -> Iterator[tuple[soundfile.SoundFile, int]]:
    """Open an audio file at the start of a part, see `read`. The value is the file and the samples of the part."""
    numbers = isinstance(start_seconds, Real) and isinstance(stop_seconds, Real)
    if not (numbers and 0 <= start_seconds < stop_seconds):
        raise ConfigError(f"expected 0 <= start_seconds < stop_seconds, got {start_seconds=}, {stop_seconds=}")
    with open_audio(checked_path(path)) as file:
        start, stop = (round(min(s * file.samplerate, file.frames)) for s in (start_seconds, stop_seconds))
        if start >= file.frames:
            raise DataError(f"start_seconds={start_seconds} is after the end, {file.frames / file.samplerate} s")
        if start == stop:
            raise DataError(f"no sample from {start_seconds} s to {stop_seconds} s; read a longer part")
        _skip(file, start)
        yield file, stop - start


def _skip(file: soundfile.SoundFile, start: int) -> None:
    """Move to the sample `start` of a file that was opened.

    The samples of Ogg files must not depend on `start`. libsndfile seeks to another sample in the last page of some
    Vorbis files, and a decoder of Opus needs all samples before. These samples are decoded, and so are those of formats
    in which libsndfile cannot seek, such as GSM 6.10.
    """
    first = start if file.seekable() else 0
    if file.format == "OGG":
        first = max(0, min(start, file.frames - MAX_PAGE_SAMPLES)) if file.subtype == "VORBIS" else 0
    if first:
        file.seek(first)
    for place in range(first, start, 4096):
        file.read(min(4096, start - place), dtype="float32")


def _next_frames(file: soundfile.SoundFile, frames: int) -> np.ndarray:
    """Return the next frames (frames, channels) of a file, or fewer at its end.

    soundfile seeks after every read, and the first frames of an MP3 file after a seek depend on the frames before.
    These are decoded again.
    """
    before = min(file.tell(), MP3_BEFORE) if file.format == "MP3" else 0
    if before:
        file.seek(-before, soundfile.SEEK_CUR)
    return file.read(before + frames, dtype="float32", always_2d=True)[before:]


@contextmanager
def open_audio(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open an audio file and check its header. Each exception in the context becomes a DataError with the path."""
    try:
        if not path.is_file():
            advice = "this is a folder, a pipe or a device; save the recording as a file"
            raise DataError(advice if path.exists() else "no such file; check the path")
        try:  # libsndfile does not state why a file cannot be opened
            path.open("rb").close()
        except OSError as error:
            raise DataError(f"cannot be opened ({error.strerror}); check the file and its permissions") from error
        with soundfile.SoundFile(os.fsencode(path)) as file:
            _check_header(file)
            yield file
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # the decoders raise exceptions of many types for damaged files
        reason = getattr(error, "error_string", error)
        raise DataError(f"{path}: cannot be read as audio ({reason}); convert it to WAV or FLAC") from error


def _check_header(file: soundfile.SoundFile) -> None:
    if file.format == "RAW":  # soundfile reads a headerless .au file as RAW at 8 kHz
        raise DataError("the file has no header; convert it to WAV or FLAC")
    if not 1 <= file.frames < UNKNOWN_FRAMES:
        raise DataError("the header states 0 samples; remove the recording, or convert it to WAV")
    if not MIN_RATE_HZ <= file.samplerate <= MAX_RATE_HZ:
        raise DataError(f"expected a sample rate from {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz, got {file.samplerate}")
    size = os.path.getsize(file.name)
    if file.frames > MAX_SAMPLES_PER_BYTE * size:
        raise DataError(f"the header announces {file.frames} samples, too many for {size} bytes; repair the recording")
    for announced, existing in ANNOUNCED_BYTES.findall(file.extra_info):
        if int(existing) < int(announced) < STREAM_BYTES:
            raise DataError(f"the file is truncated, {existing} of {announced} bytes exist; copy or record it again")


class Levels:
    """Levels of the blocks of a recording that have been read, for the mean or for one channel.

    `samples` is the number of samples of a channel, `peak` the largest absolute value of the mono signal, `clipped` the
    number of values at full scale, and `energy` and `mono_energy` are the sums of squares of each channel and of the
    mono signal.
    """

    def __init__(self) -> None:
        self.samples, self.clipped, self.peak, self.energy, self.mono_energy = 0, 0, 0.0, np.zeros(1), 0.0

    def add(self, block: np.ndarray, mono: np.ndarray) -> None:
        """Add a block (frames, channels) and its mono signal (frames,)."""
        self.samples += len(block)
        magnitudes = np.abs(block)  # floating-point files may have larger values, which are not clipped
        self.clipped += int(np.count_nonzero((magnitudes >= FULL_SCALE) & (magnitudes <= 1)))
        self.peak = max(self.peak, float(np.abs(mono).max()))
        self.energy = self.energy + np.square(block).sum(axis=0, dtype=float)
        self.mono_energy += float(np.square(mono).sum(dtype=float))


def mono_blocks(
    file: soundfile.SoundFile,
    frames: int,
    path: str | PathLike[str],
    *,
    channel: str | int = "mean",
    levels: Any = None,
) -> Iterator[np.ndarray]:
    """Yield the next frames of a file in blocks (frames,): the mean of the channels, or one channel.

    The blocks are added to `levels`, an object of the class `Levels`.
    """
    levels, at_once = levels or Levels(), max(1, BLOCK_VALUES // file.channels)
    while len(block := _next_frames(file, min(at_once, frames - levels.samples))):
        block = block if channel == "mean" else block[:, [int(channel)]]
        check_samples(block)
        mono = block.mean(axis=1)
        levels.add(block, mono)
        yield mono
    samples = levels.samples
    if samples < frames and (not samples or file.format != "MP3"):
        raise DataError(f"the file is truncated, {samples} of {frames} samples exist; copy or record it again")
    if samples < 0.95 * frames or (file.format == "OGG" and not _has_last_page(Path(path))):
        warnings.warn(f"{path}: the file seems to be truncated, {samples} samples are read", stacklevel=3)
    if channel == "mean" and levels.mono_energy < 1e-3 * levels.energy.mean():
        warnings.warn(f"{path}: the channels cancel each other, their mean is almost silent", stacklevel=3)


def _has_last_page(path: Path) -> bool:
    """Return whether an Ogg file ends with a complete page that has the flag for the end of the stream."""
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, 65_307), os.SEEK_END)  # a page has at most 65,307 bytes
        page = file.read().rpartition(b"OggS")[2]
    segments = page[23 : 23 + page[22]] if len(page) > 22 else b"\xff"
    return len(page) >= 23 + len(segments) + sum(segments) and bool(page[1] & 4)
