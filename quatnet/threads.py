"""All cores for work that falls into pieces: one worker thread per core, single-threaded BLAS inside.

NumPy lets go of the interpreter lock while it computes, so plain threads are enough. The pieces depend on
the size of the work alone, never on the number of threads, and results come back in order: a sum over the
pieces is bit-identical for any number of threads. Work that is itself cut into pieces computes them where it is.
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

# glibc gives freed memory back to the system, and the next array pays for every page of it anew, until it has once
# seen a large block freed (docs/decisions/0007). This block is never touched, so it costs nothing.
numpy.empty(31 << 20, numpy.uint8)

Item = TypeVar("Item")
Result = TypeVar("Result")
CACHE_BYTES = 4 << 20  # small enough for the caches, large enough for the hand-over between threads (measured)


def thread_count() -> int:
    """Return `QUATNET_NUM_THREADS`, by default the number of cores this process may use.

    Raises
    ------
    ConfigError
        The variable is not a whole number of at least 1.
    """
    text = os.environ.get("QUATNET_NUM_THREADS", "").strip() or str(_cores())
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"QUATNET_NUM_THREADS={text!r}: expected a whole number of at least 1")
    return int(text)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="quatnet", initializer=_mark_worker)


_here = threading.local()


def _mark_worker() -> None:
    _here.is_worker = True


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS at one thread, for a single piece of work too: on several it rounds differently.

    To enter it costs some microseconds, and next to nothing inside another one: a step or a network enters it once.
    """
    if getattr(_here, "holds_blas", False):
        yield
        return
    with _libraries().limit(limits=1):
        _here.holds_blas = True
        try:
            yield
        finally:
            _here.holds_blas = False


def chunk_slices(length: int, bytes_each: int) -> list[slice]:
    """Cut range(length) into slices of about `CACHE_BYTES`; one slice for all on a GPU."""
    step = max(1, length if on_gpu() else CACHE_BYTES // max(1, bytes_each))
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def parallel_map(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield work(item) for each item, in order, computed on all cores, with NumPy's error state as it is here."""
    if getattr(_here, "is_worker", False) or on_gpu():
        # All cores are busy, and a worker that waits for workers may wait forever; a GPU needs no workers at all.
        yield from map(work, items)
        return
    with single_threaded_blas():
        if len(items) < 2 or thread_count() == 1:
            yield from map(work, items)
        else:
            contexts = [copy_context() for _ in items]  # a context holds np.errstate, and serves one thread at a time
            yield from _pool().map(lambda context, item: context.run(work, item), contexts, items)


def parallel_for(work: Callable[[Item], object], items: Sequence[Item]) -> None:
    """Do work(item) for each item on all cores, where the work leaves its result in an array of its own."""
    for _ in parallel_map(work, items):
        pass


def parallel_ufunc(ufunc: Callable[..., Array], a: Array, b: Array) -> Array:
    """Return ufunc(a, b) for two arrays of one shape, with at least one axis, and one dtype, on all cores."""
    result = xp.empty(a.shape, dtype=a.dtype)

    def work(part: slice) -> None:
        ufunc(a[part], b[part], out=result[part])

    parallel_for(work, chunk_slices(len(a), 3 * a[:1].nbytes))
    return result


def matmul(a: Array, b: Array) -> Array:
    """Return a @ b for matrices (M, K) and (K, N), by pieces of columns on all cores.

    Not by the threads of BLAS: those go on spinning for a while after their work, on the cores that ours need next.
    """
    result = xp.empty((len(a), b.shape[1]), dtype=xp.result_type(a, b))
    parallel_for(
        lambda part: xp.matmul(a, b[:, part], out=result[:, part]),
        chunk_slices(b.shape[1], b[:, :1].nbytes + result[:, :1].nbytes),
    )
    return result
