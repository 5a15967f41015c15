"""Unpack an archive that nobody here has made: sound, complete, and never outside its folder."""

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

from ..errors import DataError

TABLE = "meta/esc50.csv"


def unpack(archive: Path, target: Path, *, recordings: int) -> None:
    """Unpack the one folder in the archive of ESC-50 as `target`, through a temporary name beside it.

    Raises
    ------
    DataError
        The archive is damaged, a member would leave the folder or is a link, or the members are not ESC-50's table
        and `recordings` WAV files. Nothing has been written then.
    OSError
        There is no room, or no right to write. The archive is sound then.
    """
    _check(archive, partial(_check_contents, recordings=recordings))
    with zipfile.ZipFile(archive) as file:
        _extract(file, target, inner=True)


def unpack_all(archive: Path, target: Path) -> None:
    """Unpack an archive as the folder `target`; errors as of `unpack`, but anything sound may be in it."""
    _check(archive, lambda _: None)
    with zipfile.ZipFile(archive) as file:
        _extract(file, target)


def _check(archive: Path, check_contents: Callable[[list[zipfile.ZipInfo]], None]) -> None:
    try:
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                _check_name(member)
            check_contents(file.infolist())
            if broken := file.testzip():
                raise DataError(f"the archive is damaged: wrong checksum of {broken}; fetch it again")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, UnicodeError) as error:
        # RuntimeError: an encrypted member, or a compression that this Python does not have
        raise DataError(f"the archive is damaged or cannot be unpacked: {error}; fetch it again") from error


def _check_name(member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    parts = PurePosixPath(name).parts
    leaves = name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name
    if leaves or not parts or stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(f"the archive has a member that leaves its folder: {name!r}; it is not the official one")


def _check_contents(members: list[zipfile.ZipInfo], recordings: int) -> None:
    inside = ["/".join(PurePosixPath(member.filename).parts[1:]) for member in members if not member.is_dir()]
    tops = {PurePosixPath(member.filename).parts[0] for member in members}
    waves = sum(name.startswith("audio/") and name.endswith(".wav") for name in inside)
    if len(tops) != 1 or TABLE not in inside or waves != recordings:
        raise DataError(
            f"expected one folder with {TABLE} and {recordings} recordings, got {len(tops)} folders, "
            f"{'a' if TABLE in inside else 'no'} table and {waves} recordings; it is not the official archive"
        )


def _extract(file: zipfile.ZipFile, target: Path, *, inner: bool = False) -> None:
    """Give what was in the archive, or with `inner` the one folder in it, its name."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking.") as temporary:
        whole = Path(temporary) / target.name
        file.extractall(whole)
        (folder,) = whole.iterdir() if inner else [whole]
        shutil.move(folder, target)
