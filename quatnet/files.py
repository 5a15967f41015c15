"""Atomic writing of files."""

import csv
import errno
import io
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, Any

from .checks import checked_path
from .errors import DataError

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]


ADVICE = {
    **dict.fromkeys([errno.ENOSPC, errno.EDQUOT], "free disk space, or give another folder"),
    **dict.fromkeys([errno.EACCES, errno.EPERM, errno.EROFS], "change its permissions, or give another folder"),
}


@contextmanager
def disk_errors(path: str | os.PathLike) -> Iterator[None]:
    """Convert an OSError in the context, for example of a full disk, to a DataError with the path."""
    try:
        yield
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "give another path")
        raise DataError(f"{path}: cannot be written ({error}); {advice}") from error


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a temporary file for writing and rename the file to `path` at the end of the context.

    The temporary file is a new file in the folder of `path`, which is created if necessary. The file is flushed to the
    disk before it is renamed, and receives the permissions of the file that it replaces. After an exception, the
    temporary file is removed and `path` is unchanged. Temporary files of `path` that a killed process has left are
    removed. Raises DataError if the file cannot be written, or if `path` exists and is not a regular file.
    """
    path = checked_path(path)
    with disk_errors(path):
        if path.exists() and not path.is_file():
            raise FileExistsError(f"{path} is not a regular file")
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale_files(path)
        partial, file = _open_temporary_file(path)
        try:
            with file:
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


def _open_temporary_file(path: Path) -> tuple[Path, IO[bytes]]:
    """Return a new file in the folder of `path`, opened for writing and locked until it is closed."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    file = partial.open("xb")
    with suppress(OSError):  # the file system may not support locks
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
    if os.fstat(file.fileno()).st_nlink:
        return partial, file
    file.close()  # another process has removed the file before it was locked
    return _open_temporary_file(path)


def _remove_stale_files(path: Path) -> None:
    """Remove temporary files of `path` that no process has locked."""
    for partial in path.parent.glob(f".{escape(path.name)}.*.part") if fcntl else ():
        with suppress(OSError):
            if partial.is_symlink() or not partial.is_file():
                continue
            with partial.open("rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                partial.unlink()


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock on a folder, which ends with the process. Windows and some file systems have no locks.

    Raises DataError if another process or thread holds the lock and `wait` is false.
    """
    if not fcntl:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # no locks
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise DataError(f"another process writes into {folder}; wait until it ends") from None
        yield
    finally:
        os.close(descriptor)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write text in UTF-8 with `atomic_write`. Escaped bytes of file names are written as they are."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as JSON with `atomic_write`. NaN and infinity, which JSON does not have, are written as null.

    The keys of dicts are strings.
    """
    write_text(path, json.dumps(_without_nan(value), indent=1, allow_nan=False))


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_without_nan, value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return the lines of a CSV file."""
    lines = io.StringIO()
    plain, quoted = (csv.writer(lines, lineterminator="\n", quoting=q) for q in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    for row in map(list, rows):  # the plain writer quotes line feeds, but not carriage returns
        (quoted if any("\r" in str(field) for field in row) else plain).writerow(row)
    return lines.getvalue()


def write_csv(path: str | os.PathLike, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows as a CSV file with `atomic_write`."""
    write_text(path, csv_text(rows))
