"""Accuracy on ESC-10 against what networks cost, real and quaternion, of several widths; from docs/results."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import reproduce_latency as latency
import reproduce_records as records
from reproduce_rows import SHARES, WIDTHS, row_of
from reproduce_statistics import accuracies, middle, spread

COSTS = {  # axis -> ticks, in the order of `_costs`
    "parameters (thousands)": (20, 40, 80, 160, 320, 640),
    "multiplications a clip (M, 8 per product)": (5, 10, 20, 40, 80),
    "milliseconds a clip (1 thread)": (0.7, 1, 1.4, 2, 2.8, 4),
}
LONG = {"real": ["real-16/long", "real-11.6/long", "real-8/long"], "quaternion": ["quaternion-16/long"]}
CUT = {"real": ["real-16/prune-l1-budget"], "quaternion": [f"quaternion-16/prune-l1-{share}" for share in SHARES]}
SERIES = {  # label -> rows, how they look, how far aside: bars at the same place would hide each other
    "real": ([name for name in WIDTHS if name.startswith("real")], "o", "#0072B2", "#0072B2", 1.0),
    "quaternion": ([name for name in WIDTHS if name.startswith("quaternion")], "s", "#D55E00", "#D55E00", 1.03),
    "real, 120 epochs": (LONG["real"], "o", "#0072B2", "white", 0.97),
    "quaternion, 120 epochs": (LONG["quaternion"], "s", "#D55E00", "white", 1.06),
    "real, pruned": (CUT["real"], "v", "#56B4E9", "#56B4E9", 1.03),
    "quaternion, pruned": (CUT["quaternion"], "D", "#009E73", "#009E73", 0.97),
}


def draw() -> Figure:
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    axes = figure.subplots(1, len(COSTS), sharey=True)
    for number, (axis, (label, ticks)) in enumerate(zip(axes, COSTS.items(), strict=True)):
        for name, (rows, marker, color, face, aside) in SERIES.items():
            style = {"marker": marker, "color": color, "markerfacecolor": face, "label": name}
            _points(axis, rows, number, aside, style)
        axis.set(xscale="log", xlabel=label)
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_locator(FixedLocator(ticks))
        axis.margins(x=0.1)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy on ESC-10 (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=10)
    return figure


def _points(axis: Axes, rows: list[str], cost: int, aside: float, style: dict) -> None:
    """A point for each row that was run, with the standard error of its mean, and its name in the first panel."""
    costs = {row: _costs(row) for row in rows if _runs(row)}
    places = {row: aside * each[cost] for row, each in costs.items() if np.isfinite(each[cost])}
    for row, place in sorted(places.items(), key=lambda item: item[1]):
        found = spread(accuracies(_runs(row)))
        axis.errorbar(place, 100 * found.mean, 100 * np.nan_to_num(found.error), capsize=3, linestyle="none", **style)
        style = style | {"label": None}
        if cost == 0:
            where = {"xytext": (-4, -10), "ha": "right"} if aside < 1 else {"xytext": (4, 3)}
            axis.annotate(_short(row), (place, 100 * found.mean), textcoords="offset points", fontsize=8, **where)


def _costs(row: str) -> tuple[float, float, float]:
    """Thousands of parameters, millions of multiplications, milliseconds (nan where nobody measured them)."""
    times, whole = latency.read(records.RECORDS).get("1", {}), row.removesuffix("/long")
    parameters, products = (middle(_runs(row), key) for key in ("parameters", "multiplications_8"))
    return parameters / 1e3, products / 1e6, times.get(whole, np.nan)


def _runs(row: str) -> list:
    return records.read(row_of(f"esc10/{row}"), records.RECORDS)


def _short(row: str) -> str:
    """Return "16", a width, or "0.5", what was cut; nothing for what was cut to the budget."""
    network, _, change = row.partition("/")
    name = network.partition("-")[2] if not change or change == "long" else change.rpartition("-")[2]
    return name if name != "budget" else ""
