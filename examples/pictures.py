"""The pictures of the examples: each function draws one file."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogFormatter, MaxNLocator

COMPONENTS = {
    "delta": {
        "r: log-mel": "level (dB)",
        "i: Δ, its slope": "dB / frame",
        "j: ΔΔ, the slope of that": "dB / frame²",
        "k: ΔΔΔ": "dB / frame³",
    },
    "paper_code": dict.fromkeys(["r: log-mel", "i: of Δ power", "j: of ΔΔ power", "k: of ΔΔΔ power"], "level (dB)"),
    "repeat": dict.fromkeys(["r: log-mel", "i: again", "j: again", "k: again"], "level (dB)"),
}
MARKERS = "osv^D"


def _save(figure: plt.Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def _capital(text: str) -> str:
    return text if text == "mAP" else text.capitalize()


def quaternion_input(clip: np.ndarray, frontend, label: str, path: Path) -> None:
    """Four panels: the components of one clip (frames, mels, 4)."""
    figure, axes = plt.subplots(4, 1, figsize=(8, 10), sharex=True, layout="constrained")
    figure.suptitle(f"One clip as quaternions: {label}")
    extent = (0, frontend.clip_seconds, 0, clip.shape[1])
    panels = zip(axes, COMPONENTS[frontend.variant].items(), np.moveaxis(clip, -1, 0), strict=True)
    for axis, (title, unit), component in panels:
        colors = _colors(component, unit)
        image = axis.imshow(component.T, origin="lower", aspect="auto", extent=extent, **colors)
        axis.set(title=title, ylabel="mel bin (low to high)")
        figure.colorbar(image, ax=axis, label=unit)
    axes[-1].set_xlabel("time (s)")
    _save(figure, path)


def _colors(component: np.ndarray, unit: str) -> dict:
    """Dark to bright for levels; for slopes orange falls and purple rises."""
    if unit == "level (dB)":
        return {"cmap": "magma"}
    most = np.abs(component).max() or 1.0
    return {"cmap": "PuOr", "vmin": -most, "vmax": most}


def training_curves(rows: list[dict], path: Path, *, score: str = "accuracy") -> None:
    """Training loss and the score on the test clips after every epoch, all networks."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for row, marker in zip(rows, MARKERS, strict=True):
        epochs, how = range(1, len(row["history"]) + 1), {"marker": marker, "markersize": 5, "alpha": 0.7}
        left.plot(epochs, [epoch["loss"] for epoch in row["history"]], **how, label=row["name"])
        right.plot(epochs, [100 * epoch[f"test_{score}"] for epoch in row["history"]], **how, label=row["name"])
    left.set(title="Training loss (the distilled one's is another)", xlabel="epoch", ylabel="loss (nats)")
    right.set(title=f"{_capital(score)} on the test clips", xlabel="epoch", ylabel=f"{score} (%)")
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, path)


def accuracy_against_cost(rows: list[dict], path: Path, *, score: str = "accuracy") -> None:
    """The score over multiplications per clip, and over parameters."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained", sharey=True)
    costs = (("multiplications_8", 1e6, "real multiplications per clip (millions, 8 per product)"),
             ("parameters", 1e3, "parameters (thousands)"))  # fmt: skip
    for axis, (key, unit, label) in zip(axes, costs, strict=True):
        for row, marker in zip(rows, MARKERS, strict=True):
            place = (row[key] / unit, 100 * row[score])
            axis.scatter(*place, s=90, marker=marker, alpha=0.7, label=row["name"])
        title = f"{_capital(score)} against {key.split('_')[0]}"
        axis.set(xscale="log", xlabel=label, ylabel=f"{score} (%)", title=title)
        for ticks in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
            ticks(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
        axis.grid(alpha=0.3, which="both")
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, path)


def what_pruning_left(rows: list, path: Path) -> None:
    """For each layer (`prune.layer_savings`): the share of its filters, parameters and multiplications that stays."""
    figure, axis = plt.subplots(figsize=(8, 1.5 + 0.5 * len(rows)), layout="constrained")
    left = {
        "filters": [row.filters_remaining / row.filters for row in rows],
        "parameters": [1 - row.parameters_saved / row.parameters for row in rows],
        "multiplications (8 per product)": [1 - row.multiplications_saved / row.multiplications for row in rows],
    }
    for place, (label, shares) in enumerate(left.items()):
        axis.barh(np.arange(len(rows)) + 0.27 * (place - 1), 100 * np.array(shares), height=0.25, label=label)
    axis.set_yticks(range(len(rows)), [row.name for row in rows])
    axis.invert_yaxis()
    axis.set(title="What pruning left of each layer", xlabel="stays (%)", xlim=(0, 100))
    axis.margins(y=0.01)
    figure.legend(loc="outside lower center", ncols=3)
    _save(figure, path)


def confusion(matrix: np.ndarray, classes: tuple[str, ...], name: str, path: Path) -> None:
    """Counts: true class in rows, predicted class in columns."""
    size = 4 + 0.28 * len(classes)
    figure, axis = plt.subplots(figsize=(size + 1, size), layout="constrained")
    image = axis.imshow(matrix, cmap="Blues")
    ticks = range(len(classes))
    axis.set_xticks(ticks, classes, rotation=90)
    axis.set_yticks(ticks, classes)
    axis.set(title=f"Confusion matrix: {name}", xlabel="predicted class", ylabel="true class")
    figure.colorbar(image, ax=axis, label="clips", shrink=0.8, ticks=MaxNLocator(integer=True))
    for row, column in zip(*np.nonzero(matrix), strict=True):
        shade = "white" if matrix[row, column] > matrix.max() / 2 else "black"
        axis.text(column, row, matrix[row, column], ha="center", va="center", color=shade, fontsize=7)
    _save(figure, path)


def precision_of_classes(
    precisions: np.ndarray, classes: tuple[str, ...], name: str, path: Path, most: int = 20
) -> None:
    """Average precision of the classes that are heard: the best ones and the worst ones."""
    order = [label for label in np.argsort(precisions) if not np.isnan(precisions[label])]
    shown = order if len(order) <= 2 * most else order[:most] + order[-most:]
    figure, axis = plt.subplots(figsize=(8, 2 + 0.24 * len(shown)), layout="constrained")
    axis.barh(range(len(shown)), 100 * precisions[shown])
    axis.set_yticks(range(len(shown)), [classes[label] for label in shown])
    axis.set(title=f"Average precision: {name}", xlabel="average precision (%)", xlim=(0, 100))
    _save(figure, path)
