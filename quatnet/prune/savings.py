"""What a cut left of each layer, and what that saves."""

from typing import NamedTuple

from ..models import Config
from ..profile import layer_costs, network_cost
from ..profile.counts import LayerCost


class LayerSavings(NamedTuple):
    """A layer before and after: filters, and how many parameters and multiplications (8 a product) of how many went."""

    name: str
    filters: int
    kept: int
    parameters: int
    parameters_saved: int
    multiplications: int
    multiplications_saved: int


def layer_savings(before: Config, after: Config, frames: int) -> list[LayerSavings]:
    """Return a row for each convolution and linear layer, and one for the network, on a clip of `frames` frames.

    A quaternion filter is one filter; the last row adds up those of the convolutions. Raises ConfigError for too few
    frames.
    """
    pairs = zip(layer_costs(before, frames), layer_costs(after, frames), strict=True)
    rows = [
        _row(*pair, _filters(old.out_channels, old.quaternion), _filters(new.out_channels, new.quaternion))
        for pair, old, new in zip(pairs, before.layers(frames), after.layers(frames), strict=True)
    ]
    convolutions = [row for row in rows if row.name.startswith("blocks.")]
    counts = (sum(row.filters for row in convolutions), sum(row.kept for row in convolutions))
    return [*rows, _row(network_cost(before, frames), network_cost(after, frames), *counts)]


def savings_table(before: Config, after: Config, frames: int) -> str:
    """Return `saved` as a table: what stays, and the shares of parameters and multiplications that went."""
    head = f"{'layer':20} {'filters':>8} {'stay':>6} {'parameters':>12} {'saved':>6} {'mult. 8':>10} {'saved':>6}"
    return "\n".join([head, *map(_line, layer_savings(before, after, frames))])


def _filters(outputs: int, quaternion: bool) -> int:
    return outputs // (4 if quaternion else 1)


def _row(old: LayerCost, new: LayerCost, filters: int, kept: int) -> LayerSavings:
    parameters, products = old.parameters, old.multiplications_8
    gone = parameters - new.parameters, products - new.multiplications_8
    return LayerSavings(old.name, filters, kept, parameters, gone[0], products, gone[1])


def _line(row: LayerSavings) -> str:
    return (
        f"{row.name:20} {row.filters:8} {row.kept:6} {row.parameters:12,} {row.parameters_saved / row.parameters:6.0%} "
        f"{row.multiplications / 1e6:8.2f} M {row.multiplications_saved / row.multiplications:6.0%}"
    )
