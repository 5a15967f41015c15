"""Cost of networks: parameters, multiplications, additions, memory and time."""

from .counts import LayerCost, count_parameters, layer_costs, multiplications, network_cost
from .latency import layer_milliseconds, milliseconds_per_clip

__all__ = [
    "LayerCost", "count_parameters", "layer_costs", "layer_milliseconds",
    "milliseconds_per_clip", "multiplications", "network_cost",
]  # fmt: skip
