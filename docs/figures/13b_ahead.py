"""Accuracy gain of each network over real-16, in paired runs, on three data sets; from docs/results."""

from forest import forest
from matplotlib.figure import Figure

REFERENCE = "real-16"
REAL, QUATERNION, PRUNED = "#0072B2", "#D55E00", "#009E73"
ROWS = {
    "real-11.6": REAL,
    "real-8": REAL,
    "real-4": REAL,
    "real-16/prune-l1-budget": REAL,
    "quaternion-16": QUATERNION,
    "quaternion-8": QUATERNION,
    "quaternion-16/continue": QUATERNION,
    "quaternion-16/prune-l1-budget": PRUNED,
    "quaternion-16/prune-l1-0.25": PRUNED,
    "quaternion-16/prune-l1-0.5": PRUNED,
    "quaternion-16/prune-l1-0.75": PRUNED,
}
DATASETS = {"esc10": "ESC-10", "ravdess": "RAVDESS", "esc50": "ESC-50"}


def draw() -> Figure:
    figure = Figure(figsize=(11, 0.34 * len(ROWS) + 1), layout="constrained")
    axes = figure.subplots(1, len(DATASETS), sharey=True)
    for axis, (dataset, title) in zip(axes, DATASETS.items(), strict=True):
        rows = [(f"{dataset}/{row}", f"{dataset}/{REFERENCE}") for row in ROWS]
        forest(axis, rows, list(ROWS.values()), limit=10)
        axis.set(title=title, xlabel=f"difference to {REFERENCE} (points)")
    axes[0].set_yticks(range(len(ROWS)), list(ROWS))
    return figure
