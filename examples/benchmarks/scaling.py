"""Predict how training scales to many processes, with a latency-bandwidth model.

    python examples/benchmarks/scaling.py

A step of a process takes fixed + clips · per_clip seconds, with measured values, and then the exchange, which does
not overlap with it. A message of n bytes between two processes takes α + n / β seconds. For p processes, an
all-reduce takes

    ring  2 (p - 1) α + 2 (p - 1) / p · n / β
    tree  2 ⌈log2 p⌉ (α + n / β)

A step has one all-reduce of all gradients and two for each batch norm: one forward, one backward (the first batch norm
of the networks has no backward one, and a step has three other small ones). The small ones use the faster of both
algorithms. Efficiency is the time of ideal scaling divided by the predicted time.

Source: R. Thakur, R. Rabenseifner, W. Gropp, Optimization of collective communication operations in MPICH, 2005.
"""

import math
from typing import NamedTuple

from quatnet.cli import run_main

PROCESSES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Link(NamedTuple):
    """Latency α in seconds and bandwidth β in bytes per second of one direction."""

    name: str
    latency: float
    bandwidth: float


class Workload(NamedTuple):
    """Seconds of a step on one process, bytes of the exchanges, and clips of a batch.

    `weak_clips` is the number of clips of each process, `strong_clips` that of all processes.
    """

    name: str
    fixed: float
    per_clip: float
    gradient_bytes: int
    batch_norm_bytes: int
    batch_norms: int
    weak_clips: int
    strong_clips: int

    def compute_seconds(self, clips: float) -> float:
        return self.fixed + self.per_clip * clips


ETHERNET = (Link("1 Gbit/s", 50e-6, 1e9 / 8), Link("10 Gbit/s", 20e-6, 10e9 / 8), Link("100 Gbit/s", 2e-6, 100e9 / 8))
NVLINK = Link("NVLink", 5e-6, 450e9)
# one core of a virtual x86-64 machine, fitted to 2 to 32 clips (small preset) and 1 to 8 clips (QCNN14); the bytes are
# printed by examples/benchmarks/distributed.py
CPU = (
    Workload("small preset, 1 core", 0.010, 0.0066, 641_160, 33_984, 8, 16, 256),
    Workload("QCNN14, 1 core", 0.34, 0.166, 80_140_232, 292_608, 13, 32, 256),
)
# one NVIDIA H200. Measured (docs/gpu.md): 44.3 ms for 32 clips of 10 s of QCNN14, and at least 14.7 ms for the small
# preset, the time of the kernel launches. Its time per clip of 10 s is that of `python -m quatnet roofline qsmall_cnn`
GPU = (
    Workload("small preset, H200", 0.0147, 0.0023 / 32, 641_160, 33_984, 8, 32, 8192),
    Workload("QCNN14, H200", 0.0, 0.0443 / 32, 80_140_232, 292_608, 13, 32, 8192),
)


def ring(processes: int, size: float, link: Link) -> float:
    """Return the seconds of a ring all-reduce of `size` bytes.

    >>> round(ring(2, 1000, Link("", 1.0, 1000.0)), 3)
    3.0
    """
    return 2 * (processes - 1) * (link.latency + size / processes / link.bandwidth)


def tree(processes: int, size: float, link: Link) -> float:
    """Return the seconds of a reduction and a broadcast of `size` bytes along binomial trees."""
    return 2 * math.ceil(math.log2(processes)) * (link.latency + size / link.bandwidth)


ALGORITHMS = {"ring": ring, "tree": tree}


def exchange_seconds(work: Workload, processes: int, link: Link, algorithm: str) -> float:
    """Return the seconds of all exchanges of a step; the gradients use `algorithm`."""
    messages = 2 * work.batch_norms
    small = work.batch_norm_bytes / messages
    fastest = min(function(processes, small, link) for function in ALGORITHMS.values())
    return ALGORITHMS[algorithm](processes, work.gradient_bytes, link) + messages * fastest


def efficiency(work: Workload, processes: int, link: Link, algorithm: str, *, weak: bool) -> float:
    """Return the efficiency of `processes` processes: 1 is a speed-up by their number."""
    clips = work.weak_clips if weak else work.strong_clips / processes
    ideal = work.compute_seconds(work.weak_clips) if weak else work.compute_seconds(work.strong_clips) / processes
    return ideal / (work.compute_seconds(clips) + exchange_seconds(work, processes, link, algorithm))


def clips_for(work: Workload, processes: int, link: Link, target: float = 0.8) -> int:
    """Return the smallest number of clips of each process for a weak efficiency of `target`, with the faster algorithm.

    t(b) / (t(b) + exchange) >= target for t(b) >= exchange · target / (1 - target).
    """
    exchange = min(exchange_seconds(work, processes, link, algorithm) for algorithm in ALGORITHMS)
    return max(1, math.ceil((exchange * target / (1 - target) - work.fixed) / work.per_clip))


def table(work: Workload, links: tuple[Link, ...], *, weak: bool) -> str:
    """Return a Markdown table: a row for each link and algorithm, a column for each number of processes."""
    clips = f"{work.weak_clips} clips for each process" if weak else f"{work.strong_clips} clips for all processes"
    lines = [f"{work.name}, {'weak' if weak else 'strong'} scaling, {clips}:", ""]
    lines += ["| link | all-reduce | " + " | ".join(map(str, PROCESSES)) + " |", "|---" * (2 + len(PROCESSES)) + "|"]
    for link in links:
        for algorithm in ALGORITHMS:
            row = [f"{efficiency(work, p, link, algorithm, weak=weak):.0%}" for p in PROCESSES]
            lines.append(f"| {link.name} | {algorithm} | " + " | ".join(row) + " |")
    return "\n".join([*lines, ""])


def clips_table(works: tuple[Workload, ...], links: tuple[Link, ...]) -> str:
    """Return a Markdown table of the clips of each process that keep the weak efficiency at 80 % or more."""
    columns = " | ".join(map(str, PROCESSES[1:]))
    lines = [f"| network | link | {columns} |", "|---" * (1 + len(PROCESSES)) + "|"]
    for work in works:
        for link in links:
            row = " | ".join(str(clips_for(work, p, link)) for p in PROCESSES[1:])
            lines.append(f"| {work.name} | {link.name} | {row} |")
    return "\n".join(lines)


def main() -> None:
    for works, links in ((CPU, ETHERNET), (GPU, (ETHERNET[-1], NVLINK))):
        for work in works:
            print(table(work, links, weak=True), table(work, links, weak=False), sep="\n")
    print("Clips of each process for an efficiency of at least 80 % (weak scaling, faster algorithm):\n")
    print(clips_table(CPU, ETHERNET))
    print("\n".join(clips_table(GPU, (ETHERNET[-1], NVLINK)).splitlines()[2:]))


if __name__ == "__main__":
    run_main(main)
