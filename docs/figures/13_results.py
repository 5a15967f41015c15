"""Accuracy on ESC-10 against parameters, multiplications and milliseconds; from docs/results."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "reproduce"))
import latency
import records
from rows import NETWORKS, PRUNE_TARGETS, row_from_name
from run_statistics import accuracies, mean_and_error, median

COSTS = {  # label of the axis -> ticks, in the order of `_costs`
    "parameters (thousands)": (20, 40, 80, 160, 320, 640),
    "multiplications per clip (M, 8 per product)": (5, 10, 20, 40, 80),
    "milliseconds per clip (1 thread)": (0.7, 1, 1.4, 2, 2.8, 4),
}
LONG = {"real": ["real-16/long", "real-11.6/long", "real-8/long"], "quaternion": ["quaternion-16/long"]}
PRUNED = {
    "real": ["real-16/prune-l1-budget"],
    "quaternion": [f"quaternion-16/prune-l1-{target}" for target in PRUNE_TARGETS],
}
SERIES = {  # label -> rows, marker, color, face color, factor on x that keeps error bars from overlapping
    "real": ([name for name in NETWORKS if name.startswith("real")], "o", "#0072B2", "#0072B2", 1.0),
    "quaternion": ([name for name in NETWORKS if name.startswith("quaternion")], "s", "#D55E00", "#D55E00", 1.03),
    "real, 120 epochs": (LONG["real"], "o", "#0072B2", "white", 0.97),
    "quaternion, 120 epochs": (LONG["quaternion"], "s", "#D55E00", "white", 1.06),
    "real, pruned": (PRUNED["real"], "v", "#56B4E9", "#56B4E9", 1.03),
    "quaternion, pruned": (PRUNED["quaternion"], "D", "#009E73", "#009E73", 0.97),
}


def draw() -> Figure:
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    axes = figure.subplots(1, len(COSTS), sharey=True)
    for number, (axis, (label, ticks)) in enumerate(zip(axes, COSTS.items(), strict=True)):
        for name, (rows, marker, color, face, factor) in SERIES.items():
            style = {"marker": marker, "color": color, "markerfacecolor": face, "label": name}
            _draw_points(axis, rows, number, factor, style)
        axis.set(xscale="log", xlabel=label)
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_locator(FixedLocator(ticks))
        axis.margins(x=0.1)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy on ESC-10 (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=10)
    return figure


def _draw_points(axis: Axes, rows: list[str], cost: int, factor: float, style: dict) -> None:
    """Draw the mean accuracy and its standard error for each row with runs; write its name in the first panel."""
    costs = {row: _costs(row) for row in rows if _runs(row)}
    positions = {row: factor * each[cost] for row, each in costs.items() if np.isfinite(each[cost])}
    for row, x in sorted(positions.items(), key=lambda item: item[1]):
        accuracy = mean_and_error(accuracies(_runs(row)))
        error = 100 * np.nan_to_num(accuracy.error)
        axis.errorbar(x, 100 * accuracy.mean, error, capsize=3, linestyle="none", **style)
        style = style | {"label": None}
        if cost == 0:
            offset = {"xytext": (-4, -10), "ha": "right"} if factor < 1 else {"xytext": (4, 3)}
            axis.annotate(_short(row), (x, 100 * accuracy.mean), textcoords="offset points", fontsize=8, **offset)


def _costs(row: str) -> tuple[float, float, float]:
    """Return thousands of parameters, millions of multiplications, and milliseconds (nan if not measured)."""
    milliseconds = latency.read_medians(records.RECORDS).get("1", {})
    parameters, products = (median(_runs(row), key) for key in ("parameters", "multiplications_8"))
    return parameters / 1e3, products / 1e6, milliseconds.get(row.removesuffix("/long"), np.nan)


def _runs(row: str) -> list:
    return records.read_runs(row_from_name(f"esc10/{row}"), records.RECORDS)


def _short(row: str) -> str:
    """Return the width, such as "16", or the prune ratio, such as "0.5"; "" for networks pruned to the budget."""
    network, _, change = row.partition("/")
    name = network.partition("-")[2] if not change or change == "long" else change.rpartition("-")[2]
    return name if name != "budget" else ""
