"""Waveforms read once and kept ready: shards of equal clips, int16, which training maps into memory.

A shard is two files: `00000.int16`, one clip after the other without a header, and `00000.json`, which tells what is
in it and a checksum for each clip. The second is written last, and each under a temporary name first: a shard is
whole, or it is not there. So packing can be stopped anywhere, and goes on with the first shard that is missing.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from tqdm import tqdm

from ..audio import fit_length, read, resample
from ..errors import DataError
from .audioset import Segments, recording_of
from .found import Recordings
from .shard import FULL_SCALE, Format, Shard, identity, read_shard

AHEAD = 64  # clips that are read before they are written


def pack(segments: Segments, files: Recordings, folder: Path, form: Format) -> None:
    """Write the shards of a table that are not in `folder` yet, from its recordings, on all cores.

    Recordings are made mono, resampled, and cut or padded to one length. Those that are missing or cannot be read
    are counted in their shard. In memory are a few clips, however long the table is.

    Parameters
    ----------
    files : what `recordings` has found

    Raises
    ------
    DataError
        `folder` holds shards of another table or another format.
    """
    folder.mkdir(parents=True, exist_ok=True)
    of = identity(segments, form)
    with (
        tqdm(total=len(segments), desc=f"packing {segments.name}", unit="clip") as bar,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for number, first in enumerate(range(0, len(segments), form.shard_clips)):
            rows = range(first, min(first + form.shard_clips, len(segments)))
            stem = folder / f"{number:05}"
            if not _is_there(stem.with_suffix(".json"), of):
                found = {row: path for row in rows if (path := recording_of(segments, row, files))}
                _write(stem, found, Shard(of, missing=len(rows) - len(found)), form, pool)
            bar.update(len(rows))


def _is_there(about: Path, of: dict[str, Any]) -> bool:
    if not about.exists():
        return False
    if read_shard(about).of != of:
        raise DataError(f"{about} is of another table or format; pack into another folder, or delete this one")
    return True


def _write(stem: Path, found: Mapping[int, Path], shard: Shard, form: Format, pool: ThreadPoolExecutor) -> None:
    with _new(stem.with_suffix(".int16")) as file:
        for row, path, wave in _waves(found, form, pool):
            if wave is None:
                shard.unreadable.append(path.name)
            else:
                shard.rows.append(row)
                shard.crc32.append(zlib.crc32(wave.data))
                file.write(wave.data)
    with _new(stem.with_suffix(".json")) as file:
        file.write(json.dumps(asdict(shard)).encode())


def _waves(
    found: Mapping[int, Path], form: Format, pool: ThreadPoolExecutor
) -> Iterator[tuple[int, Path, np.ndarray | None]]:
    items = list(found.items())
    for first in range(0, len(items), AHEAD):
        rows, paths = zip(*items[first : first + AHEAD], strict=True)
        yield from zip(rows, paths, pool.map(lambda path: _int16(path, form), paths), strict=True)


def _int16(path: Path, form: Format) -> np.ndarray | None:
    """The clip (samples,) as it is kept, little-endian; None where the file cannot be read."""
    try:
        waveform, rate_hz = read(path)
    except DataError:
        return None
    clip = fit_length(resample(waveform, rate_hz, form.sample_rate_hz), form.samples)
    return np.rint(np.clip(clip, -1, 1) * FULL_SCALE).astype("<i2")


@contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when all of it is on the disk."""
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
