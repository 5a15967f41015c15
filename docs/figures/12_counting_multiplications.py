"""Parameters and multiplications of QCNN14 per block, and the multiplications after pruning, counted in three ways."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from quatnet.models import CNNConfig, cnn14
from quatnet.profile import layer_costs, multiplications

FRAMES, RATIOS = 1001, (0.0, 0.25, 0.5, 0.75)
BLUE, SKY, ORANGE = "#0072B2", "#56B4E9", "#D55E00"


def pruned(ratio: float) -> CNNConfig:
    """Return QCNN14 without the fraction `ratio` of the filters of blocks 4, 5 and 6."""
    full = cnn14(527, quaternion=True)
    late = [tuple(int(width * (1 - ratio)) for width in block) for block in full.widths[3:]]
    return replace(full, widths=(*full.widths[:3], *late))


def convolutions(config: CNNConfig) -> list[tuple[int, int]]:
    """Return (parameters, outputs) of each convolution: 9 taps, a quarter of the real weights."""
    widths = [config.in_channels, *(width for block in config.widths for width in block)]
    return [(9 * before * after // 4, after) for before, after in pairwise(widths)]


def torchinfo(config: CNNConfig) -> float:
    """Return the count of torchinfo for weights named r_weight ...: parameters x outputs, plus the spectrogram."""
    linear = config.widths[-1][-1] * config.embedding // 4 * config.embedding
    return sum(p * outputs for p, outputs in convolutions(config)) + linear + 2 * 513 * 1024 * FRAMES


def draw() -> Figure:
    figure = Figure(figsize=(7, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[5, 6])
    config = cnn14(527, quaternion=True)
    weights = np.array([p for p, _ in convolutions(config)]).reshape(6, 2).sum(axis=1)
    work = np.array([c.multiplications_16 for c in list(layer_costs(config, FRAMES))[:12]]).reshape(6, 2).sum(axis=1)
    left.bar(np.arange(1, 7) - 0.2, 100 * weights / weights.sum(), 0.4, color="0.6", label="parameters")
    left.bar(np.arange(1, 7) + 0.2, 100 * work / work.sum(), 0.4, color=BLUE, hatch="//", label="multiplications")
    left.set_xticks(range(1, 7))
    left.set(xlabel="block of QCNN14", ylabel="share of all convolutions (%)", title="Where they are")
    left.legend(fontsize=9, loc="upper left")
    kinds = {
        "16 per product": (BLUE, "//", lambda c: multiplications(c, FRAMES)[0]),
        "8 per product": (SKY, "", lambda c: multiplications(c, FRAMES)[1]),
        "torchinfo's figure": (ORANGE, "..", torchinfo),
    }
    for number, (label, (color, hatch, count)) in enumerate(kinds.items()):
        heights = [count(pruned(ratio)) / 1e9 for ratio in RATIOS]
        right.bar(np.arange(4) + 0.27 * (number - 1), heights, 0.27, color=color, hatch=hatch, label=label)
    right.axhline(multiplications(cnn14(527), FRAMES)[0] / 1e9, color="black", linestyle="--", label="CNN14")
    right.set_xticks(range(4), [f"{ratio:.0%}" for ratio in RATIOS])
    right.set(xlabel="filters pruned in blocks 4 to 6", ylabel="multiplications per clip (G)", title="What is counted")
    right.legend(fontsize=9)
    return figure
