"""How many cells say nothing, component by component: synthesized sounds, computed here, and real recordings."""

import numpy as np
from matplotlib.figure import Figure

from quatnet.audio import FrontEnd, floored_cells
from quatnet.datasets import synthetic
from quatnet.paper_code import PaperCodeFrontEnd

# python examples/reproduce/floored_cells.py --data DIR, 200 clips of ESC-50
REAL = {"corrected": (0.108, 0.106, 0.105, 0.104), "released": (0.108, 0.620, 0.488, 0.587)}
COLOURS = {"corrected": "#85C1E9", "released": "#F5B041"}


def synthesized(variant: str) -> np.ndarray:
    front_end = (FrontEnd if variant == "corrected" else PaperCodeFrontEnd)(clip_seconds=2.0)
    clips = synthetic.load(clips_per_class=5, clip_seconds=2.0).clips[::5]
    return np.mean([floored_cells(front_end(*clip.source()), floor_db=-100.0) for clip in clips], axis=0)


def draw() -> Figure:
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    panels = {"10 synthesized sounds": {variant: synthesized(variant) for variant in COLOURS}, "200 of ESC-50": REAL}
    for ax, (title, found) in zip(axes, panels.items(), strict=True):
        for side, (variant, shares) in zip((-0.2, 0.2), found.items(), strict=True):
            bars = ax.bar(np.arange(4) + side, shares, 0.38, label=variant, color=COLOURS[variant])
            ax.bar_label(bars, [f"{share:.0%}" for share in shares], fontsize=8)
        ax.set_xticks(range(4), "rijk")
        ax.set(title=title, ylim=(0, 0.75))
    axes[0].set_ylabel("share of empty cells")
    axes[0].legend(loc="upper left")
    return figure
