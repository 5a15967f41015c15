"""Sums of arrays over the processes of a job, by MPI and NCCL.

The function `reduce_through_pinned_memory` has run on a GPU. The other two have been tested with the mock CuPy only.
"""

import os
import platform
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .backend import Array, xp
from .processes import RANK, SIZE, all_gather, communicator

IN_PLACE = None  # send buffer of mpi4py: the receive buffer contains the input
CUDA_AWARE_MPI = ("OMPI_MCA_opal_cuda_support", "MPICH_GPU_SUPPORT_ENABLED", "MPIR_CVAR_ENABLE_GPU", "MV2_USE_CUDA")


def all_reduce(array: Array) -> Array:
    """Return the sum of a contiguous array over all processes, bit-identical in all of them."""
    return array if SIZE == 1 else _reduction(isinstance(array, np.ndarray))(array)


@cache
def _reduction(on_host: bool) -> Callable[[Array], Array]:
    """Return the fastest function that all processes can use. NCCL needs a GPU for each process."""
    if on_host:
        return reduce_on_host
    from cupy.cuda import nccl  # the module `cupy.cuda` does not import it

    gpus = all_gather([(platform.node(), xp.cuda.Device().pci_bus_id if nccl.available else "")])
    if len(set(gpus)) == SIZE and all(bus for _, bus in gpus):
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
