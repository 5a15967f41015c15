"""Atomic writing of files."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import IO, Any

from .errors import DataError


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


@contextmanager
def disk_errors(path: str | os.PathLike) -> Iterator[None]:
    """Convert an OSError in the context, for example of a full disk, to a DataError with the path."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error}); free disk space, or give another folder") from error
