"""Atomic writing of files."""

import json
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, Any

from .errors import DataError

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a temporary file for writing and rename the file to `path` at the end of the context.

    The temporary file is a new file in the folder of `path`, which is created if necessary. The file is flushed to the
    disk before it is renamed, and receives the permissions of the file that it replaces. After an exception, the
    temporary file is removed and `path` is unchanged. Temporary files of `path` that a killed process has left are
    removed. Raises OSError if `path` exists and is not a regular file.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} is not a regular file; choose another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale_files(path)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("xb") as file:
            with suppress(OSError):  # the file system may not support locks
                _lock(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                partial.chmod(path.stat().st_mode & 0o777)
            if fcntl:  # while the file is locked
                partial.replace(path)
        if not fcntl:  # Windows cannot rename an open file
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _lock(file: IO[bytes]) -> None:
    """Lock a file until it is closed. Raises OSError if another process has locked the file."""
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_stale_files(path: Path) -> None:
    """Remove temporary files of `path` that no process has locked.

    An empty file is kept for a minute, because its process may not have locked the file yet.
    """
    for partial in path.parent.glob(f".{escape(path.name)}.*.part") if fcntl else ():
        with suppress(OSError):
            state = partial.lstat()
            if not stat.S_ISREG(state.st_mode) or (not state.st_size and time.time() < state.st_mtime + 60):
                continue
            with partial.open("rb+") as file:
                _lock(file)
                partial.unlink()


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as JSON with `atomic_write`."""
    with atomic_write(path) as file:
        file.write(json.dumps(value, indent=1).encode())


@contextmanager
def disk_errors(path: str | os.PathLike) -> Iterator[None]:
    """Convert an OSError in the context, for example of a full disk, to a DataError with the path."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error}); free disk space, or give another folder") from error
