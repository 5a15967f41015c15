"""The networks of the results: the small preset in any width, and the filters that a row keeps."""

from dataclasses import replace

from rows import Row
from variants import build_criterion

from quatnet.models import CNNConfig, Network, small_cnn, with_filters
from quatnet.prune import Selector, budget_from_reference, select, select_for_budget

PRESET_WIDTH = 16  # the width of the networks of examples/esc50.py
BUDGET = {"multiplications": 0.5, "parameters": 0.2}  # of real-16, with 8 multiplications per quaternion product
PRUNED_BLOCKS = 3  # the last ones: the paper prunes the later half of the blocks


def network_config(name: str, classes: int) -> CNNConfig:
    """Return the config of "real-11.6" or "quaternion-16": the preset with all widths scaled by the same factor."""
    kind, width = name.split("-")
    preset = small_cnn(classes, quaternion=kind == "quaternion", width=PRESET_WIDTH)
    unit, factor = (4 if preset.quaternion else 1), float(width) / PRESET_WIDTH

    def scaled(channels: int) -> int:
        return unit * max(1, round(channels * factor / unit))

    widths = tuple(tuple(map(scaled, block)) for block in preset.widths)
    return replace(preset, widths=widths, embedding=scaled(preset.embedding))


def filter_selector(row: Row, classes: int, frames: int, seed: int) -> Selector:
    """Return the function that selects the filters to keep.

    For "l1-0.5" it keeps half of the filters of the last blocks, as the paper does. For "l1-budget" it keeps as many
    filters as BUDGET allows, and the filters with the lowest scores in any block are pruned.
    """
    name, _, target = row.option.rpartition("-")
    criterion = build_criterion("paper_code" if name == "released" else name, seed)
    if target != "budget":
        return lambda model: select(model, float(target), blocks=last_blocks(model), criterion=criterion)
    budget = budget_from_reference(network_config(f"real-{PRESET_WIDTH}", classes), frames, **BUDGET)
    return lambda model: select_for_budget(model, budget, criterion=criterion)


def last_blocks(model: Network) -> range:
    """Return the indices of the blocks that are pruned, the last three."""
    return range(len(model.config.widths))[-PRUNED_BLOCKS:]


def config_after_pruning(model: Network, selector: Selector) -> CNNConfig:
    """Return the config of the network after pruning, without pruning it."""
    return with_filters(model.config, {name: len(indices) for name, indices in selector(model).items()})
