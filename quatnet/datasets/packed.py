"""Packed waveforms, read: each clip is mapped when it is asked for, checked, and let go, so memory stays small."""

import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..audio import FrontEnd
from ..errors import DataError
from .audioset import Segments
from .shard import FULL_SCALE, Format, Shard, identity, read_shard


class Packed:
    """The clips of a table that are in the shards of a folder, numbered from 0 in the order of the table.

    Attributes
    ----------
    rows : (clips,), the row of the table of each clip
    missing : how many recordings were not there
    unreadable : names of the files that could not be read

    Raises
    ------
    DataError
        Shards are missing, of another table, or not of the length that they should have; no clip is there.
    """

    def __init__(self, segments: Segments, folder: Path, form: Format) -> None:
        self.segments, self.folder, self.form = segments, Path(folder), form
        self.missing, self.unreadable = 0, list[str]()
        rows, checksums, self._firsts = [], [], [0]
        for number in range(-(-len(segments) // form.shard_clips)):
            shard = self._shard(number)
            rows.append(np.array(shard.rows, np.int64))
            checksums.append(np.array(shard.crc32, np.uint32))
            self._firsts.append(self._firsts[-1] + len(shard.rows))
            self.missing += shard.missing
            self.unreadable += shard.unreadable
        self.rows, self._checksums = np.concatenate(rows), np.concatenate(checksums)
        if not len(self.rows):
            raise DataError(f"{segments.name}: none of {len(segments)} clips has a recording that can be read")

    def _shard(self, number: int) -> Shard:
        about = self.folder / f"{number:05}.json"
        shard, waves = read_shard(about), about.with_suffix(".int16")
        if shard.of != identity(self.segments, self.form):
            raise DataError(f"{about} is of another table or format; give the folder of {self.segments.name}")
        expected = len(shard.rows) * self.form.samples * 2
        found = waves.stat().st_size if waves.exists() else 0
        if found != expected:
            raise DataError(f"{waves} has {found} bytes, expected {expected}; delete {about}, and pack again")
        return shard

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def report(self) -> str:
        """How many clips are there, and how many are not."""
        names = f" ({', '.join(self.unreadable[:3])}{' ...' if len(self.unreadable) > 3 else ''})"
        return (
            f"{self.segments.name}: {len(self):,} of {len(self.segments):,} clips, {self.missing:,} missing, "
            f"{len(self.unreadable):,} unreadable{names if self.unreadable else ''}"
        )

    def targets(self, clips: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return float32 (clips, classes): 1 where a class is heard."""
        return self.segments.targets(self.rows[np.asarray(clips)])

    def waveform(self, clip: int) -> np.ndarray:
        """Return float32 (samples,) in [-1, 1]. Raises DataError where its checksum is wrong."""
        number = int(np.searchsorted(self._firsts, clip, side="right")) - 1
        path, samples = self.folder / f"{number:05}.int16", self.form.samples
        offset = 2 * samples * (clip - self._firsts[number])
        wave = np.memmap(path, "<i2", "r", offset=offset, shape=(samples,))
        if zlib.crc32(wave.data) != self._checksums[clip]:
            name = self.segments.ids[self.rows[clip]].decode()
            raise DataError(f"{path} is damaged at {name}; delete {path.with_suffix('.json')}, and pack again")
        return wave.astype(np.float32) / np.float32(FULL_SCALE)

    def features(self, clips: Sequence[int] | np.ndarray, frontend: FrontEnd) -> np.ndarray:
        """Return what a network hears of clips, (clips, frames, mels, 4), computed on all cores."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda clip: frontend(self.waveform(clip), self.form.sample_rate_hz), clips)
            return np.stack(list(found))

    def batches(self, frontend: FrontEnd, *, batch: int = 32) -> Iterator[np.ndarray]:
        """Yield the features of all clips in order, `batch` at a time: for evaluation, in the memory of one batch."""
        for first in range(0, len(self), batch):
            yield self.features(range(first, min(first + batch, len(self))), frontend)

    def verify(self) -> None:
        """Read everything once. Raises DataError at the first clip whose checksum is wrong."""
        for clip in tqdm(range(len(self)), desc=f"checking {self.segments.name}", unit="clip"):
            self.waveform(clip)
