"""Budgets of multiplications, parameters and milliseconds."""

import math
from dataclasses import dataclass

from ..backend import xp
from ..checks import checked_count, checked_number
from ..errors import ConfigError
from ..graph import Graph, GraphModule, count
from ..graph.nodes import sizes
from ..models import Config
from ..profile import milliseconds_per_clip, network_cost

LIMITS = ("multiplications", "parameters", "milliseconds")


@dataclass(frozen=True)
class Budget:
    """Maximum cost of a network for one clip. By default, a cost is not limited.

    Parameters
    ----------
    multiplications
        Maximum number of real multiplications, with 8 for each quaternion product.
    parameters
        Maximum number of trainable parameters.
    frames
        Length of the clip in frames, for networks of `quatnet.models`.
    milliseconds
        Maximum run time of the network on this machine.
    """

    multiplications: float = math.inf
    parameters: float = math.inf
    frames: int | None = None
    milliseconds: float = math.inf

    def __post_init__(self) -> None:
        for name in LIMITS:
            checked_number(name, getattr(self, name), "[0, inf]")
        if self.frames is not None:
            checked_count("frames", self.frames)

    def __str__(self) -> str:
        text = f"{self.multiplications:,} multiplications and {self.parameters:,} parameters"
        return text if math.isinf(self.milliseconds) else f"{text} in {self.milliseconds:.2f} ms"

    def fits(self, graph: Graph) -> bool:
        """Return whether the cost of a network is within the budget."""
        cost = self.cost(graph)
        return all(getattr(cost, name) <= getattr(self, name) for name in LIMITS)

    def cost(self, graph: Graph) -> "Budget":
        """Return the cost of a network. The run time is measured if it is limited."""
        cost, milliseconds = count(graph), math.inf
        if self.milliseconds < math.inf:
            clips = [xp.zeros(sizes(shape)[1:], dtype="float32") for shape in graph.inputs.values()]
            milliseconds = milliseconds_per_clip(GraphModule(graph), *clips, runs=5)
        return Budget(cost.multiplications_8, cost.parameters, self.frames, milliseconds)

    def check_reachable(self, smallest: Graph) -> None:
        """Raise ConfigError if the smallest network exceeds the budget."""
        if not self.fits(smallest):
            cost = self.cost(smallest)
            raise ConfigError(f"with one filter in each layer the network still costs {cost}; allow more than {self}")


def budget_from_reference(
    reference: Config, frames: int, *, multiplications: float = 0.5, parameters: float = 0.2
) -> Budget:
    """Return a budget relative to the cost of `reference`.

    `multiplications` and `parameters` are fractions of the cost. Raises ConfigError unless both fractions are above 0.
    """
    for name, share in (("multiplications", multiplications), ("parameters", parameters)):
        checked_number(name, share, "(0, inf)")
    cost = network_cost(reference, frames)
    return Budget(int(multiplications * cost.multiplications_8), int(parameters * cost.parameters), frames)
