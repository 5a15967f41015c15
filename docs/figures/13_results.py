"""Accuracy on ESC-10 against what networks cost, real and quaternion, of several widths; from docs/results."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import reproduce_records as records
from reproduce_rows import WIDTHS, row_of
from reproduce_statistics import accuracies, middle, spread

COSTS = {  # axis -> figure, unit, ticks
    "parameters (thousands)": ("parameters", 1e3, (20, 40, 80, 160, 320, 640)),
    "multiplications a clip (M, 8 per product)": ("multiplications_8", 1e6, (5, 10, 20, 40, 80)),
}
SERIES = {  # label -> rows, how they look
    "real": ([f"esc10/{name}" for name in WIDTHS if name.startswith("real")], {"color": "#0072B2", "marker": "o"}),
    "quaternion": (
        [f"esc10/{name}" for name in WIDTHS if name.startswith("quaternion")],
        {"color": "#D55E00", "marker": "s"},
    ),
    "real, 120 epochs": (
        [f"esc10/{name}/long" for name in WIDTHS if name.startswith("real")],
        {"color": "#0072B2", "marker": "o", "markerfacecolor": "white"},
    ),
    "quaternion, 120 epochs": (
        ["esc10/quaternion-16/long"],
        {"color": "#D55E00", "marker": "s", "markerfacecolor": "white"},
    ),
    "real-16, pruned": (["esc10/real-16/prune-l1-budget"], {"color": "#56B4E9", "marker": "v"}),
    "quaternion-16, pruned": (
        [f"esc10/quaternion-16/prune-l1-{share}" for share in ("0.75", "0.5", "0.25")],
        {"color": "#009E73", "marker": "D"},
    ),
}


def draw() -> Figure:
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (label, (key, unit, ticks)) in zip(axes, COSTS.items(), strict=True):
        for name, (rows, style) in SERIES.items():
            _points(
                axis,
                [runs for row in rows if (runs := records.read(row_of(row), records.RECORDS))],
                key,
                unit,
                name,
                style,
            )
        axis.set(xscale="log", xlabel=label)
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticks(ticks)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy on ESC-10 (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)
    return figure


def _points(axis, rows: list, key: str, unit: float, label: str, style: dict) -> None:
    """One point for each row, with the standard error of its mean."""
    rows = sorted(rows, key=lambda runs: middle(runs, key))
    found = [spread(accuracies(runs)) for runs in rows]
    places = [middle(runs, key) / unit for runs in rows]
    means, errors = (100 * np.array([getattr(each, name) for each in found]) for name in ("mean", "error"))
    axis.errorbar(places, means, np.nan_to_num(errors), label=label, capsize=3, linestyle="-", **style)
