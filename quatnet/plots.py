"""Figures of inputs, training curves and results.

Each function saves one figure to a file. matplotlib is imported only when a figure is drawn.
"""

import os
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np

from .audio import FrontEnd
from .checks import checked_path
from .errors import import_optional, one_line

PANELS = {  # titles and units of the four components
    "delta": {"r: log-mel": "level (dB)", "i: Δ": "dB / frame", "j: ΔΔ": "dB / frame²", "k: ΔΔΔ": "dB / frame³"},
    "repeat": dict.fromkeys(["r: log-mel", "i: log-mel", "j: log-mel", "k: log-mel"], "level (dB)"),
    "paper_code": dict.fromkeys(["r: log-mel", "i: of Δ power", "j: of ΔΔ power", "k: of ΔΔΔ power"], "level (dB)"),
}
MARKERS = "osv^D"  # repeated from the sixth network on
Rows = Sequence[dict[str, Any]]
PathLike = str | os.PathLike


def _figure(width: float, height: float) -> Any:
    """Return an empty figure of the given size in inches, without a window.

    Raises MissingPackageError if matplotlib is not installed.
    """
    figure = import_optional("matplotlib.figure", 'figures need matplotlib: pip install "quatnet-numpy[examples]"')
    return figure.Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: PathLike) -> None:
    checked_path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight")


def _text(name: str) -> str:
    """Return a name as text of a figure, without control characters, and without formulas between dollar signs."""
    return one_line(name).replace("$", r"\$")


def _capitalized(metric: str) -> str:
    return metric if metric == "mAP" else metric.capitalize()


def quaternion_input(clip: np.ndarray, frontend: FrontEnd, label: str, path: PathLike) -> None:
    """Draw the four components of one clip (frames, mels, 4) with the class name `label`."""
    figure = _figure(8, 10)
    axes = figure.subplots(4, 1, sharex=True)
    figure.suptitle(f"One clip as quaternions: {_text(label)}")
    extent = (0, frontend.clip_seconds, 0, clip.shape[1])
    panels = zip(axes, PANELS[frontend.variant].items(), np.moveaxis(clip, -1, 0), strict=True)
    for axis, (title, unit), component in panels:
        image = axis.imshow(component.T, origin="lower", aspect="auto", extent=extent, **_colors(component, unit))
        axis.set(title=title, ylabel="mel bin (low to high)")
        figure.colorbar(image, ax=axis, label=unit)
    axes[-1].set_xlabel("time (s)")
    _save(figure, path)


def _colors(component: np.ndarray, unit: str) -> dict[str, Any]:
    """Return a sequential color map for levels, or a diverging color map centered at 0 for deltas."""
    if unit == "level (dB)":
        return {"cmap": "magma"}
    largest = np.abs(component).max() or 1.0
    return {"cmap": "PuOr", "vmin": -largest, "vmax": largest}


def training_curves(rows: Rows, path: PathLike, *, metric: str = "accuracy") -> None:
    """Draw the training loss and the test metric of all networks after each epoch."""
    figure = _figure(11, 4.2)
    from matplotlib.ticker import MaxNLocator

    left, right = figure.subplots(1, 2)
    for row, marker in zip(rows, cycle(MARKERS), strict=False):
        epochs, history = range(1, len(row["history"]) + 1), row["history"]
        style = {"marker": marker, "markersize": 5, "alpha": 0.7, "label": _text(row["name"])}
        left.plot(epochs, [epoch["loss"] for epoch in history], **style)
        right.plot(epochs, [100 * epoch[f"test_{metric}"] for epoch in history], **style)
    left.set(title="Training loss (distillation: not comparable)", xlabel="epoch", ylabel="loss (nats)")
    right.set(title=f"{_capitalized(metric)} on the test clips", xlabel="epoch", ylabel=f"{metric} (%)")
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, path)


