"""ESC-50 in its official layout: `meta/esc50.csv` and `audio/*.wav`, 2000 clips of 5 s, 5 folds.

Source: K. J. Piczak, ESC: Dataset for environmental sound classification, 2015; CC BY-NC 3.0 (ESC-10 CC BY).
The folds are the official ones. They keep the clips of one source and class together; four sources gave clips
of two classes, in two folds.
"""

import csv
from pathlib import Path

from ..errors import DataError
from .files import clip_of, root_of
from .records import Clip, Dataset

COLUMNS = {"filename", "fold", "target", "category", "esc10"}
REMEDY = "give the folder that holds meta/ and audio/, or its parent; --download fetches the set"


def load(folder: Path, *, esc10: bool = False) -> Dataset:
    """Return ESC-50, or with `esc10` its ten-class subset with labels 0 to 9 in the order of the targets.

    Parameters
    ----------
    folder : the one that holds `meta` and `audio`, or its parent

    Raises
    ------
    DataError
        No such folder, a malformed table, or missing recordings.
    """
    root = _root(Path(folder))
    rows = [row for row in _rows(root / "meta" / "esc50.csv") if not esc10 or row["esc10"] == "True"]
    _check_recordings(root, rows)
    names = {int(row["target"]): row["category"].replace("_", " ") for row in rows}
    order = sorted(names)
    clips = tuple(_clip(root, row, order) for row in rows)
    return Dataset("ESC-10" if esc10 else "ESC-50", tuple(names[target] for target in order), clips)


def _root(folder: Path) -> Path:
    missing = f"there is no meta/esc50.csv in {folder} or a folder in it; {REMEDY}"
    return root_of(folder, lambda place: (place / "meta" / "esc50.csv").is_file(), missing=missing)


def _rows(table: Path) -> list[dict[str, str]]:
    rows = _parsed(table)
    for number, row in enumerate(rows, start=2):
        if None in row.values() or not (row["fold"].isdecimal() and row["target"].isdecimal()):
            raise DataError(f"{table}, line {number}: expected a file name, whole fold and target, got {row}; {REMEDY}")
    return rows


def _check_recordings(root: Path, rows: list[dict[str, str]]) -> None:
    """Only those asked for must be there: the ESC-10 part comes with the whole table."""
    absent = [row["filename"] for row in rows if not (root / "audio" / row["filename"]).is_file()]
    if absent or not rows:
        found = f"{len(absent)} of {len(rows)} recordings are missing, first {absent[0]}" if absent else "no such clips"
        raise DataError(f"{root}: {found} in its table; {REMEDY}")


def _parsed(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            columns, rows = set(reader.fieldnames or []), list(reader)
    except (UnicodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a table ({error}); {REMEDY}") from error
    if missing := COLUMNS - columns:
        raise DataError(f"{table} lacks the columns {sorted(missing)}; it is not ESC-50's table, and {REMEDY}")
    return rows


def _clip(root: Path, row: dict[str, str], order: list[int]) -> Clip:
    return clip_of(root / "audio" / row["filename"], order.index(int(row["target"])), int(row["fold"]))
