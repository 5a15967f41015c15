"""Loader of long recordings with annotated events, from label tracks of Audacity and selection tables of Raven.

The recordings are divided into windows, which are the clips. An event is positive in a window if they overlap by at
least 0.5 s, or by at least half of the event. Windows that contain a smaller part of another event are left out,
because their target is unclear. Windows without events are negatives. An empty annotation file means no events.
"""

import math
import os
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from ..checks import checked_number, checked_path
from ..errors import DataError
from .audio_files import read_headers
from .folder import list_recordings
from .index import walk
from .recordings import Recording, as_label, choose_clip_seconds, dataset_of_recordings
from .records import Dataset
from .table import ENDS, STARTS, finder, missing_note, name_below, read_fields
from .windows import window_spans

SUFFIXES = (".txt", ".tsv", ".csv")
CONFIDENCE = re.compile(r" [01]\.[0-9]{4}$")  # in the label tracks of `quatnet classify`
COLUMNS = {
    "start": STARTS,
    "end": ENDS,
    "offset": ["file offset (s)"],  # start in the file, while the begin time runs over all opened files
    "file": ["begin file", "begin path", "path", "filename", "file"],
}
LABELS = ["species", "annotation", "label", "class", "common name", "call type"]
HINT = "give a label track of Audacity, or a selection table of Raven"


class Event(NamedTuple):
    """Annotated sound, with its start and end in the recording in s."""

    file: str
    start: float
    end: float
    label: str


def load(
    annotations: str | os.PathLike, *, audio: str | os.PathLike | None = None, label: str | None = None,
    window_seconds: float | None = None, group: str | None = None, folds: int = 5, seed: int = 0, strict: bool = False,
) -> Dataset:  # fmt: skip
    """Return the windows of annotated recordings. The note describes the split and possible defects of the data.

    The annotation file `x.txt`, or `x.Table.1.selections.txt`, belongs to the recording `x.wav`. A column of file names
    has precedence. Recordings without an annotation file are not used. The last window ends with the recording.

    Paths are found as in `table.load`. The recording of `site/x.txt` is in a folder `site`. A recording that is named
    without a folder in `site/x.txt` is also in a folder `site`, or directly in `audio` if there is no folder
    `audio/site`.

    Parameters
    ----------
    annotations : annotation file (.txt, .tsv or .csv), or folder of annotation files, also of `quatnet classify --out`
    audio : folder of the recordings, by default the folder of the annotations
    label : column of the class, required if the header has none or several of the usual names
    window_seconds : length of the windows, from 0.5 to 60 s, by default chosen from the events by `choose_clip_seconds`
    group, folds, seed, strict : see `folder.load`. A regular expression is found in names such as
        `site/day.wav 5-10 s`, with the path below `audio`

    Raises
    ------
    DataError
        An annotation file has another format, a recording has annotations in two formats, an event is after the end of
        the recording, or a reason given at `folder.load`.
    """
    annotations = checked_path(annotations)
    root = annotations.parent if annotations.is_file() else annotations
    audio = root if audio is None else checked_path(audio)
    events = _events_by_recording(annotations, root, audio, label)
    durations = [event.end - event.start for event in chain(*events.values())]
    window = choose_clip_seconds(durations or [3.0]) if window_seconds is None else window_seconds
    checked_number("window_seconds", window, "[0.5, 60]")
    missing = missing_note(annotations, audio, [*events])
    headers, _ = read_headers(events)
    recordings, omitted = list[Recording](), 0
    for path, of_file in events.items():
        if path not in headers:
            recordings.append(Recording(path, name_below(path, audio), ()))
            continue
        spans = window_spans(headers[path][0], window, window)
        if late := [event for event in of_file if event.start >= headers[path][0]]:
            raise DataError(f"{path} has {headers[path][0]:g} s, but an event {late[0].label!r} at {late[0].start:g} s")
        labels = label_windows(of_file, spans)
        omitted += labels.count(None)
        for span, names in zip(spans, labels, strict=True):
            if names is not None:
                name = f"{name_below(path, audio)} {span[0]:g}-{span[1]:g} s"
                recordings.append(Recording(path, name, names, part=span))
    unused = len(set(list_recordings(audio)) - set(events))
    notes = [
        missing,
        f"{len(durations)} events in windows of {window:g} s.",
        f"{omitted} windows with a part of an event are left out." if omitted else "",
        f"{unused} recordings have no annotations, and are not used." if unused else "",
    ]
    return dataset_of_recordings(
        str(annotations), recordings, group=group, folds=folds, seed=seed, strict=strict, notes=notes
    )


def label_windows(events: Sequence[Event], spans: Sequence[tuple[float, float]]) -> list[tuple[str, ...] | None]:
    """Return the labels of each window, or None for a window that contains a small part of another event.

    `spans` are the start and the end of each window, in order.
    """
    positive, partial = [[set[str]() for _ in spans] for _ in range(2)]
    ends = [end for _, end in spans]
    for event in events:
        for number in range(bisect_right(ends, event.start), len(spans)):
            start, end = spans[number]
            if start >= event.end:
                break
            overlap = min(end, event.end) - max(start, event.start)
            enough = overlap >= min(0.5, (event.end - event.start) / 2) - 1e-9
            (positive if enough else partial)[number].add(event.label)
    return [None if some - all_ else tuple(sorted(all_)) for all_, some in zip(positive, partial, strict=True)]


