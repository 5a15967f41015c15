"""Optimizers. Each keeps arrays per parameter, its state, and moves the parameters in `step`."""

from collections.abc import Iterable, Mapping

import numpy as np

from .. import kernels
from ..autodiff import Tensor
from ..backend import Array, asnumpy, xp
from ..errors import CheckpointError, ConfigError
from ..threads import chunk_slices, parallel_for

Parameters = Iterable[Tensor] | Iterable[tuple[str, Tensor]]


class Optimizer:
    """Base of all optimizers.

    Parameters
    ----------
    parameters : `model.parameters()`, or `model.named_parameters()`, which names the arrays of `state_dict`
    lr : learning rate of a step that is called without one
    weight_decay : L2 penalty

    Raises
    ------
    ConfigError
        There are no parameters, something else than tensors, or a negative number.
    """

    slots: tuple[str, ...] = ()

    def __init__(self, parameters: Parameters, lr: float = 1e-3, *, weight_decay: float = 0.0) -> None:
        self.parameters = _named(parameters)
        if not (lr >= 0 and weight_decay >= 0):
            raise ConfigError(f"expected lr >= 0 and weight_decay >= 0, got {lr} and {weight_decay}")
        self.lr, self.weight_decay, self.steps = lr, weight_decay, 0
        self.state = {
            f"{slot}/{name}": xp.zeros(tensor.shape, dtype=tensor.data.dtype)
            for name, tensor in self.parameters.items()
            for slot in self.slots
        }

    def step(self, *, lr: float | None = None) -> None:
        """Move every parameter that has a gradient, at the learning rate `lr` (default: that of the optimizer)."""
        self.steps += 1
        lr = float(self.lr if lr is None else lr)  # a NumPy float64 would turn float32 parameters into float64
        for name, tensor in self.parameters.items():
            if tensor.grad is not None:
                tensor.data = self._updated(name, tensor, lr)

    def zero_grad(self) -> None:
        """Clear the gradients of all parameters."""
        for tensor in self.parameters.values():
            tensor.grad = None

    def _updated(self, name: str, tensor: Tensor, lr: float) -> Array:
        """Return the parameter after the step: a new array, computed in pieces on all cores."""
        updated = xp.empty(tensor.shape, dtype=tensor.data.dtype)
        state = [self.state[f"{slot}/{name}"] for slot in self.slots]
        flat, before, grad, *slots = (array.reshape(-1) for array in (updated, tensor.data, tensor.grad, *state))

        def work(part: slice) -> None:
            slot_parts = [slot[part] for slot in slots]
            direction = self._direction(before[part], grad[part], *slot_parts, decays=tensor.data.ndim > 1)
            xp.subtract(before[part], xp.multiply(direction, lr, out=direction), out=flat[part])

        parallel_for(work, chunk_slices(flat.size, 8 * flat.itemsize))
        return updated

    def state_dict(self) -> dict[str, Array]:
        """Return a host copy of the number of steps and of the state."""
        return {"steps": np.asarray(self.steps)} | {k: asnumpy(v).copy() for k, v in self.state.items()}

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Continue from `state_dict()`; CheckpointError where it belongs to other parameters or another optimizer."""
        if arrays.keys() != {"steps", *self.state} or any(
            arrays[key].shape != value.shape for key, value in self.state.items()
        ):
            raise CheckpointError(f"the optimizer state does not belong to {type(self).__name__} on this model")
        self.steps = int(arrays["steps"])
        self.state = {key: xp.array(arrays[key], order="C") for key in self.state}

    def _direction(self, p: Array, grad: Array, *slots: Array, decays: bool) -> Array:
        """Return a new array, the step per learning rate of parameters `p`; change `slots` in place."""
        raise NotImplementedError


def _named(parameters: Parameters) -> dict[str, Tensor]:
    """Return the parameters by name; a parameter without a name has its position."""
    items = list(parameters) if isinstance(parameters, Iterable) else [parameters]
    pairs = [item if isinstance(item, tuple) else (str(i), item) for i, item in enumerate(items)]
    if not pairs or not all(isinstance(tensor, Tensor) for _, tensor in pairs):
        raise ConfigError(f"expected tensors such as model.parameters(), got {type(parameters).__name__}")
    return dict(pairs)


class SGD(Optimizer):
    """θ <- θ - lr · v, v <- momentum · v + grad + weight_decay · θ."""

    slots = ("velocity",)

    def __init__(
        self, parameters: Parameters, lr: float = 1e-3, *, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, lr, weight_decay=weight_decay)
        self.momentum = momentum

    def _direction(self, p: Array, grad: Array, *slots: Array, decays: bool) -> Array:
        (velocity,) = slots
        velocity *= self.momentum
        velocity += grad
        velocity += self.weight_decay * p
        return velocity.copy()


class Adam(Optimizer):
    """θ <- θ - lr · m̂ / (sqrt(v̂) + eps), m and v the running means of grad and grad², with bias correction.

    `amsgrad` takes the largest v so far. `AdamW` decouples the weight decay from the gradient.

    Source: D. Kingma, J. Ba, Adam, 2015, algorithm 1; S. Reddi and others, On the convergence of Adam, 2018.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        self.slots = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if amsgrad else ("exp_avg", "exp_avg_sq")
        super().__init__(parameters, lr, weight_decay=weight_decay)
        self.betas, self.eps, self.amsgrad = betas, eps, amsgrad

    def _updated(self, name: str, tensor: Tensor, lr: float) -> Array:
        state = [self.state[f"{slot}/{name}"] for slot in self.slots]
        if self.amsgrad or not kernels.supports(tensor.data, tensor.grad, *state):
            return super()._updated(name, tensor, lr)
        options = {"lr": lr, "eps": self.eps} | self._kernel_decay(tensor)
        return kernels.adam.step(tensor.data, tensor.grad, *state, betas=self.betas, steps=self.steps, **options)

    def _kernel_decay(self, tensor: Tensor) -> dict[str, float]:
        """Arguments of the kernel: here the weight decay is added to the gradient."""
        return {"decay": self.weight_decay, "decoupled_decay": 0.0}

    def _direction(self, p: Array, grad: Array, *slots: Array, decays: bool) -> Array:
        return self._adapted(grad + self.weight_decay * p if self.weight_decay else grad, *slots)

    def _adapted(self, grad: Array, exp_avg: Array, exp_avg_sq: Array, *max_exp_avg_sq: Array) -> Array:
        beta1, beta2 = self.betas
        exp_avg *= beta1
        exp_avg += (1 - beta1) * grad
        exp_avg_sq *= beta2
        exp_avg_sq += (1 - beta2) * grad * grad
        for largest in max_exp_avg_sq:  # amsgrad
            exp_avg_sq = xp.maximum(largest, exp_avg_sq, out=largest)
        denominator = xp.sqrt(exp_avg_sq / (1 - beta2**self.steps))
        denominator += self.eps
        return xp.divide(exp_avg / (1 - beta1**self.steps), denominator, out=denominator)


class AdamW(Adam):
    """Adam with decoupled weight decay, on parameters with at least two axes only (not on biases and norms).

    Source: I. Loshchilov, F. Hutter, Decoupled weight decay regularization, 2019, algorithm 2.
    """

    def _kernel_decay(self, tensor: Tensor) -> dict[str, float]:
        return {"decay": 0.0, "decoupled_decay": self.weight_decay if tensor.data.ndim > 1 else 0.0}

    def _direction(self, p: Array, grad: Array, *slots: Array, decays: bool) -> Array:
        direction = self._adapted(grad, *slots)
        if decays:
            direction += self.weight_decay * p
        return direction


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float) -> Array:
    """Scale all gradients so that their joint Euclidean norm is at most `max_norm`; return the norm before.

    The result is an array without axes and stays on the device: reading it would synchronize a GPU in every step.
    """
    pairs = [(tensor, tensor.grad) for tensor in parameters if tensor.grad is not None]
    norm = xp.sqrt(sum((grad.astype(np.float64) ** 2).sum() for _, grad in pairs))
    factor = max_norm / xp.maximum(norm, max_norm)  # 1 where the norm is small enough
    for tensor, grad in pairs:
        tensor.grad = grad * factor.astype(grad.dtype)
    return norm
