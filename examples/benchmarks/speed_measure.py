"""Timing in alternating order, matrix-product speed, peak memory, and functions run in a subprocess."""

import math
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from quatnet.threads import parallel_map

Run = Callable[[], object]
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # Linux


class Settings(NamedTuple):
    """Settings of all measurements.

    Parameters
    ----------
    threads : int
        Number of threads of NumPy, quatnet and PyTorch.
    rounds : int
        Number of timed rounds. The median over the rounds is reported.
    seed : int
        Seed of the weights and the inputs.
    torch : bool
        Whether PyTorch is measured too.
    turn_seconds : float
        Minimum duration of one turn, and duration of the pause before it. During the pause, idle worker threads of
        the previously timed side stop spinning.
    compile_seconds : float
        Time limit for `torch.compile`.
    """

    threads: int
    rounds: int
    seed: int
    torch: bool
    turn_seconds: float = 0.05
    compile_seconds: float = 180.0

    def torch_runs(self) -> ModuleType | None:
        """Return the module `torch_runs`, or None if PyTorch is not measured. Only this call imports torch."""
        return import_module("torch_runs") if self.torch else None

    def apply(self) -> None:
        """Set the number of threads of all libraries. Must be called before the first computation."""
        set_threads(self.threads)
        if torch_runs := self.torch_runs():
            torch_runs.set_threads(self.threads)


def log(text: str) -> None:
    """Print `text` and flush, so that progress is visible at once."""
    print(text, flush=True)


def set_threads(count: int) -> None:
    """Let NumPy and quatnet use `count` threads. Must be called before the first computation of quatnet.

    At its first computation quatnet looks up the BLAS libraries that it limits to one thread. Calling this function
    before torch is imported keeps PyTorch's libraries out of that list.
    """
    os.environ["QUATNET_NUM_THREADS"] = str(count)
    threadpool_limits(limits=count)
    list(parallel_map(abs, [0, 1]))


def time_alternately(sides: dict[str, Run], rounds: int, turn_seconds: float) -> dict[str, dict[str, Any]]:
    """Return the seconds per call of each side, timed in turn.

    Every round times all sides once. Every second round times them in reverse order.

    Returns
    -------
    dict
        For each side: "median", "min", and "runs", the seconds per call in each round.
    """
    repeats = {name: _calls_per_turn(run, turn_seconds) for name, run in sides.items()}
    runs: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            time.sleep(turn_seconds)
            runs[name].append(seconds_per_call(sides[name], repeats[name]))
    return {
        name: {"median": statistics.median(times), "min": min(times), "runs": times} for name, times in runs.items()
    }


def _calls_per_turn(run: Run, turn_seconds: float) -> int:
    """Call `run` once as warm-up and return the number of calls that fill a turn."""
    if seconds_per_call(run) > turn_seconds:
        return 1
    return max(1, math.ceil(turn_seconds / seconds_per_call(run)))


def seconds_per_call(run: Run, repeats: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def matmul_gflops(sizes: tuple[int, ...], rounds: int = 5) -> float:
    """Return the highest speed of a float32 product of square matrices of the given sizes, in GFLOP/s.

    A product of n x n matrices counts as 2 n³ operations.
    """
    rng, best = np.random.default_rng(0), 0.0
    for n in sizes:
        a, b = (rng.standard_normal((n, n), dtype=np.float32) for _ in range(2))
        times = time_alternately({"product": partial(np.matmul, a, b, np.empty_like(a))}, rounds, 0.0)["product"]
        best = max(best, 2e-9 * n**3 / times["min"])
    return best


def peak_memory(work: Run) -> dict[str, int] | None:
    """Return the resident bytes before `work` and the peak during it, or None if the system is not Linux.

    `ru_maxrss` is not usable here: a new process inherits the peak of its parent.
    """
    if not CLEAR_REFS.exists():
        return None
    CLEAR_REFS.write_text("5")  # resets the recorded peak
    before = _status_bytes("VmRSS")
    work()
    return {"before": before, "peak": _status_bytes("VmHWM")}


def _status_bytes(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])


def run_in_subprocess(work: Callable, *arguments: Any) -> Any:
    """Return `work(*arguments)`, computed in a new process that inherits the environment."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()
