"""Tables that set one row against another, run by run: networks equal in something, and criteria of pruning."""

from collections.abc import Callable
from pathlib import Path

import reproduce_records as records  # examples/reproduce_records.py
from reproduce_rows import CRITERION_NAMES, SHARES, row_of
from reproduce_statistics import Spread, accuracies, difference, spread

PAIRS = {  # question -> network, another, what they are equal in
    "widths": (
        ("quaternion-16", "real-16", "width, and nearly milliseconds"),
        ("quaternion-16", "real-11.6", "multiplications"),
        ("quaternion-16", "real-8", "parameters"),
        ("quaternion-8", "real-8", "width, and milliseconds"),
        ("quaternion-8", "real-4", "parameters"),
        ("quaternion-22.5", "real-16", "multiplications"),
        ("quaternion-32", "real-16", "parameters"),
        ("real-16", "real-8", "nothing: twice the width"),
    ),
    "longer": (
        ("real-16/long", "real-16", "all but epochs, 120 and 40"),
        ("real-8/long", "real-8", "all but epochs"),
        ("quaternion-16/long", "quaternion-16", "all but epochs"),
        ("quaternion-16/long", "real-16/long", "width"),
        ("quaternion-16/long", "real-11.6/long", "multiplications"),
        ("quaternion-16/long", "real-8/long", "parameters"),
    ),
    "pruning": (
        ("quaternion-16/continue", "quaternion-16", "size; trained on for a third"),
        *((f"quaternion-16/prune-l1-{share}", "quaternion-16/continue", "training") for share in SHARES),
        ("quaternion-16/prune-l1-budget", "real-16/prune-l1-budget", "parameters"),
        ("quaternion-16/prune-l1-0.5", "real-16/prune-l1-budget", "multiplications, nearly"),
        ("quaternion-16/prune-l1-0.5", "real-8", "multiplications, nearly"),
    ),
    "distillation": (
        ("quaternion-16/distil-own-0.5", "quaternion-16/scratch-0.5", "size and epochs"),
        ("quaternion-16/distil-strong-0.5", "quaternion-16/scratch-0.5", "size and epochs"),
        ("quaternion-16/prune-l1-0.5", "quaternion-16/scratch-0.5", "size and epochs"),
        ("quaternion-16/prune-l1-0.5", "quaternion-16/distil-own-0.5", "size"),
        ("quaternion-16/equal-l1-0.5", "quaternion-16/distil-own-0.5", "size and cost"),
        ("quaternion-16/equal-scratch-0.5", "quaternion-16/distil-own-0.5", "size and cost"),
        ("quaternion-16/equal-l1-0.5", "quaternion-16/equal-scratch-0.5", "size and cost"),
    ),
}
CUT = "esc10/quaternion-16/prune"
SETS = {"esc10": "ESC-10, points", "esc50": "ESC-50, points", "ravdess": "RAVDESS, points"}


def pairs(question: str, folder: Path) -> list[list[str]]:
    """Return how many points one network is ahead of another, set by set; sets without any pair are left out."""
    lines = [
        [one, other, equal, *(said(*ahead(f"{data}/{one}", f"{data}/{other}", folder)) for data in SETS)]
        for one, other, equal in PAIRS[question]
    ]
    measured = [line for line in lines if any(cell != "-" for cell in line[3:])]
    columns = list(zip(["network", "against", "equal in", *SETS.values()], *measured, strict=True))
    filled = [column for column in columns[3:] if any(cell != "-" for cell in column[1:])]
    return [list(line) for line in zip(*columns[:3], *filled, strict=True)]


def criteria(folder: Path) -> list[list[str]]:
    """Return the accuracy on ESC-10 after pruning by each criterion, for each share."""

    def cell(name: str) -> str:
        found = accuracies(records.read(row_of(name), folder))
        return f"{spread(found).text()} ({len(found)})" if found else "-"

    return _by_criterion(cell)


def against_chance(folder: Path) -> list[list[str]]:
    """Return how many points each criterion is ahead of cutting at random, for each share."""
    table = _by_criterion(lambda name: said(*ahead(name, f"{CUT}-random-{name.rpartition('-')[2]}", folder)))
    return [line for line in table if line[0] != "random"]


def _by_criterion(cell: Callable[[str], str]) -> list[list[str]]:
    lines = [[criterion, *(cell(f"{CUT}-{criterion}-{share}") for share in SHARES)] for criterion in CRITERION_NAMES]
    return [["criterion", *SHARES], *lines]


def ahead(one: str, other: str, folder: Path) -> tuple[Spread, int]:
    """Return how far a row is ahead of another, and in how many pairs of runs that was seen."""
    mine, theirs = (records.read(row_of(name), folder) for name in (one, other))
    return difference(mine, theirs), len(accuracies(mine).keys() & accuracies(theirs).keys())


def said(spread: Spread, pairs: int) -> str:
    """Return "+1.4 ± 0.5 (15)"; "-" without any pair."""
    return f"{spread.text(sign=True)} ({pairs})" if pairs else "-"
