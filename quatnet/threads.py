"""Parallel loops over chunks of arrays, with one worker thread per core and single-threaded BLAS in each worker.

NumPy releases the global interpreter lock during a computation, so threads are sufficient. The chunks depend only on
the sizes of the arrays. Results are returned in order. A sum over chunks is therefore bit-identical for any number of
threads. A parallel loop inside a worker runs serially.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from itertools import repeat
from typing import TypeVar

import numpy
from threadpoolctl import ThreadpoolController

from .backend import Array, on_gpu, xp
from .errors import ConfigError
from .processes import available_cores

# glibc raises its mmap threshold when a large allocation is freed. Later arrays then reuse freed memory without page
# faults (docs/decisions/0007). This array needs no physical memory, because none of its pages is accessed.
numpy.empty(31 << 20, numpy.uint8)

Item = TypeVar("Item")
Result = TypeVar("Result")
CACHE_BYTES = 4 << 20  # bytes per chunk: a chunk fits the cache, and its work exceeds the task overhead (measured)


def thread_count() -> int:
    """Return the number of threads, given by `QUATNET_NUM_THREADS`.

    The default is the number of cores of this machine, divided by its processes if `mpiexec` started several.

    Raises
    ------
    ConfigError
        `QUATNET_NUM_THREADS` is not an integer from 1 to 9999.
    """
    text = os.environ.get("QUATNET_NUM_THREADS", "").strip() or str(available_cores())
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) < 10_000):
        raise ConfigError(f"QUATNET_NUM_THREADS={text!r}: expected an integer of at least 1 and at most 9999")
    return int(text)


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="quatnet", initializer=_mark_worker)


_register_at_fork = getattr(os, "register_at_fork", lambda **_: None)  # Windows has no fork
_thread_state = threading.local()


def _mark_worker() -> None:
    _thread_state.is_worker = True


@cache
def _blas_controller() -> ThreadpoolController:
    return ThreadpoolController()


def fork_safe_lock() -> threading.RLock:
    """Return a lock that is free in a forked process, even if another thread held the lock during the fork.

    The lock is reentrant, because the garbage collector may end a generator while its thread holds the lock.
    """
    lock = threading.RLock()
    _register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


_blas_lock = fork_safe_lock()
_blas_limits: dict[object, int] = {}  # thread of each `with` statement of single_threaded_blas
_blas_threads: list[int] = []  # number of threads of each BLAS library without the limit


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit BLAS to one thread within a `with` statement, because its rounding depends on the number of threads.

    The limit applies to the process, and ends with the last `with` statement of all threads. The outer `with` statement
    takes several microseconds. A training step or a network therefore contains one outer `with` statement.
    """
    statement = object()
    with _blas_lock:
        _blas_limits[statement] = threading.get_ident()
        if not _blas_threads:
            _blas_threads.extend(_set_blas_threads(repeat(1)))
    try:
        yield
    finally:
        _end_blas_limits([statement])


def _end_blas_limits(statements: Sequence[object]) -> None:
    with _blas_lock:
        for statement in statements:
            _blas_limits.pop(statement, None)
        if not _blas_limits:
            _set_blas_threads(_blas_threads)
            _blas_threads.clear()


def _set_blas_threads(numbers: Iterable[int]) -> list[int]:
    """Set the number of threads of each BLAS library, and return the previous numbers."""
    previous = []
    for library, number in zip(_blas_controller().lib_controllers, numbers, strict=False):
        previous.append(library.num_threads)
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)  # threadpoolctl 3.8 ignores calls from another thread than the first
        library.set_num_threads(number)
        release(force=True)
    return previous


def _forget_threads() -> None:
    """Remove the state of all other threads, which do not exist in a forked process."""
    _pool.cache_clear()
    _end_blas_limits([key for key, thread in _blas_limits.items() if thread != threading.get_ident()])


_register_at_fork(after_in_child=_forget_threads)


def chunk_slices(length: int, bytes_per_item: int) -> list[slice]:
    """Return range(length) split into slices of about `CACHE_BYTES` bytes. A GPU uses one slice."""
    step = max(1, length if on_gpu() else CACHE_BYTES // max(1, bytes_per_item))
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def parallel_map(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield work(item) for each item, in order.

    The calls run on all cores, with the NumPy error state of the caller.
    """
    if getattr(_thread_state, "is_worker", False) or on_gpu():
        # A worker that waits for other workers could cause a deadlock. Computation on a GPU needs no workers.
        yield from map(work, items)
        return
    with single_threaded_blas():
        if len(items) < 2 or thread_count() == 1:
            yield from map(work, items)
        else:
            # A context contains np.errstate. Two threads cannot enter the same context.
            contexts = [copy_context() for _ in items]
            yield from _pool(thread_count()).map(lambda context, item: context.run(work, item), contexts, items)


def parallel_for(work: Callable[[Item], object], items: Sequence[Item]) -> None:
    """Call work(item) for each item on all cores. `work` writes its result into an array."""
    for _ in parallel_map(work, items):
        pass


def parallel_ufunc(ufunc: Callable[..., Array], a: Array, b: Array) -> Array:
    """Return ufunc(a, b), computed on all cores. `a` and `b` have equal dtype and shape, and at least one axis."""
    result = xp.empty(a.shape, dtype=a.dtype)

    def work(chunk: slice) -> None:
        ufunc(a[chunk], b[chunk], out=result[chunk])

    parallel_for(work, chunk_slices(len(a), 3 * a[:1].nbytes))
    return result


def matmul(a: Array, b: Array) -> Array:
    """Return a @ b for matrices (rows, inner) and (inner, columns), computed in chunks of columns on all cores.

    BLAS threads are not used, because they busy-wait after a product and reduce the speed of the worker threads.
    """
    result = xp.empty((len(a), b.shape[1]), dtype=xp.result_type(a, b))
    parallel_for(
        lambda chunk: xp.matmul(a, b[:, chunk], out=result[:, chunk]),
        chunk_slices(b.shape[1], b[:, :1].nbytes + result[:, :1].nbytes),
    )
    return result
