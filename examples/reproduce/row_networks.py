"""Networks of the rows: configs of any width, and the selection of the filters to keep."""

from dataclasses import replace

from rows import PACKAGED_TARGET, PRUNE_RATIOS, Row
from variants import build_criterion

from quatnet.models import CNNConfig, Network, small_cnn
from quatnet.prune import Budget, Selector, budget_from_reference, prune_filters, select

PRESET_WIDTH = 16  # width of the networks of examples/esc50.py
# fractions of real-16, with 8 multiplications per quaternion product
BUDGET = {"multiplications": 0.5, "parameters": 0.2}
PACKAGED_PARAMETERS = 28_000  # of PACKAGED_TARGET
PRUNED_BLOCKS = 3  # number of the last blocks, since the paper prunes the later half of the blocks


def network_config(name: str, classes: int) -> CNNConfig:
    """Return the config of a name such as "quaternion-16" or "real-11.6".

    The number is the width of the first block. All widths of the preset are scaled by the same factor.
    """
    kind, width = name.split("-")
    preset = small_cnn(classes, quaternion=kind == "quaternion", width=PRESET_WIDTH)
    unit, factor = (4 if preset.quaternion else 1), float(width) / PRESET_WIDTH

    def scaled(channels: int) -> int:
        return unit * max(1, round(channels * factor / unit))

    widths = tuple(tuple(map(scaled, block)) for block in preset.widths)
    return replace(preset, widths=widths, embedding=scaled(preset.embedding))


def filter_selector(row: Row, classes: int, frames: int, seed: int) -> Selector:
    """Return the function that selects the filters to keep.

    With "l1-0.5", half of the filters of the last blocks are kept, as in the paper. With "l1-budget", the filters with
    the lowest scores in any block are pruned, until the network fits BUDGET. "l1-28k" limits the parameters only.
    """
    name, _, target = row.option.rpartition("-")
    criterion = build_criterion("paper_code" if name == "released" else name, seed)
    if target in PRUNE_RATIOS:
        return lambda model: select(model, float(target), blocks=last_blocks(model), criterion=criterion)
    budget = (
        Budget(parameters=PACKAGED_PARAMETERS, frames=frames)
        if target == PACKAGED_TARGET
        else budget_from_reference(network_config(f"real-{PRESET_WIDTH}", classes), frames, **BUDGET)
    )
    return lambda model: select(model, budget, criterion=criterion)


def last_blocks(model: Network) -> range:
    """Return the indices of the last three blocks, which are pruned."""
    return range(len(model.config.widths))[-PRUNED_BLOCKS:]


def config_after_pruning(model: Network, selector: Selector) -> CNNConfig:
    """Return the config of a network after pruning. The network is not modified."""
    return prune_filters(model, selector(model)).config
