"""Eight quaternion filters, half of them removed: ranked by total L1 norm, and ranked per component."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from quatnet.prune import l1_scores

COLORS = ["#B8B8B8", "#F5B041", "#85C1E9", "#7DCEA0"]  # r gray, i orange, j blue, k green
COMPONENTS = ["r", "i", "j", "k"]


def weights() -> np.ndarray:
    """Return a random kernel (4, 3, 3, 2, 8) whose filters and components differ in size."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((4, 3, 3, 2, 8)) * rng.uniform(0.2, 1, (4, 1, 1, 1, 8))


def draw() -> Figure:
    weight = weights()
    scores = np.array([l1_scores(component) for component in weight])  # (4, filters)
    total = l1_scores(weight)
    keep = total >= np.sort(total)[4]
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    base = np.zeros(8)
    for score, color in zip(scores, COLORS, strict=True):
        left.bar(range(8), score, bottom=base, color=color, edgecolor="white")
        base += score
    for n in np.flatnonzero(~keep):
        left.bar(n, total[n], fill=False, hatch="////", edgecolor="black")
    handles = [Patch(color=color, label=name) for name, color in zip(COMPONENTS, COLORS, strict=True)]
    handles.append(Patch(fill=False, hatch="////", edgecolor="black", label="removed"))
    left.legend(handles=handles, ncols=5, fontsize=9, loc="upper center", handlelength=1, columnspacing=0.8)
    left.set(title="Ranked by the total L1 norm", xlabel="filter", ylabel="L1 norm", ylim=(0, 1.2 * total.max()))
    keep_component = scores >= np.sort(scores, axis=1)[:, 4:5]
    for row, column in np.ndindex(keep_component.shape):
        style = {"facecolor": COLORS[row]} if keep_component[row, column] else {"facecolor": "white", "hatch": "////"}
        right.bar(column, 0.9, bottom=row - 0.45, width=0.9, edgecolor="0.3", **style)
    complete = np.flatnonzero(keep_component.all(axis=0))
    complete_text = ", ".join(map(str, complete)) or "none"
    right.set(title="Ranked per component", xlabel=f"filter (all four kept: {complete_text})")
    right.set_yticks(range(4), COMPONENTS)
    right.set_ylim(3.6, -0.6)
    for axes in (left, right):
        axes.set_xticks(range(8))
    return figure
