"""Measurements of whole networks: inference, training steps, and the memory of a training step."""

from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from speed_measure import Run, Settings, log, peak_memory, run_in_subprocess, time_alternately

from quatnet import Tensor, models, ops
from quatnet.models import CNN, CNNConfig
from quatnet.optim import Adam
from quatnet.profile import layer_costs

LEARNING_RATE = 1e-3
VARIANTS = ("peers", "expanded", "real")
MEMORY_STEPS = 2  # the peak is in the second step, which needs the optimizer state and the graph at the same time


class Job(NamedTuple):
    """A measurement of a quaternion network and its `variants` in PyTorch.

    `work` is "inference" or "step". A step is a training step.
    """

    network: str
    config: CNNConfig
    frames: int
    work: str
    batch: int
    variants: tuple[str, ...] = VARIANTS
    compiled: bool = False

    def model(self, seed: int, *, quaternion: bool = True) -> CNN:
        return CNN(replace(self.config, quaternion=quaternion), rng=np.random.default_rng(seed))

    def clips(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a batch of normally distributed inputs and one-hot float32 targets."""
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((self.batch, self.frames, self.config.mels, 4), dtype=np.float32)
        return x, np.eye(self.config.classes, dtype=np.float32)[rng.integers(self.config.classes, size=self.batch)]

    @property
    def products_8(self) -> int:
        """Return the number of real multiplications, with eight per quaternion product.

        A training step consists of the forward pass, the weight gradients, and the input gradients of all layers except
        the first layer.
        """
        first, *others = (cost.multiplications_8 for cost in layer_costs(self.config, self.frames))
        return self.batch * (first + sum(others) if self.work == "inference" else 2 * first + 3 * sum(others))


def measure_job(job: Job, settings: Settings) -> dict[str, Any]:
    """Return the seconds per batch of quatnet and of each PyTorch variant, and the faster layout of each variant."""
    sides: dict[str, Callable[[], Any]] = {"quatnet": _quatnet_run(job, settings)}
    layouts: dict[str, str] = {}
    for variant, side in _torch_sides(job, settings):
        sides[variant], layouts[variant] = side
    metadata = {"network": job.network, "work": job.work, "batch": job.batch, "frames": job.frames}
    differences = _logit_differences(sides) if job.work == "inference" else {}
    times = time_alternately(sides, settings.rounds, settings.turn_seconds)
    return {**metadata, "products_8": job.products_8, "sides": times, "layouts": layouts, "differences": differences}


def _logit_differences(sides: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the maximum difference between the logits of PyTorch and quatnet, relative to the largest logit.

    Only variants that compute the same network are compared.
    """
    same = [variant for variant in sides if variant not in ("quatnet", "real", "real, compiled")]
    expected = sides["quatnet"]().data
    return {v: float(np.abs(np.asarray(sides[v]()) - expected).max() / np.abs(expected).max()) for v in same}


def _quatnet_run(job: Job, settings: Settings) -> Run:
    model, (x, targets) = job.model(settings.seed), job.clips(settings.seed)
    if job.work == "inference":
        return partial(models.compile(model), x)
    rng = np.random.default_rng(settings.seed)
    return partial(_training_step, model, Adam(model.parameters()), x, targets, rng)


def _training_step(model: CNN, adam: Adam, x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> None:
    loss: Tensor = ops.cross_entropy(model(x, train=True, rng=rng), targets)
    loss.backward()
    adam.step(lr=LEARNING_RATE)
    adam.zero_grad()


def _torch_sides(job: Job, settings: Settings) -> Iterator[tuple[str, Any]]:
    if not (torch_runs := settings.torch_runs()):
        return
    for variant in (*job.variants, *(["speechbrain"] if torch_runs.has_speechbrain() else [])):
        log(f"  PyTorch, {variant}: selecting the faster layout")
        yield variant, torch_runs.fastest_layout(_torch_run(job, variant, settings))
    if job.compiled:
        log("  PyTorch, real, torch.compile: this may take some minutes")
        model, (x, _) = job.model(settings.seed, quaternion=False), job.clips(settings.seed)
        side = torch_runs.compiled_inference(model, x, settings.compile_seconds)
        if side:
            yield "real, compiled", side


def _torch_run(job: Job, variant: str, settings: Settings) -> Callable[[str], Run]:
    """Return a function that takes a layout and returns the PyTorch run of a job."""
    model, (x, targets) = job.model(settings.seed, quaternion=variant != "real"), job.clips(settings.seed)
    if job.work == "inference":
        return settings.torch_runs().inference(model, x, variant)
    return settings.torch_runs().training_step(model, x, targets, variant)


def measure_memory(job: Job, layouts: dict[str, str], settings: Settings) -> dict[str, dict[str, int] | None]:
    """Return the memory of each implementation, measured in its own process.

    The two numbers are the resident bytes before the training steps and at the peak of the steps.
    """
    memory: dict[str, dict[str, int] | None] = {}
    for variant, layout in {"quatnet": "", **layouts}.items():
        log(f"  {variant}")
        try:
            memory[variant] = run_in_subprocess(_peak_of_steps, job, variant, layout, settings)
        except BrokenProcessPool as error:  # for example, the process was killed because the memory was full
            log(f"  not measured: {error}")
            memory[variant] = None
    return memory


def _peak_of_steps(job: Job, variant: str, layout: str, settings: Settings) -> dict[str, int] | None:
    settings = settings._replace(torch=variant != "quatnet")
    settings.apply()
    run = _torch_run(job, variant, settings)(layout) if settings.torch else _quatnet_run(job, settings)
    return peak_memory(lambda: [run() for _ in range(MEMORY_STEPS)])


def measure_in_subprocess(job: Job, settings: Settings) -> dict[str, Any]:
    """Return `measure_job(job, settings)`, run in a new process so that the number of threads can differ."""
    return run_in_subprocess(_apply_and_measure, job, settings)


def _apply_and_measure(job: Job, settings: Settings) -> dict[str, Any]:
    settings.apply()
    return measure_job(job, settings)
