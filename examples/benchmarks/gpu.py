"""Measure quatnet on this GPU, and compare with the roofline model and with PyTorch.

    QUATNET_BACKEND=cupy python examples/benchmarks/gpu.py            QCNN14, 32 clips of 10 s
    QUATNET_BACKEND=cupy python examples/benchmarks/gpu.py --network cnn14 --batch 16

The speed of a large matrix product and the bandwidth of a copy are measured first. `quatnet.profile.roofline` predicts
the time of each layer from these two numbers. The measured time of a layer is printed next to the prediction. The
measured time includes forward and backward pass with batch norm, without the Adam update. Forward pass, training step
and peak memory of the network follow, in float32 and with TF32, and the same for the networks of PyTorch, if PyTorch is
installed with CUDA.

A time is the median of several runs after two warm-up runs, between two events of the device. The time includes the
gaps in which the device waits for Python. The inputs of consecutive runs differ, so that no input is in the cache. With
NumPy the times are printed without a prediction and without PyTorch.
"""

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from quatnet import Tensor, no_grad, ops
from quatnet.backend import on_gpu, use_tf32, xp
from quatnet.cli import info, run_main
from quatnet.errors import ConfigError
from quatnet.files import write_json
from quatnet.models import CNN, CNNConfig, LayerShape, from_name, small_cnn
from quatnet.optim import Adam
from quatnet.profile.roofline import GpuSpec, layer_kernel_costs

CLASSES, FRAMES_PER_SECOND = 527, 100
WARM_UP_RUNS, INPUTS = 2, 3
EXCLUDED = ("pools", "dropout", "weights and Adam")  # categories that the time of a layer does not include


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="qcnn14", help="cnn6, qcnn6, cnn10, qcnn10, cnn14, qcnn14")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="clips per step (default: 32)")
    parser.add_argument("--seconds", type=int, default=10, metavar="S", help="clip length in seconds (default: 10)")
    parser.add_argument(
        "--runs", type=int, default=5, metavar="N", help="timed runs; the median is reported (default: 5)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to FILE")
    parser.add_argument("--no-torch", action="store_true", help="do not measure PyTorch")
    parser.add_argument("--compile", action="store_true", help="also measure torch.compile, which takes minutes")
    parser.add_argument("--smoke", action="store_true", help="measure a tiny network, which takes seconds")
    args = parser.parse_args()
    if min(args.batch, args.seconds, args.runs) < 1:
        raise ConfigError(f"expected at least 1, got --batch {args.batch} --seconds {args.seconds} --runs {args.runs}")
    return args


def synchronize() -> None:
    """Wait until the device has finished all queued work."""
    if on_gpu():
        xp.cuda.Device().synchronize()


def median_seconds(run: Callable[[], object], runs: int) -> float:
    """Return the median time of `runs` runs in seconds.

    Two warm-up runs compile the CUDA kernels and allocate memory before the timed runs.
    """
    return statistics.median([_seconds(run) for _ in range(runs + WARM_UP_RUNS)][WARM_UP_RUNS:])


def _seconds(run: Callable[[], object]) -> float:
    """Return the time of a run between two events of the device, or on the host without a GPU."""
    synchronize()
    if not on_gpu():
        start = time.perf_counter()
        run()
        return time.perf_counter() - start
    start, end = xp.cuda.Event(), xp.cuda.Event()
    start.record()
    run()
    end.record()
    end.synchronize()
    return xp.cuda.get_elapsed_time(start, end) / 1e3


def measure_device(args: argparse.Namespace) -> GpuSpec:
    """Measure the speed of a product of square matrices, and the bandwidth of a copy."""
    side, elements = (256, 1 << 20) if args.smoke else (8192, 1 << 28) if on_gpu() else (2048, 1 << 25)
    matrix, vector = xp.ones((side, side), dtype=np.float32), xp.ones(elements, dtype=np.float32)
    operations = 2 * side**3 / median_seconds(lambda: matrix @ matrix, args.runs)
    copy = xp.empty_like(vector)
    if on_gpu():
        seconds = median_seconds(lambda: copy.data.copy_from_device_async(vector.data, vector.nbytes), args.runs)
    else:
        seconds = median_seconds(lambda: np.copyto(copy, vector), args.runs)
    return GpuSpec("this device", operations, operations, 8 * elements / seconds)


def layer_rows(config: CNNConfig, model: CNN, args: argparse.Namespace, spec: GpuSpec) -> Iterator[dict[str, Any]]:
    """Print a line for each convolution, with feature map size, channels, measured and predicted time."""
    frames = args.seconds * FRAMES_PER_SECOND + 1
    passes = layer_kernel_costs(config, frames, args.batch)
    for layer in config.layers(frames):
        if not layer.linear:
            measured = median_seconds(layer_step(model, layer, args.batch), args.runs)
            predicted = sum(each.seconds(spec) for each in passes[layer.name] if each.category not in EXCLUDED)
            size = f"{layer.height} x {layer.width} x {layer.in_channels} -> {layer.out_channels}"
            prediction = f"{1e3 * predicted:10.2f}" if on_gpu() else f"{'-':>10}"
            print(f"{layer.name:18} {size:24} {1e3 * measured:10.2f} {prediction}", flush=True)
            yield {"layer": layer.name, "size": size, "measured": measured, "predicted": predicted}


