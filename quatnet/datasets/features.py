"""Parallel computation and caching of features."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..audio import FrontEnd
from ..checks import checked_path
from ..errors import DataError, QuatnetError, one_line
from ..files import atomic_write
from ..processes import RANK, SIZE, all_gather, own_share
from .parallel import map_on_cpu
from .records import Clip

VERSION = 2  # increase if the computation of the features changes


def features(clips: Sequence[Clip], frontend: FrontEnd, *, cache: str | os.PathLike) -> np.ndarray:
    """Return the features of clips from the cache, or compute and cache the features.

    The name of the cache file is a digest of the front end, the keys of all clips and a version number. If a cache file
    has a wrong header, length or checksum, a message is printed and the features are computed again. Under mpiexec,
    the clips are distributed over the processes, and process 0 writes the file.

    Parameters
    ----------
    clips : N clips
    frontend : front end that computes the features
    cache : folder of cache files, created if necessary

    Returns
    -------
    read-only float32 array (N, frames, mels, 4) with the attribute `frontend_settings`

    Raises
    ------
    DataError
        A clip cannot be read, or the disk is full. No file is written. `Dataset.readable` skips unreadable clips.
    """
    path = checked_path(cache) / f"{_digest(clips, frontend)}.npy"
    shape = (len(clips), frontend.frames, frontend.mels, 4)
    array = _load(path, shape)
    is_cached = all_gather([array is not None])
    if array is None or not all(is_cached):
        if path.exists():
            print(one_line(f"{path} is damaged; computing the features again"))
        array = _store(path, clips, frontend, shape)
    array = frontend.attach_settings(array)
    array.flags.writeable = False
    return array


def _digest(clips: Sequence[Clip], frontend: FrontEnd) -> str:
    names = dict[str, str]()
    for clip in clips:
        if not (isinstance(clip.key, str) and clip.key) or names.setdefault(clip.key, clip.name) != clip.name:
            raise DataError(
                f"{clip.name}: expected a key of this clip only, a text that is not empty, got {clip.key!r}"
            )
    inputs = [VERSION, repr(frontend), [clip.key for clip in clips]]
    if type(frontend) is not FrontEnd:  # its methods may have changed since the features were stored
        inputs.append(_digest_of_methods(frontend))
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:20]


def _digest_of_methods(frontend: FrontEnd) -> str:
    """Return a digest of the features of noise of several levels, empty if the front end raises an error."""
    noise, digest = np.random.default_rng(0).uniform(-0.5, 0.5, frontend.samples), hashlib.sha256()
    for level in (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 0.0):
        try:
            array = frontend(level * noise, frontend.sample_rate_hz)
        except QuatnetError:  # raised again with the name of a clip
            return ""
        largest = float(np.abs(array).max())
        rounded = (array / (largest or 1)).round(3) + 0.0  # equal on most processors
        digest.update(f"{largest:.3g}".encode() + rounded.tobytes())
    return digest.hexdigest()


def _checksum(array: np.ndarray) -> bytes:
    return hashlib.blake2b(array.data, digest_size=16).hexdigest().encode()


def _load(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the array of a cache file, or None if the file is missing or damaged.

    The file is not memory-mapped, because a process that reads a truncated memory map is killed.
    """
    try:
        array, checksum = np.load(path, allow_pickle=False), path.with_suffix(".sum").read_bytes()
        return array if (array.shape, array.dtype) == (shape, np.float32) and checksum == _checksum(array) else None
    except Exception:  # a damaged header raises exceptions of many types
        return None


def _compute(clips: Sequence[Clip], frontend: FrontEnd, shape: tuple[int, ...]) -> np.ndarray:
    clips = clips[own_share(len(clips))]
    array = np.empty((len(clips), *shape[1:]), np.float32)
    results = map_on_cpu(lambda clip: _clip_features(clip, frontend), clips)
    for number, result in enumerate(tqdm(results, total=len(clips), desc="features", unit="clip", disable=RANK > 0)):
        array[number] = result
    return np.concatenate(all_gather([array])) if SIZE > 1 else array


def _store(path: Path, clips: Sequence[Clip], frontend: FrontEnd, shape: tuple[int, ...]) -> np.ndarray:
    if RANK:
        return _compute(clips, frontend, shape)
    with atomic_write(path) as file:
        free, needed = shutil.disk_usage(path.parent).free, 4 * math.prod(shape)
        if free < needed:
            raise DataError(f"{path} needs {needed} bytes, {free} are free; free disk space, or give another folder")
        array = _compute(clips, frontend, shape)
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)  # not `np.save`, whose errors do not have the error number
        with atomic_write(path.with_suffix(".sum")) as sum_file:
            sum_file.write(_checksum(array))
    return array


def _clip_features(clip: Clip, frontend: FrontEnd) -> np.ndarray:
    try:
        return frontend(*clip.read(frontend.clip_seconds + 1))  # the resampling filter needs some samples more
    except QuatnetError as error:
        raise type(error)(f"{clip.name}: {error}") from error
