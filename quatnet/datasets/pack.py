"""Packing of recordings into shards of int16 samples, which are memory-mapped in training.

A shard consists of two files. `00000.int16` contains the samples of the clips without a header. `00000.json` contains
the table row and the checksum of each clip. The files are written under temporary names and renamed when complete. The
JSON file is written last, so an interrupted run leaves only complete shards. The next run continues with the first
missing shard.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..audio import fix_length, read, resample
from ..errors import DataError
from ..files import atomic_write
from ..processes import RANK, SIZE, available_cores, barrier
from .audioset import Segments, find_recording
from .index import RecordingIndex
from .shard import FULL_SCALE, Shard, ShardFormat, read_shard, shard_identity

READ_AHEAD = 64  # number of clips that are read in parallel before they are written


def pack(segments: Segments, recordings: RecordingIndex, folder: str | os.PathLike, shard_format: ShardFormat) -> None:
    """Write the missing shards of a table to `folder`, using all cores.

    Recordings are converted to mono, resampled, and cropped or zero-padded to one length. Each shard contains the
    number of missing recordings and the names of unreadable recordings. Memory use does not depend on the size of the
    table. Under mpiexec, the shards are distributed over the processes.

    Parameters
    ----------
    segments : table of the clips
    recordings : index of the audio files, from `index_recordings`
    folder : folder of the shards, created if necessary
    shard_format : sample rate, clip length and shard size

    Raises
    ------
    DataError
        `folder` contains shards of another table or format.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    identity = shard_identity(segments, shard_format)
    with (
        tqdm(total=len(segments), desc=f"packing {segments.name}", unit="clip", disable=RANK > 0) as bar,
        ThreadPoolExecutor(available_cores()) as pool,
    ):
        for number, first in islice(enumerate(range(0, len(segments), shard_format.shard_clips)), RANK, None, SIZE):
            rows = range(first, min(first + shard_format.shard_clips, len(segments)))
            stem = folder / f"{number:05}"
            if not _is_packed(stem.with_suffix(".json"), identity):
                paths = {row: path for row in rows if (path := find_recording(segments, row, recordings))}
                _write_shard(stem, paths, Shard(identity, missing=len(rows) - len(paths)), shard_format, pool)
            bar.update(len(rows) * SIZE)
    barrier()


def _is_packed(json_path: Path, identity: dict[str, Any]) -> bool:
    if not json_path.exists():
        return False
    if read_shard(json_path).identity != identity:
        raise DataError(f"{json_path} belongs to another table or format; pack into another folder, or delete it")
    return True


def _write_shard(
    stem: Path, paths: Mapping[int, Path], shard: Shard, shard_format: ShardFormat, pool: ThreadPoolExecutor
) -> None:
    with atomic_write(stem.with_suffix(".int16")) as file:
        for row, path, waveform in _read_all(paths, shard_format, pool):
            if waveform is None:
                shard.unreadable.append(path.name)
            else:
                shard.rows.append(row)
                shard.crc32.append(zlib.crc32(waveform.data))
                file.write(waveform.data)
    with atomic_write(stem.with_suffix(".json")) as file:
        file.write(json.dumps(asdict(shard)).encode())


def _read_all(
    paths: Mapping[int, Path], shard_format: ShardFormat, pool: ThreadPoolExecutor
) -> Iterator[tuple[int, Path, np.ndarray | None]]:
    """Yield the table row, the path and the samples of each recording.

    The samples are None if the file cannot be read.
    """
    items = list(paths.items())
    for first in range(0, len(items), READ_AHEAD):
        rows, files = zip(*items[first : first + READ_AHEAD], strict=True)
        yield from zip(rows, files, pool.map(lambda path: _read_int16(path, shard_format), files), strict=True)


def _read_int16(path: Path, shard_format: ShardFormat) -> np.ndarray | None:
    """Return the clip as little-endian int16 (samples,), or None if the file cannot be read."""
    try:
        waveform, rate_hz = read(path)
    except DataError:
        return None
    clip = fix_length(resample(waveform, rate_hz, shard_format.sample_rate_hz), shard_format.samples)
    return np.rint(np.clip(clip, -1, 1) * FULL_SCALE).astype("<i2")
