"""What the benchmark times in PyTorch: functions without arguments, for a given way, layout and batch."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch
from speed_measure import Run, say, seconds
from torch.nn import functional
from torch_networks import LAYOUTS, block_matrix, network

from quatnet.models import CNN

VERSION, set_threads = torch.__version__, torch.set_num_threads
RATE = 1e-3


class Side(NamedTuple):
    run: Run
    layout: str


@cache
def has_speechbrain() -> bool:
    """Return whether SpeechBrain can be imported; say why not, where it is installed."""
    try:
        return bool(find_spec("speechbrain") and import_module("speechbrain"))
    except Exception as error:  # of any kind: it imports half of the world
        say(f"  left out: SpeechBrain, {type(error).__name__}: {_first_line(error)}")
        return False


def faster(make: Callable[[str], Run]) -> Side:
    """Return the run in the layout whose second call takes less time; the other is forgotten before."""
    times = {layout: _second_call(make(layout)) for layout in LAYOUTS}
    best = min(times, key=times.__getitem__)
    return Side(make(best), best)


def _second_call(run: Run) -> float:
    run()
    return seconds(run)


def inference(model: CNN, x: np.ndarray, way: str) -> Callable[[str], Run]:
    """Return what makes, for a layout, the run of one batch `x` through the twin of `model`."""
    return lambda layout: partial(_answer, network(model, way, layout).eval(), torch.from_numpy(x))


@torch.no_grad()
def _answer(twin: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return twin(x)


def step(model: CNN, x: np.ndarray, targets: np.ndarray, way: str) -> Callable[[str], Run]:
    """Return what makes, for a layout, the run of one training step; Adam is PyTorch's fused, its fastest."""

    def make(layout: str) -> Run:
        twin = network(model, way, layout).train()
        adam = torch.optim.Adam(twin.parameters(), lr=RATE, fused=True)
        return partial(_step, twin, adam, torch.from_numpy(x), torch.from_numpy(targets))

    return make


def _step(twin: torch.nn.Module, adam: torch.optim.Adam, x: torch.Tensor, targets: torch.Tensor) -> None:
    functional.cross_entropy(twin(x), targets).backward()
    adam.step()
    adam.zero_grad(set_to_none=True)


def compiled(model: CNN, x: np.ndarray, limit_seconds: float) -> Side | None:
    """Return inference by torch.compile with frozen weights, which folds the batch norms; None, and why, if it fails.

    It needs a C++ compiler.
    """
    from torch._inductor import config

    config.freezing, config.compile_threads = True, 1  # no workers that go on compiling after an alarm
    torch._dynamo.config.recompile_limit = 64  # networks in one process; beyond it, it would quietly stop compiling
    torch.compiler.reset()  # or a second batch size would be compiled for any size
    run = partial(_answer, torch.compile(network(model, "real", "channels first").eval()), torch.from_numpy(x))
    try:
        with time_limit(limit_seconds):
            run()
    except Exception as error:  # of any kind: a compiler has many ways to fail
        say(f"  left out: torch.compile of the real network, {type(error).__name__}: {_first_line(error)}")
        return None
    return Side(run, "compiled")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")


@contextmanager
def time_limit(limit_seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the block after `limit_seconds`, on systems that have alarms.

    And again every second: a compiler swallows exceptions here and there.
    """

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done after {limit_seconds:g} s")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def layer(x: np.ndarray, w: np.ndarray, g: np.ndarray, channels: int) -> Iterator[tuple[str, str, dict[str, Run]]]:
    """Yield way, layout and the runs of one convolution of `x` (N, H, W, C) with `w` (4, 3, 3, C/4, O/4).

    Runs are "forward", "input gradient" and "weight gradient", for the cotangent `g`. The real convolution of the
    same width reads the first `channels` of x: one in the first layer, where CNN14 has the log-mel alone.
    """
    components = list(torch.from_numpy(w).permute(0, 4, 3, 1, 2))
    block = block_matrix(*components)
    for layout, memory_format in LAYOUTS.items():
        image, cotangent = (torch.from_numpy(a).permute(0, 3, 1, 2) for a in (x, g))
        cotangent = cotangent.contiguous(memory_format=memory_format)
        for way, kernels in (("peers", components), ("expanded", [block]), ("real", [block[:, :channels]])):
            seen = image[:, : channels if way == "real" else None].contiguous(memory_format=memory_format)
            leaves = [kernel.contiguous(memory_format=memory_format).requires_grad_() for kernel in kernels]
            yield way, layout, _directions(seen.requires_grad_(), leaves, cotangent)


def _directions(x: torch.Tensor, kernels: list[torch.Tensor], g: torch.Tensor) -> dict[str, Run]:
    def forward() -> torch.Tensor:
        return functional.conv2d(x, block_matrix(*kernels) if len(kernels) == 4 else kernels[0], padding=1)

    y = forward()
    return {
        "forward": torch.no_grad()(forward),
        "input gradient": partial(torch.autograd.grad, y, x, g, retain_graph=True),
        "weight gradient": partial(torch.autograd.grad, y, kernels, g, retain_graph=True),
    }
