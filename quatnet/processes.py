"""The processes of a job that `mpiexec` started, and what they exchange by MPI (mpi4py).

Without mpiexec there is one process: `SIZE` is 1, mpi4py is not imported, and the functions return their argument or do
nothing. With several processes, all functions except `exit_all` must be called by all of them, in the same order.
"""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from typing import Any, NoReturn

from .backend import on_gpu, use_tf32, uses_tf32, xp
from .errors import ConfigError, MissingPackageError, QuatnetError


def _from_environment(default: int, *names: str) -> int:
    return int(next((os.environ[name] for name in names if name in os.environ), default))


# variables of MPICH, Intel MPI and `srun --mpi=pmi2`, then of Open MPI
RANK = _from_environment(0, "PMI_RANK", "OMPI_COMM_WORLD_RANK")
SIZE = _from_environment(1, "PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
LOCAL_RANK = _from_environment(0, "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
LOCAL_SIZE = _from_environment(1, "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE")


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
