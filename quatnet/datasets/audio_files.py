"""Functions of the data set loaders that search root folders, check audio files and create clips."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import soundfile

from ..audio import read
from ..errors import DataError
from .records import Clip


def find_root(folder: Path, is_root: Callable[[Path], bool], *, error_message: str) -> Path:
    """Return `folder` or its first subfolder for which `is_root` is true.

    Raises DataError with `error_message` if there is no such folder.
    """
    candidates = [folder, *(sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else [])]
    for candidate in candidates:
        if is_root(candidate):
            return candidate
    raise DataError(error_message)


def clip_from_file(path: Path, label: int, fold: int) -> Clip:
    """Return the clip of an audio file.

    The cache key of the clip depends on the path, the size and the modification time of the file.
    """
    status = path.stat()
    key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    return Clip(path.name, label, fold, partial(read, path), key)


def unreadable_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files without a valid audio header. The samples are not read."""
    return [path for path in paths if not _has_audio_header(path)]


def _has_audio_header(path: Path) -> bool:
    try:
        info = soundfile.info(path)
    except (soundfile.SoundFileError, OSError):
        return False
    return info.frames > 0 and info.format != "RAW"  # soundfile reads a headerless .au file as RAW at 8 kHz


def skipped_note(paths: Sequence[Path], total: int) -> str:
    """Return a sentence with the number and the names of the unreadable files `paths` among `total` recordings.

    The result is empty if `paths` is empty.
    """
    if not paths:
        return ""
    names = ", ".join(path.name for path in paths[:3]) + (" ..." if len(paths) > 3 else "")
    return f"Skipped {len(paths)} of {total} recordings, which cannot be read ({names})."
