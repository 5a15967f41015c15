"""Plans of the benchmark: a quick plan, the full plan, and a toy plan for tests."""

from dataclasses import replace
from itertools import product
from typing import NamedTuple

from speed_layers import Layer, conv_layers
from speed_networks import Job

from quatnet import audio
from quatnet.models import CNNConfig, cnn14, small_cnn

CLASSES = 50
FRAMES = audio.FrontEnd().frames  # number of frames of a clip of 5 s
SMALL_FRAMES = audio.FrontEnd(hop=1280).frames  # number of frames in examples/esc50.py
FRAMES_PER_SECOND = 100
QCNN14, SMALL = cnn14(CLASSES, quaternion=True), small_cnn(CLASSES)
ALL, PEERS_REAL, PEERS = ("peers", "expanded", "real"), ("peers", "real"), ("peers",)


class Plan(NamedTuple):
    """A list of the measurements of one benchmark.

    Parameters
    ----------
    ratio_jobs : dict of str to Job
        Jobs from which the ratios are computed, by name. Memory is measured for the job "step".
    other_jobs : list of Job
        Jobs that are included in the tables only.
    layers : list of Layer
        Convolutions that are timed at each of `batch_sizes`. The errors are also measured with these convolutions.
    batch_sizes : tuple of int
        Batch sizes of the layer measurements.
    growth : dict of str to list of (int, Job)
        For each series, pairs of the varied quantity and the job. In the series "threads" the quantity is the number
        of threads.
    matmul_sizes : tuple of int
        Sizes of the square matrices for the speed of the matrix product.
    """

    ratio_jobs: dict[str, Job]
    other_jobs: list[Job]
    layers: list[Layer]
    batch_sizes: tuple[int, ...]
    growth: dict[str, list[tuple[int, Job]]]
    matmul_sizes: tuple[int, ...] = (1024, 1536, 2048)


def select_plan(*, quick: bool, toy: bool, threads: int) -> Plan:
    """Return the toy, quick or full plan."""
    return toy_plan() if toy else quick_plan() if quick else full_plan(threads)


def qcnn14_job(work: str, batch: int, variants: tuple[str, ...], *, compiled: bool = False) -> Job:
    return Job("QCNN14", QCNN14, FRAMES, work, batch, variants, compiled)


def small_job(work: str, batch: int, variants: tuple[str, ...], *, compiled: bool = False) -> Job:
    return Job("small preset", SMALL, SMALL_FRAMES, work, batch, variants, compiled)


def quick_plan() -> Plan:
    """Return the quick plan, which measures whole networks at batch size 4 in a few minutes."""
    ratio_jobs = {
        "inference": qcnn14_job("inference", 4, ALL, compiled=True),
        "step": qcnn14_job("step", 4, PEERS_REAL),
        "small_step": small_job("step", 16, PEERS),
    }
    return Plan(ratio_jobs, [small_job("inference", 4, PEERS_REAL)], list(conv_layers(QCNN14, FRAMES)), (), {})


def full_plan(threads: int) -> Plan:
    """Return the full plan, which takes an hour or more."""
    ratio_jobs = {
        "inference": qcnn14_job("inference", 4, ALL, compiled=True),
        "step": qcnn14_job("step", 4, ALL),
        "small_step": small_job("step", 16, ALL),
    }
    others = [job("inference", batch, ALL, compiled=True) for job, batch in product((qcnn14_job, small_job), (1, 8))]
    others += [qcnn14_job("step", 16, ALL), small_job("inference", 4, ALL), small_job("step", 4, ALL)]
    return Plan(ratio_jobs, others, list(conv_layers(QCNN14, FRAMES)), (1, 4, 16), growth_jobs(threads))


def growth_jobs(threads: int) -> dict[str, list[tuple[int, Job]]]:
    """Return inference jobs with increasing batch size, widths, clip length, and number of threads."""
    four, one = qcnn14_job("inference", 4, PEERS_REAL), qcnn14_job("inference", 1, PEERS_REAL)
    return {
        "clips in a batch": [(n, four._replace(batch=n)) for n in (1, 2, 4, 8, 16, 32)],
        "width of the small preset": [(n, _widened_job(n)) for n in (1, 2, 4)],
        "seconds of a clip": [(n, one._replace(frames=1 + FRAMES_PER_SECOND * n)) for n in (1, 2, 5, 10, 30, 60)],
        "threads": [(n, four) for n in _powers_of_two(threads)],
    }


def _widened_job(factor: int) -> Job:
    return small_job("inference", 4, PEERS_REAL)._replace(config=small_cnn(CLASSES, width=16 * factor))


def _powers_of_two(maximum: int) -> list[int]:
    """Return the powers of two up to `maximum`, followed by `maximum` if it is not a power of two."""
    return sorted({2**n for n in range(maximum.bit_length()) if 2**n <= maximum} | {maximum})


def toy_plan() -> Plan:
    """Return the toy plan for tests, which takes a few seconds. The measured times are not meaningful."""
    config, frames = CNNConfig(3, True, ((8,), (16, 16)), embedding=16, mels=8), 24
    small_config = replace(config, input_norm="cell")
    ratio_jobs = {
        "inference": Job("QCNN14", config, frames, "inference", 2),
        "step": Job("QCNN14", config, frames, "step", 2, PEERS_REAL),
        "small_step": Job("small preset", small_config, frames, "step", 2, PEERS),
    }
    growth = {
        "clips in a batch": [(n, ratio_jobs["inference"]._replace(batch=n)) for n in (1, 2)],
        "threads": [(1, ratio_jobs["small_step"])],
    }
    return Plan(ratio_jobs, [], list(conv_layers(config, frames)), (1,), growth, (64,))
