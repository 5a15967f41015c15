"""Accuracy on each data set against the number of training epochs; from docs/results."""

import sys
from collections.abc import Collection
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "reproduce"))
import records
from row_comparisons import FOLDS_OF_EPOCHS
from rows import EPOCHS, row_from_name
from run_row import EPOCHS as FEW_EPOCHS
from run_statistics import accuracies, mean_and_error

STYLES = {
    "real-8": ("o", "#0072B2"),
    "real-16": ("^", "#56B4E9"),
    "quaternion-16": ("s", "#D55E00"),
    "quaternion-40": ("D", "#E69F00"),
}
HUMAN = 81.3  # percent, K. Piczak, 2015
PANELS = {"esc50": "ESC-50, fold 1", "esc10": "ESC-10, five folds", "ravdess": "RAVDESS, fold 1"}


def draw() -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, len(PANELS))
    for axis, (dataset, title) in zip(axes, PANELS.items(), strict=True):
        _draw_panel(axis, dataset, FOLDS_OF_EPOCHS[dataset])
        axis.set(xscale="log", title=title, xlabel="training epochs")
        axis.xaxis.set_major_locator(FixedLocator([FEW_EPOCHS[dataset], *EPOCHS]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.grid(alpha=0.3)
    axes[0].axhline(HUMAN, color="0.4", linestyle="--", linewidth=1)
    axes[0].annotate("human listeners", (FEW_EPOCHS["esc50"], HUMAN), (0, 3), textcoords="offset points", fontsize=9)
    axes[0].set_ylabel("accuracy (%)")
    axes[0].legend(loc="lower right")
    return figure


def _draw_panel(axis: Axes, dataset: str, folds: Collection[int]) -> None:
    for network, (marker, color) in STYLES.items():
        points = [point for epochs in (0, *EPOCHS) if (point := _point(f"{dataset}/{network}", epochs, folds))]
        if points:
            epochs, means, errors = zip(*points, strict=True)
            axis.errorbar(epochs, means, errors, marker=marker, color=color, capsize=3, label=network)


def _point(name: str, epochs: int, folds: Collection[int]) -> tuple[int, float, float] | None:
    """Return the number of epochs, mean and standard error (%, nan for one run), or None without runs.

    0 epochs are the number of epochs in `run_row.EPOCHS`.
    """
    row = row_from_name(f"{name}/epochs-{epochs}" if epochs else name)
    runs = [run for run in records.read_runs(row, records.RECORDS) if run["fold"] in folds]
    accuracy = mean_and_error(accuracies(runs))
    if np.isnan(accuracy.mean):
        return None
    return epochs or FEW_EPOCHS[row.dataset], 100 * accuracy.mean, 100 * accuracy.error
