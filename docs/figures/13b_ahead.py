"""How many points each network is ahead of real-16, run by run, on all recordings; from docs/results."""

from forest import ahead, forest
from matplotlib.figure import Figure

REFERENCE = "real-16"
REAL, QUATERNION, PRUNED = "#0072B2", "#D55E00", "#009E73"
ROWS = {
    "real-11.6": REAL,
    "real-8": REAL,
    "real-4": REAL,
    "real-16/prune-l1-budget": REAL,
    "quaternion-32": QUATERNION,
    "quaternion-22.5": QUATERNION,
    "quaternion-16": QUATERNION,
    "quaternion-8": QUATERNION,
    "quaternion-16/continue": QUATERNION,
    "quaternion-16/prune-l1-budget": PRUNED,
    "quaternion-16/prune-l1-0.25": PRUNED,
    "quaternion-16/prune-l1-0.5": PRUNED,
    "quaternion-16/prune-l1-0.75": PRUNED,
}
SETS = {"esc10": "ESC-10", "ravdess": "RAVDESS", "esc50": "ESC-50"}


def draw() -> Figure:
    found = {row: {data: ahead(f"{data}/{row}", f"{data}/{REFERENCE}") for data in SETS} for row in ROWS}
    measured = {row: of_sets for row, of_sets in found.items() if any(pairs for _, pairs in of_sets.values())}
    figure = Figure(figsize=(11, 0.34 * len(measured) + 1), layout="constrained")
    axes = figure.subplots(1, len(SETS), sharey=True)
    for axis, (data, title) in zip(axes, SETS.items(), strict=True):
        forest(axis, [of_sets[data] for of_sets in measured.values()], [ROWS[row] for row in measured], limit=10)
        axis.set(title=title, xlabel=f"points ahead of {REFERENCE}")
    axes[0].set_yticks(range(len(measured)), list(measured))
    return figure
