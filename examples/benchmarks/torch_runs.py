"""PyTorch runs: functions without arguments that compute one batch with a given variant and layout."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch
from speed_measure import Run, log, seconds_per_call
from torch.nn import functional
from torch_networks import LAYOUTS, block_matrix, from_quatnet

from quatnet.models import CNN

set_threads = torch.set_num_threads
LEARNING_RATE = 1e-3


class Side(NamedTuple):
    """A run and its memory layout."""

    run: Run
    layout: str


@cache
def has_speechbrain() -> bool:
    """Return whether SpeechBrain can be imported. If it is installed but cannot be imported, print the reason."""
    try:
        return bool(find_spec("speechbrain") and import_module("speechbrain"))
    except Exception as error:  # the packages that SpeechBrain imports can raise any exception
        log(f"  not measured: SpeechBrain, {type(error).__name__}: {_first_line(error)}")
        return False


def fastest_layout(make_run: Callable[[str], Run]) -> Side:
    """Return the run in the faster layout.

    The second calls are compared. The slower run is freed before the faster run is created again.
    """
    times = {layout: _second_call_seconds(make_run(layout)) for layout in LAYOUTS}
    best = min(times, key=times.__getitem__)
    return Side(make_run(best), best)


def _second_call_seconds(run: Run) -> float:
    run()
    return seconds_per_call(run)


def inference(model: CNN, x: np.ndarray, variant: str) -> Callable[[str], Run]:
    """Return a function that takes a layout and returns the inference run of the batch `x`."""
    return lambda layout: partial(_forward, from_quatnet(model, variant, layout).eval(), torch.from_numpy(x))


@torch.no_grad()
def _forward(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return network(x)


def training_step(model: CNN, x: np.ndarray, targets: np.ndarray, variant: str) -> Callable[[str], Run]:
    """Return a function that takes a layout and returns the run of one training step.

    The optimizer is fused Adam, the fastest Adam of PyTorch.
    """

    def make_run(layout: str) -> Run:
        network = from_quatnet(model, variant, layout).train()
        adam = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
        return partial(_training_step, network, adam, torch.from_numpy(x), torch.from_numpy(targets))

    return make_run


def _training_step(network: torch.nn.Module, adam: torch.optim.Adam, x: torch.Tensor, targets: torch.Tensor) -> None:
    functional.cross_entropy(network(x), targets).backward()
    adam.step()
    adam.zero_grad(set_to_none=True)


def compiled_inference(model: CNN, x: np.ndarray, limit_seconds: float) -> Side | None:
    """Return the inference of `torch.compile` with frozen weights, which folds the batch norms.

    A C++ compiler is required. If the compilation fails, the reason is printed and None is returned.
    """
    from torch._inductor import config

    config.freezing, config.compile_threads = True, 1  # worker processes would compile on after the time limit
    torch._dynamo.config.recompile_limit = 64  # after so many networks torch runs eagerly without a warning
    torch.compiler.reset()  # without a reset, the second batch size is compiled with dynamic shapes
    network = from_quatnet(model, "real", "channels first").eval()
    run = partial(_forward, torch.compile(network), torch.from_numpy(x))
    try:
        with time_limit(limit_seconds):
            run()
    except Exception as error:  # a compiler can raise any exception
        log(f"  not measured: torch.compile of the real network, {type(error).__name__}: {_first_line(error)}")
        return None
    return Side(run, "compiled")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")


@contextmanager
def time_limit(limit_seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the `with` block after `limit_seconds`, on systems that have SIGALRM.

    The exception is raised again every second, because the compiler catches some exceptions.
    """

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done after {limit_seconds:g} s")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def layer_runs(
    x: np.ndarray, w: np.ndarray, grad_output: np.ndarray, real_channels: int
) -> Iterator[tuple[str, str, dict[str, Run]]]:
    """Yield the runs of one 3x3 convolution for each variant and layout.

    Parameters
    ----------
    x : array, shape (N, H, W, C)
    w : array, shape (4, 3, 3, C/4, O/4)
    grad_output : array, shape (N, H, W, O)
    real_channels : int
        Number of leading channels of `x` that the real convolution reads. The number is 1 in the first layer, since the
        input of the real CNN14 is the log-mel spectrogram only.

    Yields
    ------
    (str, str, dict)
        Variant, layout, and runs. The runs are named "forward", "input gradient" and "weight gradient".
    """
    components = list(torch.from_numpy(w).permute(0, 4, 3, 1, 2))
    block = block_matrix(*components)
    for layout, memory_format in LAYOUTS.items():
        image, grad = (torch.from_numpy(a).permute(0, 3, 1, 2) for a in (x, grad_output))
        grad = grad.contiguous(memory_format=memory_format)
        for variant, kernels in (("peers", components), ("expanded", [block]), ("real", [block[:, :real_channels]])):
            channels = real_channels if variant == "real" else None
            inputs = image[:, :channels].contiguous(memory_format=memory_format)
            leaves = [kernel.contiguous(memory_format=memory_format).requires_grad_() for kernel in kernels]
            yield variant, layout, _forward_and_gradients(inputs.requires_grad_(), leaves, grad)


def _forward_and_gradients(x: torch.Tensor, kernels: list[torch.Tensor], grad_output: torch.Tensor) -> dict[str, Run]:
    def forward() -> torch.Tensor:
        return functional.conv2d(x, block_matrix(*kernels) if len(kernels) == 4 else kernels[0], padding=1)

    y = forward()
    return {
        "forward": torch.no_grad()(forward),
        "input gradient": partial(torch.autograd.grad, y, x, grad_output, retain_graph=True),
        "weight gradient": partial(torch.autograd.grad, y, kernels, grad_output, retain_graph=True),
    }
