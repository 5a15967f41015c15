"""Fraction of floored cells in each component, of two front ends: synthesized sounds and recordings."""

import numpy as np
from matplotlib.figure import Figure

# python examples/reproduce/floored_cells.py [--data DIR], the table of chapter 11: front end -> percent of r, i, j, k
SYNTHESIZED = {"delta": (1.9, 1.6, 1.4, 1.4), "paper_code": (1.9, 49.9, 43.5, 50.2)}
RECORDINGS = {"delta": (10.8, 10.6, 10.5, 10.4), "paper_code": (10.8, 62.0, 48.8, 58.7)}
COLORS = {"delta": "#85C1E9", "paper_code": "#F5B041"}


def draw() -> Figure:
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    panels = {"200 synthesized sounds": SYNTHESIZED, "200 clips of ESC-50": RECORDINGS}
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        for offset, (variant, percent) in zip((-0.2, 0.2), panel.items(), strict=True):
            bars = ax.bar(np.arange(4) + offset, percent, 0.38, label=variant, color=COLORS[variant])
            ax.bar_label(bars, [f"{value:.1f}" for value in percent], fontsize=8)
        ax.set_xticks(range(4), "rijk")
        ax.set(title=title, ylim=(0, 75))
    axes[0].set_ylabel("floored cells (%)")
    axes[0].legend(loc="upper left")
    return figure
