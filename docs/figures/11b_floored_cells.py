"""Fraction of floored cells in each component, of two front ends: synthesized sounds and recordings."""

import numpy as np
from matplotlib.figure import Figure

from quatnet.audio import FrontEnd, floored_cell_fractions
from quatnet.datasets import synthetic
from quatnet.paper_code import PaperCodeFrontEnd

# python examples/reproduce/floored_cells.py --data DIR, 200 clips of ESC-50
RECORDINGS = {"delta": (0.108, 0.106, 0.105, 0.104), "paper_code": (0.108, 0.620, 0.488, 0.587)}
FRONT_ENDS = {"delta": FrontEnd, "paper_code": PaperCodeFrontEnd}
COLORS = {"delta": "#85C1E9", "paper_code": "#F5B041"}


def synthesized(variant: str) -> np.ndarray:
    """Return the fractions (4,) of ten synthesized clips, computed here."""
    front_end = FRONT_ENDS[variant](clip_seconds=2.0)
    clips = synthetic.load(clips_per_class=5, clip_seconds=2.0).clips[::5]
    return np.mean([floored_cell_fractions(front_end(*clip.source()), floor_db=-100.0) for clip in clips], axis=0)


def draw() -> Figure:
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    panels = {
        "10 synthesized sounds": {variant: synthesized(variant) for variant in COLORS},
        "200 of ESC-50": RECORDINGS,
    }
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        for offset, (variant, fractions) in zip((-0.2, 0.2), panel.items(), strict=True):
            bars = ax.bar(np.arange(4) + offset, fractions, 0.38, label=variant, color=COLORS[variant])
            ax.bar_label(bars, [f"{fraction:.0%}" for fraction in fractions], fontsize=8)
        ax.set_xticks(range(4), "rijk")
        ax.set(title=title, ylim=(0, 0.75))
    axes[0].set_ylabel("fraction of floored cells")
    axes[0].legend(loc="upper left")
    return figure
