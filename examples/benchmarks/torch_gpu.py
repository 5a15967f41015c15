"""Time and memory of the networks of `torch_networks` on a GPU, for `gpu.py`."""

import argparse
import statistics
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch_networks import Network

from quatnet.models import CNNConfig

WARM_UP_RUNS, INPUTS = 3, 3


def rows(
    config: CNNConfig, clips: Iterator[np.ndarray], labels: np.ndarray, args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Yield a row for each variant of the network, TF32 off and on, and with `--compile` compiled.

    The layout is the one that was faster on an H200. cuDNN searches the fastest of its algorithms for each layer. These
    rows must be measured first, because PyTorch keeps the algorithms that it has selected in the first call.
    """
    torch.backends.cudnn.benchmark = True
    inputs = [torch.from_numpy(x).cuda() for x in islice(clips, INPUTS)]
    targets = torch.from_numpy(labels).cuda()
    for variant in ("peers", "expanded") if config.quaternion else ("real",):
        for tf32, layout in ((False, "channels first"), (True, "channels last")):
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
            for compiled in (False, True) if args.compile else (False,):
                yield _measure(config, variant, layout, inputs, targets, args, compiled=compiled) | {"tf32": tf32}


def _measure(
    config: CNNConfig,
    variant: str,
    layout: str,
    inputs: list[torch.Tensor],
    targets: torch.Tensor,
    args: argparse.Namespace,
    *,
    compiled: bool,
) -> dict[str, Any]:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    network: Any = initialized(config, variant, layout)
    adam = torch.optim.Adam(network.parameters(), fused=True)
    if compiled:
        network = torch.compile(network)
    batches = cycle(inputs)

    def step() -> None:
        functional.cross_entropy(network(next(batches)), targets).backward()
        adam.step()
        adam.zero_grad(set_to_none=True)

    @torch.no_grad()
    def forward() -> None:
        network(next(batches))

    step_seconds = median_seconds(step, args.runs)
    peak = torch.cuda.max_memory_reserved() / 1e9
    network.eval()
    forward_seconds = median_seconds(forward, args.runs)
    name = f"PyTorch {variant}, {layout}" + (", compiled" if compiled else "")
    return {
        "network": args.network,
        "by": name,
        "layout": layout,
        "forward": forward_seconds,
        "step": step_seconds,
        "peak": peak,
    }


@torch.no_grad()
def initialized(config: CNNConfig, variant: str, layout: str) -> Network:
    """Return the network on the GPU in training mode, with random weights of the scale of He initialization."""
    network = Network(config, variant, layout).cuda().train()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=(2 / parameter[0].numel()) ** 0.5)
    return network


def median_seconds(run: Callable[[], object], runs: int) -> float:
    """Return the median time of `runs` runs between two events, in seconds, after warm-up runs."""
    times = []
    for _ in range(runs + WARM_UP_RUNS):
        torch.cuda.synchronize()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return statistics.median(times[WARM_UP_RUNS:])
