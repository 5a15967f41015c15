"""The rotation that examples/hamilton_tour.py draws."""

import runpy
from pathlib import Path

from matplotlib.figure import Figure

EXAMPLE = Path(__file__).parents[2] / "examples" / "hamilton_tour.py"


def draw() -> Figure:
    figure = Figure(figsize=(5, 4.6), layout="constrained")
    runpy.run_path(str(EXAMPLE), run_name="hamilton_tour")["plot_rotation"](figure)
    return figure
