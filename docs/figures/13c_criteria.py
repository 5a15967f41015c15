"""How many points each criterion of pruning is ahead of cutting at random, run by run, on ESC-10; from docs/results."""

from forest import forest
from matplotlib.figure import Figure
from reproduce_comparisons import CUT
from reproduce_rows import SHARES

from quatnet.prune import CRITERIA

TITLES = {"0.25": "a quarter cut", "0.5": "half cut", "0.75": "three quarters cut", "budget": "cut to the budget"}


def draw() -> Figure:
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    axes = figure.subplots(1, len(SHARES), sharey=True)
    for axis, share in zip(axes, SHARES, strict=True):
        rows = [(f"{CUT}-{name}-{share}", f"{CUT}-random-{share}") for name in CRITERIA]
        forest(axis, rows, ["#009E73"] * len(rows), limit=5)
        axis.set(title=TITLES[share], xlabel="points ahead of random")
    axes[0].set_yticks(range(len(CRITERIA)), [name.replace("_", " ") for name in CRITERIA])
    return figure