def read_events(table: str | os.PathLike, label: str | None = None) -> list[Event]:
    """Return the events of a label track of Audacity, or of a table with a header such as those of Raven.

    Rows of the view `Waveform` of Raven repeat the rows of the view `Spectrogram`, and are ignored. An event without
    duration is extended by 1 ms. Decimal commas are read. In files `*.audacity.txt`, which `quatnet classify` writes,
    a confidence at the end of a label, as in `dog 0.8877`, is not part of the label.

    Raises
    ------
    DataError
        The header has no start and end, the label column is unclear, or a row has no label or an invalid time.
    """
    table = checked_path(table)
    lines = read_fields(table, hint=HINT, quotes_in_tabs=False)
    rows = [(number, row) for number, row in lines if row[0] != "\\"]  # without the lines of frequencies
    if not rows:
        return []
    header = [field.lower() for field in rows[0][1]]
    if not math.isnan(_number(header[0])):  # a label track of Audacity has no header
        header, label = ["start", "end", "label"], "label"
        rows = [(0, header), *rows]
    columns = {role: next((name for name in names if name in header), "") for role, names in COLUMNS.items()}
    found = [name for name in ([str(label).strip().lower()] if label else LABELS) if name in header]
    if not (columns["start"] and columns["end"] and len(found) == 1):
        raise DataError(
            f"{table}: expected start, end and one label column in the header {header}; give label=... (--label-column)"
        )
    fields = [(number, dict(zip(header, row, strict=False))) for number, row in rows[1:]]
    files = {field.get(columns["file"]) for _, field in fields if columns["file"].startswith("begin")}
    if len(files) > 1 and "view" in header and not columns["offset"]:  # a table of Raven
        raise DataError(
            f"{table}: the begin times of several opened files run over all of them; add the measurement "
            "'File Offset (s)' in Raven, or save one table for each file"
        )
    spectrogram = [(number, field) for number, field in fields if not field.get("view", "").startswith("Waveform")]
    events = [_event(table, number, field, columns, found[0]) for number, field in spectrogram or fields]
    if table.name.endswith(".audacity.txt"):
        return [event._replace(label=CONFIDENCE.sub("", event.label)) for event in events]
    return events


def _number(text: str) -> float:
    """Return the number in a field, or NaN."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan


def _event(table: Path, number: int, field: dict[str, str], columns: dict[str, str], label: str) -> Event:
    """Return the event of a row. Raises DataError for a row without label, or with an invalid time."""
    times = [_number(field.get(columns[role], "")) for role in ("start", "end", "offset") if columns[role]]
    if not (all(map(math.isfinite, times)) and min(times) >= 0 and times[0] <= times[1] and field.get(label)):
        raise DataError(f"{table}, line {number}: expected 0 <= start <= end in s, and a label, got {field!r:.300}")
    start = times[-1] if columns["offset"] else times[0]
    file = field.get(columns["file"], "") if columns["file"] else ""  # an index column has the name ""
    return Event(file, start, start + max(times[1] - times[0], 0.001), as_label(field[label]))


def _events_by_recording(annotations: Path, root: Path, audio: Path, label: str | None) -> dict[Path, list[Event]]:
    """Return the events of each recording. An empty annotation file gives a recording without events."""
    files = [annotations] if annotations.is_file() else [where / name for where, names in walk(root) for name in names]
    events, find = defaultdict[Path, list[Event]](list), finder(audio)
    first = dict[Path, Path]()  # first annotation file of each recording
    for table in [path for path in files if path.name.lower().endswith(SUFFIXES) and not _is_error_list(path)]:
        found, folder = read_events(table, label), table.parent.relative_to(root)
        named = bool(found) and all(event.file for event in found)
        own = Path() if named else _recording(table.relative_to(root), find)
        by_path = defaultdict[Path, list[Event]](list)
        for event in found:
            by_path[_named(event.file, folder, audio, find) if event.file else own].append(event)
        for path, of_table in (by_path or {own: []}).items():
            events[path] += of_table
            if _format(first.setdefault(path, table)) != _format(table):
                both = f"{first[path]} and {table}; keep one of them"
                raise DataError(f"{path} has annotations in two formats, {both}")
    if not events:
        raise DataError(f"{annotations}: no annotation files ({', '.join(SUFFIXES)}); {HINT}")
    return events


def _format(table: Path) -> str:
    """Return the last suffixes of an annotation file, such as ".audacity.txt"."""
    found = re.search(r"(\.audacity|\.raven|\.selections)?\.[^.]+$", table.name.lower())
    return found[0] if found else ""


def _is_error_list(path: Path) -> bool:
    """Return whether a file is the list of unreadable recordings that `quatnet classify` writes to its results."""
    return path.name == "errors.csv" and path.is_file() and path.read_bytes().split(b"\n")[0].strip() == b"path,error"


def _recording(table: Path, find: Callable[[str], Path]) -> Path:
    """Return the recording of an annotation file, whose name starts with the stem of the recording."""
    stem = table.with_suffix("")
    while not (found := find(str(stem))).is_file() and stem.suffix:
        stem = stem.with_suffix("")
    return found


def _named(file: str, folder: Path, audio: Path, find: Callable[[str], Path]) -> Path:
    """Return the recording that is named in an annotation file in `folder`."""
    if PureWindowsPath(file).name != file:
        return find(file)
    found = find(str(folder / file))
    return found if found.is_file() or (audio / folder).is_dir() else audio / file
