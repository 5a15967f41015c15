"""Loader of ESC-50 in the official layout, `meta/esc50.csv` and `audio/*.wav`.

The data set has 2000 clips of 5 s in 50 classes and 5 official folds. All clips of one source recording and class are
in the same fold. Four source recordings have clips of two classes, which are in different folds.

Source: K. J. Piczak, ESC: Dataset for environmental sound classification, 2015. The license is CC BY-NC 3.0, and CC BY
for ESC-10.
"""

import os
import re
from pathlib import Path

from ..checks import checked_path
from ..errors import DataError
from .archives import TABLE
from .audio_files import dataset_of_files, find_root, read_table
from .records import Dataset

COLUMNS = {"filename", "fold", "target", "category", "esc10"}
NAME = re.compile(r"([0-9]+)-[0-9]+-[A-Z]-([0-9]+)\.wav")  # official names contain the fold and the target
HINT = "give the folder that contains meta/ and audio/, or its parent; quatnet.datasets.download fetches ESC-50"


def load(folder: str | os.PathLike, *, esc10: bool = False) -> Dataset:
    """Return the data set ESC-50, or its ten-class subset ESC-10.

    Unreadable recordings are skipped and listed in the note.

    Parameters
    ----------
    folder : folder that contains `meta` and `audio`, or its parent
    esc10 : whether to return ESC-10, with labels 0 to 9 in the order of the official targets

    Raises
    ------
    DataError
        The folder is missing, its table is malformed, recordings are missing, or no recording can be read.
    """
    root = find_root(checked_path(folder), lambda root: (root / TABLE).is_file(), TABLE, hint=HINT)
    rows = [row for row in _read_rows(root / TABLE) if not esc10 or row["esc10"].lower() == "true"]
    # other recordings are not checked, because a copy of ESC-10 may contain the table of ESC-50
    missing = [row["filename"] for row in rows if not (root / "audio" / row["filename"]).is_file()]
    if missing:
        raise DataError(f"{root}: {len(missing)} of {len(rows)} recordings are missing, first {missing[0]}; {HINT}")
    if not rows:
        raise DataError(f"{root}: no clips of the requested set in the table; {HINT}")
    names = {int(row["target"]): row["category"].replace("_", " ") for row in rows}
    if len({(int(row["target"]), row["category"]) for row in rows}) != len(names):
        raise DataError(f"{root}: a target of the table has two categories; {HINT}")
    order = sorted(names)
    files = {root / "audio" / row["filename"]: (order.index(int(row["target"])), int(row["fold"])) for row in rows}
    name, total = ("ESC-10", 400) if esc10 else ("ESC-50", 2000)
    return dataset_of_files(name, tuple(names[target] for target in order), files, total=total, hint=HINT)


def _read_rows(table: Path) -> list[dict[str, str]]:
    (_, columns), *lines = [*read_table(table, hint=HINT)] or [(1, [])]
    if missing := COLUMNS - set(columns):
        raise DataError(f"{table} has no columns {sorted(missing)}; it is not the table of ESC-50; {HINT}")
    rows: dict[str, dict[str, str]] = {}
    for number, fields in lines:
        row = dict(zip(columns, fields, strict=False))
        if len(fields) != len(columns) or not _is_valid(row) or row["filename"] in rows:
            raise DataError(
                f"{table}, line {number}: expected a file name, and integers for fold and target, which agree with an "
                f"official name, True or False for esc10, and no second row of a file, got {row!r:.300}; {HINT}"
            )
        rows[row["filename"]] = row
    return list(rows.values())


def _is_valid(row: dict[str, str]) -> bool:
    name, fold, target = row["filename"], row["fold"], row["target"]
    official = NAME.fullmatch(name)
    return (
        all(re.fullmatch("[0-9]{1,4}", text) for text in (fold, target))
        and name not in ("", ".", "..")
        and not set(name) & set("/\\:")
        and (name + row["category"]).isprintable()
        and row["esc10"].lower() in ("true", "false")
        and (not official or official.groups() == (fold, target))
    )
