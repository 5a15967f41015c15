"""Optimizers with state arrays for each parameter."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .. import kernels
from ..autodiff import Tensor
from ..backend import Array, asnumpy, xp
from ..checks import as_array, checked_number, checked_type, shape_and_dtype
from ..errors import CheckpointError, ConfigError, ShapeError
from ..threads import chunk_slices, parallel_for, single_threaded_blas

Params = Iterable[Tensor] | Iterable[tuple[str, Tensor]]
NO_OPTIONS = ("steps", "lr", "state_names")  # attributes of an optimizer that are not in its settings


class Optimizer:
    """Base class of the optimizers.

    Parameters
    ----------
    params : `model.parameters()` or `model.named_parameters()`; `state_dict` contains the names
    lr : default learning rate
    weight_decay : L2 penalty; in `AdamW`, decoupled weight decay

    Raises
    ------
    ConfigError
        `params` is empty, contains a tensor twice or other items than tensors, or an option is out of range.
    """

    state_names: tuple[str, ...] = ()  # names of the state arrays of each parameter

    def __init__(self, params: Params, lr: float = 1e-3, *, weight_decay: float = 0.0) -> None:
        self.parameters = _by_name(params)
        self.lr = checked_number("lr", lr, "[0, inf)")
        self.weight_decay, self.steps = checked_number("weight_decay", weight_decay, "[0, inf)"), 0
        self.state = {
            f"{state_name}/{name}": xp.zeros(tensor.shape, dtype=tensor.data.dtype)
            for name, tensor in self.parameters.items()
            for state_name in self.state_names
        }

    @single_threaded_blas()
    def step(self, *, lr: float | None = None) -> None:
        """Update every parameter that has a gradient. `lr` is the learning rate of this step, by default `self.lr`.

        Raises ConfigError or ShapeError, before any update, if `lr`, a gradient or the shape of a parameter is invalid.
        """
        lr = checked_number("lr", self.lr if lr is None else lr, "[0, inf)")
        tensors = {name: tensor for name, tensor in self.parameters.items() if tensor.grad is not None}
        states = {name: [self.state[f"{state_name}/{name}"] for state_name in self.state_names] for name in tensors}
        for name, tensor in tensors.items():
            tensor.grad = as_array(tensor.grad)
            if any(array.shape != tensor.shape for array in (tensor.grad, *states[name])):
                raise ShapeError(f"expected a gradient and a state of shape {tensor.shape} for the parameter {name}")
        self.steps += 1
        for name, tensor in tensors.items():
            tensor.data = self._updated(tensor, states[name], lr)

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for tensor in self.parameters.values():
            tensor.grad = None

    def settings(self) -> dict[str, Any]:
        """Return the class and the options of the optimizer, without the learning rate."""
        options = {key: value for key, value in vars(self).items() if key not in NO_OPTIONS and _is_option(value)}
        return {"class": type(self).__name__, **options}

    def _updated(self, tensor: Tensor, state: list[Array], lr: float) -> Array:
        """Return the updated parameter as a new array, computed in chunks on all cores."""
        updated = xp.empty(tensor.shape, dtype=tensor.data.dtype)
        new, old, grad, *state = (array.reshape(-1) for array in (updated, tensor.data, tensor.grad, *state))

        def update(chunk: slice) -> None:
            chunks = [array[chunk] for array in (old, grad, *state)]
            xp.multiply(self._compute_update(tensor.ndim, *chunks), lr, out=new[chunk])
            xp.subtract(old[chunk], new[chunk], out=new[chunk])

        parallel_for(update, chunk_slices(new.size, 8 * new.itemsize))
        return updated

    def state_dict(self) -> dict[str, Array]:
        """Return the number of steps and the state arrays, as NumPy copies."""
        return {"steps": np.asarray(self.steps)} | {k: asnumpy(v).copy() for k, v in self.state.items()}

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Set the number of steps and the state arrays to those of a `state_dict()`.

        Raises CheckpointError as `check_state_dict` does. In this case the optimizer does not change.
        """
        self.check_state_dict(arrays)
        self.steps = int(arrays["steps"])
        self.state = {key: xp.array(arrays[key], order="C") for key in self.state}

    def check_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Raise CheckpointError if names, shapes or dtypes differ, as for another optimizer or other parameters.

        Raises ConfigError unless `arrays` is a dict.
        """
        checked_type("a state dict", arrays, Mapping)
        states = arrays, {"steps": np.asarray(self.steps)} | self.state
        found, expected = ({key: shape_and_dtype(array) for key, array in state.items()} for state in states)
        if found != expected:
            raise CheckpointError(f"expected the state of {type(self).__name__} for this model; other names or shapes")

    def _compute_update(self, ndim: int, p: Array, grad: Array, *state: Array) -> Array:
        """Return the update of a chunk `p` of a parameter with `ndim` axes, divided by the learning rate.

        `p`, `grad` and `state` have one axis and up to some ten thousand entries of the parameter, in any order of the
        chunks. An update that needs the whole parameter, such as its norm, overrides `_updated` instead. `state` is
        updated in place; `p` and `grad` do not change. The update may be an array of `state`.
        """
        raise NotImplementedError(f"{type(self).__name__}: define _compute_update(self, ndim, p, grad, *state)")


def _is_option(value: Any) -> bool:
    """Return whether `value` is None, a text, a finite number, or a tuple or list of these."""
    items = value if isinstance(value, tuple | list) else (value,)
    return all(
        isinstance(item, bool | int | str | None) or (isinstance(item, float) and math.isfinite(item)) for item in items
    )


def _by_name(params: Params) -> dict[str, Tensor]:
    """Return the parameters as a dict by name. The name of an unnamed parameter is its position."""
    items = list(params) if isinstance(params, Iterable) and not isinstance(params, Tensor) else [None]
    pairs = [item if isinstance(item, tuple) else (str(i), item) for i, item in enumerate(items)]
    wrong = [type(tensor) for _, tensor in pairs if not isinstance(tensor, Tensor)]
    if wrong or not pairs:
        hint = " of dict; use one optimizer for each group of parameters" if dict in wrong else ""
        raise ConfigError(f"expected a list of tensors, as in model.parameters(), got {type(params).__name__}{hint}")
    if min(len({id(tensor) for _, tensor in pairs}), len(dict(pairs))) < len(pairs):
        raise ConfigError("expected every tensor once, and every name once, as in model.parameters()")
    if results := [name for name, tensor in pairs if tensor._backward is not None]:
        raise ConfigError(f"expected parameters, got the result of an operation: {results[0]}; call detach() first")
    return dict(pairs)


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    A step sets the velocity v to momentum · v + grad + weight_decay · θ, and the parameter θ to θ - lr · v.
    """

    state_names = ("velocity",)

    def __init__(self, params: Params, lr: float = 1e-3, *, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr, weight_decay=weight_decay)
        self.momentum = checked_number("momentum", momentum, "[0, 1)")

    def _compute_update(self, ndim: int, p: Array, grad: Array, *state: Array) -> Array:
        (velocity,) = state
        velocity *= self.momentum
        velocity += grad
        velocity += self.weight_decay * p
        return velocity


