"""Formats of results: text, label files of Audacity, selection tables of Raven, CSV and JSON lines.

Each function returns the text for one recording. `HEADERS` contains the first line of a format that has one.
"""

import json
import os
import re
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from ..errors import one_line
from ..files import csv_text
from .events import Event, Result

CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin Path\t"
    "File Offset (s)\tLabel\tConfidence"
)
HEADERS = {"raven": f"{RAVEN}\n", "csv": "path,start_s,end_s,label,confidence,windows,channel\n"}
SUFFIXES = {"text": ".txt", "audacity": ".audacity.txt", "raven": ".raven.txt", "csv": ".csv", "jsonl": ".jsonl"}


def text(result: Result) -> str:
    """Return one line with the best classes of a recording, or a line for each event."""
    path = one_line(result.path)
    if not result.events:
        return f"{path}: {'no events' if result.status == 'ok' else result.status}\n"
    if not result.whole:
        return "".join(f"{path}: {e.start_s:.3f} to {e.end_s:.3f} s, {_class(e)}\n" for e in result.events)
    channels = groupby(result.events, key=lambda event: event.channel)
    return f"{path}: {'; '.join(', '.join(map(_class, events)) for _, events in channels)}\n"


def _class(event: Event) -> str:
    channel = "" if event.channel == "mean" else f" (channel {event.channel})"
    return f"{one_line(event.label)} {event.confidence:.3f}{channel}"


def audacity(result: Result) -> str:
    """Return lines of a label file of Audacity: start and end in s, class and confidence."""
    return _tabs((f"{e.start_s:.6f}", f"{e.end_s:.6f}", f"{e.label} {e.confidence:.4f}") for e in result.events)


def raven(result: Result) -> str:
    """Return lines of a selection table of Raven. The mean of the channels is channel 1."""
    path, high, rows = os.path.abspath(result.path), f"{result.nyquist_hz:g}", []
    for number, e in enumerate(result.events, start=1):
        channel, times = "1" if e.channel == "mean" else str(int(e.channel) + 1), (f"{e.start_s:.3f}", f"{e.end_s:.3f}")
        row = (str(number), "Spectrogram 1", channel, *times, "0", high, path, times[0], e.label, f"{e.confidence:.4f}")
        rows.append(row)
    return _tabs(rows)


def csv_lines(result: Result) -> str:
    """Return lines of a CSV file, with quotes where a value needs them."""
    return csv_text(
        (result.path, f"{e.start_s:.3f}", f"{e.end_s:.3f}", e.label, f"{e.confidence:.4f}", e.windows, e.channel)
        for e in result.events
    )


def jsonl(result: Result, *, ensure_ascii: bool = False) -> str:
    """Return one JSON line for the recording, and one for each event or class."""
    kind: dict[str, Any] = {"type": "prediction" if result.whole else "detection", "path": result.path}
    ensure_ascii |= any("\ud800" <= letter <= "\udfff" for letter in result.path)  # bytes that are no UTF-8
    rows = [{"type": "file", "path": result.path, "duration_s": round(result.seconds, 6), "status": result.status}]
    for e in result.events:
        rounded = e._replace(start_s=round(e.start_s, 6), end_s=round(e.end_s, 6), confidence=round(e.confidence, 4))
        rows.append(kind | rounded._asdict())
    return "".join(f"{json.dumps(row, ensure_ascii=ensure_ascii)}\n" for row in rows)


def _tabs(rows: Iterable[Iterable[str]]) -> str:
    return "".join("\t".join(map(_field, row)) + "\n" for row in rows)


def _field(text: str) -> str:
    """Return a text with tabs, line breaks and other control characters escaped."""
    return CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


FORMATS: dict[str, Callable[[Result], str]] = {
    "text": text, "audacity": audacity, "raven": raven, "csv": csv_lines, "jsonl": jsonl,
}  # fmt: skip
