"""Reading of packed clips.

The checksum of each clip is verified when the clip is read.
"""

import os
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from ..audio import FrontEnd
from ..checks import checked_count, checked_path
from ..errors import ConfigError, DataError, one_line
from ..processes import all_gather, own_share
from .audioset import Segments
from .parallel import map_on_cpu
from .records import listed
from .shard import FULL_SCALE, Shard, ShardFormat, read_shard, shard_identity


class PackedClips:
    """Packed clips of a table, indexed from 0 in the order of the table.

    Parameters
    ----------
    segments : table of the clips
    folder : folder of the shards written by `pack`
    shard_format : format of the shards

    Attributes
    ----------
    rows : table row of each clip, int64 (clips,)
    missing : number of table rows without a recording
    unreadable : names of the recordings that could not be read

    Raises
    ------
    DataError
        A shard is missing or incomplete, a shard belongs to another table or format, or no clip is packed.
    """

    def __init__(self, segments: Segments, folder: str | os.PathLike, shard_format: ShardFormat) -> None:
        self.segments, self.folder, self.shard_format = segments, checked_path(folder), shard_format
        self.missing, self.unreadable = 0, list[str]()
        rows, checksums, self._first_clips = [], [], [0]
        for number in range(-(-len(segments) // shard_format.shard_clips)):
            shard = self._read_shard(number)
            rows.append(np.array(shard.rows, np.int64))
            checksums.append(np.array(shard.crc32, np.uint32))
            self._first_clips.append(self._first_clips[-1] + len(shard.rows))
            self.missing += shard.missing
            self.unreadable += shard.unreadable
        self.rows, self._checksums = np.concatenate(rows), np.concatenate(checksums)
        if not len(self.rows):
            raise DataError(f"{segments.name}: none of {len(segments)} clips has a readable recording")

    def _read_shard(self, number: int) -> Shard:
        json_path = self.folder / f"{number:05}.json"
        shard, samples_path = read_shard(json_path), json_path.with_suffix(".int16")
        if shard.identity != shard_identity(self.segments, self.shard_format):
            raise DataError(f"{json_path} belongs to another table or format; give the folder of {self.segments.name}")
        first = number * self.shard_format.shard_clips
        if any(not first <= row < min(first + self.shard_format.shard_clips, len(self.segments)) for row in shard.rows):
            raise DataError(f"{json_path} contains rows of another shard; delete it and pack again")
        expected = len(shard.rows) * self.shard_format.samples * 2
        size = samples_path.stat().st_size if samples_path.is_file() else 0
        if size != expected:
            raise DataError(f"{samples_path} has {size} bytes, expected {expected}; delete {json_path} and pack again")
        return shard

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def report(self) -> str:
        """Text with the numbers of packed, missing and unreadable recordings, in one line."""
        names = f" ({listed(self.unreadable)})" if self.unreadable else ""
        return one_line(
            f"{self.segments.name}: {len(self):,} of {len(self.segments):,} clips, {self.missing:,} missing, "
            f"{len(self.unreadable):,} unreadable{names}"
        )

    def targets(self, clips: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return multi-hot float32 targets (N, classes) of N clip indices."""
        return self.segments.targets(self.rows[np.asarray(clips)])

    def waveform(self, clip: int) -> np.ndarray:
        """Return the waveform of a clip, float32 (samples,) in [-1, 1]. Raises DataError for a wrong checksum."""
        clip = range(len(self))[clip]
        number = int(np.searchsorted(self._first_clips, clip, side="right")) - 1
        path, samples = self.folder / f"{number:05}.int16", self.shard_format.samples
        offset = 2 * samples * (clip - self._first_clips[number])
        try:
            waveform = np.fromfile(path, "<i2", samples, offset=offset)  # a memory map of a truncated file is fatal
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error})") from error
        if zlib.crc32(waveform.data) != self._checksums[clip]:
            name = self.segments.ids[self.rows[clip]].decode()
            raise DataError(f"{path} is damaged at {name}; delete {path.with_suffix('.json')} and pack again")
        return waveform.astype(np.float32) / np.float32(FULL_SCALE)

    def features(self, clips: Sequence[int] | np.ndarray, frontend: FrontEnd) -> np.ndarray:
        """Return the features (N, frames, mels, 4) of N clip indices, computed on all cores.

        Under mpiexec, each process computes a part of the clips, and all return the features of all clips. Raises
        ConfigError for a front end of another clip length.
        """
        if frontend.clip_seconds != self.shard_format.clip_seconds:
            lengths = f"{self.shard_format.clip_seconds} s, got one of {frontend.clip_seconds} s"
            raise ConfigError(f"expected a front end for the length of the packed clips, {lengths}")
        rate_hz, clips = self.shard_format.sample_rate_hz, clips[own_share(len(clips))]
        own = list(map_on_cpu(lambda clip: frontend(self.waveform(clip), rate_hz), clips))
        return frontend.attach_settings(np.stack(all_gather(own)))

    def batches(self, frontend: FrontEnd, *, batch_size: int = 32) -> Iterator[np.ndarray]:
        """Return an iterator over the features of all clips in order, in batches. Only one batch is in memory.

        Raises ConfigError if `batch_size` is below 1.
        """
        starts = range(0, len(self), checked_count("batch_size", batch_size))
        return (self.features(range(first, min(first + batch_size, len(self))), frontend) for first in starts)

    def verify(self) -> None:
        """Verify the checksums of all clips. Raises DataError at the first wrong checksum."""
        for clip in tqdm(range(len(self)), desc=one_line(f"checking {self.segments.name}"), unit="clip"):
            self.waveform(clip)
