"""Data-parallel training: each process computes a share of every batch, and the gradients are summed.

All processes draw the same random numbers, for the whole batch. So the result does not depend on the number of
processes, except for the rounding of sums.
"""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..autodiff import Tensor
from ..backend import xp
from ..distill import Student
from ..errors import ConfigError
from ..processes import RANK, SIZE, all_reduce, communicator


def share(clips: int) -> slice:
    """Return the slice of a batch that belongs to this process; the shares differ by at most one clip.

    Raises ConfigError if the batch has fewer clips than there are processes.
    """
    if clips < SIZE:
        raise ConfigError(f"a batch of {clips} clips cannot be shared by {SIZE} processes: increase batch_size")
    return slice(clips * RANK // SIZE, clips * (RANK + 1) // SIZE)


def shared_generator(rng: Any, clips: int) -> Any:
    """Return the generator of the dropout masks of this process, for a batch of `clips` clips in all processes.

    For a single process this is `rng`. Otherwise `random` draws the mask of the whole batch and returns the share of
    this process, so the first axis of the mask must be the clips. Other distributions are not supported.
    """

    def random(size: tuple[int, ...], dtype: type = np.float64) -> np.ndarray:
        return rng.random((clips, *size[1:]), dtype=dtype)[share(clips)]

    return SimpleNamespace(random=random) if SIZE > 1 else rng


def synchronize_batch_norm(model: Student) -> None:
    """Make the batch norms of `model` use the statistics of the whole batch. Raises ConfigError for quaternion ones."""
    for module in model.modules() if SIZE > 1 else ():
        if hasattr(module, "running_mean") and not hasattr(module, "all_reduce"):
            raise ConfigError(f"{type(module).__name__} supports only sync_batch_norm=False with several processes")
        vars(module).update({"all_reduce": all_reduce} if hasattr(module, "all_reduce") else {})


def broadcast(model: Student) -> None:
    """Copy all parameters and running statistics of process 0 to the other processes."""
    if SIZE > 1:
        model.load_state_dict(communicator().bcast(model.state_dict()))


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each gradient by its sum over the processes, in one exchange of a flat array."""
    if SIZE > 1:
        tensors = [tensor for tensor in parameters if tensor.grad is not None]
        flat = all_reduce(xp.concatenate([xp.ravel(tensor.grad) for tensor in tensors]))
        for tensor in tensors:
            tensor.grad, flat = flat[: tensor.size].reshape(tensor.shape), flat[tensor.size :]
