"""Accuracy on ESC-10 against multiplications: networks pruned by each criterion, and what they are compared with."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import reproduce_records as records
from reproduce_rows import CRITERION_NAMES, row_of
from reproduce_statistics import Runs, accuracies, middle, spread

CUT = "esc10/quaternion-16/prune"
SHARES = ("0.75", "0.5", "0.25")
BOLD = {"l1": {"color": "#009E73", "marker": "D"}, "random": {"color": "black", "marker": "x"}}
BESIDE = {  # label -> row, how it looks
    "real-16, pruned to the budget": ("esc10/real-16/prune-l1-budget", {"color": "#0072B2", "marker": "v"}),
    "real-8": ("esc10/real-8", {"color": "#0072B2", "marker": "o"}),
    "real-4": ("esc10/real-4", {"color": "#0072B2", "marker": "^"}),
    "quaternion-16, nothing cut, trained on": ("esc10/quaternion-16/continue", {"color": "#D55E00", "marker": "s"}),
}


def draw() -> Figure:
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axis = figure.subplots()
    real = spread(accuracies(read("esc10/real-16")))
    axis.axhspan(*(100 * (real.mean + sign * real.error) for sign in (-1, 1)), color="#0072B2", alpha=0.15, lw=0)
    axis.axhline(100 * real.mean, color="#0072B2", lw=1, label="real-16 (72.7 M), ± standard error")
    for name in sorted(CRITERION_NAMES, key=lambda name: name in BOLD):
        style = BOLD.get(name, {"color": "0.6", "marker": ".", "lw": 1})
        _line(axis, name, style, bars=name in BOLD)
    for label, (row, style) in BESIDE.items():
        _points(axis, [read(row)], style | {"label": label, "linestyle": "none"}, bars=True)
    axis.set(xscale="log", xlabel="multiplications a clip (M, 8 per product)", ylabel="accuracy on ESC-10 (%)")
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks((5, 10, 15, 20, 25, 40))
    axis.grid(alpha=0.3)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


def read(row: str) -> Runs:
    return records.read(row_of(row), records.RECORDS)


def _line(axis: Axes, criterion: str, style: dict, *, bars: bool) -> None:
    """The three shares of a criterion, from the smallest network to the largest."""
    rows = [read(f"{CUT}-{criterion}-{share}") for share in SHARES]
    label = f"pruned: {criterion.replace('_', ' ')}" if bars else "pruned: the other criteria"
    known = label in axis.get_legend_handles_labels()[1]
    _points(axis, [runs for runs in rows if runs], style | {"label": None if known else label}, bars=bars)


def _points(axis: Axes, rows: list[Runs], style: dict, *, bars: bool) -> None:
    rows = [runs for runs in rows if runs]
    aside = 1.012 if style["color"] == "black" else 1.0  # bars of two criteria would hide each other
    places = [aside * middle(runs, "multiplications_8") / 1e6 for runs in rows]
    means, errors = (
        100 * np.array([getattr(spread(accuracies(runs)), name) for runs in rows]) for name in ("mean", "error")
    )
    axis.errorbar(places, means, np.nan_to_num(errors) if bars else None, capsize=3, **style)
