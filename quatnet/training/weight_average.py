"""Exponential moving average of the parameters over the training steps."""

from collections.abc import Mapping
from typing import Any

from ..backend import Array
from ..checks import checked_number, checked_type
from ..errors import ConfigError
from ..optim import Optimizer

PREFIX = "optimizer/"  # of the names of the state of the optimizer


class WeightAverage(Optimizer):
    """Exponential moving average a <- d · a + (1 - d) · θ of the parameters θ of an optimizer.

    `step` performs a step of `optimizer` and updates the average a with decay d. `copy_to_parameters` sets the
    parameters to the average at the end of the training. The running statistics of batch norms are not averaged. Run a
    few batches in training mode after `copy_to_parameters` to update the running statistics.

    Parameters
    ----------
    optimizer : optimizer that updates the parameters
    decay : decay d. The average extends over about 1 / (1 - d) steps. In step n, d is at most (n - 1) / (n + 9), so
        that the influence of the initial weights decreases quickly

    Raises
    ------
    ConfigError
        `decay` is not in [0, 1).

    Source: B. Polyak, A. Juditsky, Acceleration of stochastic approximation by averaging, 1992.
    """

    state_names = ("average",)

    def __init__(self, optimizer: Optimizer, *, decay: float = 0.999) -> None:
        self.optimizer, self.decay = optimizer, checked_number("decay", decay, "[0, 1)")
        super().__init__(optimizer.parameters.items(), optimizer.lr)

    @property
    def lr(self) -> float:
        """Default learning rate of `optimizer`."""
        return self.optimizer.lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self.optimizer.lr = lr

    def settings(self) -> dict[str, Any]:
        """Return the decay, and the class and the options of `optimizer`."""
        return super().settings() | {"optimizer": self.optimizer.settings()}

    def step(self, *, lr: float | None = None) -> None:
        """Update the parameters, then their average."""
        self.optimizer.step(lr=lr)
        self.steps += 1
        share = 1 - min(float(self.decay), (self.steps - 1) / (self.steps + 9))
        for name, tensor in self.parameters.items():
            self.state[f"average/{name}"] += share * (tensor.data - self.state[f"average/{name}"])

    def copy_to_parameters(self) -> None:
        """Set the parameters to their average. Raises ConfigError before the first step."""
        if not self.steps:
            raise ConfigError("there is no average of the weights before the first step")
        for name, tensor in self.parameters.items():
            tensor.data = self.state[f"average/{name}"].copy()

    def state_dict(self) -> dict[str, Array]:
        """Return a NumPy copy of the average and of the state of `optimizer`.

        The names of the optimizer state start with `optimizer/`.
        """
        return super().state_dict() | {f"{PREFIX}{key}": a for key, a in self.optimizer.state_dict().items()}

    def check_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Raise CheckpointError if the arrays do not match the parameters or the optimizer."""
        checked_type("a state dict", arrays, Mapping)
        super().check_state_dict({key: array for key, array in arrays.items() if not key.startswith(PREFIX)})
        self.optimizer.check_state_dict(_optimizer_state(arrays))

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Load a `state_dict()`. Raises CheckpointError as `check_state_dict` does, before anything changes."""
        super().load_state_dict(arrays)
        self.optimizer.load_state_dict(_optimizer_state(arrays))


def _optimizer_state(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays of the optimizer by their names in the optimizer."""
    return {key.removeprefix(PREFIX): array for key, array in arrays.items() if key.startswith(PREFIX)}
