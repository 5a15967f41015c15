"""Data-parallel training: each process computes a share of every batch, and the gradients are summed.

All processes draw the same random numbers, for the whole batch. So the result does not depend on the number of
processes, except for the rounding of sums.
"""

import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from ..autodiff import Tensor
from ..backend import Array, xp
from ..distill import Student
from ..errors import ConfigError
from ..processes import LOCAL_SIZE, RANK, SIZE, all_gather, communicator, own_share

IN_PLACE = None  # send buffer of mpi4py: the receive buffer contains the input
CUDA_AWARE_MPI = ("OMPI_MCA_opal_cuda_support", "MPICH_GPU_SUPPORT_ENABLED", "MPIR_CVAR_ENABLE_GPU", "MV2_USE_CUDA")


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


def backward(loss: Tensor, fraction: float, parameters: Iterable[Tensor]) -> None:
    """Compute the gradients of the mean loss of a batch, where `fraction` is the part of its clips in this process.

    The gradients are summed over the processes in one exchange of a flat array, after the backward pass.
    """
    loss.backward(xp.full_like(loss.data, fraction))
    if SIZE == 1:
        return
    tensors = [tensor for tensor in parameters if tensor.grad is not None]
    flat = all_reduce(xp.concatenate([xp.ravel(tensor.grad) for tensor in tensors]))
    for tensor in tensors:
        tensor.grad, flat = flat[: tensor.size].reshape(tensor.shape), flat[tensor.size :]


def all_reduce(array: Array) -> Array:
    """Return the sum of a contiguous array over all processes, bit-identical in all of them."""
    return array if SIZE == 1 else _reduction(isinstance(array, np.ndarray))(array)


@cache
def _reduction(on_host: bool) -> Callable[[Array], Array]:
    """Return the fastest function that all processes can use. NCCL needs a GPU for each process."""
    if on_host:
        return reduce_on_host
    if all(all_gather([xp.cuda.nccl.available and xp.cuda.runtime.getDeviceCount() >= LOCAL_SIZE])):
        return reduce_by_nccl
    cuda_aware = any(os.environ.get(name, "").lower() in ("1", "true") for name in CUDA_AWARE_MPI)
    return reduce_by_cuda_aware_mpi if cuda_aware else reduce_through_pinned_memory


def reduce_on_host(array: np.ndarray) -> np.ndarray:
    """Return the sum of a NumPy array over all processes, by MPI."""
    total = array.copy()
    communicator().Allreduce(IN_PLACE, total)
    return total


def reduce_by_nccl(array: Array) -> Array:
    """Return the sum of a GPU array over all processes, by NCCL in the stream of CuPy, without the host."""
    total = xp.empty_like(array)
    _nccl().all_reduce(array, total)
    return total


@cache
def _nccl() -> Any:
    from cupyx.distributed import NCCLBackend

    return NCCLBackend(SIZE, RANK, use_mpi=True)


def reduce_by_cuda_aware_mpi(array: Array) -> Array:
    """Return the sum of a GPU array over all processes, by an MPI library that reads and writes GPU memory."""
    total = array.copy()
    xp.cuda.get_current_stream().synchronize()  # MPI does not use the stream of CuPy
    communicator().Allreduce(IN_PLACE, total)
    return total


def reduce_through_pinned_memory(array: Array) -> Array:
    """Return the sum of a GPU array over all processes, by MPI in page-locked host memory, which a GPU copies fast."""
    memory = xp.cuda.alloc_pinned_memory(array.nbytes)
    host = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
    array.get(out=host)
    communicator().Allreduce(IN_PLACE, host)
    return xp.asarray(host)
