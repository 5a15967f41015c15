"""Command `python -m quatnet roofline NETWORK`, which prints the predicted time of a training step on three GPUs."""

import argparse
from collections.abc import Iterator
from itertools import product

from ..errors import ConfigError
from ..graph.count import FLOAT_BYTES
from ..models import CNNConfig, from_name
from ..profile import roofline
from ..profile.roofline import A100, CATEGORIES, H100, H200, KernelCost, total_seconds

GPUS = (A100, H100, H200)
CLASSES, FRAMES, SECONDS = 527, 1001, 10  # classes of AudioSet, and length of a clip in frames and seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("network", help="cnn6, qcnn6, cnn10, qcnn10, cnn14, qcnn14, small_cnn, qsmall_cnn")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="batch size (default: 32)")


def run(args: argparse.Namespace) -> None:
    """Print the predictions as Markdown tables.

    Raises ConfigError for a residual network or a batch size below 1.
    """
    config = from_name(args.network, CLASSES)
    if not isinstance(config, CNNConfig) or args.batch < 1:
        raise ConfigError(
            f"expected a network of plain blocks and a positive batch size, got {args.network}, {args.batch}"
        )
    print(f"Predicted, not measured: {args.network}, a training step of {args.batch} clips of {SECONDS} s\n")
    print(*by_layer(config, args.batch), "", *by_category(config, args.batch), sep="\n")


def by_layer(config: CNNConfig, batch: int) -> Iterator[str]:
    """Yield the lines of a table of the layers: products, bytes, operations, and time on each GPU."""
    times = " | ".join(f"{spec.name} (ms) | memory-bound" for spec in GPUS)
    yield f"| layer | products | GB | G operations | operations / byte | {times} |"
    yield "|---" * (5 + 2 * len(GPUS)) + "|"
    passes = roofline.layer_kernel_costs(config, FRAMES, batch)
    for layer in config.layers(FRAMES):
        products = "8" if roofline.uses_eight_products(layer) else "16" if layer.quaternion else "real"
        products += ", Winograd" if roofline.uses_winograd(layer) else ""
        yield _row([layer.name, products], passes[layer.name])
    yield _row(["step", ""], [each for layer in passes.values() for each in layer])


def _row(names: list[str], passes: list[KernelCost]) -> str:
    size, operations = FLOAT_BYTES * sum(each.elements for each in passes), sum(each.operations for each in passes)
    cells = [f"{size / 1e9:.2f}", f"{operations / 1e9:.1f}", f"{operations / size:.1f}"]
    for spec in GPUS:
        seconds, memory_bound = total_seconds({"": passes}, spec), roofline.memory_bound_fraction(passes, spec)
        cells += [f"{1e3 * seconds:.2f}", f"{memory_bound:.0%}"]
    return f"| {' | '.join(names + cells)} |"


def by_category(config: CNNConfig, batch: int) -> Iterator[str]:
    """Yield the lines of a table of the time in ms of each category of GPU work.

    The rows are all combinations of GPU, fused convolutions, and tensor cores.
    """
    yield f"| ms | {' | '.join(CATEGORIES)} | step |"
    yield "|---" * (len(CATEGORIES) + 2) + "|"
    for spec in GPUS:
        for fused, tf32 in product((False, True), repeat=2):
            passes = roofline.layer_kernel_costs(config, FRAMES, batch, fused=fused, tf32=tf32)
            variant = spec._replace(operations=spec.tensor_operations) if tf32 else spec
            times = [*roofline.seconds_by_category(passes, variant).values(), total_seconds(passes, variant)]
            name = f"{spec.name}{', fused' if fused else ''}{', TF32' if tf32 else ''}"
            yield f"| {name} | {' | '.join(f'{1e3 * seconds:.1f}' for seconds in times)} |"
