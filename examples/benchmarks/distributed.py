"""Measure the time of a training step with several processes.

    python examples/benchmarks/distributed.py --model qsmall_cnn --batch-size 16
    mpiexec -n 2 python examples/benchmarks/distributed.py --model qsmall_cnn --batch-size 16

Prints one line of JSON: milliseconds per step (minimum and median), the bytes that a process passes to MPI, and for
several processes the milliseconds of an all-reduce of the gradients (`all_reduce_ms`). `wait_after_work_ms` is the time
that remains of a non-blocking all-reduce after 300 ms of computation: about 0 if MPI exchanges data during computation.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator

import numpy as np

from quatnet import models, threads, training
from quatnet.cli import positive_int, run_main
from quatnet.nn import BatchNorm
from quatnet.processes import SIZE, communicator

CLASSES = 50


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="qsmall_cnn", help="name of a network (default qsmall_cnn)")
    parser.add_argument("--batch-size", type=positive_int, default=16, help="clips of all processes (default 16)")
    parser.add_argument("--frames", type=positive_int, default=126, help="frames of a clip (default 126: 5 s)")
    parser.add_argument("--steps", type=positive_int, default=20, help="timed steps, after two others (default 20)")
    return parser.parse_args()


def step_bytes(model: models.Network) -> dict[str, int]:
    """Return the bytes that a process passes to MPI in a step, for the gradients and for the batch norms.

    A batch norm of C channels sends 3 C float64 forward and 3 C float32 backward.
    """
    norms = [module for module in model.modules() if isinstance(module, BatchNorm)]
    channels = sum(len(norm.running_mean) for norm in norms)
    gradients = 4 * sum(parameter.size for parameter in model.parameters())
    return {"gradient_bytes": gradients, "batch_norm_bytes": 36 * channels, "batch_norms": len(norms)}


def step_seconds(model: models.Network, batch_size: int, frames: int, steps: int) -> list[float]:
    """Return the durations of `steps` training steps, which are preceded by two steps that are not timed."""
    rng, times = np.random.default_rng(0), []
    x = rng.standard_normal((batch_size, frames, 64, 4)).astype(np.float32)
    targets = np.eye(CLASSES, dtype=np.float32)[rng.integers(CLASSES, size=batch_size)]

    def batches(_rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in range(steps + 2):
            times.append(time.perf_counter())
            yield x, targets
        times.append(time.perf_counter())

    training.fit(model, batches, epochs=1, steps_per_epoch=steps + 2)
    return np.diff(times)[2:].tolist()


def exchange_ms(count: int, repeats: int = 5) -> dict[str, float]:
    """Return the times of blocking and of non-blocking all-reduces of `count` float32 numbers, each the minimum."""
    flat, blocking, remaining = np.ones(count, np.float32), [], []
    for _ in range(repeats):
        communicator().Barrier()
        start = time.perf_counter()
        communicator().Allreduce(None, flat)  # None: `flat` contains the input
        blocking.append(1000 * (time.perf_counter() - start))
        communicator().Barrier()
        request, end = communicator().Iallreduce(None, flat), time.process_time() + 0.3
        while time.process_time() < end:
            np.sqrt(flat[: 1 << 16])
        start = time.perf_counter()
        request.Wait()
        remaining.append(1000 * (time.perf_counter() - start))
    return {"all_reduce_ms": min(blocking), "wait_after_work_ms": min(remaining)}


def main() -> None:
    args = options()
    model = models.build(models.from_name(args.model, CLASSES), rng=np.random.default_rng(0))
    seconds = step_seconds(model, args.batch_size, args.frames, args.steps)
    times = {"min_ms": 1000 * min(seconds), "median_ms": 1000 * statistics.median(seconds)}
    setup = {"processes": SIZE, "threads": threads.thread_count(), **vars(args)}
    sizes = step_bytes(model)
    exchange = exchange_ms(sizes["gradient_bytes"] // 4) if SIZE > 1 else {}
    print(json.dumps(setup | times | sizes | exchange))


if __name__ == "__main__":
    run_main(main)
