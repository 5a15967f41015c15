"""Checks of the arguments of a training, of its batches and losses, and of the trained parameters."""

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ..autodiff import Tensor
from ..backend import Array, xp
from ..checks import call_error, checked_type
from ..errors import ConfigError, NonFiniteError, ShapeError
from ..nn import Module
from ..optim import Optimizer


def check_clips(inputs: Array, targets: Array) -> None:
    """Raise ShapeError unless there are float inputs (N, ...), N > 0, and N targets."""
    for name, array in {"inputs": inputs, "targets": targets}.items():
        if not getattr(array, "shape", ()) or not hasattr(array, "dtype"):
            raise ShapeError(f"expected an array of {name}, got {type(array).__name__}")
    if not len(inputs) or len(inputs) != len(targets):
        raise ShapeError(f"expected one target for each input, got {len(inputs)} inputs, {len(targets)} targets")
    if inputs.dtype.kind != "f":
        raise ShapeError(f"expected float inputs, got {inputs.dtype}; convert them by inputs.astype(np.float32)")


def check_labeled_clips(inputs: Array, labels: np.ndarray) -> None:
    """Raise ShapeError unless there are float inputs (N, ...), N > 0, and integer labels (N,)."""
    check_clips(inputs, labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ShapeError(
            f"expected labels (N,) of class numbers, got {labels.shape} of {labels.dtype}; "
            "classes.index(name) is the number of a class name"
        )


def checked_batches(batches: Any) -> Iterable[Any]:
    """Return the batches of an epoch. Raises ConfigError if they are not iterable."""
    if not isinstance(batches, Iterable):
        raise ConfigError(f"expected batches(rng) to yield batches (x, targets), got {type(batches).__name__}")
    return batches


def checked_batch(batch: Any) -> tuple[Array, Array]:
    """Return (x, targets) as arrays of the backend.

    Raises ConfigError for a batch with several inputs or without targets, and ShapeError unless there is one target for
    each input.
    """
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        kind = "an array" if hasattr(batch, "dtype") else f"a {type(batch).__name__}"
        found = f"{kind} of {len(batch)}" if isinstance(batch, tuple | list) else kind
        raise ConfigError(f"expected batches (x, targets), got {found}; an augmentation returns both")
    *inputs, targets = batch
    x = inputs[0] if len(inputs) == 1 else tuple(inputs)
    if isinstance(x, tuple | list | dict):
        raise ConfigError(
            f"fit trains networks of one input, got a {type(x).__name__} of {len(x)} arrays; wrap the network in a "
            "module whose only input is one array, which __call__ splits into the inputs of the network"
        )
    x, targets = xp.asarray(x), xp.asarray(targets)
    if not x.ndim or x.shape[:1] != targets.shape[:1]:
        raise ShapeError(f"expected one target for each input, got inputs {x.shape} and targets {targets.shape}")
    return x, targets


CALLS = {  # how each function is called, with an example
    "batches": "batches(rng), such as DataLoader(inputs, targets)",
    "schedule": "schedule(step), such as lambda step: 1e-3 for a constant learning rate",
    "loss": "loss(logits, targets, x), such as lambda y, targets, x: ops.mse_loss(y, targets)",
    "evaluate": "evaluate(model)",
    "augment": "augment(x, targets, rng), which returns copies (x, targets)",
}


def check_functions(**functions: Any) -> None:
    """Raise ConfigError unless all arguments are functions that can be called. `evaluate`, `augment` may be None."""
    for name, function in functions.items():
        if not callable(function) and (function is not None or name not in ("evaluate", "augment")):
            raise ConfigError(f"expected {name} to be a function, got {type(function).__name__}; define {CALLS[name]}")
        if function is not None:
            _check_call(function, CALLS[name], *range(3 if name in ("loss", "augment") else 1))


def check_model(model: Any) -> None:
    """Raise ConfigError unless `model` is a module that is called as model(x, train=True, rng=...)."""
    if not isinstance(model, Module):
        raise ConfigError(
            f"expected a network derived from nn.Module, with parameters to train, got {type(model).__name__}; "
            "train a network before it is compiled, and define a function as __call__ of a module"
        )
    _check_call(model, "__call__(self, x, *, train=False, rng=None)", 0, train=True, rng=None)


def _check_call(function: Callable[..., Any], expected: str, *args: Any, **options: Any) -> None:
    if error := call_error(function, *args, **options):
        name = getattr(function, "__qualname__", type(function).__name__)
        raise ConfigError(f"expected {expected}; {name} does not accept these arguments: {error}")


def check_loss(loss: Any) -> None:
    """Raise ShapeError unless `loss` is a scalar tensor."""
    if not isinstance(loss, Tensor) or loss.shape:
        kind, shape = type(loss).__name__, getattr(loss, "shape", ())
        raise ShapeError(
            f"expected a loss that is a scalar tensor, got {kind} of shape {shape}; "
            "compute the loss with quatnet.ops, and average it by ops.mean"
        )


def running_means(model: Module) -> list[tuple[Any, Array]]:
    """Return the batch norms with a trained weight, and their running means."""
    norms = [module for module in model.modules() if getattr(getattr(module, "weight", None), "requires_grad", False)]
    return [(norm, norm.running_mean) for norm in norms if hasattr(norm, "running_mean")]


def check_running_means(before: Sequence[tuple[Any, Array]]) -> None:
    """Warn if the weight of a batch norm has a gradient, but the running mean is that `before` the training step."""
    unchanged = [norm for norm, mean in before if norm.weight.grad is not None and norm.running_mean is mean]
    if unchanged:
        warnings.warn(
            f"{len(unchanged)} of the batch norms used running statistics in a training step; "
            "pass train=train and rng=rng to every layer and submodule, also for dropout",
            stacklevel=2,
        )


def check_settings(
    model: Any, optimizer: Any, max_grad_norm: float | None, *, has_score: bool, has_checkpoint: bool
) -> None:
    """Raise ConfigError for no optimizer of the model, an invalid norm, or `keep_best` without a score.

    Raises ConfigError also for an optimizer of parameters that a checkpoint of the model would not contain.
    """
    if not isinstance(optimizer, Optimizer):
        raise ConfigError(f"expected an optimizer such as AdamW(model.parameters()), got {type(optimizer).__name__}")
    own, trained = (set(map(id, tensors)) for tensors in (model.parameters(), optimizer.parameters.values()))
    if own.isdisjoint(trained):
        raise ConfigError(
            "expected an optimizer of parameters of the model, got one of other parameters; "
            "a changed network, for example by prune_filters, needs a new optimizer"
        )
    if has_checkpoint and not trained <= {id(item) for *_, item in model._entries()}:
        raise ConfigError(
            "the optimizer has parameters that are not of the model, so a checkpoint would not contain them; "
            "define one module with all parameters, or train without a checkpoint"
        )
    if not has_score or not (max_grad_norm is None or max_grad_norm > 0):
        raise ConfigError(f"expected evaluate with keep_best, and max_grad_norm > 0 or None, got {max_grad_norm}")


def check_length(batches: Any, steps_per_epoch: int) -> None:
    """Raise ConfigError if the number of batches is known and is not `steps_per_epoch`."""
    if hasattr(batches, "__len__") and len(batches) != steps_per_epoch:
        raise ConfigError(f"expected steps_per_epoch = {len(batches)}, the number of batches, got {steps_per_epoch}")


def as_number(function: str, result: Any) -> float:
    """Return the result of the `function` evaluate or schedule. Raises ConfigError if it is not a number."""
    if not isinstance(result, Real) and getattr(result, "shape", None) != ():
        raise ConfigError(f"expected {function} to return a number, got {result!r:.80}; the last checkpoint is kept")
    return float(result)


def as_json(metadata: Mapping[str, Any] | None, **settings: Any) -> dict[str, Any]:
    """Return the settings and the metadata as they are read from a checkpoint, such as lists in place of tuples.

    Raises ConfigError for metadata that JSON does not support, or that contradict the settings.
    """
    metadata = checked_type("metadata", metadata or {}, Mapping)
    for key, value in settings.items():
        if (found := metadata.get(key, value)) != value:
            raise ConfigError(f"expected metadata with {key} = {value}, or without {key}, got {found!r:.80}")
    try:
        return json.loads(json.dumps({**settings, **metadata}, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"expected metadata that JSON supports, got {metadata!r:.200} ({error})") from error


def loss_error(step: str, path: Path | None) -> NonFiniteError:
    """Return the error for a loss that is not finite in a `step`, which is described by its number and its clips."""
    return NonFiniteError(
        f"the loss is not finite in {step}; {_kept(path)}check the inputs of this step for NaN and infinity, or "
        "use a lower learning rate"
    )


def check_finite_parameters(model: Module, epoch: int, path: Path | None) -> None:
    """Raise NonFiniteError if a parameter contains NaN or infinity, as after a gradient that is not finite."""
    finite = {name: xp.isfinite(tensor.data).all() for name, tensor in model.named_parameters()}
    if not xp.stack(list(finite.values())).all():
        names = ", ".join(name for name, is_finite in finite.items() if not is_finite)
        raise NonFiniteError(
            f"parameters are not finite after epoch {epoch}: {names}; {_kept(path)}use a lower learning rate"
        )


def _kept(path: Path | None) -> str:
    return f"the last checkpoint is kept in {path}; " if path and path.exists() else ""
