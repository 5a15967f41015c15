"""Validation and extraction of downloaded zip archives."""

import errno
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from ..errors import DataError

TABLE = "meta/esc50.csv"
MAX_BYTES = 4 << 30  # largest archive, and largest sum of extracted files
MAX_MEMBERS = 100_000
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)


def extract(archive: Path, target: Path, *, num_recordings: int | None = None) -> None:
    """Extract a zip archive as the folder `target`.

    The files are extracted into a temporary folder next to `target`. The temporary folder is then renamed.

    Parameters
    ----------
    archive : path of the zip file
    target : path of the new folder
    num_recordings : expected number of WAV files of ESC-50, whose only top folder becomes `target`. By default, the
        archive has any content

    Raises
    ------
    DataError
        The archive is damaged, a member is a link or lies outside the folder, or the archive does not contain the table
        of ESC-50 and `num_recordings` WAV files. No file is kept.
    OSError
        The disk is full or not writable, or the archive cannot be read.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking.") as temporary:
        extracted = Path(temporary) / target.name
        try:
            with zipfile.ZipFile(archive) as file:
                size, free = _checked_size(file.infolist(), num_recordings), shutil.disk_usage(temporary).free
                if size > free:
                    raise OSError(errno.ENOSPC, f"No space left on device, {size} bytes are needed and {free} are free")
                file.extractall(extracted)  # verifies the checksums
        except Exception as error:  # the decompressors raise exceptions of many types for damaged archives
            if isinstance(error, DataError) or getattr(error, "errno", None) in DISK_ERRORS:
                raise
            raise DataError(f"the archive is damaged or cannot be extracted: {error}; download it again") from error
        (folder,) = [extracted] if num_recordings is None else extracted.iterdir()
        folder.rename(target)


def _checked_size(members: list[zipfile.ZipInfo], num_recordings: int | None) -> int:
    """Return the bytes of the extracted files. Raises DataError if the archive is not the official one."""
    for member in members:
        _check_name(member)
    size = sum(member.file_size for member in members)
    if size > MAX_BYTES or len(members) > MAX_MEMBERS:
        raise DataError(f"the archive has {len(members)} files of {size} bytes; it is not the official archive")
    names = ["/".join(PurePosixPath(member.filename).parts[1:]) for member in members if not member.is_dir()]
    num_folders = len({PurePosixPath(member.filename).parts[0] for member in members})
    wav_files = sum(name.startswith("audio/") and name.endswith(".wav") for name in names)
    if num_recordings is not None and not (num_folders == 1 and TABLE in names and wav_files == num_recordings):
        raise DataError(
            f"expected one folder with {TABLE} and {num_recordings} recordings, got {num_folders} folders, "
            f"{'a' if TABLE in names else 'no'} table and {wav_files} recordings; it is not the official archive"
        )
    return size


def _check_name(member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    parts = PurePosixPath(name).parts
    is_outside = name.startswith("/") or ".." in parts or "\\" in name or ":" in name or not name.isprintable()
    if is_outside or not parts or stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(f"the archive has a member outside its folder: {name!r}; it is not the official archive")
    if len(parts) > 20 or max(len(part.encode()) for part in parts) > 200:
        raise DataError(f"the archive has a member with a long path: {name!r:.100}; it is not the official archive")
