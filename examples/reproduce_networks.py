"""The networks of the results: the small preset in any width, and how far a row prunes it."""

from dataclasses import replace

import numpy as np
from reproduce_rows import Row
from story_pruning import LAST_BLOCKS

from quatnet.models import CNNConfig, Network, small_cnn, with_filters
from quatnet.prune import Choice, budget_from_reference, criterion_from_name, select, select_for_budget

PRESET = 16  # the width of examples/esc50.py, and of the real network that all are compared with
BUDGET = {"multiplications": 0.5, "parameters": 0.2}  # of that network, 8 multiplications for a quaternion product


def network(name: str, classes: int) -> CNNConfig:
    """Return the config of "real-11.6" or "quaternion-16": the preset with all its widths in proportion."""
    kind, width = name.split("-")
    preset = small_cnn(classes, quaternion=kind == "quaternion", width=PRESET)
    unit, factor = (4 if preset.quaternion else 1), float(width) / PRESET

    def scaled(channels: int) -> int:
        return unit * max(1, round(channels * factor / unit))

    widths = tuple(tuple(map(scaled, block)) for block in preset.widths)
    return replace(preset, widths=widths, embedding=scaled(preset.embedding))


def choice(row: Row, classes: int, frames: int, seed: int) -> Choice:
    """Return which filters a row keeps: of "l1-0.5" half of the last blocks, of "l1-budget" what BUDGET covers.

    A share is cut in the last blocks alone, as the paper does, a budget wherever filters are weakest.
    """
    name, _, share = row.how.rpartition("-")
    criterion = criterion_from_name(name, rng=np.random.default_rng([seed, 2]))
    if share != "budget":
        return lambda model: select(model, float(share), blocks=last_blocks(model), criterion=criterion)
    budget = budget_from_reference(network(f"real-{PRESET}", classes), frames, **BUDGET)
    return lambda model: select_for_budget(model, budget, criterion=criterion)


def last_blocks(model: Network) -> range:
    """Return the blocks that the paper prunes, the later half: the last three here, as in examples/esc50.py."""
    return range(len(model.config.widths))[-LAST_BLOCKS:]


def as_small_as(model: Network, choose_filters: Choice) -> CNNConfig:
    """Return the config that is left of a network after the choice."""
    return with_filters(model.config, {name: len(kept) for name, kept in choose_filters(model).items()})
