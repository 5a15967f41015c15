"""Softmax of teacher logits at four temperatures, and the gradient norm with and without the factor T²."""

import numpy as np
from matplotlib.figure import Figure

from quatnet import Tensor, ops
from quatnet.ops.losses import log_softmax

CLASSES = ["dog", "rooster", "baby", "rain", "clock"]
TEACHER = np.array([[6.0, 3.5, 3.0, -1.0, -1.5]])
STUDENT = np.array([[1.0, 2.0, -1.0, 0.5, -2.5]])
SHADES = {1: "#08306B", 2: "#2171B5", 4: "#6BAED6", 8: "#C6DBEF"}  # darker: lower temperature


def gradient_norm(temperature: float) -> float:
    logits = Tensor(STUDENT, requires_grad=True)
    ops.distillation_loss(logits, TEACHER, temperature=temperature).backward()
    return float(np.linalg.norm(logits.grad))


def draw() -> Figure:
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (temperature, shade) in enumerate(SHADES.items()):
        p = np.exp(log_softmax(TEACHER / temperature))[0]
        positions = np.arange(len(CLASSES)) + 0.2 * (number - 1.5)
        left.bar(positions, p, width=0.2, color=shade, edgecolor="0.3", linewidth=0.5, label=f"T = {temperature}")
    left.set_xticks(range(len(CLASSES)), CLASSES)
    left.set(ylabel="probability", title="Softmax of the teacher logits")
    left.legend(fontsize=9)
    temperatures = 2.0 ** np.arange(0, 7)
    with_factor = np.array([gradient_norm(t) for t in temperatures])
    centered = (STUDENT - STUDENT.mean()) - (TEACHER - TEACHER.mean())
    right.axhline(np.linalg.norm(centered) / len(CLASSES), color="0.5", linestyle=":", label="limit |z − v| / K")
    right.plot(temperatures, with_factor, "o-", color="#0072B2", label="with T²")
    right.plot(temperatures, with_factor / temperatures**2, "v--", color="#D55E00", label="without T²")
    right.set(xscale="log", yscale="log", xlabel="temperature T", ylabel="norm of the gradient")
    right.set_title("Gradient of the student logits")
    right.set_xticks(temperatures, [f"{t:.0f}" for t in temperatures])
    right.minorticks_off()
    right.legend(fontsize=9)
    return figure
