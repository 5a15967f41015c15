"""`python -m quatnet roofline NETWORK`: what a training step should take on two GPUs, as tables. A prediction."""

import argparse
from collections.abc import Iterator
from typing import Any

from ..errors import ConfigError
from ..models import CNNConfig, from_name
from ..profile.counts import FLOAT_BYTES
from ..profile.roofline import (
    A100,
    H100,
    PARTS,
    Card,
    Pass,
    in_eight,
    layer_passes,
    seconds_by_part,
    share_of_memory,
    total_seconds,
)

CARDS = (A100, H100)
CLASSES, FRAMES, SECONDS = 527, 1001, 10  # a clip of AudioSet
Passes = dict[str, list[Pass]]


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of `argparse`."""
    parser = commands.add_parser("roofline", help="what a training step should take on two GPUs, by their data sheets")
    parser.add_argument("network", help="cnn6, qcnn6, cnn10, qcnn10, cnn14, qcnn14")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="clips in a step (32)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the tables. Raises ConfigError for another network, or no clips."""
    config = from_name(options.network, CLASSES)
    if not isinstance(config, CNNConfig) or options.batch < 1:
        raise ConfigError(f"expected a network of plain blocks and some clips, got {options.network}, {options.batch}")
    print(f"Predicted, not measured: {options.network}, a training step of {options.batch} clips of {SECONDS} s\n")
    print(*by_layer(config, options.batch), "", *by_part(config, options.batch), sep="\n")


def by_layer(config: CNNConfig, batch: int) -> Iterator[str]:
    """Yield a table with a row for each layer: its form, bytes and operations, and on each card time and limit."""
    cards = " | ".join(f"{card.name} (ms) | waits for memory" for card in CARDS)
    yield f"| layer | products | GB | G operations | operations / byte | {cards} |"
    yield "|---" * (5 + 2 * len(CARDS)) + "|"
    passes = layer_passes(config, FRAMES, batch)
    for layer in config.layers(FRAMES):
        form = "8" if in_eight(layer) else "16" if layer.quaternion else "real"
        yield _row([layer.name, form], passes[layer.name])
    yield _row(["step", ""], [each for of_layer in passes.values() for each in of_layer])


def _row(names: list[str], passes: list[Pass]) -> str:
    size, operations = FLOAT_BYTES * sum(each.numbers for each in passes), sum(each.operations for each in passes)
    figures = [f"{size / 1e9:.2f}", f"{operations / 1e9:.1f}", f"{operations / size:.1f}"]
    for card in CARDS:
        figures += [f"{1e3 * total_seconds({'': passes}, card):.2f}", f"{share_of_memory(passes, card):.0%}"]
    return f"| {' | '.join(names + figures)} |"


def by_part(config: CNNConfig, batch: int) -> Iterator[str]:
    """Yield a table of milliseconds: as it is, with tensor cores, and both with fused convolutions."""
    yield f"| ms | {' | '.join(PARTS)} | step |"
    yield "|---" * (len(PARTS) + 2) + "|"
    for card in CARDS:
        for fused in (False, True):
            passes = layer_passes(config, FRAMES, batch, fused=fused)
            for units, used in _units(card):
                times = [*seconds_by_part(passes, used).values(), total_seconds(passes, used)]
                name = f"{card.name}{', fused' if fused else ''}{units}"
                yield f"| {name} | {' | '.join(f'{1e3 * seconds:.1f}' for seconds in times)} |"


def _units(card: Card) -> list[tuple[str, Card]]:
    """The card as it is, and as it is with tensor cores for all products."""
    return [("", card), (", TF32", card._replace(operations=card.tensor_operations))]
