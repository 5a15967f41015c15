"""Events of a recording from the confidences of its windows. The confidences are made up for the figure."""

from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure

from quatnet.detection.events import _merge

BLUE, ORANGE = "#0072B2", "#F5B041"
CONFIDENCES = np.array([0.1, 0.2, 0.6, 0.9, 0.7, 0.3, 0.1, 0.2, 0.1, 0.4, 0.8, 0.3, 0.1])
HOP, WINDOW, THRESHOLD = 1, 2, 0.5  # s, s


def draw() -> Figure:
    starts = np.arange(len(CONFIDENCES)) * HOP
    hits = CONFIDENCES >= THRESHOLD
    classifier = SimpleNamespace(frontend=SimpleNamespace(sample_rate_hz=1, samples=WINDOW))
    recording = SimpleNamespace(seconds=float(starts[-1] + WINDOW), channel="mean")
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for event in _merge(classifier, recording, "dog", starts[hits], CONFIDENCES[hits], 0.0):
        axes.axvspan(event.start_s, event.end_s, color=ORANGE)
        text = f"event\n{event.start_s:g} to {event.end_s:g} s\n{event.confidence:g}"
        axes.text((event.start_s + event.end_s) / 2, 1.05, text, ha="center", fontsize=9)
    axes.hlines(CONFIDENCES, starts, starts + WINDOW, color=BLUE, linewidth=3)
    axes.axhline(THRESHOLD, color="black", linestyle="--", linewidth=1)
    axes.text(recording.seconds, THRESHOLD + 0.02, "threshold", ha="right", fontsize=9)
    axes.set(xlim=(0, recording.seconds), ylim=(0, 1.4), xlabel="time in s", ylabel="confidence of each window")
    axes.set_yticks([0, 0.5, 1])
    return figure
