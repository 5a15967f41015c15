"""Unpack an archive that nobody here has made: sound, complete, and never outside its folder."""

import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from ..errors import DataError

TABLE = "meta/esc50.csv"


def unpack(archive: Path, target: Path, *, recordings: int) -> None:
    """Unpack the one folder in `archive` as `target`, through a temporary name beside it.

    Raises
    ------
    DataError
        The archive is damaged, a member would leave the folder or is a link, or the members are not ESC-50's table
        and `recordings` WAV files. Nothing has been written then.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
            for member in members:
                _check_name(member)
            _check_contents(members, recordings)
            if broken := file.testzip():
                raise DataError(f"the archive is damaged: wrong checksum of {broken}; fetch it again")
            _extract(file, target)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise DataError(f"the archive is damaged or cannot be unpacked: {error}; fetch it again") from error


def _check_name(member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    parts = PurePosixPath(name).parts
    leaves = name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name
    if leaves or stat.S_ISLNK(member.external_attr >> 16):
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


def _extract(file: zipfile.ZipFile, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".esc50.") as temporary:
        file.extractall(temporary)
        (folder,) = Path(temporary).iterdir()
        shutil.move(folder, target)
