"""Eight quaternion filters: ranked as wholes, four of them leave; ranked part by part, the four rows disagree."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from quatnet.prune import l1_scores

COLOURS = ["#B8B8B8", "#F5B041", "#85C1E9", "#7DCEA0"]  # r grey, i orange, j blue, k green
PARTS = ["r", "i", "j", "k"]


def weights() -> np.ndarray:
    """A drawn kernel (4, 3, 3, 2, 8) whose filters, and whose components, differ in size."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((4, 3, 3, 2, 8)) * rng.uniform(0.2, 1, (4, 1, 1, 1, 8))


def draw() -> Figure:
    weight = weights()
    parts = np.array([l1_scores(part) for part in weight])  # (4, filters)
    total = l1_scores(weight)
    stays = total >= np.sort(total)[4]
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    base = np.zeros(8)
    for part, color in zip(parts, COLOURS, strict=True):
        left.bar(range(8), part, bottom=base, color=color, edgecolor="white")
        base += part
    for n in np.flatnonzero(~stays):
        left.bar(n, total[n], fill=False, hatch="////", edgecolor="black")
    handles = [Patch(color=color, label=part) for part, color in zip(PARTS, COLOURS, strict=True)]
    handles.append(Patch(fill=False, hatch="////", edgecolor="black", label="leaves"))
    left.legend(handles=handles, ncols=5, fontsize=9, loc="upper center", handlelength=1, columnspacing=0.8)
    left.set(title="Together: a filter stays or leaves", xlabel="filter", ylabel="L1 norm", ylim=(0, 1.2 * total.max()))
    kept = parts >= np.sort(parts, axis=1)[:, 4:5]
    for row, column in np.ndindex(kept.shape):
        chosen = kept[row, column]
        look = {"facecolor": COLOURS[row]} if chosen else {"facecolor": "white", "hatch": "////"}
        right.bar(column, 0.9, bottom=row - 0.45, width=0.9, edgecolor="0.3", **look)
    whole = np.flatnonzero(kept.all(axis=0))
    right.set(title="Part by part: rows disagree", xlabel=f"filter (whole: {', '.join(map(str, whole)) or 'none'})")
    right.set_yticks(range(4), PARTS)
    right.set_ylim(3.6, -0.6)
    for axes in (left, right):
        axes.set_xticks(range(8))
    return figure
