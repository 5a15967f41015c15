"""The graph of a small residual quaternion network: channel groups, and multiplications before and after pruning."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from quatnet import graph, nn, ops, prune

GRAY, ORANGE, BLUE = "#B8B8B8", "#F5B041", "#85C1E9"


class Residual(nn.Module):
    """Residual block between a convolution and a linear layer."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.first, self.inner = nn.QuaternionConv2d(4, 16, rng=rng), nn.QuaternionConv2d(16, 24, rng=rng)
        self.last, self.norm, self.head = (
            nn.QuaternionConv2d(24, 16, rng=rng),
            nn.BatchNorm(16),
            nn.Linear(16, 3, rng=rng),
        )

    def __call__(self, x, *, train: bool = False, rng: np.random.Generator | None = None):
        h = ops.relu(self.first(x))
        h = h + self.norm(self.last(ops.relu(self.inner(h))), train=train, relu=True)
        return self.head(ops.mean(h, axis=(1, 2)))


def draw() -> Figure:
    model, x = Residual(), np.zeros((1, 8, 6, 4), np.float32)
    traced = graph.trace(model, x)
    pruned = prune.prune_filters(model, prune.select(model, 0.5, example=x)).graph
    colors = dict(zip((group.name for group in graph.channel_groups(traced)), (ORANGE, BLUE), strict=True))
    group_of = {"inner": "inner", "relu.2": "inner"}
    figure = Figure(figsize=(7, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    rows = np.arange(len(traced.nodes))
    for row, node in enumerate(traced.nodes):
        name = None if node.name == "head" else group_of.get(node.name, "first")
        left.barh(row, 1, color=colors.get(name, GRAY), edgecolor="white")
        left.text(0.5, row, f"{node.op}", ha="center", va="center", fontsize=9)
    left.set(title="Channels of the results", xticks=[], yticks=rows, yticklabels=[node.name for node in traced.nodes])
    for offset, part, color in ((-0.2, traced, GRAY), (0.2, pruned, ORANGE)):
        products = [cost.multiplications_8 / 1e3 for cost in graph.count(part).nodes]
        right.barh(rows + offset, products, height=0.4, color=color)
    right.set(title="Multiplications", xlabel="thousand, 8 per product")
    right.legend(
        handles=[Patch(color=GRAY, label="before"), Patch(color=ORANGE, label="half of the channels")], fontsize=9
    )
    left.legend(
        handles=[Patch(color=ORANGE, label="group first"), Patch(color=BLUE, label="group inner")],
        fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2,
    )  # fmt: skip
    left.invert_yaxis()
    return figure
