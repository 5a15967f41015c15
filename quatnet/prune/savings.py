"""Numbers of filters, parameters and multiplications of each layer before and after pruning."""

from typing import NamedTuple

from ..models import Config
from ..profile import layer_costs, network_cost
from ..profile.counts import LayerCost


class LayerSavings(NamedTuple):
    """Size of one layer before pruning, and its reduction by pruning.

    A quaternion product counts as 8 real multiplications.
    """

    name: str
    filters: int
    filters_remaining: int
    parameters: int
    parameters_saved: int
    multiplications: int
    multiplications_saved: int


def layer_savings(before: Config, after: Config, frames: int) -> list[LayerSavings]:
    """Return the savings of each convolution and linear layer, and of the whole network as the last item.

    The multiplications are counted for one clip of `frames` frames. A quaternion filter counts as one filter. The
    number of filters of the network is the sum over the convolutions. Raises ConfigError for too few frames.
    """
    costs = list(zip(layer_costs(before, frames), layer_costs(after, frames), strict=True))
    layers = zip(costs, before.layers(frames), after.layers(frames), strict=True)
    rows = [_row(*pair, old.filters, new.filters) for pair, old, new in layers]
    convolutions = [row for row in rows if row.name.startswith("blocks.")]
    counts = (sum(row.filters for row in convolutions), sum(row.filters_remaining for row in convolutions))
    return [*rows, _row(network_cost(before, frames), network_cost(after, frames), *counts)]


def savings_table(savings: list[LayerSavings]) -> str:
    """Return `savings` as a text table, with the saved shares of parameters and multiplications."""
    head = f"{'layer':20} {'filters':>8} {'left':>6} {'parameters':>12} {'saved':>6} {'mult. 8':>10} {'saved':>6}"
    return "\n".join([head, *map(_format_row, savings)])


def _row(before: LayerCost, after: LayerCost, filters: int, filters_remaining: int) -> LayerSavings:
    parameters, multiplications = before.parameters, before.multiplications_8
    saved = parameters - after.parameters, multiplications - after.multiplications_8
    return LayerSavings(before.name, filters, filters_remaining, parameters, saved[0], multiplications, saved[1])


def _format_row(row: LayerSavings) -> str:
    return (
        f"{row.name:20} {row.filters:8} {row.filters_remaining:6} "
        f"{row.parameters:12,} {row.parameters_saved / row.parameters:6.0%} "
        f"{row.multiplications / 1e6:8.2f} M {row.multiplications_saved / row.multiplications:6.0%}"
    )
