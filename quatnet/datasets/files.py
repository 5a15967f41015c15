"""Recordings on a disk: where a set begins, which files can be read, and a clip of each."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import soundfile

from ..audio import read
from ..errors import DataError
from .records import Clip


def root_of(folder: Path, holds: Callable[[Path], bool], *, missing: str) -> Path:
    """Return `folder`, or the first folder in it, that `holds` the set; DataError with the text `missing` if none."""
    candidates = [folder, *(sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else [])]
    for candidate in candidates:
        if holds(candidate):
            return candidate
    raise DataError(missing)


def clip_of(path: Path, label: int, fold: int) -> Clip:
    """Return the clip in a file; its key changes with place, size and time of the file."""
    facts = path.stat()
    key = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}"
    return Clip(path.name, label, fold, partial(read, path), key)


def unreadable(paths: Sequence[Path]) -> list[Path]:
    """Return the files without a header that tells of sound; their samples are not looked at, which takes long."""
    return [path for path in paths if not _has_sound(path)]


def _has_sound(path: Path) -> bool:
    try:
        facts = soundfile.info(path)
    except (soundfile.SoundFileError, OSError):
        return False
    return facts.frames > 0 and facts.format != "RAW"  # a headerless .au is taken for speech at 8 kHz


def left_out(paths: Sequence[Path], whole: int) -> str:
    """Return the sentence that tells a user which of the `whole` recordings are left out, '' if none is."""
    if not paths:
        return ""
    names = ", ".join(path.name for path in paths[:3]) + (" ..." if len(paths) > 3 else "")
    return f"Left out, because they cannot be read: {len(paths)} of {whole} recordings ({names})."
