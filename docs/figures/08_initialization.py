"""The modulus of random quaternion weights with the chi density, and the size of a signal in twelve layers."""

import numpy as np
from matplotlib.figure import Figure

from quatnet import Tensor
from quatnet.nn import QuaternionConv2d

CHANNELS, LAYERS = 64, 12
SCALES = {2.0: ("#D55E00", "^", "2 s"), 1.0: ("#0072B2", "o", "s"), 0.5: ("#009E73", "v", "s / 2")}
DENSITY = "χ, 4 degrees of freedom:\n$\\chi^3 e^{-\\chi^2/2} / 2$"


def moduli(rng: np.random.Generator) -> np.ndarray:
    """Return |w| / s for the weights of one layer; s² = 1 / (2 · 9 · (32 + 32))."""
    weight = QuaternionConv2d(128, 128, rng=rng).weight.data
    return np.sqrt((weight**2).sum(axis=0)).ravel() * np.sqrt(2 * 9 * 64)


def deviations(factor: float, rng: np.random.Generator) -> list[float]:
    """Return the standard deviation of a signal before the first and after each layer, without activations."""
    x, result = Tensor(rng.standard_normal((1, 20, 20, CHANNELS))), []
    for _ in range(LAYERS):
        result.append(float(x.data.std()))
        layer = QuaternionConv2d(CHANNELS, CHANNELS, kernel_size=1, rng=rng)
        layer.weight.data = layer.weight.data.astype(np.float64) * factor
        x = layer(x)
    return [*result, float(x.data.std())]


def draw() -> Figure:
    rng = np.random.default_rng(0)
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    m = np.linspace(0, 5, 200)
    left.hist(moduli(rng), bins=50, density=True, color="#56B4E9", label="9,216 random weights")
    left.plot(m, m**3 * np.exp(-(m**2) / 2) / 2, color="black", label=DENSITY)
    left.set(xlabel="modulus |w| / s", ylabel="density", title="One layer", ylim=(0, 0.85))
    left.legend(fontsize=9, loc="upper right")
    for factor, (color, marker, label) in SCALES.items():
        right.plot(deviations(factor, rng), color=color, marker=marker, label=f"scale {label}")
    right.set(yscale="log", xlabel="layer", ylabel="standard deviation", title="Twelve layers")
    right.set_xticks(range(0, LAYERS + 1, 3))
    right.legend(fontsize=9, loc="upper left")
    return figure
