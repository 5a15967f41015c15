"""AudioSet's official tables: which ten seconds of which video, and what is heard in them.

Source: J. F. Gemmeke and others, Audio Set: an ontology and human-labeled dataset for audio events, 2017; labels
CC BY 4.0. The recordings are not part of it. Files are found under the names that the usual download programs give,
`Y<id>.wav` (PANNs), `<id>.wav`, `<id>_<start>.wav` in seconds or milliseconds, `<id>_<start>_<end>.wav`.
"""

import csv
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from .found import Recordings

LABELS = "class_labels_indices.csv"
TABLES = ("balanced_train_segments.csv", "unbalanced_train_segments.csv", "eval_segments.csv")
REMEDY = f"the tables are at research.google.com/audioset/download.html: {LABELS}, {', '.join(TABLES)}"


@dataclass(frozen=True)
class Segments:
    """One table in columns, some thirty bytes a clip, so that two millions fit anywhere.

    Clip n is the video `ids[n]` (bytes) from `starts[n]` to `ends[n]` seconds; its classes are
    `labels[offsets[n] : offsets[n + 1]]`.
    """

    name: str
    classes: tuple[str, ...]
    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def targets(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return float32 (rows, classes): 1 where a class is heard."""
        found = np.zeros((len(rows), len(self.classes)), np.float32)
        for n, row in enumerate(rows):
            found[n, self.labels[self.offsets[row] : self.offsets[row + 1]]] = 1
        return found


def read_classes(table: Path) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names of the classes and the place of each machine id. Raises DataError for another table."""
    rows = list(_rows(table, lambda row: len(row) == 3))[1:]
    for place, (index, _, _) in enumerate(rows):
        if index != str(place):
            raise DataError(f"{table}: expected index {place} in line {place + 2}, got {index!r}; {REMEDY}")
    if not rows:
        raise DataError(f"{table} has no classes; {REMEDY}")
    return tuple(name for _, _, name in rows), {machine_id: int(index) for index, machine_id, _ in rows}


def read_segments(table: Path, classes: Path) -> Segments:
    """Return the clips of a table such as `eval_segments.csv`, with the classes of `class_labels_indices.csv`.

    Raises
    ------
    DataError
        A table is missing or malformed, or names a class that there is not; the message tells the line.
    """
    names, places = read_classes(Path(classes))
    ids, times, counts, labels = list[bytes](), array("f"), array("q", [0]), array("h")
    for number, row in enumerate(_rows(Path(table), _is_segment), start=1):
        ids.append(row[0].encode())
        times.extend((float(row[1]), float(row[2])))
        labels.extend(_place(label, places, f"{table}, clip {number}") for label in row[3].split(","))
        counts.append(len(labels))
    if not ids:
        raise DataError(f"{table} has no clips; {REMEDY}")
    starts, ends = np.array(times).reshape(-1, 2).T
    columns = np.array(ids), starts, ends, np.array(counts), np.array(labels)
    return Segments(Path(table).stem, names, *columns)


def joined(tables: Sequence[Segments]) -> Segments:
    """Return several tables as one."""
    if len(tables) == 1:
        return tables[0]
    counts = np.concatenate([np.diff(table.offsets) for table in tables])
    return Segments(
        "+".join(table.name for table in tables),
        tables[0].classes,
        np.concatenate([table.ids for table in tables]),
        np.concatenate([table.starts for table in tables]),
        np.concatenate([table.ends for table in tables]),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([table.labels for table in tables]),
    )


def _place(label: str, places: Mapping[str, int], where: str) -> int:
    if label not in places:
        raise DataError(f"{where}: the class {label!r} is not in {LABELS}; {REMEDY}")
    return places[label]


def _rows(table: Path, fits: Callable[[list[str]], bool]) -> Iterator[list[str]]:
    """The rows of a table without comments and empty lines. Raises DataError where one does not fit."""
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            for number, row in enumerate(csv.reader(lines, skipinitialspace=True), start=1):
                if row and not row[0].startswith("#"):
                    if not fits(row):
                        raise DataError(f"{table}, line {number}: not a row of AudioSet: {row!r:.100}; {REMEDY}")
                    yield row
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a table ({error}); {REMEDY}") from error


def _is_segment(row: list[str]) -> bool:
    try:
        return len(row) == 4 and bool(row[0] and row[3]) and row[0].isascii() and 0 <= float(row[1]) < float(row[2])
    except ValueError:
        return False


def recording_of(segments: Segments, row: int, files: Recordings) -> Path | None:
    """Return the file of a clip under any of its usual names, None where it is missing."""
    return next((path for stem in _stems(segments, row) if (path := files.find(stem))), None)


def _stems(segments: Segments, row: int) -> Iterator[str]:
    name, start, end = segments.ids[row].decode(), float(segments.starts[row]), float(segments.ends[row])
    for base in (f"Y{name}", name):
        yield base
        yield from (f"{base}_{start:g}", f"{base}_{start:.3f}", f"{base}_{round(1000 * start)}")
        yield from (f"{base}_{start:g}_{end:g}", f"{base}_{start:.3f}_{end:.3f}", f"{base}_{start:.0f}-{end:.0f}")
