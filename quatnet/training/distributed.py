"""Data-parallel training: each process computes a share of every batch, and the gradients are summed.

All processes draw the same random numbers, for the global batch. So the result does not depend on the number of
processes, except for the rounding of sums.
"""

from collections.abc import Iterable

import numpy as np

from ..autodiff import Tensor
from ..backend import xp
from ..errors import ConfigError
from ..nn import Module
from ..processes import SIZE, all_reduce, communicator, own_share


def share(clips: int) -> slice:
    """Return the slice of a batch that belongs to this process; the shares differ by at most one clip.

    Raises ConfigError if the batch has fewer clips than there are processes.
    """
    if clips < SIZE:
        raise ConfigError(f"a batch of {clips} clips cannot be shared by {SIZE} processes: increase batch_size")
    return own_share(clips)


class DropoutGenerator(np.random.Generator):
    """The generator `rng` for a share of a batch, for `ops.dropout`: a mask is this part of the mask of the batch."""

    def __init__(self, rng: np.random.Generator, share: slice) -> None:
        super().__init__(rng.bit_generator)
        self.share = share

    def spawn(self, n_children: int) -> list[np.random.Generator]:  # type: ignore[override]
        """Return `n_children` independent generators, which are equal in all processes."""
        return np.random.Generator(self.bit_generator).spawn(n_children)


def synchronize_batch_norm(model: Module) -> None:
    """Make the batch norms of `model` use the statistics of the global batch.

    Raises ConfigError if `model` has running statistics that do not belong to a batch norm of `quatnet.nn`.
    """
    if SIZE == 1:
        return
    parts = [part for module in model.modules() for part in (module, *getattr(module, "graph_layers", ()))]
    norms = [part for part in parts if hasattr(part, "synchronized")]
    if len(norms) < sum(name.endswith("running_mean") for name in model.state_dict()):
        raise ConfigError("several processes need sync_batch_norm=False for norms without the attribute synchronized")
    for norm in norms:
        norm.synchronized = True


def broadcast(model: Module) -> None:
    """Copy all parameters and running statistics of process 0 to the other processes."""
    if SIZE > 1:
        model.load_state_dict(communicator().bcast(model.state_dict()))


def backward(loss: Tensor, fraction: float, parameters: Iterable[Tensor]) -> None:
    """Compute the gradients of the mean loss of a batch, where `fraction` is the part of its clips in this process.

    The gradients are summed over the processes in one exchange of a flat array, after the backward pass. A parameter
    that has no gradient in some of the processes has a gradient of 0 there.
    """
    loss.backward(xp.full_like(loss.data, fraction))
    if SIZE == 1:
        return
    tensors = list(parameters)
    found = all_reduce(np.array([tensor.grad is not None for tensor in tensors], np.float32))
    tensors = [tensor for tensor, number in zip(tensors, found, strict=True) if number]
    grads = [xp.zeros_like(tensor.data) if tensor.grad is None else tensor.grad for tensor in tensors]
    flat = all_reduce(xp.concatenate([xp.ravel(grad) for grad in grads]))
    for tensor in tensors:
        tensor.grad, flat = flat[: tensor.size].reshape(tensor.shape), flat[tensor.size :]
