"""Parallel loop over recordings."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from ..threads import single_threaded_blas, thread_count

Item = TypeVar("Item")
Result = TypeVar("Result")
READ_AHEAD = 64  # largest number of results in memory


def map_on_cpu(work: Callable[[Item], Result], items: Sequence[Item] | np.ndarray) -> Generator[Result, None, None]:
    """Yield work(item) for each item in order, computed by `thread_count()` threads with any backend."""
    with single_threaded_blas(), ThreadPoolExecutor(thread_count()) as pool:
        for first in range(0, len(items), READ_AHEAD):
            yield from pool.map(work, items[first : first + READ_AHEAD])
