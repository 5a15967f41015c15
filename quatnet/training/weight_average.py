"""The mean of the weights over the last steps: what a noisy walk circles around is often better than its last point."""

from collections.abc import Mapping

import numpy as np

from ..backend import Array
from ..errors import ConfigError
from ..optim.optimizers import Optimiser


class WeightAverage(Optimiser):
    """Steps like `optimiser`, and keeps the exponential moving average a <- d · a + (1 - d) · θ of all parameters θ.

    `decay` d looks back on about 1 / (1 - d) steps. Until there were so many, step n has d = (n - 1) / (n + 9), so that
    the first weights are soon forgotten. `take` sets the parameters to the average at the end; running statistics
    of batch norms belong to the weights they were seen with and want a few batches in training mode then.

    Raises
    ------
    ConfigError
        `decay` is not in [0, 1).

    Source: B. Polyak, A. Juditsky, Acceleration of stochastic approximation by averaging, 1992 (the idea).
    """

    slots = ("average",)

    def __init__(self, optimiser: Optimiser, *, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"expected 0 <= decay < 1, got {decay}")
        super().__init__(optimiser.parameters)
        self.optimiser, self.decay = optimiser, decay

    def step(self, rate: float) -> None:
        """Move the parameters, then their average."""
        self.optimiser.step(rate)
        self.steps += 1
        share = 1 - min(float(self.decay), (self.steps - 1) / (self.steps + 9))
        for name, tensor in self.parameters.items():
            self._memory[f"average/{name}"] += share * (tensor.data - self._memory[f"average/{name}"])

    def take(self) -> None:
        """Set the parameters to their average. Raises ConfigError before the first step, when there is none."""
        if not self.steps:
            raise ConfigError("there is no average of weights before the first step")
        for name, tensor in self.parameters.items():
            tensor.data = self._memory[f"average/{name}"].copy()

    def state(self) -> dict[str, Array]:
        """Return a host copy of the average, and of all that the optimiser remembers, as `optimiser/...`."""
        return super().state() | {f"optimiser/{key}": array for key, array in self.optimiser.state().items()}

    def load_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Continue from `state()`; CheckpointError where it belongs to other parameters or another optimiser."""
        inner = {key: array for key, array in arrays.items() if key.startswith("optimiser/")}
        super().load_state({key: array for key, array in arrays.items() if key not in inner})
        self.optimiser.load_state({key.removeprefix("optimiser/"): array for key, array in inner.items()})
