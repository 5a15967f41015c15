"""The layers of QCNN14 under the rooflines of two GPUs, as data sheets and counted bytes predict them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quatnet.models import cnn14
from quatnet.profile.counts import FLOAT_BYTES
from quatnet.profile.roofline import A100, H100, GpuSpec, Pass, uses_eight_products, layer_passes, total_seconds

FRAMES, BATCH = 1001, 32
ORANGE, BLUE, GREEN = "#D55E00", "#0072B2", "#009E73"


def speed(passes: list[Pass], card: GpuSpec) -> tuple[float, float]:
    """Operations per byte, and 10¹² operations a second."""
    operations = sum(each.operations for each in passes)
    size = FLOAT_BYTES * sum(each.elements for each in passes)
    return operations / size, operations / total_seconds({"": passes}, card) / 1e12


def panel(axes: Axes, card: GpuSpec) -> None:
    config = cnn14(527, quaternion=True)
    layers = [layer for layer in config.layers(FRAMES) if not layer.linear]
    intensity = np.geomspace(1, 1000, 200)
    roof = np.minimum(intensity * card.bandwidth, card.operations) / 1e12
    axes.loglog(intensity, roof, color="black", label="float32")
    tensor = np.minimum(intensity * card.bandwidth, card.tensor_operations) / 1e12
    axes.loglog(intensity, tensor, color="0.6", linestyle="--", label="TF32, tensor cores")
    plain, fused = (layer_passes(config, FRAMES, BATCH, fused=fused) for fused in (False, True))
    kinds = {
        "16 products": (ORANGE, "s", plain, [layer for layer in layers if not uses_eight_products(layer)]),
        "8 products": (BLUE, "o", plain, [layer for layer in layers if uses_eight_products(layer)]),
        "patches on chip": (GREEN, "^", fused, layers),
    }
    for label, (color, marker, passes, chosen) in kinds.items():
        points = np.array([speed(passes[layer.name], card) for layer in chosen]).T
        axes.plot(*points, marker, color=color, label=label, alpha=0.8)
    axes.set(title=card.name, xlabel="operations per byte", xlim=(1, 1000), ylim=(2, 600))
    axes.grid(alpha=0.3)


def draw() -> Figure:
    figure = Figure(figsize=(7, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    panel(left, A100)
    panel(right, H100)
    left.set_ylabel("predicted operations a second (10¹²)")
    left.legend(fontsize=9, loc="lower right")
    return figure