def accuracy_against_cost(rows: Rows, path: PathLike, *, metric: str = "accuracy") -> None:
    """Draw the metric of all networks against the multiplications of one clip, and against the parameters."""
    figure = _figure(11, 4.2)
    from matplotlib.ticker import LogFormatter

    axes = figure.subplots(1, 2, sharey=True)
    costs = (("multiplications_8", 1e6, "real multiplications per clip (millions, 8 per product)"),
             ("parameters", 1e3, "parameters (thousands)"))  # fmt: skip
    for axis, (key, unit, label) in zip(axes, costs, strict=True):
        for row, marker in zip(rows, cycle(MARKERS), strict=False):
            axis.scatter(row[key] / unit, 100 * row[metric], s=90, marker=marker, alpha=0.7, label=_text(row["name"]))
        title = f"{_capitalized(metric)} against {key.split('_')[0]}"
        axis.set(xscale="log", xlabel=label, ylabel=f"{metric} (%)", title=title)
        for set_formatter in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
            set_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
        axis.grid(alpha=0.3, which="both")
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, path)


def pruning(savings: Sequence[Any], path: PathLike) -> None:
    """Draw the remaining fraction of filters, parameters and multiplications of each layer.

    `savings` is the result of `prune.layer_savings`.
    """
    figure = _figure(8, 1.5 + 0.5 * len(savings))
    axis = figure.subplots()
    remaining = {
        "filters": [layer.filters_remaining / layer.filters for layer in savings],
        "parameters": [1 - layer.parameters_saved / layer.parameters for layer in savings],
        "multiplications (8 per product)": [1 - each.multiplications_saved / each.multiplications for each in savings],
    }
    for position, (label, shares) in enumerate(remaining.items()):
        offsets = np.arange(len(savings)) + 0.27 * (position - 1)
        axis.barh(offsets, 100 * np.array(shares), height=0.25, label=label)
    axis.set_yticks(range(len(savings)), [_text(layer.name) for layer in savings])
    axis.invert_yaxis()
    axis.set(title="Filters, parameters and multiplications after pruning", xlabel="remaining (%)", xlim=(0, 100))
    axis.margins(y=0.01)
    figure.legend(loc="outside lower center", ncols=3)
    _save(figure, path)


def confusion(matrix: np.ndarray, classes: Sequence[str], name: str, path: PathLike) -> None:
    """Draw the confusion matrix (classes, classes) of the network `name`.

    Rows are true classes and columns are predicted classes.
    """
    size = 4 + 0.28 * len(classes)
    figure = _figure(size + 1, size)
    from matplotlib.ticker import MaxNLocator

    axis = figure.subplots()
    image = axis.imshow(matrix, cmap="Blues")
    names = list(map(_text, classes))
    axis.set_xticks(range(len(names)), names, rotation=90)
    axis.set_yticks(range(len(names)), names)
    axis.set(title=f"Confusion matrix: {_text(name)}", xlabel="predicted class", ylabel="true class")
    figure.colorbar(image, ax=axis, label="clips", shrink=0.8, ticks=MaxNLocator(integer=True))
    for row, column in zip(*np.nonzero(matrix), strict=True):
        color = "white" if matrix[row, column] > matrix.max() / 2 else "black"
        axis.text(column, row, matrix[row, column], ha="center", va="center", color=color, fontsize=7)
    _save(figure, path)


def average_precision(
    precisions: np.ndarray, classes: Sequence[str], name: str, path: PathLike, *, limit: int = 20
) -> None:
    """Draw the average precision of the `limit` worst and the `limit` best classes.

    Classes with an average precision of NaN are omitted.
    """
    order = [label for label in np.argsort(precisions) if not np.isnan(precisions[label])]
    shown = order if len(order) <= 2 * limit else order[:limit] + order[-limit:]
    figure = _figure(8, 2 + 0.24 * len(shown))
    axis = figure.subplots()
    axis.barh(range(len(shown)), 100 * precisions[shown])
    axis.set_yticks(range(len(shown)), [_text(classes[label]) for label in shown])
    axis.set(title=f"Average precision: {_text(name)}", xlabel="average precision (%)", xlim=(0, 100))
    _save(figure, path)
