"""How the benchmark measures: sides in turn, the machine's product speed, memory, and work in a child process."""

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

from quatnet.threads import map_on_cores

Run = Callable[[], object]
STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # Linux


class How(NamedTuple):
    """What all measurements share. `torch` says whether PyTorch is measured too.

    A turn lasts `turn_seconds` at the least, and so does the pause before it, in which threads of the side before
    stop looking for work.
    """

    threads: int
    rounds: int
    seed: int
    torch: bool
    turn_seconds: float = 0.05
    compile_seconds: float = 180.0

    def twins(self) -> ModuleType | None:
        """Return the PyTorch side, which alone imports torch."""
        return import_module("torch_runs") if self.torch else None

    def start(self) -> None:
        """Let all sides use as many threads; to be called before anything is computed."""
        set_threads(self.threads)
        if twins := self.twins():
            twins.set_threads(self.threads)


def say(text: str) -> None:
    """Print at once: a user who waits sees where it stands."""
    print(text, flush=True)


def set_threads(count: int) -> None:
    """Let NumPy and quatnet use `count` threads, before quatnet computes for the first time in this process.

    quatnet looks for libraries to hold at one thread when it first computes; it need not see those of PyTorch.
    """
    os.environ["QUATNET_NUM_THREADS"] = str(count)
    threadpool_limits(limits=count)
    list(map_on_cores(abs, [0, 1]))


def alternate(sides: dict[str, Run], rounds: int, turn_seconds: float) -> dict[str, dict[str, Any]]:
    """Return the seconds of a call of each side: all take their turn in each of `rounds`, every other one backwards."""
    repeats = {name: _repeats(run, turn_seconds) for name, run in sides.items()}
    runs: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            time.sleep(turn_seconds)
            runs[name].append(seconds(sides[name], repeats[name]))
    return {
        name: {"median": statistics.median(times), "min": min(times), "runs": times} for name, times in runs.items()
    }


def _repeats(run: Run, turn_seconds: float) -> int:
    """Warm up once, which is not counted, and return how many calls fill a turn."""
    if seconds(run) > turn_seconds:
        return 1
    return max(1, math.ceil(turn_seconds / seconds(run)))


def seconds(run: Run, repeats: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def product_gflops(sides: tuple[int, ...], rounds: int = 5) -> float:
    """Return the best speed of a float32 product of square matrices, 2 n³ operations, in 10⁹ a second."""
    rng, best = np.random.default_rng(0), 0.0
    for n in sides:
        a, b = (rng.standard_normal((n, n), dtype=np.float32) for _ in range(2))
        times = alternate({"product": partial(np.matmul, a, b, np.empty_like(a))}, rounds, 0.0)["product"]
        best = max(best, 2e-9 * n**3 / times["min"])
    return best


def peak_memory(work: Run) -> dict[str, int] | None:
    """Return in bytes what is resident before `work` and the peak during it; None where the system is not Linux.

    `ru_maxrss` does not serve: a new process starts with the peak of the process that started it.
    """
    if not FORGET.exists():
        return None
    FORGET.write_text("5")  # the peak so far
    before = _resident("VmRSS")
    work()
    return {"before": before, "peak": _resident("VmHWM")}


def _resident(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])


def in_a_child(work: Callable, *arguments: Any) -> Any:
    """Return work(*arguments) from a fresh process; it inherits the environment."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()
