"""Forest plots: for each of some rows how many points one network is ahead of another, with its standard error."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from reproduce_comparisons import ahead, said
from reproduce_records import RECORDS

Pair = tuple[str, str]  # a row, and the one that it is compared with


def forest(axis: Axes, rows: Sequence[Pair], colors: Sequence[str], *, limit: float) -> None:
    """Draw a point and its bar for each pair, from the top, and write at the right what they say; `limit` in points."""
    axis.axvline(0, color="0.3", lw=1)
    for y, (names, color) in enumerate(zip(rows, colors, strict=True)):
        spread, pairs = ahead(*names, RECORDS)
        if pairs:
            error = 100 * np.nan_to_num(spread.error)
            axis.errorbar(100 * spread.mean, y, xerr=error, fmt="o", color=color, capsize=3)
        where = axis.get_yaxis_transform()
        axis.text(1.02, y, said(spread, pairs), transform=where, va="center", fontsize=9)
    axis.set(xlim=(-limit, limit), ylim=(len(rows) - 0.4, -0.6))
    axis.grid(axis="x", alpha=0.3)
