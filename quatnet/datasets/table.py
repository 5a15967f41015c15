"""Loader of recordings of the user with a table of labels, such as that of ESC-50, UrbanSound8K, FSD50K or BirdCLEF.

The table is a text file with commas, semicolons or tabs, in UTF-8, UTF-16 or Windows-1252. All values are text. The
columns are found by usual names, in upper or lower case, or are given by name.
"""

import codecs
import csv
import os
import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import zip_longest
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..checks import checked_path
from ..errors import DataError
from .audio_files import read_table
from .folder import UNREADABLE, list_recordings
from .index import SUFFIXES
from .recordings import Recording, as_label, dataset_of_recordings
from .records import Dataset, listed

COLUMNS = {
    "path": ["filename", "slice_file_name", "fname", "path", "file", "file_name", "filepath", "file_path", "audio"],
    "label": ["category", "class", "primary_label", "labels", "label", "species", "emotion", "class_name", "target"],
    "fold": ["fold", "split", "subset", "partition"],
    "group": ["group", "src_file", "fsid", "author", "actor", "speaker", "speaker_id", "client_id", "site", "session"],
}
STARTS = ["begin time (s)", "start (s)", "start_s", "start", "onset"]
ENDS = ["end time (s)", "end (s)", "end_s", "end", "offset"]
MISSING = {"nan", "<na>"}  # values of empty cells that some programs write
HINT = "give a text file with commas, semicolons or tabs"


def load(
    table: str | os.PathLike, *, audio: str | os.PathLike | None = None, path: str | None = None,
    label: str | None = None, fold: str | None = None, group: str | None = None, label_separator: str | None = None,
    folds: int = 5, seed: int = 0, strict: bool = False,
) -> Dataset:  # fmt: skip
    """Return the recordings of a table. The note describes the split and possible defects of the data.

    Missing and unreadable recordings are skipped, and listed in the note and in `Dataset.skipped`. If the first row
    contains the name of an audio file, the table has no header. The columns are then called "1", "2", ...

    A file is found by its path, with or without suffix. A file name without folder is found anywhere below `audio`. A
    relative path with folders is found if the path of a file ends with all these folders. An absolute path, for example
    of another computer, is found if it ends with the path of a file below `audio`.

    Parameters
    ----------
    table : text file
    audio : folder of the recordings, by default the folder of the table
    path, label : columns of the file and the class, by default found by the names in `COLUMNS`
    fold : column of the split, or "" to ignore such a column. Values are numbers, or train, val and test
    group : column of the group, "parent" or a regular expression, see `folder.load`. By default found by its name. If
        it is given and `fold` is not, new folds are made
    label_separator : character between the labels of a clip, by default a comma in a column called `labels`. Several
        rows of a file are then united
    folds, seed, strict : see `folder.load`

    Raises
    ------
    DataError
        The table cannot be read, several rows of a file have times, a column is missing, a row is incomplete, a file
        has two labels without `label_separator`, a file name occurs several times below `audio`, or a reason given at
        `folder.load`.
    """
    table = checked_path(table)
    header, rows = _read_rows(table)
    names = {"path": path, "label": label, "fold": "" if fold is None and group else fold, "group": group}
    columns = {role: _column(table, header, role, name) for role, name in names.items()}
    if label_separator is None and columns["label"].lower() == "labels":
        label_separator = ","
    has_times = all({name.lower() for name in header} & {*names} for names in (STARTS, ENDS))
    root = table.parent if audio is None else checked_path(audio)
    find = finder(root)
    recordings: dict[Path, Recording] = {}
    for number, row in rows:
        where = f"{table}, line {number}"
        values = {role: row[column] for role, column in columns.items() if column}
        values |= {role: "" for role, value in values.items() if value.lower() in MISSING}
        labels = _labels(values["label"], label_separator)
        if not values["path"] or not (labels or label_separator):
            raise DataError(f"{where}: expected a file and a label, got {row!r:.300}")
        fold_name, group_name = (as_label(values.get(role, "")) for role in ("fold", "group"))
        new = Recording(find(values["path"]), values["path"], labels, fold_name, group_name)
        if new.path in recordings and has_times:
            raise DataError(f"{where}: {new.name} has several rows with times; use --annotations {table}")
        old = recordings.setdefault(new.path, new)
        for role in ("fold", "group"):
            before, here = getattr(old, role), getattr(new, role)
            if before and here and before != here:
                both = f"{here!r}, but {before!r} in an earlier row; give all rows of a recording the same {role}"
                raise DataError(f"{where}: {new.name} has the {role} {both}")
            new = replace(new, **{role: before or here})
        if label_separator:
            new = replace(new, labels=tuple(dict.fromkeys(old.labels + new.labels)))
        elif old.labels != new.labels:
            both = f"{old.labels[0]!r} and {new.labels[0]!r}; remove one, or give label_separator (--label-separator)"
            raise DataError(f"{where}: {new.name} has the labels {both}")
        recordings[new.path] = new
    missing = missing_note(table, root, [*recordings])
    return dataset_of_recordings(
        str(table), [*recordings.values()], group=group, folds=folds, seed=seed, strict=strict,
        notes=[missing, f"Columns: {', '.join(f'{role} {column!r}' for role, column in columns.items() if column)}."],
    )  # fmt: skip


def _column(table: Path, header: list[str], role: str, name: str | None) -> str:
    """Return the column of a role, or an empty string if the table has no fold or group."""
    names = COLUMNS[role] if name is None else [str(name).strip().lower()]
    lower = [column.lower() for column in header]
    found = [header[lower.index(known)] for known in names if lower.count(known) == 1]
    if not found and (role in ("path", "label") or (role == "fold" and name)):
        text = f"expected one {role} column {name or ''} in the header {header}"
        raise DataError(f"{table}: {text}; give {role}=... (--{role}-column)")
    return found[0] if found else ""


