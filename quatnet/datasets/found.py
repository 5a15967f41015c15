"""Which recordings are on the disk, by name: two million of them in a hundred megabytes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


@dataclass(frozen=True)
class Recordings:
    """Names without suffix (bytes) in order, and for each the number of its folder and suffix."""

    names: np.ndarray
    places: np.ndarray
    kinds: tuple[tuple[Path, str], ...]

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> Path | None:
        """Return the path of a recording by its name without suffix, None where there is none."""
        key = name.encode()
        n = int(np.searchsorted(self.names, key))
        if n == len(self.names) or self.names[n] != key:
            return None
        folder, suffix = self.kinds[self.places[n]]
        return folder / f"{name}{suffix}"


def recordings(folder: Path) -> Recordings:
    """Return the sound files anywhere under `folder`. Raises DataError if there is none."""
    names, places, kinds = [], [], list[tuple[Path, str]]()
    for kind, found in _by_kind(Path(folder)):
        names.append(np.array([name.encode() for name in found]))
        places.append(np.full(len(found), len(kinds), np.int32))
        kinds.append(kind)
    if not kinds:
        raise DataError(f"there are no recordings ({', '.join(SUFFIXES)}) in {folder}; give the folder that holds them")
    joined = np.concatenate(names)
    order = np.argsort(joined, kind="stable")
    return Recordings(joined[order], np.concatenate(places)[order], tuple(kinds))


def _by_kind(folder: Path) -> Iterator[tuple[tuple[Path, str], list[str]]]:
    """Names without suffix, for each folder and suffix."""
    for place, _, files in os.walk(folder):
        parts = [os.path.splitext(file) for file in files]
        for kind in sorted({suffix for _, suffix in parts if suffix.lower() in SUFFIXES}):
            yield (Path(place), kind), [stem for stem, suffix in parts if suffix == kind]
