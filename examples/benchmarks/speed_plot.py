"""The figures of the benchmark as one picture: networks, layers, growth, as far as they were measured."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, ScalarFormatter
from speed_tables import layer_times, milliseconds

COLOURS = {
    "quatnet": "tab:blue",
    "peers": "tab:orange",
    "expanded": "tab:green",
    "real": "tab:red",
    "real, compiled": "tab:purple",
    "speechbrain": "tab:brown",
}
LABELS = {"quatnet": "quatnet", **{way: f"PyTorch, {way}" for way in list(COLOURS)[1:]}}
DIRECTIONS = ("forward", "input gradient", "weight gradient")
BATCH = 4  # the batch that is drawn layer by layer, where it was measured


def draw(results: dict[str, Any], path: Path) -> None:
    """Write a picture of the results of `benchmark.py`; the ending of `path` chooses the format."""
    networks, growth = results["networks"], results["growth"]
    height = 1.5 + 0.22 * sum(len(row["sides"]) + 1 for row in networks)
    heights = [height] + [3.2 * len(DIRECTIONS)] * bool(results["layers"]) + [4.0] * bool(growth)
    figure = plt.figure(figsize=(14, sum(heights)), layout="constrained")
    parts = list(np.atleast_1d(figure.subfigures(len(heights), 1, height_ratios=heights)))
    _networks(parts.pop(0), networks)
    if results["layers"]:
        _layers(parts.pop(0), results["layers"])
    if growth:
        _growth(parts.pop(0), growth)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _networks(figure: Any, rows: list[dict[str, Any]]) -> None:
    """Horizontal bars: the time of each side over that of quatnet, its milliseconds written beside."""
    axis, place, names = figure.subplots(), 0, {}
    for row in rows:
        names[place + (len(row["sides"]) - 1) / 2] = f"{row['network']}\n{row['work']}, batch {row['batch']}"
        for way, times in row["sides"].items():
            ratio = times["median"] / row["sides"]["quatnet"]["median"]
            axis.barh(place, ratio, color=COLOURS[way])
            axis.annotate(f" {milliseconds(times['median'])}", (ratio, place), va="center", fontsize=8)
            place += 1
        place += 1
    axis.set_yticks(list(names), list(names.values()))
    axis.axvline(1, color="black", linewidth=0.8)
    axis.margins(x=0.1)
    axis.set_ylim(place - 0.5, -1)
    axis.set(title="Whole networks", xlabel="median time, quatnet's = 1")
    _legend(axis, [way for way in COLOURS if any(way in row["sides"] for row in rows)])


def _legend(axis: Any, ways: list[str]) -> None:
    patches = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[way]) for way in ways]
    axis.legend(patches, [LABELS[way] for way in ways], loc="center left", bbox_to_anchor=(1, 0.5))


def _layers(figure: Any, rows: list[dict[str, Any]]) -> None:
    """Bars of milliseconds for each layer, one panel for each direction."""
    batches = {row["batch"] for row in rows}
    batch = BATCH if BATCH in batches else min(batches)
    panels = zip(figure.subplots(len(DIRECTIONS), 1, sharex=True), DIRECTIONS, strict=True)
    for axis, direction in panels:
        chosen = [row for row in rows if row["batch"] == batch and row["direction"] == direction]
        times = [{"quatnet": row["sides"]["quatnet"]["median"], **layer_times(row)} for row in chosen]
        for number, way in enumerate(times[0]):
            places = np.arange(len(chosen)) + (number - (len(times[0]) - 1) / 2) / (len(times[0]) + 1)
            heights = [1000 * each[way] for each in times]
            axis.bar(places, heights, 1 / (len(times[0]) + 1), color=COLOURS[way])
        axis.set(title=f"QCNN14 layer by layer, batch {batch}: {direction}", ylabel="ms")
        axis.set_xticks(range(len(chosen)), [_label(row) for row in chosen])
        axis.grid(axis="y", alpha=0.3)
        _legend(axis, list(times[0]))


def _label(row: dict[str, Any]) -> str:
    """Three short lines, as there are a dozen layers side by side."""
    block, *conv = row["name"].split(" conv")
    return "\n".join([block, *(f"conv{number}" for number in conv), f"{row['height']}x{row['width']}"])


def _growth(figure: Any, growth: dict[str, list[dict[str, Any]]]) -> None:
    """Milliseconds per clip over what grows, on logarithmic axes."""
    for axis, (name, rows) in zip(np.atleast_1d(figure.subplots(1, len(growth))), growth.items(), strict=True):
        values = [row["value"] for row in rows]
        for way in rows[0]["sides"]:
            each = [1000 * row["sides"][way]["median"] / row["batch"] for row in rows]
            axis.plot(values, each, marker="o", color=COLOURS[way], label=LABELS[way])
        axis.set(xscale="log", yscale="log", title=f"Inference: {name}", xlabel=name, ylabel="ms per clip")
        axis.set_xticks(values, map(str, values))
        axis.minorticks_off()
        axis.yaxis.set(major_locator=LogLocator(subs=(1, 1.5, 2, 3, 5, 7)), major_formatter=ScalarFormatter())
        axis.grid(alpha=0.3)
    axis.legend()
