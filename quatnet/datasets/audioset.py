"""Tables of AudioSet: ten-second segments of videos with class labels.

The recordings are not included. `find_recording` supports these file names of common download programs:

    Y<id>.wav                   PANNs
    <id>.wav
    <id>_<start>.wav            start in seconds or milliseconds
    <id>_<start>_<end>.wav      start and end in seconds

Source: J. F. Gemmeke and others, Audio Set: an ontology and human-labeled dataset for audio events, 2017. The license
of the labels is CC BY 4.0.
"""

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..checks import checked_path
from ..errors import DataError
from .audio_files import read_table
from .index import RecordingIndex

LABELS = "class_labels_indices.csv"
TABLES = ("balanced_train_segments.csv", "unbalanced_train_segments.csv", "eval_segments.csv")
HINT = f"the tables are at research.google.com/audioset/download.html: {LABELS}, {', '.join(TABLES)}"


@dataclass(frozen=True)
class Segments:
    """Table of segments, stored as one array per column.

    The arrays need about 30 bytes per clip.

    Attributes
    ----------
    name : name of the table
    classes : class names
    ids : video ids, bytes (clips,)
    starts, ends : start and end of each clip in the video in seconds, float32 (clips,)
    offsets : index of the first label of each clip in `labels`, int64 (clips + 1,)
    labels : class indices of all clips, int16. The labels of clip n are `labels[offsets[n] : offsets[n + 1]]`
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
        """Return multi-hot float32 targets (N, classes) of N table rows."""
        targets = np.zeros((len(rows), len(self.classes)), np.float32)
        for n, row in enumerate(rows):
            targets[n, self.labels[self.offsets[row] : self.offsets[row + 1]]] = 1
        return targets


def read_classes(table: str | os.PathLike) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the class names, and a dict from machine ids such as "/m/09x0r" to class indices.

    Raises
    ------
    DataError
        `table` is not the file `class_labels_indices.csv`.
    """
    rows = list(_read_rows(checked_path(table), lambda row: len(row) == 3))[1:]
    for expected, (index, _, _) in enumerate(rows):
        if index != str(expected):
            raise DataError(f"{table}: expected index {expected} in line {expected + 2}, got {index!r}; {HINT}")
    if not 0 < len(rows) < 1 << 15:  # the labels are int16
        raise DataError(f"{table} has no classes, or more than 32767; {HINT}")
    return tuple(name for _, _, name in rows), {machine_id: int(index) for index, machine_id, _ in rows}


def read_segments(table: str | os.PathLike, classes: str | os.PathLike) -> Segments:
    """Return the segments of a table.

    Parameters
    ----------
    table : path of a table such as `eval_segments.csv`
    classes : path of `class_labels_indices.csv`

    Raises
    ------
    DataError
        A table is missing or malformed, or contains an unknown class. The message contains the line or clip number.
    """
    names, class_indices = read_classes(classes)
    ids, times, counts, labels = list[bytes](), array("f"), array("q", [0]), array("h")
    for number, row in enumerate(_read_rows(checked_path(table), _is_segment), start=1):
        ids.append(row[0].encode())
        times.extend((float(row[1]), float(row[2])))
        for label in row[3].split(","):
            if label not in class_indices:
                raise DataError(f"{table}, clip {number}: the class {label!r} is not in {LABELS}; {HINT}")
            labels.append(class_indices[label])
        counts.append(len(labels))
    if not ids:
        raise DataError(f"{table} has no clips; {HINT}")
    starts, ends = np.array(times).reshape(-1, 2).T
    columns = np.array(ids), starts, ends, np.array(counts), np.array(labels)
    return Segments(Path(table).stem, names, *columns)


def check_disjoint(train: Segments, test: Segments) -> None:
    """Raise DataError if a video is in both tables, because its clips would be in the training set and the test set."""
    if len(both := np.intersect1d(train.ids, test.ids)):
        raise DataError(f"{len(both)} videos are in {train.name} and {test.name}, first {both[0].decode()}; {HINT}")


def concatenate(tables: Sequence[Segments]) -> Segments:
    """Return one table with the rows of all tables in order. Raises DataError if their classes differ."""
    if len({table.classes for table in tables}) != 1:
        raise DataError(f"expected tables with the same classes in the same order, got {len(tables)} tables")
    if len(tables) == 1:
        return tables[0]
    columns = ("ids", "starts", "ends", "labels")
    arrays = {name: np.concatenate([getattr(table, name) for table in tables]) for name in columns}
    counts = np.concatenate([np.diff(table.offsets) for table in tables])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return Segments("+".join(table.name for table in tables), tables[0].classes, offsets=offsets, **arrays)


def _read_rows(table: Path, is_valid: Callable[[list[str]], bool]) -> Iterator[list[str]]:
    """Yield the rows of a table, without comments and empty lines. Raises DataError at an invalid row."""
    for number, row in read_table(table, hint=HINT):
        if not row[0].startswith("#"):
            if not is_valid(row):
                raise DataError(f"{table}, line {number}: expected a row of AudioSet, got {row!r:.100}; {HINT}")
            yield row


def _is_segment(row: list[str]) -> bool:
    try:
        named = len(row) == 4 and bool(row[0] and row[3]) and row[0].isascii()
        return named and 0 <= float(row[1]) < float(row[2]) < 1e9
    except ValueError:
        return False


def find_recording(segments: Segments, row: int, recordings: RecordingIndex) -> Path | None:
    """Return the path of the recording of a table row, or None if no supported file name exists."""
    return next((path for stem in _file_stems(segments, row) if (path := recordings.find(stem))), None)


def _file_stems(segments: Segments, row: int) -> Iterator[str]:
    name, start, end = segments.ids[row].decode(), float(segments.starts[row]), float(segments.ends[row])
    for base in (f"Y{name}", name):
        yield base
        yield from (f"{base}_{start:g}", f"{base}_{start:.3f}", f"{base}_{round(1000 * start)}")
        yield from (f"{base}_{start:g}_{end:g}", f"{base}_{start:.3f}_{end:.3f}", f"{base}_{start:.0f}-{end:.0f}")
