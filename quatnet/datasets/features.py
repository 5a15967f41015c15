"""Parallel computation and caching of features."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..audio import FrontEnd
from ..processes import root_first
from .records import Clip

VERSION = 1  # increase if the computation of the features changes


@root_first()
def features(clips: Sequence[Clip], frontend: FrontEnd, *, cache: str | os.PathLike) -> np.ndarray:
    """Return the features of clips from the cache, or compute and cache the features.

    The name of the cache file is a digest of the front end, the keys of all clips and a version number. If a cache file
    has a wrong shape, length or checksum, a message is printed and the features are computed again. Under mpiexec,
    process 0 computes the features on all cores of its machine, and then the other processes read the file.

    Parameters
    ----------
    clips : N clips
    frontend : front end that computes the features
    cache : folder of cache files, created if necessary

    Returns
    -------
    read-only memory map float32 (N, frames, mels, 4)

    Raises
    ------
    DataError
        A clip cannot be read. No file is written.
    """
    path = Path(cache) / f"{_digest(clips, frontend)}.npy"
    shape = (len(clips), frontend.frames, frontend.mels, 4)
    if path.exists():
        cached = _load(path, shape)
        if cached is not None:
            return cached
        print(f"{path} is damaged; computing the features again")
    _store(path, clips, frontend, shape)
    return np.load(path, mmap_mode="r")


def _digest(clips: Sequence[Clip], frontend: FrontEnd) -> str:
    inputs = [VERSION, repr(frontend), [clip.key for clip in clips]]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:20]


def _checksum(array: np.ndarray) -> str:
    return hashlib.blake2b(array.data, digest_size=16).hexdigest()


def _load(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        expected = path.with_suffix(".sum").read_text()
    except (OSError, ValueError, EOFError):
        return None
    valid = array.shape == shape and array.dtype == np.float32 and array.flags.c_contiguous
    return array if valid and _checksum(array) == expected else None


def _compute(array: np.ndarray, clips: Sequence[Clip], frontend: FrontEnd) -> None:
    def compute_clip(number: int) -> None:
        array[number] = frontend(*clips[number].source())

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        list(tqdm(pool.map(compute_clip, range(len(clips))), total=len(clips), desc="features", unit="clip"))
    finally:
        pool.shutdown(cancel_futures=True)  # after an error, the remaining clips are not computed


def _store(path: Path, clips: Sequence[Clip], frontend: FrontEnd, shape: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part")
    try:
        array = np.lib.format.open_memmap(partial, "w+", np.float32, shape)
        _compute(array, clips, frontend)
        array.flush()
        path.with_suffix(".sum").write_text(_checksum(array))
        del array  # unmap the file, because Windows cannot rename a mapped file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