def _labels(text: str, separator: str | None) -> tuple[str, ...]:
    """Return the labels in a field, also of a list such as ['a', 'b'], without repetitions."""
    parts = [part.strip(" '\"[]") for part in text.split(separator)] if separator else [text]
    return tuple(dict.fromkeys(filter(None, map(as_label, parts))))


def _read_rows(table: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return the header, and the line number and the fields of each row."""
    lines = [(number, row) for number, row in read_fields(table, hint=HINT) if any(row)]
    header = lines[0][1] if lines else []
    if audio := next((field for field in header if field.lower().endswith(SUFFIXES)), ""):
        others = ["label"] if len(header) == 2 else [str(1 + index) for index in range(len(header))]
        header = ["path" if field == audio else others[index % len(others)] for index, field in enumerate(header)]
    else:
        lines = lines[1:]
    for number, row in lines:
        if any(row[len(header) :]):
            expected = f"expected {len(header)} fields, got {len(row)}"
            raise DataError(f"{table}, line {number}: {expected}; put text in quotes")
    return header, [(number, dict(zip_longest(header, row[: len(header)], fillvalue=""))) for number, row in lines]


def read_fields(table: Path, *, hint: str, quotes_in_tabs: bool = True) -> list[tuple[int, list[str]]]:
    """Return the line number and the fields of each row, without the spaces around them and the line `sep=;` of Excel.

    If `quotes_in_tabs` is false, quotes are characters of the text in a table with tabs.
    """
    encoding, delimiter = table_format(table)
    quoting = csv.QUOTE_MINIMAL if quotes_in_tabs or delimiter != "\t" else csv.QUOTE_NONE
    rows = read_table(table, hint=hint, encoding=encoding, delimiter=delimiter, quoting=quoting)
    return [
        (number, [field.strip() for field in row])
        for number, row in rows
        if not (number == 1 and _is_separator_line(row[0]))
    ]


def table_format(table: Path) -> tuple[str, str]:
    """Return the encoding and the delimiter of a text file. A warning names a file in Windows-1252."""
    content = table.read_bytes() if table.is_file() else b""
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        warnings.warn(f"{table} is not in UTF-8, and is read as Windows-1252; check special characters", stacklevel=5)
        encoding = "cp1252"
    lines = re.sub('"[^"]*"', "", content.decode(encoding, errors="replace").lstrip()).splitlines() or [""]
    if _is_separator_line(lines[0]):
        if separator := lines[0][4:].strip(" "):
            return encoding, separator[0]
        lines = lines[1:] or [""]
    return encoding, "\t" if "\t" in lines[0] else max(",;", key=lines[0].count)


def _is_separator_line(line: str) -> bool:
    """Return whether a line is the first line sep=; of Excel, which names the delimiter."""
    return line.lower().startswith("sep=")


def finder(root: Path) -> Callable[[str], Path]:
    """Return a function that finds a file below `root` by the rules of `load`.

    The function returns a path that does not exist if the file is missing.
    """

    @cache
    def by_name() -> dict[str, list[Path]]:
        files = defaultdict(list)
        for path in list_recordings(root):
            for name in {path.name, path.stem}:
                files[_key(name)].append(path)
        return files

    def find(value: str) -> Path:
        folder, path = (Path(os.path.abspath(place)) for place in (root, root / value))
        if os.path.isfile(path):  # below `root`, each recording has one path
            return root / path.relative_to(folder) if path.is_relative_to(folder) else path
        wanted = PurePosixPath(value.replace("\\", "/"))
        names = [wanted.name, wanted.stem] if _key(wanted.name).endswith((*SUFFIXES, *UNREADABLE)) else [wanted.name]
        matches = ([path for path in by_name().get(_key(name), []) if _is_at(path, wanted, root)] for name in names)
        found = next(filter(None, matches), [root / value])
        depths = [len(path.parts) if _is_foreign(wanted) else 0 for path in found]
        if depths.count(max(depths)) > 1:
            raise DataError(f"{value}: found {listed(list(map(str, found)))}; give the complete path in the table")
        return found[depths.index(max(depths))]

    return find


def _is_foreign(wanted: PurePosixPath) -> bool:
    """Return whether a path in a table is absolute, or is not below the folder of the recordings."""
    return bool(PureWindowsPath(wanted).anchor) or ".." in wanted.parts


def _is_at(path: Path, wanted: PurePosixPath, root: Path) -> bool:
    """Return whether the folders of a file below `root` agree with those of a path in a table."""
    long, short = (wanted, path.relative_to(root)) if _is_foreign(wanted) else (Path(os.path.abspath(path)), wanted)
    folders, last = [[_key(name) for name in any_path.parts[:-1]] for any_path in (long, short)]
    return not last or folders[-len(last) :] == last


def missing_note(name: Path, root: Path, paths: Sequence[Path]) -> str:
    """Return a sentence about the recordings that are not in the folder `root`. Raises DataError if none is there."""
    missing = [path for path in paths if not os.path.exists(path)]
    text = f"{len(missing)} of {len(paths)} recordings were not found in the folder {root}"
    if missing and len(missing) == len(paths):
        names = listed([name_below(path, root) for path in missing])
        raise DataError(f"{name}: {text} ({names}); give the folder of the recordings, audio=... (--audio)")
    return f"{text}." if missing else ""


def name_below(path: Path, root: Path) -> str:
    """Return the path below `root`, or the complete path of a file in another folder."""
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
