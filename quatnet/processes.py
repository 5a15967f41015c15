"""The processes of a job that `mpiexec` started, and what they exchange by MPI (mpi4py) and NCCL.

Without mpiexec there is one process: `SIZE` is 1, mpi4py is not imported, and the functions return their argument or do
nothing. With several processes, all functions except `exit_all` must be called by all of them, in the same order.
"""

import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from .backend import Array, on_gpu, use_tf32, uses_tf32, xp
from .errors import ConfigError, MissingPackageError, QuatnetError


def _from_environment(default: int, *names: str) -> int:
    return int(next((os.environ[name] for name in names if name in os.environ), default))


# variables of MPICH, Intel MPI and `srun --mpi=pmi2`, then of Open MPI
RANK = _from_environment(0, "PMI_RANK", "OMPI_COMM_WORLD_RANK")
SIZE = _from_environment(1, "PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
LOCAL_RANK = _from_environment(0, "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
LOCAL_SIZE = _from_environment(1, "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE")
IN_PLACE = None  # send buffer of mpi4py: the receive buffer contains the input
CUDA_AWARE_MPI = ("OMPI_MCA_opal_cuda_support", "MPICH_GPU_SUPPORT_ENABLED", "MPIR_CVAR_ENABLE_GPU", "MV2_USE_CUDA")


def available_cores() -> int:
    """Return the number of cores for each process: those available on this machine, divided by its processes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // LOCAL_SIZE)


@cache
def communicator() -> Any:
    """Return the communicator of all processes, of mpi4py.

    The first call discards the standard output of all processes but process 0, and makes an uncaught exception end all
    processes.

    Raises
    ------
    MissingPackageError
        mpi4py is not installed. All processes but process 0 end without a message.
    ConfigError
        mpiexec and mpi4py belong to different MPI libraries, so each process would train alone.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        if RANK:
            os._exit(1)
        raise MissingPackageError('several processes need mpi4py: pip install "quatnet-numpy[mpi]"') from error
    if MPI.COMM_WORLD.Get_size() != SIZE:
        raise ConfigError(f"mpiexec started {SIZE} processes, but mpi4py uses another MPI library and has one process")
    _select_gpu()
    sys.stdout = open(os.devnull, "w") if RANK else sys.stdout  # noqa: SIM115
    sys.excepthook = lambda *error: exit_all("".join(traceback.format_exception(*error)).strip())
    return MPI.COMM_WORLD


def _select_gpu() -> None:
    """Select the GPU by the rank on this machine, as the current device of this thread."""
    if on_gpu():
        tf32 = uses_tf32()
        xp.cuda.Device(LOCAL_RANK % xp.cuda.runtime.getDeviceCount()).use()
        if tf32:  # each GPU has its own setting
            use_tf32(True)


if SIZE > 1:  # before the first array, since all arrays of a process must be on one GPU
    with suppress(QuatnetError):  # without a usable backend, the first use of an array raises the error
        _select_gpu()


def exit_all(message: str) -> NoReturn:
    """Print `message` to stderr and end all processes with code 1.

    The other processes wait before they print, so that an error of all processes is printed by process 0 alone.
    """
    if SIZE == 1:
        sys.exit(message)
    time.sleep(1.0 if RANK else 0.0)
    sys.stdout.flush()
    print(message, file=sys.stderr, flush=True)
    os._exit(1)  # without MPI_Finalize, which would wait; mpiexec ends the other processes


def own_share(count: int) -> slice:
    """Return the slice of `count` items that belongs to this process; the shares differ by at most one item."""
    return slice(count * RANK // SIZE, count * (RANK + 1) // SIZE)


def all_gather(items: list[Any]) -> list[Any]:
    """Return the concatenated lists of all processes, by rank."""
    return list(chain(*communicator().allgather(items))) if SIZE > 1 else items


def barrier() -> None:
    """Wait for all processes, without load on the core."""
    request = communicator().Ibarrier() if SIZE > 1 else None
    while request and not request.Test():
        time.sleep(0.005)


@contextmanager
def root_first() -> Iterator[None]:
    """Run the body in process 0, then in the other processes, which find the files that process 0 has written."""
    if RANK:
        barrier()
    yield
    if not RANK:
        barrier()


def all_reduce(array: Array) -> Array:
    """Return the sum of a contiguous array over all processes, bit-identical in all of them.

    The function `reduce_through_pinned_memory` has run on a GPU. The other two functions for GPU arrays have been
    tested with the mock CuPy only.
    """
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
