"""Whole networks: inference, training steps, the memory of a step, and how time grows with the work."""

from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from speed_measure import How, Run, alternate, in_a_child, peak_memory, say

from quatnet import Tensor, models, ops
from quatnet.models import CNN, CNNConfig
from quatnet.optim import Adam
from quatnet.profile import layer_costs

RATE = 1e-3
WAYS = ("peers", "expanded", "real")
STEPS_OF_MEMORY = 2  # the second has the memory of the optimizer beside that of the graph


class Job(NamedTuple):
    """One measurement of a quaternion network, `inference` or `step`, against PyTorch in some `ways`."""

    network: str
    config: CNNConfig
    frames: int
    work: str
    batch: int
    ways: tuple[str, ...] = WAYS
    compiled: bool = False

    def model(self, seed: int, *, quaternion: bool = True) -> CNN:
        return CNN(replace(self.config, quaternion=quaternion), rng=np.random.default_rng(seed))

    def clips(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a batch of normal numbers, and labels as float32 targets."""
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((self.batch, self.frames, self.config.mels, 4), dtype=np.float32)
        return x, np.eye(self.config.classes, dtype=np.float32)[rng.integers(self.config.classes, size=self.batch)]

    @property
    def products_8(self) -> int:
        """Multiplications with eight per quaternion product: forward, and two gradients but for the input's."""
        first, *others = (cost.multiplications_8 for cost in layer_costs(self.config, self.frames))
        return self.batch * (first + sum(others) if self.work == "inference" else 2 * first + 3 * sum(others))


def measured(job: Job, how: How) -> dict[str, Any]:
    """Return a row: seconds of a batch for quatnet and for each way of PyTorch, and the layouts that were faster."""
    sides: dict[str, Callable[[], Any]] = {"quatnet": _our_run(job, how)}
    layouts: dict[str, str] = {}
    for way, side in _torch_sides(job, how):
        sides[way], layouts[way] = side
    facts = {"network": job.network, "work": job.work, "batch": job.batch, "frames": job.frames}
    differences = _differences(sides) if job.work == "inference" else {}
    times = alternate(sides, how.rounds, how.turn_seconds)
    return {**facts, "products_8": job.products_8, "sides": times, "layouts": layouts, "differences": differences}


def _differences(sides: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return how far PyTorch's logits are from quatnet's, over the largest one, where it computes the same network."""
    same = [way for way in sides if way not in ("quatnet", "real", "real, compiled")]
    ours = sides["quatnet"]().data
    return {way: float(np.abs(np.asarray(sides[way]()) - ours).max() / np.abs(ours).max()) for way in same}


def _our_run(job: Job, how: How) -> Run:
    model, (x, targets) = job.model(how.seed), job.clips(how.seed)
    if job.work == "inference":
        return partial(models.compile(model), x)
    return partial(_step, model, Adam(model.parameters()), x, targets, np.random.default_rng(how.seed))


def _step(model: CNN, adam: Adam, x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> None:
    loss: Tensor = ops.cross_entropy(model(x, train=True, rng=rng), targets)
    loss.backward()
    adam.step(lr=RATE)
    adam.zero_grad()


def _torch_sides(job: Job, how: How) -> Iterator[tuple[str, Any]]:
    if not (twins := how.twins()):
        return
    for way in (*job.ways, *(["speechbrain"] if twins.has_speechbrain() else [])):
        say(f"  PyTorch, {way}: which layout is faster?")
        yield way, twins.faster(_torch_run(job, way, how))
    if job.compiled:
        say("  PyTorch, real, torch.compile: this takes a while")
        side = twins.compiled(job.model(how.seed, quaternion=False), job.clips(how.seed)[0], how.compile_seconds)
        if side:
            yield "real, compiled", side


def _torch_run(job: Job, way: str, how: How) -> Callable[[str], Run]:
    """Return what makes, for a layout, the run of a job."""
    model, (x, targets) = job.model(how.seed, quaternion=way != "real"), job.clips(how.seed)
    if job.work == "inference":
        return how.twins().inference(model, x, way)
    return how.twins().step(model, x, targets, way)


def memory(job: Job, layouts: dict[str, str], how: How) -> dict[str, dict[str, int] | None]:
    """Return for each side the bytes before a training step and at its peak, each measured in a process of its own."""
    found: dict[str, dict[str, int] | None] = {}
    for way, layout in {"quatnet": "", **layouts}.items():
        say(f"  {way}")
        try:
            found[way] = in_a_child(_memory_of, job, way, layout, how)
        except BrokenProcessPool as error:  # killed, where the memory does not suffice
            say(f"  left out: {error}")
            found[way] = None
    return found


def _memory_of(job: Job, way: str, layout: str, how: How) -> dict[str, int] | None:
    how = how._replace(torch=way != "quatnet")
    how.start()
    run = _torch_run(job, way, how)(layout) if how.torch else _our_run(job, how)
    return peak_memory(lambda: [run() for _ in range(STEPS_OF_MEMORY)])


def in_own_process(job: Job, how: How) -> dict[str, Any]:
    """Return `measured(job, how)` from a fresh process, which may use another number of threads."""
    return in_a_child(_started, job, how)


def _started(job: Job, how: How) -> dict[str, Any]:
    how.start()
    return measured(job, how)
