"""Accuracy gain of each pruning criterion over random pruning, in paired runs, on ESC-10; from docs/results."""

from forest import forest
from matplotlib.figure import Figure
from row_comparisons import PRUNED
from rows import CRITERIA, PRUNE_TARGETS

NAMES = [name for name in CRITERIA if name != "random"]
TITLES = {
    "0.25": "a quarter pruned",
    "0.5": "half pruned",
    "0.75": "three quarters pruned",
    "budget": "pruned to the budget",
}


def draw() -> Figure:
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    axes = figure.subplots(1, len(PRUNE_TARGETS), sharey=True)
    for axis, target in zip(axes, PRUNE_TARGETS, strict=True):
        rows = [(f"{PRUNED}-{name}-{target}", f"{PRUNED}-random-{target}") for name in NAMES]
        forest(axis, rows, ["#009E73"] * len(rows), limit=5)
        axis.set(title=TITLES[target], xlabel="difference to random (points)")
    axes[0].set_yticks(range(len(NAMES)), [name.replace("_", " ") for name in NAMES])
    return figure
