"""Tables that set one row against another, run by run: networks equal in some cost, and criteria of pruning."""

from collections.abc import Callable
from pathlib import Path

import reproduce_records as records  # examples/reproduce_records.py
from reproduce_rows import CRITERION_NAMES, SHARES, row_of
from reproduce_statistics import accuracies, difference, spread

EQUAL = (  # quaternion, real, in what
    ("quaternion-16", "real-16", "width, and nearly milliseconds"),
    ("quaternion-16", "real-11.6", "multiplications"),
    ("quaternion-16", "real-8", "parameters"),
    ("quaternion-16/long", "real-16/long", "width, both trained three times as long"),
    ("quaternion-16/long", "real-11.6/long", "multiplications, the same"),
    ("quaternion-16/long", "real-8/long", "parameters, the same"),
    ("quaternion-8", "real-8", "width, and milliseconds"),
    ("quaternion-8", "real-4", "parameters"),
    ("quaternion-22.5", "real-16", "multiplications"),
    ("quaternion-32", "real-16", "parameters"),
)
CUT = "esc10/quaternion-16/prune"
SETS = {"esc10": "ESC-10, points", "esc50": "ESC-50, points", "ravdess": "RAVDESS, points"}


def equals(folder: Path) -> list[list[str]]:
    """Return how many points a quaternion network is ahead of the real one that costs the same, set by set."""
    lines = [
        [ours, theirs, cost, *(_ahead(f"{data}/{ours}", f"{data}/{theirs}", folder) for data in SETS)]
        for ours, theirs, cost in EQUAL
    ]
    measured = [line for line in lines if any(cell != "-" for cell in line[3:])]
    return [["quaternion", "real", "equal in", *SETS.values()], *measured]


def criteria(folder: Path) -> list[list[str]]:
    """Return the accuracy on ESC-10 after pruning by each criterion, for each share."""

    def cell(name: str) -> str:
        found = accuracies(records.read(row_of(name), folder))
        return f"{spread(found).text()} ({len(found)})" if found else "-"

    return _by_criterion(cell)


def against_chance(folder: Path) -> list[list[str]]:
    """Return how many points each criterion is ahead of cutting at random, for each share."""
    table = _by_criterion(lambda name: _ahead(name, f"{CUT}-random-{name.rpartition('-')[2]}", folder))
    return [line for line in table if line[0] != "random"]


def _by_criterion(cell: Callable[[str], str]) -> list[list[str]]:
    lines = [[criterion, *(cell(f"{CUT}-{criterion}-{share}") for share in SHARES)] for criterion in CRITERION_NAMES]
    return [["criterion", *SHARES], *lines]


def _ahead(ours: str, theirs: str, folder: Path) -> str:
    mine, others = (records.read(row_of(name), folder) for name in (ours, theirs))
    pairs = len(accuracies(mine).keys() & accuracies(others).keys())
    return f"{difference(mine, others).text(sign=True)} ({pairs})" if pairs else "-"