def layer_step(model: CNN, layer: LayerShape, batch: int) -> Callable[[], None]:
    """Return a function that runs the forward and backward pass of a convolution with batch norm and ReLU.

    The inputs are random.
    """
    block, _, number = layer.name.removeprefix("blocks.").split(".")
    module: Any = model.blocks[int(block)]
    conv, norm, rng = module.convs[int(number)], module.norms[int(number)], np.random.default_rng(0)
    shape = (batch, layer.height, layer.width)
    x = Tensor(xp.asarray(rng.standard_normal((*shape, layer.in_channels), dtype=np.float32)), requires_grad=True)
    grad_output = xp.asarray(rng.standard_normal((*shape, layer.out_channels), dtype=np.float32))

    def step() -> None:
        x.grad = conv.weight.grad = norm.weight.grad = norm.bias.grad = None
        norm(conv(x), train=True, relu=True).backward(grad_output)

    return step


def training_step(model: CNN, args: argparse.Namespace) -> Callable[[], None]:
    """Return a function that runs one training step on random inputs, including the Adam update."""
    clips, labels, rng = device_clips(model.config, args), random_labels(model.config, args), np.random.default_rng(0)
    targets, adam = xp.asarray(np.eye(model.config.classes, dtype=np.float32)[labels]), Adam(model.parameters())

    def step() -> None:
        ops.cross_entropy(model(next(clips), train=True, rng=rng), targets).backward()
        adam.step(lr=1e-3)
        adam.zero_grad()

    return step


def forward_pass(model: CNN, args: argparse.Namespace) -> Callable[[], None]:
    """Return a function that runs the forward pass in evaluation mode on random inputs."""
    clips = device_clips(model.config, args)

    def forward() -> None:
        with no_grad():
            model(next(clips))

    return forward


def random_clips(config: CNNConfig, args: argparse.Namespace) -> Iterator[np.ndarray]:
    """Return an endless iterator over a few random batches (N, frames, mels, 4)."""
    rng, frames = np.random.default_rng(0), args.seconds * FRAMES_PER_SECOND + 1
    shape = (args.batch, frames, config.mels, 4)
    return cycle([rng.standard_normal(shape, dtype=np.float32) for _ in range(INPUTS)])


def device_clips(config: CNNConfig, args: argparse.Namespace) -> Iterator[Any]:
    """Return an endless iterator over a few random batches on the device."""
    return cycle([xp.asarray(batch) for batch in islice(random_clips(config, args), INPUTS)])


def random_labels(config: CNNConfig, args: argparse.Namespace) -> np.ndarray:
    return np.random.default_rng(1).integers(config.classes, size=args.batch)


def network_rows(config: CNNConfig, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield time of forward pass and training step, and the peak memory of the step, without and with TF32."""
    for tf32 in (False, True) if on_gpu() else (False,):
        if on_gpu():
            use_tf32(tf32)
            xp.get_default_memory_pool().free_all_blocks()
        model = CNN(config, rng=np.random.default_rng(0))
        step = median_seconds(training_step(model, args), args.runs)
        peak = peak_gigabytes()
        forward = median_seconds(forward_pass(model, args), args.runs)
        yield {"network": args.network, "by": "quatnet", "tf32": tf32, "forward": forward, "step": step, "peak": peak}
    if on_gpu():
        use_tf32(False)


def torch_rows(config: CNNConfig, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the rows of PyTorch, or nothing if PyTorch is missing or has no CUDA."""
    if args.no_torch or not on_gpu() or not find_spec("torch"):
        return
    import torch_gpu

    xp.get_default_memory_pool().free_all_blocks()
    yield from torch_gpu.rows(config, random_clips(config, args), random_labels(config, args), args)


def print_row(row: dict[str, Any]) -> dict[str, Any]:
    """Print network, library, TF32, milliseconds of forward pass and step, and GB, and return `row`."""
    times = f"{1e3 * row['forward']:10.2f} {1e3 * row['step']:10.2f} {row['peak']:8.2f}"
    print(f"{row['network']:10} {row['by']:52} {'TF32' if row['tf32'] else 'float32':8} {times}", flush=True)
    return row


def peak_gigabytes() -> float:
    """Return the peak memory in GB.

    On a GPU it is the size of the memory pool. With NumPy it is the peak resident memory of the process.
    """
    if on_gpu():
        return xp.get_default_memory_pool().total_bytes() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def main() -> None:
    args = parse_options()
    if args.smoke:
        args.batch, args.seconds, args.runs = 2, 1, 1
    config = small_cnn(10) if args.smoke else from_name(args.network, CLASSES)
    if not isinstance(config, CNNConfig):
        raise ConfigError(f"expected a network without residual blocks, such as qcnn14, got {args.network}")
    print(info.report(), end="\n\n", flush=True)
    spec = measure_device(args)
    print(f"matrix product: {spec.operations / 1e9:.1f} GFLOP/s, copy: {spec.bandwidth / 1e9:.1f} GB/s\n")
    model = CNN(config, rng=np.random.default_rng(0))
    print(f"{'layer':18} {'feature map, channels':24} {'step (ms)':>10} {'predicted':>10}")
    layers = list(layer_rows(config, model, args, spec))
    print(f"\n{args.batch} clips of {args.seconds} s")
    print(f"{'network':10} {'by':52} {'products':8} {'fwd (ms)':>10} {'step (ms)':>10} {'peak GB':>8}")
    rows = [print_row(row) for rows in (network_rows, torch_rows) for row in rows(config, args)]
    if args.json:
        options = {name: getattr(args, name) for name in ("network", "batch", "seconds", "runs")}
        results = {"device": info.report(), "spec": spec._asdict(), "layers": layers, "networks": rows, **options}
        write_json(args.json, results)


if __name__ == "__main__":
    run_main(main)
