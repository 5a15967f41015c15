"""Tables of colored cells, used by several figures."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

COMPONENTS = ("#D9D9D9", "#F5B041", "#85C1E9", "#7DCEA0")  # r grey, i orange, j blue, k green
UNITS = ("1", "i", "j", "k")
WHITE = "#FFFFFF"
Cell = tuple[str, str]  # text, color


def cells(axes: Axes, rows: int, columns: int, cell: Callable[[int, int], Cell], *, size: float = 13) -> None:
    """Draw the text and color of `cell(row, column)` for every cell; row 0 is on top, and a cell is one unit wide."""
    for row in range(rows):
        for column in range(columns):
            text, color = cell(row, column)
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=color, edgecolor="white", linewidth=2))
            axes.text(column, row, text, ha="center", va="center", fontsize=size)
    axes.set(xlim=(-0.55, columns - 0.45), ylim=(rows - 0.45, -0.55), aspect="equal")
    axes.set_axis_off()


def headings(axes: Axes, above: list[str], left: list[str], *, size: float = 12) -> None:
    """Write a heading above each column and to the left of each row."""
    for column, text in enumerate(above):
        axes.text(column, -0.72, text, ha="center", va="center", fontsize=size, color="0.3")
    for row, text in enumerate(left):
        axes.text(-0.72, row, text, ha="center", va="center", fontsize=size, color="0.3")


def signed(sign: float, text: str) -> str:
    return ("−" if sign < 0 else "") + text
