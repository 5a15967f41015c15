"""Optimisers and learning-rate schedules. An optimiser's state is a dict of arrays; a schedule is a function."""

from collections.abc import Mapping

import numpy as np

from .. import kernels
from ..autodiff import Tensor
from ..backend import Array, asnumpy, xp
from ..errors import CheckpointError, ConfigError
from ..threads import pieces, run_on_cores


class Optimiser:
    """Keeps `slots` arrays per parameter, all zero at first, and counts steps."""

    slots: tuple[str, ...] = ()

    def __init__(self, parameters: Mapping[str, Tensor], *, weight_decay: float = 0.0) -> None:
        if weight_decay < 0:
            raise ConfigError(f"expected weight_decay >= 0, got {weight_decay}")
        self.parameters = dict(parameters)
        self.weight_decay = weight_decay
        self.steps = 0
        self._memory = {
            f"{slot}/{name}": xp.zeros(tensor.shape, dtype=tensor.data.dtype)
            for name, tensor in self.parameters.items()
            for slot in self.slots
        }

    def step(self, rate: float) -> None:
        """Move every parameter that has a gradient, at learning rate `rate`, and clear the gradients."""
        self.steps += 1
        rate = float(rate)  # a NumPy float64 would turn float32 parameters into float64
        for name, tensor in self.parameters.items():
            if tensor.grad is not None:
                tensor.data, tensor.grad = self._moved(name, tensor, rate), None

    def _moved(self, name: str, tensor: Tensor, rate: float) -> Array:
        """Return the parameter after the step: a new array, computed in pieces on all cores."""
        moved = xp.empty(tensor.shape, dtype=tensor.data.dtype)
        memory = [self._memory[f"{slot}/{name}"] for slot in self.slots]
        flat, before, g, *slots = (array.reshape(-1) for array in (moved, tensor.data, tensor.grad, *memory))

        def work(part: slice) -> None:
            slot_parts = [slot[part] for slot in slots]
            direction = self._direction(before[part], g[part], *slot_parts, decays=tensor.data.ndim > 1)
            xp.subtract(before[part], xp.multiply(direction, rate, out=direction), out=flat[part])

        run_on_cores(work, pieces(flat.size, 8 * flat.itemsize))
        return moved

    def state(self) -> dict[str, Array]:
        """Return a host copy of all that `step` remembers."""
        return {"steps": np.asarray(self.steps)} | {k: asnumpy(v).copy() for k, v in self._memory.items()}

    def load_state(self, arrays: Mapping[str, Array]) -> None:
        """Continue from `state()`; CheckpointError where it belongs to other parameters or another optimiser."""
        if arrays.keys() != {"steps", *self._memory} or any(
            arrays[key].shape != value.shape for key, value in self._memory.items()
        ):
            raise CheckpointError(f"the optimiser state does not belong to {type(self).__name__} on this model")
        self.steps = int(arrays["steps"])
        self._memory = {key: xp.array(arrays[key], order="C") for key in self._memory}

    def _direction(self, p: Array, g: Array, *slots: Array, decays: bool) -> Array:
        """Return a new array, the step per rate of parameters `p` with gradients `g`; change `slots` in place."""
        raise NotImplementedError


class SGD(Optimiser):
    """θ <- θ - rate · v, v <- momentum · v + g + weight_decay · θ."""

    slots = ("velocity",)

    def __init__(self, parameters: Mapping[str, Tensor], *, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, weight_decay=weight_decay)
        self.momentum = momentum

    def _direction(self, p: Array, g: Array, *slots: Array, decays: bool) -> Array:
        (velocity,) = slots
        velocity *= self.momentum
        velocity += g
        velocity += self.weight_decay * p
        return velocity.copy()


class Adam(Optimiser):
    """θ <- θ - rate · m̂ / (sqrt(v̂) + epsilon), m and v the running means of g and g², corrected for their start.

    `amsgrad` takes the largest v so far. `AdamW` takes the weight decay out of g.

    Source: D. Kingma, J. Ba, Adam, 2015, algorithm 1; S. Reddi and others, On the convergence of Adam, 2018.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        self.slots = ("mean", "square", "largest") if amsgrad else ("mean", "square")
        super().__init__(parameters, weight_decay=weight_decay)
        self.betas, self.epsilon, self.amsgrad = betas, epsilon, amsgrad

    def _moved(self, name: str, tensor: Tensor, rate: float) -> Array:
        memory = [self._memory[f"{slot}/{name}"] for slot in self.slots]
        if self.amsgrad or not kernels.takes(tensor.data, tensor.grad, *memory):
            return super()._moved(name, tensor, rate)
        rates = {"rate": rate, "epsilon": self.epsilon} | self._decay(tensor)
        return kernels.adam.step(tensor.data, tensor.grad, *memory, betas=self.betas, steps=self.steps, **rates)

    def _decay(self, tensor: Tensor) -> dict[str, float]:
        """How the kernel takes the weight decay: inside the gradient."""
        return {"decay": self.weight_decay, "decay_beside": 0.0}

    def _direction(self, p: Array, g: Array, *slots: Array, decays: bool) -> Array:
        return self._adapted(g + self.weight_decay * p if self.weight_decay else g, *slots)

    def _adapted(self, g: Array, mean: Array, square: Array, *largest: Array) -> Array:
        fast, slow = self.betas
        mean *= fast
        mean += (1 - fast) * g
        square *= slow
        square += (1 - slow) * g * g
        for most in largest:  # amsgrad
            square = xp.maximum(most, square, out=most)
        root = xp.sqrt(square / (1 - slow**self.steps))
        root += self.epsilon
        return xp.divide(mean / (1 - fast**self.steps), root, out=root)


class AdamW(Adam):
    """Adam with the weight decay beside the adapted gradient instead of inside it; matrices and kernels only.

    Source: I. Loshchilov, F. Hutter, Decoupled weight decay regularization, 2019, algorithm 2.
    """

    def _decay(self, tensor: Tensor) -> dict[str, float]:
        return {"decay": 0.0, "decay_beside": self.weight_decay if tensor.data.ndim > 1 else 0.0}

    def _direction(self, p: Array, g: Array, *slots: Array, decays: bool) -> Array:
        direction = self._adapted(g, *slots)
        if decays:
            direction += self.weight_decay * p
        return direction


def clip_by_norm(parameters: Mapping[str, Tensor], limit: float) -> Array:
    """Scale all gradients so that their joint Euclidean norm is at most `limit`; return the norm before.

    The norm stays on the device, an array without axes: to look at it would wait for a GPU in every step.
    """
    pairs = [(tensor, tensor.grad) for tensor in parameters.values() if tensor.grad is not None]
    norm = xp.sqrt(sum((g.astype(np.float64) ** 2).sum() for _, g in pairs))
    factor = limit / xp.maximum(norm, limit)  # 1 where it is small enough
    for tensor, g in pairs:
        tensor.grad = g * factor.astype(g.dtype)
    return norm
