"""The graph of z = (xy + 1)² with values in the forward pass and gradients in the backward pass."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quatnet import Tensor

POSITIONS = {"x": (0, 0.8), "y": (0, -0.8), "a": (2, 0), "b": (4, 0), "z": (6, 0)}
HALF_WIDTH = {"x": 0.25, "y": 0.25, "a": 0.48, "b": 0.58, "z": 0.45}
EDGES = {("x", "a"): "· y", ("y", "a"): "· x", ("a", "b"): "· 1", ("b", "z"): "· 2b"}
LABELS = {"x": "x", "y": "y", "a": "a = x y", "b": "b = a + 1", "z": "z = b²"}
FORWARD, BACKWARD = "#0072B2", "#D55E00"


def record_gradient(tensor: Tensor, name: str, gradients: dict) -> Tensor:
    """Return the identity of `tensor`, which stores its upstream gradient in `gradients` in the backward pass."""

    def backward(grad):
        gradients[name] = float(grad)
        return (grad,)

    return Tensor.from_op(tensor.data, (tensor,), backward)


def values_and_gradients() -> tuple[dict[str, float], dict[str, float]]:
    gradients: dict[str, float] = {}
    x, y = (record_gradient(Tensor(value, True), name, gradients) for name, value in (("x", 2.0), ("y", 3.0)))
    a = record_gradient(x * y, "a", gradients)
    b = record_gradient(a + 1.0, "b", gradients)
    z = record_gradient(b**2, "z", gradients)
    z.backward()
    return {name: float(t.data) for name, t in zip("xyabz", (x, y, a, b, z), strict=True)}, gradients


def edge(axes: Axes, start: str, stop: str, factor: str) -> None:
    (x, y), (x_stop, y_stop) = POSITIONS[start], POSITIONS[stop]
    ends = [(x + HALF_WIDTH[start], y * 0.9), (x_stop - HALF_WIDTH[stop], y_stop + y * 0.1)]
    middle = [(a + b) / 2 for a, b in zip(*ends, strict=True)]
    for color, (tail, tip), lift in ((FORWARD, ends, 0.07), (BACKWARD, ends[::-1], -0.07)):
        points = [(x, y + lift) for x, y in (tip, tail)]
        axes.annotate("", *points, arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 2})
    axes.text(middle[0], middle[1] - 0.22, factor, color=BACKWARD, fontsize=12, ha="center", va="top")


def draw() -> Figure:
    values, gradients = values_and_gradients()
    figure = Figure(figsize=(8.5, 4), layout="constrained")
    axes = figure.subplots()
    for name, (x, y) in POSITIONS.items():
        box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "0.4"}
        axes.text(x, y, LABELS[name], ha="center", va="center", fontsize=13, bbox=box)
        axes.text(x, y + 0.36, f"{values[name]:g}", color=FORWARD, ha="center", fontsize=13)
        axes.text(x, y - 0.46, f"{gradients[name]:g}", color=BACKWARD, ha="center", fontsize=13)
    for (start, stop), factor in EDGES.items():
        edge(axes, start, stop, factor)
    axes.text(1.6, 1.2, "forward pass: values", color=FORWARD, fontsize=13)
    axes.text(
        1.6, 0.92, "backward pass: ∂z/∂(node), multiplied by the factor of each edge", color=BACKWARD, fontsize=13
    )
    axes.set(xlim=(-0.5, 6.6), ylim=(-1.4, 1.4))
    axes.set_axis_off()
    return figure
