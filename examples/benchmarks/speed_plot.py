"""Figures of the benchmark results: networks, layers and series of growing jobs."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, ScalarFormatter
from speed_tables import layer_times, milliseconds

COLORS = {
    "quatnet": "tab:blue",
    "peers": "tab:orange",
    "expanded": "tab:green",
    "real": "tab:red",
    "real, compiled": "tab:purple",
    "speechbrain": "tab:brown",
}
LABELS = {"quatnet": "quatnet", **{variant: f"PyTorch, {variant}" for variant in list(COLORS)[1:]}}
DIRECTIONS = ("forward", "input gradient", "weight gradient")
BATCH = 4  # preferred batch size of the layer panels


def plot_results(results: dict[str, Any], path: Path) -> None:
    """Save a figure of the results of `pytorch.py`. The extension of `path` selects the file format."""
    networks, growth = results["networks"], results["growth"]
    height = 1.5 + 0.22 * sum(len(row["sides"]) + 1 for row in networks)
    heights = [height] + [3.2 * len(DIRECTIONS)] * bool(results["layers"]) + [4.0] * bool(growth)
    figure = plt.figure(figsize=(14, sum(heights)), layout="constrained")
    panels = list(np.atleast_1d(figure.subfigures(len(heights), 1, height_ratios=heights)))
    _plot_networks(panels.pop(0), networks)
    if results["layers"]:
        _plot_layers(panels.pop(0), results["layers"])
    if growth:
        _plot_growth(panels.pop(0), growth)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _plot_networks(figure: Any, rows: list[dict[str, Any]]) -> None:
    """Plot the time of each implementation relative to quatnet as horizontal bars, annotated with the milliseconds."""
    axis, position, names = figure.subplots(), 0, {}
    for row in rows:
        names[position + (len(row["sides"]) - 1) / 2] = f"{row['network']}\n{row['work']}, batch {row['batch']}"
        for variant, times in row["sides"].items():
            ratio = times["median"] / row["sides"]["quatnet"]["median"]
            axis.barh(position, ratio, color=COLORS[variant])
            axis.annotate(f" {milliseconds(times['median'])}", (ratio, position), va="center", fontsize=8)
            position += 1
        position += 1
    axis.set_yticks(list(names), list(names.values()))
    axis.axvline(1, color="black", linewidth=0.8)
    axis.margins(x=0.1)
    axis.set_ylim(position - 0.5, -1)
    axis.set(title="Whole networks", xlabel="median time relative to quatnet")
    _legend(axis, [variant for variant in COLORS if any(variant in row["sides"] for row in rows)])


def _legend(axis: Any, variants: list[str]) -> None:
    patches = [plt.Rectangle((0, 0), 1, 1, color=COLORS[variant]) for variant in variants]
    axis.legend(patches, [LABELS[variant] for variant in variants], loc="center left", bbox_to_anchor=(1, 0.5))


def _plot_layers(figure: Any, rows: list[dict[str, Any]]) -> None:
    """Plot the milliseconds of each layer as bars. Forward pass and both gradients have a panel each."""
    batches = {row["batch"] for row in rows}
    batch = BATCH if BATCH in batches else min(batches)
    panels = zip(figure.subplots(len(DIRECTIONS), 1, sharex=True), DIRECTIONS, strict=True)
    for axis, direction in panels:
        selected = [row for row in rows if row["batch"] == batch and row["direction"] == direction]
        times = [{"quatnet": row["sides"]["quatnet"]["median"], **layer_times(row)} for row in selected]
        for number, variant in enumerate(times[0]):
            positions = np.arange(len(selected)) + (number - (len(times[0]) - 1) / 2) / (len(times[0]) + 1)
            heights = [1000 * layer[variant] for layer in times]
            axis.bar(positions, heights, 1 / (len(times[0]) + 1), color=COLORS[variant])
        axis.set(title=f"QCNN14 layer by layer, batch {batch}: {direction}", ylabel="ms")
        axis.set_xticks(range(len(selected)), [_label(row) for row in selected])
        axis.grid(axis="y", alpha=0.3)
        _legend(axis, list(times[0]))


def _label(row: dict[str, Any]) -> str:
    """Return a label of three short lines. A panel has a dozen labels next to each other."""
    block, *conv = row["name"].split(" conv")
    return "\n".join([block, *(f"conv{number}" for number in conv), f"{row['height']}x{row['width']}"])


def _plot_growth(figure: Any, growth: dict[str, list[dict[str, Any]]]) -> None:
    """Plot the milliseconds per clip over the varied quantity, on logarithmic axes."""
    for axis, (name, rows) in zip(np.atleast_1d(figure.subplots(1, len(growth))), growth.items(), strict=True):
        values = [row["value"] for row in rows]
        for variant in rows[0]["sides"]:
            times = [1000 * row["sides"][variant]["median"] / row["batch"] for row in rows]
            axis.plot(values, times, marker="o", color=COLORS[variant], label=LABELS[variant])
        axis.set(xscale="log", yscale="log", title=f"Inference: {name}", xlabel=name, ylabel="ms per clip")
        axis.set_xticks(values, map(str, values))
        axis.minorticks_off()
        axis.yaxis.set(major_locator=LogLocator(subs=(1, 1.5, 2, 3, 5, 7)), major_formatter=ScalarFormatter())
        axis.grid(alpha=0.3)
    axis.legend()
