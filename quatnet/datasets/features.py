"""Features of many clips, computed once on all cores and kept in one file."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..audio import FrontEnd
from .records import Clip

VERSION = 1  # to be raised with every change of the front end's results


def features(clips: Sequence[Clip], frontend: FrontEnd, *, cache: Path) -> np.ndarray:
    """Return the features (clips, frames, mels, 4) float32, from a file under `cache` or into one.

    The result is a read-only memory map of that file; indexing it by clips makes a copy. The file's name is a
    digest of all that shapes the result: the settings, every clip's key, the version. A file of another shape or
    length, or whose checksum is wrong, is said to be damaged and computed again.

    Raises
    ------
    DataError
        A clip cannot be read; no file is written then.
    """
    path = cache / f"{_digest(clips, frontend)}.npy"
    shape = (len(clips), frontend.frames, frontend.mels, 4)
    if path.exists():
        kept = _load(path, shape)
        if kept is not None:
            return kept
        print(f"{path} is damaged; computing the features again")
    _store(path, clips, frontend, shape)
    return np.load(path, mmap_mode="r")


def _digest(clips: Sequence[Clip], frontend: FrontEnd) -> str:
    shaped_by = [VERSION, asdict(frontend), [clip.key for clip in clips]]
    return hashlib.sha256(json.dumps(shaped_by).encode()).hexdigest()[:20]


def _checksum(array: np.ndarray) -> str:
    return hashlib.blake2b(array.data, digest_size=16).hexdigest()


def _load(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        expected = path.with_suffix(".sum").read_text()
    except (OSError, ValueError, EOFError):
        return None
    fits = array.shape == shape and array.dtype == np.float32 and array.flags.c_contiguous
    return array if fits and _checksum(array) == expected else None


def _fill(array: np.ndarray, clips: Sequence[Clip], frontend: FrontEnd) -> None:
    def work(number: int) -> None:
        array[number] = frontend(*clips[number].source())

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        list(tqdm(pool.map(work, range(len(clips))), total=len(clips), desc="features", unit="clip"))
    finally:
        pool.shutdown(cancel_futures=True)  # an unreadable clip ends the work at once


def _store(path: Path, clips: Sequence[Clip], frontend: FrontEnd, shape: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part")
    try:
        array = np.lib.format.open_memmap(partial, "w+", np.float32, shape)
        _fill(array, clips, frontend)
        array.flush()
        path.with_suffix(".sum").write_text(_checksum(array))
        del array  # unmapped, because Windows renames no mapped file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
