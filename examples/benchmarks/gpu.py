"""How long does a training step take on this device, and how far is that from what the device could do?

    QUATNET_BACKEND=cupy python examples/benchmarks/gpu.py            QCNN14, 32 clips of 10 s
    QUATNET_BACKEND=cupy python examples/benchmarks/gpu.py --network cnn14 --batch 16

Two figures say what the device can do: the speed of a large matrix product, and of a copy. With them in the place of a
data sheet `quatnet.profile.roofline` says how long each layer should take, and its measured time is beside it, forwards
and back with batch norm, without its step of Adam. Every time is the median of some runs after one that is not counted,
by the clock of the host, which waits for the device before and after: so it holds the work of Python too.
It runs with NumPy as well, without a prediction: that is for the passes of a GPU. `--smoke` takes seconds.
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
from quatnet.profile.roofline import Card, layer_passes

CLASSES, FRAMES_A_SECOND = 527, 100
AROUND = ("pools", "dropout", "weights and Adam")  # not measured with a layer


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="qcnn14", help="cnn6, qcnn6, cnn10, qcnn10, cnn14, qcnn14")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="clips in a step (32)")
    parser.add_argument("--seconds", type=int, default=10, metavar="S", help="length of a clip (10)")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="the median of so many runs counts (5)")
    parser.add_argument("--smoke", action="store_true", help="a tiny network, in seconds")
    args = parser.parse_args()
    if min(args.batch, args.seconds, args.runs) < 1:
        raise ConfigError(f"expected at least 1, got --batch {args.batch} --seconds {args.seconds} --runs {args.runs}")
    return args


def wait() -> None:
    """Let the device finish what it was told to do: it computes while Python goes on."""
    if on_gpu():
        xp.cuda.Device().synchronize()


def seconds(run: Callable[[], object], runs: int) -> float:
    """Return the median time of a run after a first one, which compiles kernels and takes memory."""
    times = []
    for _ in range(runs + 1):
        wait()
        start = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def this_device(args: argparse.Namespace) -> Card:
    """Measure what the device can do at the most: a product of square matrices, and a copy."""
    side, numbers = (256, 1 << 20) if args.smoke else (8192, 1 << 28) if on_gpu() else (2048, 1 << 25)
    square, line = xp.ones((side, side), dtype=np.float32), xp.ones(numbers, dtype=np.float32)
    operations = 2 * side**3 / seconds(lambda: square @ square, args.runs)
    return Card("this device", operations, operations, 8 * numbers / seconds(line.copy, args.runs))


def layers(config: CNNConfig, model: CNN, args: argparse.Namespace, card: Card) -> Iterator[str]:
    """Yield a line for each convolution: its map, the time of a step through it, and the predicted one."""
    frames = args.seconds * FRAMES_A_SECOND + 1
    passes = layer_passes(config, frames, args.batch)
    for layer in config.layers(frames):
        if not layer.linear:
            measured = seconds(layer_step(model, layer, args.batch), args.runs)
            predicted = sum(each.seconds(card) for each in passes[layer.name] if each.part not in AROUND)
            size = f"{layer.height} x {layer.width} x {layer.in_channels} -> {layer.out_channels}"
            told = f"{1e3 * predicted:10.2f}" if on_gpu() else f"{'-':>10}"
            yield f"{layer.name:18} {size:24} {1e3 * measured:10.2f} {told}"


def layer_step(model: CNN, layer: LayerShape, batch: int) -> Callable[[], None]:
    """Return what runs a convolution with its batch norm and relu, forwards and back, on normal numbers."""
    block, _, number = layer.name.removeprefix("blocks.").split(".")
    owner: Any = model.blocks[int(block)]
    conv, norm, rng = owner.convs[int(number)], owner.norms[int(number)], np.random.default_rng(0)
    maps = (batch, layer.height, layer.width)
    x = Tensor(xp.asarray(rng.standard_normal((*maps, layer.in_channels), dtype=np.float32)), requires_grad=True)
    g = xp.asarray(rng.standard_normal((*maps, layer.out_channels), dtype=np.float32))

    def step() -> None:
        x.grad = conv.weight.grad = norm.weight.grad = norm.bias.grad = None
        norm(conv(x), train=True, relu=True).backward(g)

    return step


def whole_step(model: CNN, args: argparse.Namespace) -> Callable[[], None]:
    """Return a training step on normal numbers, as `quatnet.training.loop` takes it: forwards, back, Adam."""
    rng, frames = np.random.default_rng(0), args.seconds * FRAMES_A_SECOND + 1
    x = rng.standard_normal((args.batch, frames, model.config.mels, 4), dtype=np.float32)
    labels = rng.integers(model.config.classes, size=args.batch)
    targets, adam = xp.asarray(np.eye(model.config.classes, dtype=np.float32)[labels]), Adam(model.parameters())

    def step() -> None:
        ops.cross_entropy(model(xp.asarray(x), train=True, rng=rng), targets).backward()
        adam.step(lr=1e-3)
        adam.zero_grad()

    return step


def peak_gigabytes() -> float:
    """Return what the device's memory pool holds, which is its peak; with NumPy the peak of the process."""
    if on_gpu():
        return xp.get_default_memory_pool().total_bytes() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def main() -> None:
    args = options()
    if args.smoke:
        args.batch, args.seconds, args.runs = 2, 1, 1
    config = small_cnn(10) if args.smoke else from_name(args.network, CLASSES)
    if not isinstance(config, CNNConfig):
        raise ConfigError(f"expected a network of plain blocks, such as qcnn14, got {args.network}")
    print(info.report(), end="\n\n", flush=True)
    card = this_device(args)
    print(f"a product runs at {card.operations / 1e9:.1f} GFLOP/s, a copy at {card.bytes / 1e9:.1f} GB/s\n")
    model = CNN(config, rng=np.random.default_rng(0))
    print(f"{'layer':18} {'map, channels':24} {'step (ms)':>10} {'predicted':>10}")
    for line in layers(config, model, args, card):
        print(line, flush=True)
    step = whole_step(model, args)
    time_of_step = seconds(step, args.runs)
    print(f"\na step of {args.batch} clips of {args.seconds} s: {1e3 * time_of_step:.1f} ms, ", end="")
    print(f"{args.batch / time_of_step:.1f} clips/s, {peak_gigabytes():.2f} GB at the peak")


if __name__ == "__main__":
    run_main(main)
