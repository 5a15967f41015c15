"""z = (xy + 1)² as a graph: values go right, gradients come back left."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quatnet import Tensor

PLACES = {"x": (0, 0.8), "y": (0, -0.8), "a": (2, 0), "b": (4, 0), "z": (6, 0)}
HALF_WIDTH = {"x": 0.25, "y": 0.25, "a": 0.48, "b": 0.58, "z": 0.45}
EDGES = {("x", "a"): "· y", ("y", "a"): "· x", ("a", "b"): "· 1", ("b", "z"): "· 2b"}
LABELS = {"x": "x", "y": "y", "a": "a = x y", "b": "b = a + 1", "z": "z = b²"}
FORWARD, BACK = "#0072B2", "#D55E00"


def watched(tensor: Tensor, name: str, gradients: dict) -> Tensor:
    """The same tensor, noting on its way back the gradient that passes."""

    def backward(g):
        gradients[name] = float(g)
        return (g,)

    return Tensor.from_op(tensor.data, (tensor,), backward)


def numbers() -> tuple[dict[str, float], dict[str, float]]:
    gradients: dict[str, float] = {}
    x, y = (watched(Tensor(value, True), name, gradients) for name, value in (("x", 2.0), ("y", 3.0)))
    a = watched(x * y, "a", gradients)
    b = watched(a + 1.0, "b", gradients)
    z = watched(b**2, "z", gradients)
    z.backward()
    return {name: float(t.data) for name, t in zip("xyabz", (x, y, a, b, z), strict=True)}, gradients


def edge(axes: Axes, start: str, stop: str, factor: str) -> None:
    (x, y), (x_stop, y_stop) = PLACES[start], PLACES[stop]
    ends = [(x + HALF_WIDTH[start], y * 0.9), (x_stop - HALF_WIDTH[stop], y_stop + y * 0.1)]
    middle = [(a + b) / 2 for a, b in zip(*ends, strict=True)]
    for color, (tail, tip), lift in ((FORWARD, ends, 0.07), (BACK, ends[::-1], -0.07)):
        points = [(x, y + lift) for x, y in (tip, tail)]
        axes.annotate("", *points, arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 2})
    axes.text(middle[0], middle[1] - 0.22, factor, color=BACK, fontsize=12, ha="center", va="top")


def draw() -> Figure:
    values, gradients = numbers()
    figure = Figure(figsize=(8.5, 4), layout="constrained")
    axes = figure.subplots()
    for name, (x, y) in PLACES.items():
        box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "0.4"}
        axes.text(x, y, LABELS[name], ha="center", va="center", fontsize=13, bbox=box)
        axes.text(x, y + 0.36, f"{values[name]:g}", color=FORWARD, ha="center", fontsize=13)
        axes.text(x, y - 0.46, f"{gradients[name]:g}", color=BACK, ha="center", fontsize=13)
    for (start, stop), factor in EDGES.items():
        edge(axes, start, stop, factor)
    axes.text(1.6, 1.2, "forward: values", color=FORWARD, fontsize=13)
    axes.text(1.6, 0.92, "back: dz/d(this), times the factor at each arrow", color=BACK, fontsize=13)
    axes.set(xlim=(-0.5, 6.6), ylim=(-1.4, 1.4))
    axes.set_axis_off()
    return figure
