"""Accuracy on fold 1 of ESC-50 against the number of training epochs; from docs/results."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "reproduce"))
import records
from rows import EPOCHS, row_from_name
from run_row import EPOCHS as FEW_EPOCHS
from run_statistics import accuracies, mean_and_error

STYLES = {"real-8": ("o", "#0072B2"), "real-16": ("^", "#56B4E9"), "quaternion-16": ("s", "#D55E00")}
HUMAN = 81.3  # percent, K. Piczak, 2015


def draw() -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for network, (marker, color) in STYLES.items():
        points = [point for epochs in (0, *EPOCHS) if (point := _point(network, epochs))]
        if not points:
            continue
        epochs, means, errors = zip(*points, strict=True)
        axis.errorbar(epochs, means, errors, marker=marker, color=color, capsize=3, label=network)
    axis.axhline(HUMAN, color="0.4", linestyle="--", linewidth=1)
    axis.annotate("human listeners", (FEW_EPOCHS["esc50"], HUMAN), (0, 3), textcoords="offset points", fontsize=9)
    axis.set(xscale="log", xlabel="training epochs", ylabel="accuracy on fold 1 of ESC-50 (%)")
    axis.xaxis.set_major_locator(FixedLocator([FEW_EPOCHS["esc50"], *EPOCHS]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    return figure


def _point(network: str, epochs: int) -> tuple[int, float, float] | None:
    """Return the number of epochs, mean and standard error (%, nan for one run), or None without runs.

    0 epochs are the number of epochs in `run_row.EPOCHS`.
    """
    row = row_from_name(f"esc50/{network}/epochs-{epochs}" if epochs else f"esc50/{network}")
    accuracy = mean_and_error(accuracies(records.read_runs(row, records.RECORDS)))
    if np.isnan(accuracy.mean):
        return None
    return epochs or FEW_EPOCHS["esc50"], 100 * accuracy.mean, 100 * accuracy.error
