"""Forest plots: the accuracy gain of networks over their references, with its standard error."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "reproduce"))
from records import RECORDS
from row_comparisons import accuracy_gain, gain_text

Pair = tuple[str, str]  # a row and its reference


def forest(axis: Axes, rows: Sequence[Pair], colors: Sequence[str], *, limit: float) -> None:
    """Draw the gain and its error bar for each pair, from the top, with its text at the right; `limit` in points."""
    axis.axvline(0, color="0.3", lw=1)
    for y, (names, color) in enumerate(zip(rows, colors, strict=True)):
        gain, num_pairs = accuracy_gain(*names, RECORDS)
        if num_pairs:
            error = 100 * np.nan_to_num(gain.error)
            axis.errorbar(100 * gain.mean, y, xerr=error, fmt="o", color=color, capsize=3)
        transform = axis.get_yaxis_transform()
        axis.text(1.02, y, gain_text(gain, num_pairs), transform=transform, va="center", fontsize=9)
    axis.set(xlim=(-limit, limit), ylim=(len(rows) - 0.4, -0.6))
    axis.grid(axis="x", alpha=0.3)
