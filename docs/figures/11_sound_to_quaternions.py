"""The features of a synthesized dog bark: `FrontEnd` and the front end of the paper's code."""

import numpy as np
from matplotlib.figure import Figure

from quatnet.audio import FrontEnd, floored_cell_fractions
from quatnet.datasets import synthetic
from quatnet.paper_code import PaperCodeFrontEnd

TITLES = ["r: log-mel", "i: Δ", "j: ΔΔ", "k: ΔΔΔ"]
UNITS = ["dB", "dB / frame", "dB / frame²", "dB / frame³"]


def draw() -> Figure:
    waveform, sample_rate_hz = synthetic.load(clips_per_class=5, clip_seconds=2.0).clips[0].source()
    front_end, paper_code = FrontEnd(clip_seconds=2.0), PaperCodeFrontEnd(clip_seconds=2.0)
    deltas, differences = (np.moveaxis(f(waveform, sample_rate_hz), -1, 0) for f in (front_end, paper_code))
    floored = floored_cell_fractions(np.moveaxis(differences, 0, -1), floor_db=-100.0)
    figure = Figure(figsize=(7, 7.8), layout="constrained")
    axes = figure.subplots(4, 2, sharex=True, sharey=True)
    axes[0, 0].set_title("FrontEnd: deltas along time\nof the log-mel", fontsize=11)
    axes[0, 1].set_title("paper's code: differences along\nfrequency, before the log", fontsize=11)
    extent = (0, 2, 0, front_end.mels)
    for row, (title, unit, left, right) in enumerate(zip(TITLES, UNITS, deltas, differences, strict=True)):
        limit = np.quantile(np.abs(left), 0.995)
        levels = {"cmap": "PuOr", "vmin": -limit, "vmax": limit} if row else {"cmap": "magma", "vmin": -100}
        image = axes[row, 0].imshow(
            left.T, origin="lower", aspect="auto", interpolation="none", extent=extent, **levels
        )
        figure.colorbar(image, ax=axes[row, 0], label=unit)
        image = axes[row, 1].imshow(
            right.T, origin="lower", aspect="auto", interpolation="none", extent=extent, cmap="magma", vmin=-100
        )
        figure.colorbar(image, ax=axes[row, 1], label="dB")
        axes[row, 0].set_ylabel(f"{title}\nmel bin")
        fraction = f"{floored[row]:.0%} at the floor"
        axes[row, 1].text(0.08, 59, fraction, color="white", va="top", bbox={"color": "black"})
    for bottom in axes[-1]:
        bottom.set_xlabel("time (s)")
    return figure
