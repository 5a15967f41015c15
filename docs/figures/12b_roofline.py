"""The layers of QCNN14 in the roofline model of two GPUs, from data sheets and counted bytes."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quatnet.graph.count import FLOAT_BYTES
from quatnet.models import cnn14
from quatnet.profile.roofline import (
    A100,
    H200,
    GpuSpec,
    KernelCost,
    layer_kernel_costs,
    total_seconds,
    uses_eight_products,
)

FRAMES, BATCH = 1001, 32
ORANGE, BLUE, GREEN = "#D55E00", "#0072B2", "#009E73"


def speed(passes: list[KernelCost], spec: GpuSpec) -> tuple[float, float]:
    """Return operations per byte, and 10¹² operations per second."""
    operations = sum(each.operations for each in passes)
    size = FLOAT_BYTES * sum(each.elements for each in passes)
    return operations / size, operations / total_seconds({"": passes}, spec) / 1e12


def panel(axes: Axes, spec: GpuSpec) -> None:
    config = cnn14(527, quaternion=True)
    layers = [layer for layer in config.layers(FRAMES) if not layer.linear]
    intensity = np.geomspace(1, 1000, 200)
    roof = np.minimum(intensity * spec.bandwidth, spec.operations) / 1e12
    axes.loglog(intensity, roof, color="black", label="float32")
    tensor = np.minimum(intensity * spec.bandwidth, spec.tensor_operations) / 1e12
    axes.loglog(intensity, tensor, color="0.6", linestyle="--", label="TF32, tensor cores")
    plain, fused = (layer_kernel_costs(config, FRAMES, BATCH, fused=fused) for fused in (False, True))
    kinds = {
        "16 products": (ORANGE, "s", plain, [layer for layer in layers if not uses_eight_products(layer)]),
        "8 products": (BLUE, "o", plain, [layer for layer in layers if uses_eight_products(layer)]),
        "patches on chip": (GREEN, "^", fused, layers),
    }
    for label, (color, marker, passes, kind_layers) in kinds.items():
        points = np.array([speed(passes[layer.name], spec) for layer in kind_layers]).T
        axes.plot(*points, marker, color=color, label=label, alpha=0.8)
    axes.set(title=spec.name, xlabel="operations per byte", xlim=(1, 1000), ylim=(2, 600))
    axes.grid(alpha=0.3)


def draw() -> Figure:
    figure = Figure(figsize=(7, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    panel(left, A100)
    panel(right, H200)
    left.set_ylabel("predicted operations per second (10¹²)")
    left.legend(fontsize=9, loc="lower right")
    return figure
