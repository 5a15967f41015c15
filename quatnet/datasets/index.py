"""Index of the audio files below a folder.

The index needs about 50 bytes per file, so that it fits into memory for two million recordings of AudioSet.
"""

import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..checks import checked_path
from ..errors import DataError

SUFFIXES = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
    ".sph",
)  # fmt: skip


@dataclass(frozen=True)
class RecordingIndex:
    """Index of recordings, for lookup by file name without suffix.

    Attributes
    ----------
    names : sorted file names without suffix, bytes (files,)
    location_ids : index of each file in `locations`, int32 (files,)
    locations : pairs of folder and suffix
    """

    names: np.ndarray
    location_ids: np.ndarray
    locations: tuple[tuple[Path, str], ...]

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> Path | None:
        """Return the path of the file with the given name without suffix, or None if no such file exists."""
        key = os.fsencode(name)
        if len(key) > self.names.itemsize:  # `searchsorted` would copy all names to the length of the key
            return None
        n = int(np.searchsorted(self.names, key))
        if n == len(self.names) or self.names[n] != key:
            return None
        folder, suffix = self.locations[self.location_ids[n]]
        return folder / f"{name}{suffix}"


def index_recordings(folder: str | os.PathLike) -> RecordingIndex:
    """Return the index of all audio files below `folder`, without hidden files.

    Raises DataError if there are no audio files.
    """
    names, location_ids, locations = list[bytes](), array("i"), dict[tuple[Path, str], int]()
    for subfolder, files in walk(checked_path(folder)):
        for stem, suffix in map(os.path.splitext, files):
            if suffix.lower() in SUFFIXES:
                names.append(os.fsencode(stem))
                location_ids.append(locations.setdefault((subfolder, suffix), len(locations)))
    if not locations:
        raise DataError(f"no recordings ({', '.join(SUFFIXES)}) in {folder}; give the folder that contains them")
    stems = np.array(names)
    order = np.argsort(stems, kind="stable")
    return RecordingIndex(stems[order], np.array(location_ids, np.int32)[order], tuple(locations))


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield `folder` and each folder below, with the sorted names of its files, without hidden files and folders.

    Links are followed, except for a link to a folder that contains the link. Raises DataError if a folder is missing or
    cannot be listed.
    """
    parents: dict[str, frozenset[str]] = {}
    for subfolder, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        path, above = os.path.realpath(subfolder), parents.get(os.path.dirname(subfolder), frozenset())
        parents[subfolder] = above | {path}
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")) and path not in above)
        if path not in above:
            yield Path(subfolder), sorted(file for file in files if not file.startswith("."))


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be listed ({error.strerror}); give a folder that can be read")
