"""Packing of recordings into shards of int16 samples, from which single clips are read in training.

A shard consists of two files. `00000.int16` contains the samples of the clips without a header. `00000.json` contains
the table row and the checksum of each clip. The files are written under temporary names and renamed when complete. The
JSON file is written last, so an interrupted run leaves only complete shards. The next run continues with the first
missing shard. Shards with missing recordings are written again if some of these exist now, and all
recordings that were packed.
"""

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..audio import read
from ..audio.waveform import resample_clip
from ..checks import checked_path
from ..errors import DataError, one_line
from ..files import atomic_write, disk_errors, write_text
from ..processes import RANK, SIZE, barrier
from .audioset import Segments, find_recording
from .index import RecordingIndex
from .parallel import map_on_cpu
from .shard import FULL_SCALE, Shard, ShardFormat, read_shard, shard_identity


def pack(segments: Segments, recordings: RecordingIndex, folder: str | os.PathLike, shard_format: ShardFormat) -> None:
    """Write the missing shards of a table to `folder`, and the shards whose missing recordings exist now.

    Recordings are converted to mono, resampled, and cropped or zero-padded to one length. Each shard contains the
    number of missing recordings and the names of unreadable recordings. All cores are used.
    Memory use does not depend on the size of the table. Under mpiexec, the shards are distributed over the processes.

    Parameters
    ----------
    segments : table of the clips
    recordings : index of the audio files, from `index_recordings`
    folder : folder of the shards, created if necessary
    shard_format : sample rate, clip length and shard size

    Raises
    ------
    DataError
        `folder` contains shards of another table or format, or the disk is full.
    """
    folder = checked_path(folder)
    identity = shard_identity(segments, shard_format)
    bar = tqdm(total=len(segments), desc=one_line(f"packing {segments.name}"), unit="clip", disable=RANK > 0)
    with bar, disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for number, first in islice(enumerate(range(0, len(segments), shard_format.shard_clips)), RANK, None, SIZE):
            rows = range(first, min(first + shard_format.shard_clips, len(segments)))
            stem = folder / f"{number:05}"
            json_path = stem.with_suffix(".json")
            old = read_shard(json_path) if json_path.exists() else None
            if old and old.identity != identity:
                advice = "pack into another folder, or delete it"
                raise DataError(f"{json_path} belongs to another table or format; {advice}")
            if not old or old.missing:
                paths = {row: path for row in rows if (path := find_recording(segments, row, recordings))}
                missing = len(rows) - len(paths)
                added = old is not None and missing < old.missing and paths.keys() >= set(old.rows)
                if added or not old:  # a packed clip whose recording was deleted is kept
                    json_path.unlink(missing_ok=True)
                    _write_shard(stem, paths, Shard(identity, missing=missing), shard_format)
            bar.update(len(rows) * SIZE)
    barrier()


def _write_shard(stem: Path, paths: Mapping[int, Path], shard: Shard, shard_format: ShardFormat) -> None:
    results = map_on_cpu(lambda path: _read_int16(path, shard_format), list(paths.values()))
    with closing(results) as waveforms, atomic_write(stem.with_suffix(".int16")) as file:
        for (row, path), waveform in zip(paths.items(), waveforms, strict=True):
            if waveform is None:
                shard.unreadable.append(path.name)
            else:
                shard.rows.append(row)
                shard.crc32.append(zlib.crc32(waveform.data))
                file.write(waveform.data)
    shard.checksum = shard.computed_checksum()
    write_text(stem.with_suffix(".json"), json.dumps(asdict(shard)))


def _read_int16(path: Path, shard_format: ShardFormat) -> np.ndarray | None:
    """Return the clip as little-endian int16 (samples,), or None if the file cannot be read."""
    try:
        waveform, rate_hz = read(path, stop_seconds=shard_format.clip_seconds + 1)  # the filter needs some samples more
    except DataError:
        return None
    clip = resample_clip(waveform, rate_hz, shard_format.sample_rate_hz, shard_format.samples)
    return np.rint(np.clip(clip, -1, 1) * FULL_SCALE).astype("<i2")
