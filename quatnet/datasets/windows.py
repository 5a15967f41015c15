"""Windows of recordings: recordings of any length as clips of equal length."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..audio import FrontEnd
from ..checks import checked_number
from .features import features
from .parallel import map_on_cpu
from .records import Clip


def window_spans(seconds: float, window_seconds: float, hop_seconds: float) -> list[tuple[float, float]]:
    """Return the start and the end of each window of a recording. The last window ends at the end of the recording.

    >>> window_spans(7.0, 3.0, 3.0), window_spans(2.0, 3.0, 3.0)
    ([(0.0, 3.0), (3.0, 6.0), (4.0, 7.0)], [(0.0, 2.0)])
    """
    last = max(seconds - window_seconds, 0.0)
    starts = [min(number * hop_seconds, last) for number in range(1 + math.ceil(last / hop_seconds - 1e-6))]
    return [(start, min(start + window_seconds, seconds)) for start in starts]


def split_clip(clip: Clip, window_seconds: float, hop_seconds: float) -> list[Clip]:
    """Return the windows of a clip. The last window ends at the end of the clip.

    A clip that is not longer than `window_seconds` is the only window. The windows have no known length.
    """
    waveform, rate = clip.read_source() if not clip.seconds else (np.zeros(0), 1)
    seconds = clip.seconds or len(waveform) / rate
    if seconds <= checked_number("window_seconds", window_seconds, "(0, inf)"):
        return [clip]
    spans = window_spans(seconds, window_seconds, checked_number("hop_seconds", hop_seconds, "(0, inf)"))
    return [_window(clip, *span) for span in spans]


def _window(clip: Clip, start: float, stop: float) -> Clip:
    return replace(clip, source=partial(_read_part, clip, start, stop), key=f"{clip.key} {start:.4f} {stop:.4f}")


def _read_part(clip: Clip, start: float, stop: float) -> tuple[np.ndarray, int]:
    if reader := clip.file_reader:
        first = reader.keywords.get("start_seconds", 0.0)
        return reader(start_seconds=first + start, stop_seconds=first + stop)
    waveform, sample_rate_hz = clip.read_source()
    return waveform[round(start * sample_rate_hz) : round(stop * sample_rate_hz)], sample_rate_hz


@dataclass(frozen=True)
class Windows:
    """Features of the windows of some clips.

    Attributes
    ----------
    features : float32 array (windows, frames, mels, 4); the windows of a clip are consecutive
    counts : number of windows of each clip, int (clips,)
    """

    features: np.ndarray
    counts: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """Index of the first window of each clip, int (clips,)."""
        return np.cumsum(self.counts) - self.counts

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the means (clips, ...) over the windows of each clip, of `values` (windows, ...)."""
        return np.add.reduceat(values, self.starts) / self.counts.reshape(-1, *[1] * (values.ndim - 1))


def windows(clips: Sequence[Clip], frontend: FrontEnd, *, cache: str | os.PathLike, overlap: float = 0.0) -> Windows:
    """Return the features of the windows of `clips`, where a window has the length `frontend.clip_seconds`.

    Shorter clips are padded with zeros at the end, see `FrontEnd`. Longer clips are divided into windows, each of which
    shares the fraction `overlap` with the next one. The last window ends at the end of the clip.

    Parameters
    ----------
    clips : N clips
    frontend : front end that computes the features
    cache : folder of cache files, see `features`
    overlap : fraction of a window, from 0 to less than 1

    Raises
    ------
    DataError
        A clip cannot be read, or the disk is full, see `features`.
    ConfigError
        `overlap` is not in [0, 1).
    """
    hop = frontend.clip_seconds * (1 - checked_number("overlap", overlap, "[0, 1)"))
    parts = list(map_on_cpu(lambda clip: split_clip(clip, frontend.clip_seconds, hop), clips))
    flat = [window for part in parts for window in part]
    return Windows(features(flat, frontend, cache=cache), np.array(list(map(len, parts))))
