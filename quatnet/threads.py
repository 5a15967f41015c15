"""Parallel loops over chunks of arrays: one worker thread per core, with single-threaded BLAS in each worker.

NumPy releases the global interpreter lock while it computes, so threads are sufficient. The chunks depend on the size
of the arrays only, and results are returned in order, so a sum over chunks is bit-identical for any number of threads.
A parallel loop inside a worker runs serially.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import TypeVar

import numpy
from threadpoolctl import ThreadpoolController

from .backend import Array, on_gpu, xp
from .errors import ConfigError

# After a large block was freed once, glibc keeps freed memory for the next array, which avoids new page faults
# (docs/decisions/0007). No page of this block is touched, so it needs no memory.
numpy.empty(31 << 20, numpy.uint8)

Item = TypeVar("Item")
Result = TypeVar("Result")
CACHE_BYTES = 4 << 20  # fits the cache, and is large compared with the overhead of a task (measured)


def thread_count() -> int:
    """Return `QUATNET_NUM_THREADS`, by default the number of cores available to this process.

    Raises
    ------
    ConfigError
        The variable is not an integer of at least 1.
    """
    text = os.environ.get("QUATNET_NUM_THREADS", "").strip() or str(_available_cores())
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"QUATNET_NUM_THREADS={text!r}: expected an integer of at least 1")
    return int(text)


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="quatnet", initializer=_mark_worker)


_thread_state = threading.local()


def _mark_worker() -> None:
    _thread_state.is_worker = True


@cache
def _blas_controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit BLAS to one thread, because its rounding depends on the number of threads.

    Entering the context takes some microseconds, but almost no time inside another such context. A training step or a
    network therefore enters it once.
    """
    if getattr(_thread_state, "blas_is_limited", False):
        yield
        return
    with _blas_controller().limit(limits=1):
        _thread_state.blas_is_limited = True
        try:
            yield
        finally:
            _thread_state.blas_is_limited = False


def chunk_slices(length: int, bytes_each: int) -> list[slice]:
    """Split range(length) into slices of about `CACHE_BYTES`, or return a single slice on a GPU."""
    step = max(1, length if on_gpu() else CACHE_BYTES // max(1, bytes_each))
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def parallel_map(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield work(item) for each item, in order, computed on all cores with the NumPy error state of the caller."""
    if getattr(_thread_state, "is_worker", False) or on_gpu():
        # A worker that waits for other workers could deadlock. A GPU needs no workers.
        yield from map(work, items)
        return
    with single_threaded_blas():
        if len(items) < 2 or thread_count() == 1:
            yield from map(work, items)
        else:
            contexts = [copy_context() for _ in items]  # a context holds np.errstate, and cannot be shared by threads
            yield from _pool().map(lambda context, item: context.run(work, item), contexts, items)


def parallel_for(work: Callable[[Item], object], items: Sequence[Item]) -> None:
    """Call work(item) for each item on all cores. `work` writes its result into an array."""
    for _ in parallel_map(work, items):
        pass


def parallel_ufunc(ufunc: Callable[..., Array], a: Array, b: Array) -> Array:
    """Return ufunc(a, b), computed on all cores, for arrays of equal dtype and shape with at least one axis."""
    result = xp.empty(a.shape, dtype=a.dtype)

    def work(chunk: slice) -> None:
        ufunc(a[chunk], b[chunk], out=result[chunk])

    parallel_for(work, chunk_slices(len(a), 3 * a[:1].nbytes))
    return result


def matmul(a: Array, b: Array) -> Array:
    """Return a @ b for matrices (M, K) and (K, N), computed in column chunks on all cores.

    The threads of BLAS are not used, because they keep spinning after their work and block the cores for our threads.
    """
    result = xp.empty((len(a), b.shape[1]), dtype=xp.result_type(a, b))
    parallel_for(
        lambda chunk: xp.matmul(a, b[:, chunk], out=result[:, chunk]),
        chunk_slices(b.shape[1], b[:, :1].nbytes + result[:, :1].nbytes),
    )
    return result
