"""Atomic writing of files, and safe reading of arrays."""

import json
import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import IO, Any

import numpy as np

from .errors import CheckpointError


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a temporary file for writing and rename the file to `path` at the end of the context.

    The temporary file is in the folder of `path`, which is created if necessary. The file is flushed to the disk before
    it is renamed. After an exception, the temporary file is removed and `path` is unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale_files(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _remove_stale_files(path: Path) -> None:
    """Remove temporary files of `path` whose process does not run any more."""
    for partial in path.parent.glob(f".{escape(path.name)}.*.part"):
        pid = partial.name.split(".")[-2]
        if pid.isdecimal() and not _is_running(int(pid)):
            partial.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    if os.name != "posix":  # on Windows, os.kill ends the process
        return True
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as JSON with `atomic_write`."""
    with atomic_write(path) as file:
        file.write(json.dumps(value, indent=1).encode())


def read_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Return the arrays of an `.npz` file that was written without compression.

    The sizes of all arrays are compared with the size of the file before memory is allocated. Raises CheckpointError if
    the file is missing or damaged, or if an array has objects or another size than the file states.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [member.filename for member in archive.infolist()]
            if len(set(names)) < len(names):
                raise ValueError("the file has two arrays of the same name")
            for member in archive.infolist():
                _check_size(archive, member)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no file {path}") from error
    except (ValueError, TypeError, EOFError, OSError, AttributeError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is damaged or not an .npz file ({type(error).__name__}: {error})") from error


def _check_size(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raise ValueError unless a member has the size of the array that its header describes."""
    with archive.open(member) as file:
        major, _ = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        size = file.tell() + math.prod(shape) * dtype.itemsize
    compressed = member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size
    if dtype.hasobject or compressed or size != member.file_size:
        raise ValueError(f"{member.filename}: expected {size} bytes without compression, got {member.compress_size}")