class Adam(Optimizer):
    """Adam optimizer.

    A step sets the parameter θ to θ - lr · m̂ / (sqrt(ŝ) + eps). m̂ and ŝ are the running means m of grad and s of grad²
    with bias correction by the number of steps, also for a parameter without gradients in some steps. weight_decay · θ
    is added to the gradient. With `amsgrad`, s is replaced by its maximum over all steps.

    Source: D. Kingma, J. Ba, Adam, 2015, algorithm 1. S. Reddi and others, On the convergence of Adam and beyond, 2018,
    for `amsgrad`.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        self.state_names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if amsgrad else ("exp_avg", "exp_avg_sq")
        super().__init__(params, lr, weight_decay=weight_decay)
        beta1, beta2 = betas if isinstance(betas, tuple | list) and len(betas) == 2 else (None, None)
        self.betas = checked_number("betas[0]", beta1, "[0, 1)"), checked_number("betas[1]", beta2, "[0, 1)")
        self.eps, self.amsgrad = checked_number("eps", eps, "(0, inf)"), amsgrad

    def _updated(self, tensor: Tensor, state: list[Array], lr: float) -> Array:
        if self.amsgrad or not kernels.supports(tensor.data, tensor.grad, *state):
            return super()._updated(tensor, state, lr)
        decay, decoupled_decay = self._weight_decays(tensor.ndim)
        options = {"lr": lr, "eps": self.eps, "decay": decay, "decoupled_decay": decoupled_decay}
        return kernels.adam.step(tensor.data, tensor.grad, *state, betas=self.betas, steps=self.steps, **options)

    def _weight_decays(self, ndim: int) -> tuple[float, float]:
        """Return the factors of θ that are added to the gradient, and to the update of a parameter with `ndim` axes."""
        return self.weight_decay, 0.0

    def _compute_update(self, ndim: int, p: Array, grad: Array, *state: Array) -> Array:
        exp_avg, exp_avg_sq, *max_exp_avg_sq = state
        (beta1, beta2), (decay, decoupled_decay) = self.betas, self._weight_decays(ndim)
        grad = grad + decay * p if decay else grad
        exp_avg *= beta1
        exp_avg += (1 - beta1) * grad
        exp_avg_sq *= beta2
        exp_avg_sq += (1 - beta2) * grad * grad
        for maximum in max_exp_avg_sq:  # nonempty only with amsgrad
            exp_avg_sq = xp.maximum(maximum, exp_avg_sq, out=maximum)
        denominator = xp.sqrt(exp_avg_sq / (1 - beta2**self.steps))
        denominator += self.eps
        update = xp.divide(exp_avg / (1 - beta1**self.steps), denominator, out=denominator)
        return xp.add(update, decoupled_decay * p, out=update) if decoupled_decay else update


class AdamW(Adam):
    """Adam optimizer with decoupled weight decay.

    The weight decay applies to parameters with at least two axes: not to biases and not to the weights of normalization
    layers, except that of `WhiteningBatchNorm`, which is (10, C).

    Source: I. Loshchilov, F. Hutter, Decoupled weight decay regularization, 2019, algorithm 2.
    """

    def _weight_decays(self, ndim: int) -> tuple[float, float]:
        return 0.0, self.weight_decay if ndim > 1 else 0.0


def clip_grad_norm(parameters: Tensor | Iterable[Tensor], max_norm: float) -> Array:
    """Scale all gradients so that their total norm is at most `max_norm`. Return the total norm before scaling.

    The total norm is the Euclidean norm of all entries of all gradients. The return value is a 0-d array, because
    conversion to a Python number would synchronize the GPU. If the total norm is NaN, all gradients become NaN. If the
    total norm is infinite, finite gradients become 0, and infinite gradients become NaN. Raises ConfigError unless
    `max_norm` is above 0 and finite.
    """
    max_norm = checked_number("max_norm", max_norm, "(0, inf)")
    tensors = [parameters] if isinstance(parameters, Tensor) else list(checked_type("parameters", parameters, Iterable))
    if not all(isinstance(tensor, Tensor) for tensor in tensors):
        raise ConfigError(f"expected tensors, as in model.parameters(), got {tensors!r:.80}")
    pairs = [(tensor, as_array(tensor.grad)) for tensor in tensors if tensor.grad is not None]
    norm = xp.sqrt(sum((grad.astype(np.float64) ** 2).sum() for _, grad in pairs))
    factor = max_norm / xp.maximum(norm, max_norm)  # the factor is 1 if norm <= max_norm
    for tensor, grad in pairs:
        tensor.grad = grad * factor.astype(grad.dtype)
    return norm
