"""Windows of a clip of 7 s with --clip-seconds 3: in training, and for the prediction."""

from matplotlib.figure import Figure

from quatnet.datasets.windows import window_spans

GRAY, ORANGE, BLUE = "#B8B8B8", "#F5B041", "#85C1E9"
SECONDS, WINDOW = 7.0, 3.0


def draw() -> Figure:
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    bars = [("clip", [(0.0, SECONDS)], GRAY)]
    for label, hop, color in (("training", WINDOW / 2, ORANGE), ("prediction", WINDOW, BLUE)):
        bars += [(f"{label} {n}", [span], color) for n, span in enumerate(window_spans(SECONDS, WINDOW, hop), 1)]
    for row, (_, spans, color) in enumerate(bars):
        axes.broken_barh([(start, stop - start) for start, stop in spans], (row - 0.4, 0.8), color=color)
        axes.text(sum(spans[0]) / 2, row, f"{spans[0][0]:g} to {spans[0][1]:g} s", ha="center", va="center", fontsize=9)
    axes.set_yticks(range(len(bars)), [name for name, _, _ in bars])
    axes.set(xlim=(0, SECONDS), xlabel="time in s")
    axes.invert_yaxis()
    return figure
