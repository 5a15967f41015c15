"""Loader of ESC-50 in the official layout, `meta/esc50.csv` and `audio/*.wav`.

The data set has 2000 clips of 5 s in 50 classes and 5 official folds. All clips of one source recording and class are
in the same fold. Four source recordings have clips of two classes, which are in different folds.

Source: K. J. Piczak, ESC: Dataset for environmental sound classification, 2015. The license is CC BY-NC 3.0, and CC BY
for ESC-10.
"""

import csv
import os
from pathlib import Path

from ..errors import DataError
from .audio_files import clip_from_file, find_root
from .records import Clip, Dataset

COLUMNS = {"filename", "fold", "target", "category", "esc10"}
HINT = "give the folder that contains meta/ and audio/, or its parent; quatnet.datasets.download fetches ESC-50"


def load(folder: str | os.PathLike, *, esc10: bool = False) -> Dataset:
    """Return the data set ESC-50, or its ten-class subset ESC-10.

    Parameters
    ----------
    folder : folder that contains `meta` and `audio`, or its parent
    esc10 : whether to return ESC-10, with labels 0 to 9 in the order of the official targets

    Raises
    ------
    DataError
        The folder is missing, its table is malformed, or recordings are missing.
    """
    root = _find_root(Path(folder))
    rows = [row for row in _read_rows(root / "meta" / "esc50.csv") if not esc10 or row["esc10"] == "True"]
    _check_recordings(root, rows)
    names = {int(row["target"]): row["category"].replace("_", " ") for row in rows}
    order = sorted(names)
    clips = tuple(_clip(root, row, order) for row in rows)
    return Dataset("ESC-10" if esc10 else "ESC-50", tuple(names[target] for target in order), clips)


def _find_root(folder: Path) -> Path:
    error_message = f"no meta/esc50.csv in {folder} or a subfolder; {HINT}"
    return find_root(folder, lambda root: (root / "meta" / "esc50.csv").is_file(), error_message=error_message)


def _read_rows(table: Path) -> list[dict[str, str]]:
    rows = _read_table(table)
    for number, row in enumerate(rows, start=2):
        if None in row.values() or not (row["fold"].isdecimal() and row["target"].isdecimal()):
            raise DataError(
                f"{table}, line {number}: expected a file name, and integers for fold and target, got {row}; {HINT}"
            )
    return rows


def _check_recordings(root: Path, rows: list[dict[str, str]]) -> None:
    """Raise DataError if `rows` is empty or a recording of `rows` is missing.

    Other recordings are not checked, because a copy of ESC-10 may contain the table of ESC-50.
    """
    missing = [row["filename"] for row in rows if not (root / "audio" / row["filename"]).is_file()]
    if missing:
        raise DataError(f"{root}: {len(missing)} of {len(rows)} recordings are missing, first {missing[0]}; {HINT}")
    if not rows:
        raise DataError(f"{root}: no clips of the requested set in the table; {HINT}")


def _read_table(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            columns, rows = set(reader.fieldnames or []), list(reader)
    except (UnicodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a table ({error}); {HINT}") from error
    if missing := COLUMNS - columns:
        raise DataError(f"{table} has no columns {sorted(missing)}; it is not the table of ESC-50; {HINT}")
    return rows


def _clip(root: Path, row: dict[str, str], order: list[int]) -> Clip:
    return clip_from_file(root / "audio" / row["filename"], order.index(int(row["target"])), int(row["fold"]))
