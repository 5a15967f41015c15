"""The threads of a CUDA kernel for the Hamilton product: blocks, threads, and the elements that a thread accesses."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

COMPONENTS = ("#D9D9D9", "#F5B041", "#85C1E9", "#7DCEA0")  # r gray, i orange, j blue, k green
INNER, THREADS, COUNT = 3, 4, 9  # elements between two components, threads per block, quaternions


def box(axes: Axes, x: float, y: float, text: str, color: str, *, edge: str = "white") -> None:
    axes.add_patch(Rectangle((x, y), 1, 0.8, facecolor=color, edgecolor=edge, linewidth=1.5))
    axes.text(x + 0.5, y + 0.4, text, ha="center", va="center", fontsize=9)


def start(thread: int) -> int:
    """Return the index of the first component, as in hamilton.cu."""
    return thread // INNER * 4 * INNER + thread % INNER


def draw() -> Figure:
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    axes = figure.subplots()
    for i in range(12):
        block, idle = i // THREADS, i >= COUNT
        box(axes, 2 * i + block, 3, str(i), "#F2F2F2" if idle else "#C39BD3", edge="0.4" if i == 4 else "white")
        if i % THREADS == 0:
            axes.text(2 * i + block + 3.5, 4.1, f"block {block}: threads 0 to 3", ha="center", fontsize=10)
    axes.text(-0.4, 3.4, "i", ha="right", va="center", fontsize=11)
    for index in range(24):
        component = index // INNER % 4
        box(axes, index * 1.1, 0.6, str(index), COMPONENTS[component])
    axes.text(-0.4, 1.0, "p", ha="right", va="center", fontsize=11)
    for k in range(4):
        tip = ((start(4) + k * INNER) * 1.1 + 0.5, 1.45)
        axes.annotate("", tip, (2 * 4 + 1 + 0.5, 2.95), arrowprops={"arrowstyle": "-|>", "color": "#D55E00"})
    text = "Thread i = 4 reads the components r (gray), i (orange), j (blue), k (green) of quaternion 4."
    axes.text(0, -0.1, text, fontsize=10)
    axes.text(
        0,
        -0.7,
        "Threads 9 to 11 have no quaternion and return (9 quaternions, inner = 3). Row p shows 24 of 36 numbers.",
        fontsize=10,
    )
    axes.set(xlim=(-1, 27), ylim=(-1, 4.6))
    axes.set_axis_off()
    return figure
