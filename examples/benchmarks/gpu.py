"""Measure the time of a training step on this device, and compare the time with the roofline model.

    QUATNET_BACKEND=cupy python examples/benchmarks/gpu.py            QCNN14, 32 clips of 10 s
    QUATNET_BACKEND=cupy python examples/benchmarks/gpu.py --network cnn14 --batch 16

The speed of a large matrix product and the bandwidth of a copy are measured first. `quatnet.profile.roofline` predicts
the time of each layer from these two numbers. The measured time of a layer is printed next to the prediction. It covers
forward and backward pass with batch norm, without the Adam update. A time is the median of several runs after one
warm-up run. Times are measured on the host, which synchronizes with the device before and after a run. They include the
overhead of Python.
With NumPy the times are printed without a prediction, since the roofline models the passes of a GPU.
"""

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from quatnet import Tensor, ops
from quatnet.backend import on_gpu, xp
from quatnet.cli import info, run_main
from quatnet.errors import ConfigError
from quatnet.models import CNN, CNNConfig, LayerShape, from_name, small_cnn
from quatnet.optim import Adam
from quatnet.profile.roofline import GpuSpec, layer_kernel_costs

CLASSES, FRAMES_PER_SECOND = 527, 100
EXCLUDED = ("pools", "dropout", "weights and Adam")  # categories that the time of a layer does not include


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="qcnn14", help="cnn6, qcnn6, cnn10, qcnn10, cnn14, qcnn14")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="clips per step (default: 32)")
    parser.add_argument("--seconds", type=int, default=10, metavar="S", help="clip length in seconds (default: 10)")
    parser.add_argument(
        "--runs", type=int, default=5, metavar="N", help="timed runs; the median is reported (default: 5)"
    )
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

    A warm-up run compiles the CUDA kernels and allocates memory before the timed runs.
    """
    times = []
    for _ in range(runs + 1):
        synchronize()
        start = time.perf_counter()
        run()
        synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def measure_device(args: argparse.Namespace) -> GpuSpec:
    """Measure the speed of a product of square matrices, and the bandwidth of a copy."""
    side, elements = (256, 1 << 20) if args.smoke else (8192, 1 << 28) if on_gpu() else (2048, 1 << 25)
    matrix, vector = xp.ones((side, side), dtype=np.float32), xp.ones(elements, dtype=np.float32)
    operations = 2 * side**3 / median_seconds(lambda: matrix @ matrix, args.runs)
    return GpuSpec("this device", operations, operations, 8 * elements / median_seconds(vector.copy, args.runs))


def layer_lines(config: CNNConfig, model: CNN, args: argparse.Namespace, spec: GpuSpec) -> Iterator[str]:
    """Yield a line for each convolution, with feature map size, channels, measured time and predicted time."""
    frames = args.seconds * FRAMES_PER_SECOND + 1
    passes = layer_kernel_costs(config, frames, args.batch)
    for layer in config.layers(frames):
        if not layer.linear:
            measured = median_seconds(layer_step(model, layer, args.batch), args.runs)
            predicted = sum(each.seconds(spec) for each in passes[layer.name] if each.category not in EXCLUDED)
            size = f"{layer.height} x {layer.width} x {layer.in_channels} -> {layer.out_channels}"
            prediction = f"{1e3 * predicted:10.2f}" if on_gpu() else f"{'-':>10}"
            yield f"{layer.name:18} {size:24} {1e3 * measured:10.2f} {prediction}"


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
    rng, frames = np.random.default_rng(0), args.seconds * FRAMES_PER_SECOND + 1
    x = rng.standard_normal((args.batch, frames, model.config.mels, 4), dtype=np.float32)
    labels = rng.integers(model.config.classes, size=args.batch)
    targets, adam = xp.asarray(np.eye(model.config.classes, dtype=np.float32)[labels]), Adam(model.parameters())

    def step() -> None:
        ops.cross_entropy(model(xp.asarray(x), train=True, rng=rng), targets).backward()
        adam.step(lr=1e-3)
        adam.zero_grad()

    return step


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
    for line in layer_lines(config, model, args, spec):
        print(line, flush=True)
    step_seconds = median_seconds(training_step(model, args), args.runs)
    print(f"\na step of {args.batch} clips of {args.seconds} s: {1e3 * step_seconds:.1f} ms, ", end="")
    print(f"{args.batch / step_seconds:.1f} clips/s, {peak_gigabytes():.2f} GB at the peak")


if __name__ == "__main__":
    run_main(main)
