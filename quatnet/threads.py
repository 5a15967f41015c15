"""Parallel loops over chunks of arrays, with one thread per core and single-threaded BLAS in each thread.

NumPy releases the global interpreter lock during a computation, so threads are sufficient. The chunks depend only on
the sizes of the arrays. Results are returned in order. A sum over chunks is therefore bit-identical for any number of
threads. The calling thread also computes items. A parallel loop inside an item runs serially.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import cache
from itertools import repeat
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

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
CACHE_BYTES = 4 << 20  # maximum bytes of a chunk: a chunk fits the cache (measured)
MIN_CHUNK_BYTES = 256 << 10  # minimum bytes of a chunk: its work exceeds the overhead of NumPy calls (measured)
MIN_CHUNKS = 4  # number of chunks of an array of at least 4 `MIN_CHUNK_BYTES`
WorkerQueue = SimpleQueue[tuple[Context, Callable[[], None]]]  # functions that worker threads call


def thread_count() -> int:
    """Return the number of threads, given by `QUATNET_NUM_THREADS`.

    The default is the number of cores of this machine, divided by its processes if `mpiexec` started several.

    Raises
    ------
    ConfigError
        `QUATNET_NUM_THREADS` is not an integer from 1 to 9999.
    """
    return _checked_count(os.environ.get("QUATNET_NUM_THREADS", "").strip() or str(available_cores()))


@cache
def _checked_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) < 10_000):
        raise ConfigError(f"QUATNET_NUM_THREADS={text!r}: expected an integer of at least 1 and at most 9999")
    return int(text)


_thread_state = threading.local()  # `in_loop`: whether the thread computes an item of a parallel loop


@cache
def _blas_controller() -> ThreadpoolController:
    return ThreadpoolController()


def register_at_fork(**functions: Callable[[], object]) -> None:
    """Call functions at each fork, with the arguments of `os.register_at_fork`. Windows has no fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**functions)


def fork_safe_lock() -> threading.RLock:
    """Return a lock that is free in a forked process, even if another thread held the lock during the fork.

    The lock is reentrant, because the garbage collector may end a generator while its thread holds the lock.
    """
    lock = threading.RLock()
    register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


_queue_lock = fork_safe_lock()
_queues: dict[int, WorkerQueue] = {}  # queue by number of worker threads
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
    _queues.clear()
    _end_blas_limits([key for key, thread in _blas_limits.items() if thread != threading.get_ident()])


register_at_fork(after_in_child=_forget_threads)


def chunk_slices(length: int, bytes_per_item: int) -> list[slice]:
    """Return range(length) split into slices of `MIN_CHUNK_BYTES` to `CACHE_BYTES` bytes. A GPU uses one slice.

    The number of slices is at least `MIN_CHUNKS`, unless the slices would be smaller than `MIN_CHUNK_BYTES`.
    """
    num_bytes = min(CACHE_BYTES, max(MIN_CHUNK_BYTES, length * bytes_per_item // MIN_CHUNKS))
    step = max(1, length if on_gpu() else num_bytes // max(1, bytes_per_item))
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def parallel_map(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield work(item) for each item, in order.

    The calls run on all cores, with the NumPy error state of the caller. The error of a call is raised in place of its
    result. When the iterator ends, no call is running, even if it ends by an error or by Ctrl-C.
    """
    if getattr(_thread_state, "in_loop", False) or on_gpu():
        # An item that waits for other threads could cause a deadlock. Computation on a GPU needs no threads.
        yield from map(work, items)
        return
    with single_threaded_blas():
        workers = thread_count() - 1 if len(items) > 1 else 0
        yield from _map_in_threads(work, items, workers) if workers else map(work, items)


class _Outcome(NamedTuple):
    """Result or error of an item of a parallel loop."""

    position: int
    result: Any
    error: BaseException | None = None


def _map_in_threads(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield work(item) for each item, in order, computed by this thread and by up to `workers` other threads."""
    # deque and SimpleQueue are thread-safe
    waiting, running, finished = deque(enumerate(items)), deque[None](), SimpleQueue[_Outcome]()
    outcomes: dict[int, _Outcome] = {}

    def compute_in_worker() -> None:
        while waiting:
            running.append(None)
            outcome = _compute_next(work, waiting, BaseException)
            running.pop()
            if outcome:
                finished.put(outcome)
            del outcome  # the traceback of its error refers to this frame

    try:
        for _ in range(min(workers, len(items) - 1)):
            _worker_queue(workers).put((copy_context(), compute_in_worker))  # two threads cannot enter the same context
        for index in range(len(items)):
            while index not in outcomes:
                # Ctrl-C, which is no Exception, ends the loop at once
                outcome = (_compute_next(work, waiting, Exception) if finished.empty() else None) or finished.get()
                outcomes[outcome.position] = outcome
                del outcome
            yield _result(outcomes.pop(index))
    finally:
        waiting.clear()
        while running:
            time.sleep(0.001)


def _compute_next(
    work: Callable[[Item], object], waiting: deque[tuple[int, Item]], caught: type[BaseException]
) -> _Outcome | None:
    """Return the outcome of the next item, or None if no item is waiting."""
    try:
        index, item = waiting.popleft()
    except IndexError:
        return None
    try:
        _thread_state.in_loop = True
        return _Outcome(index, work(item))
    except caught as error:
        return _Outcome(index, None, error)
    finally:
        _thread_state.in_loop = False


def _result(outcome: _Outcome) -> Any:
    try:
        if outcome.error is not None:
            raise outcome.error
        return outcome.result
    finally:
        del outcome  # the traceback of the error refers to this frame


def _worker_queue(workers: int) -> WorkerQueue:
    """Return the queue of `workers` threads, which are started at the first call."""
    with _queue_lock:
        if workers not in _queues:
            queue = _queues[workers] = SimpleQueue()
            for n in range(workers):
                threading.Thread(target=_call_functions, args=(queue,), name=f"quatnet_{n}", daemon=True).start()
        return _queues[workers]


def _call_functions(queue: WorkerQueue) -> None:
    while True:
        context, function = queue.get()
        context.run(function)
        del context, function  # they refer to the arrays of the loop


def parallel_for(work: Callable[[Item], object], items: Sequence[Item]) -> None:
    """Call work(item) for each item on all cores. `work` writes its result into an array."""
    for _ in parallel_map(work, items):
        pass


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
