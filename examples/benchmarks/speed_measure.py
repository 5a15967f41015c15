"""Measurement of alternating run times, matrix-product speed, and peak memory."""

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
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # on Linux only


class Settings(NamedTuple):
    """The settings of all measurements.

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
        Minimum duration of one turn, and duration of the pause before each turn. The pause ends the busy-wait of the
        worker threads of the previously timed library.
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
        """Return the module `torch_runs`, or None if PyTorch is not measured. torch is imported here only."""
        return import_module("torch_runs") if self.torch else None

    def apply(self) -> None:
        """Set the number of threads of all libraries. Call this method before the first computation."""
        set_threads(self.threads)
        if torch_runs := self.torch_runs():
            torch_runs.set_threads(self.threads)


def log(text: str) -> None:
    """Print `text` and flush the output, so that the progress is displayed at once."""
    print(text, flush=True)


def set_threads(count: int) -> None:
    """Set the number of threads of NumPy and quatnet. Call this function before the first computation of quatnet.

    In its first computation quatnet lists the loaded BLAS libraries and limits their threads. If torch is imported
    after this call, the list does not include the BLAS library of PyTorch.
    """
    os.environ["QUATNET_NUM_THREADS"] = str(count)
    threadpool_limits(limits=count)
    list(parallel_map(abs, [0, 1]))


def time_alternately(sides: dict[str, Run], rounds: int, turn_seconds: float) -> dict[str, dict[str, Any]]:
    """Return the seconds per call of each implementation, timed in turn.

    Every round times all implementations once. Every second round reverses the order.

    Returns
    -------
    dict
        For each implementation: "median", "min", and "runs", the seconds per call in each round.
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
    """Call `run` once as warm-up, and return the number of calls that take at least `turn_seconds`."""
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
    """Return the resident bytes before `work` and the peak during `work`. Return None if the system is not Linux.

    `ru_maxrss` is not used, because a new process inherits the `ru_maxrss` of its parent.
    """
    if not CLEAR_REFS.exists():
        return None
    CLEAR_REFS.write_text("5")  # reset the recorded peak
    before = _status_bytes("VmRSS")
    work()
    return {"before": before, "peak": _status_bytes("VmHWM")}


def _status_bytes(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])


def run_in_subprocess(work: Callable, *arguments: Any) -> Any:
    """Return the result of `work(*arguments)` in a new process. The process inherits the environment variables."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()
