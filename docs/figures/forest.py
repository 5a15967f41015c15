"""Forest plots: for each of some rows how many points one network is ahead of another, with its standard error."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import reproduce_records as records
from reproduce_rows import row_of
from reproduce_statistics import Spread, accuracies, difference


def ahead(one: str, other: str) -> tuple[Spread, int]:
    """Return how far a row is ahead of another, and in how many pairs of runs that was seen."""
    mine, theirs = (records.read(row_of(name), records.RECORDS) for name in (one, other))
    return difference(mine, theirs), len(accuracies(mine).keys() & accuracies(theirs).keys())


def forest(axis: Axes, found: Sequence[tuple[Spread, int]], colors: Sequence[str], *, limit: float) -> None:
    """Draw a point and its bar for each, from the top, and write what they say at the right; `limit` is in points."""
    axis.axvline(0, color="0.3", lw=1)
    for y, ((spread, pairs), color) in enumerate(zip(found, colors, strict=True)):
        if pairs:
            error = 100 * np.nan_to_num(spread.error)
            axis.errorbar(100 * spread.mean, y, xerr=error, fmt="o", color=color, capsize=3)
        text = f"{spread.text(sign=True)} ({pairs})" if pairs else "-"
        axis.text(1.02, y, text, transform=axis.get_yaxis_transform(), va="center", fontsize=9)
    axis.set(xlim=(-limit, limit), ylim=(len(found) - 0.4, -0.6))
    axis.grid(axis="x", alpha=0.3)
