"""What is measured: a short plan, the whole one, and a toy that only shows that everything runs."""

from dataclasses import replace
from itertools import product
from typing import NamedTuple

from speed_layers import Layer, layers
from speed_networks import Job

from quatnet import audio
from quatnet.models import CNNConfig, cnn14, small_cnn

CLASSES = 50
FRAMES = audio.FrontEnd().frames  # of a clip of five seconds
SMALL_FRAMES = audio.FrontEnd(hop=1280).frames  # as in examples/esc50.py
FRAMES_A_SECOND = 100
QCNN14, SMALL = cnn14(CLASSES, quaternion=True), small_cnn(CLASSES)
BOTH, PEERS = ("peers", "real"), ("peers",)


class Plan(NamedTuple):
    """`fixed` jobs give the ratios of fixed names, and the step among them the memory; `more` jobs are for tables.

    The errors come from `layers`, which are timed at each of `batches`. A series of `growth` has values of what grows,
    and the job there; for "threads" the value is their number.
    """

    fixed: dict[str, Job]
    more: list[Job]
    layers: list[Layer]
    batches: tuple[int, ...]
    growth: dict[str, list[tuple[int, Job]]]
    product_sides: tuple[int, ...] = (1024, 1536, 2048)


def chosen(*, quick: bool, toy: bool, threads: int) -> Plan:
    """Return one of the three plans."""
    return tiny() if toy else short() if quick else whole(threads)


def big(work: str, batch: int, ways: tuple[str, ...], *, compiled: bool = False) -> Job:
    return Job("QCNN14", QCNN14, FRAMES, work, batch, ways, compiled)


def small(work: str, batch: int, ways: tuple[str, ...], *, compiled: bool = False) -> Job:
    return Job("small preset", SMALL, SMALL_FRAMES, work, batch, ways, compiled)


def short() -> Plan:
    """Return batch 4, a few minutes."""
    fixed = {
        "inference": big("inference", 4, ("peers", "expanded", "real"), compiled=True),
        "step": big("step", 4, BOTH),
        "small_step": small("step", 16, PEERS),
    }
    return Plan(fixed, [small("inference", 4, BOTH)], list(layers(QCNN14, FRAMES)), (), {})


def whole(threads: int) -> Plan:
    """Return everything, an hour or more."""
    ways = ("peers", "expanded", "real")
    fixed = {
        "inference": big("inference", 4, ways, compiled=True),
        "step": big("step", 4, ways),
        "small_step": small("step", 16, ways),
    }
    more = [job("inference", batch, ways, compiled=True) for job, batch in product((big, small), (1, 8))]
    more += [big("step", 16, ways), small("inference", 4, ways), small("step", 4, ways)]
    return Plan(fixed, more, list(layers(QCNN14, FRAMES)), (1, 4, 16), growth(threads))


def growth(threads: int) -> dict[str, list[tuple[int, Job]]]:
    """Return how inference grows with the batch, the widths, the length of a clip, and the threads."""
    four, one = big("inference", 4, BOTH), big("inference", 1, BOTH)
    return {
        "clips in a batch": [(n, four._replace(batch=n)) for n in (1, 2, 4, 8, 16, 32)],
        "width of the small preset": [(n, _wide(n)) for n in (1, 2, 4)],
        "seconds of a clip": [(n, one._replace(frames=1 + FRAMES_A_SECOND * n)) for n in (1, 2, 5, 10, 30, 60)],
        "threads": [(n, four) for n in _powers(threads)],
    }


def _wide(factor: int) -> Job:
    return small("inference", 4, BOTH)._replace(config=small_cnn(CLASSES, width=16 * factor))


def _powers(most: int) -> list[int]:
    """1, 2, 4, ... and `most` itself."""
    return sorted({2**n for n in range(most.bit_length()) if 2**n <= most} | {most})


def tiny() -> Plan:
    """Return everything at a size that takes seconds, and says nothing about speed."""
    config, frames = CNNConfig(3, True, ((8,), (16, 16)), embedding=16, mels=8), 24
    little = replace(config, input_norm="cell")
    fixed = {
        "inference": Job("QCNN14", config, frames, "inference", 2),
        "step": Job("QCNN14", config, frames, "step", 2, BOTH),
        "small_step": Job("small preset", little, frames, "step", 2, PEERS),
    }
    series = {
        "clips in a batch": [(n, fixed["inference"]._replace(batch=n)) for n in (1, 2)],
        "threads": [(1, fixed["small_step"])],
    }
    return Plan(fixed, [], list(layers(config, frames)), (1,), series, (64,))
