"""How fast quatnet is on this machine, beside PyTorch where that is installed.

    python examples/benchmarks/pytorch.py --quick     whole networks at batch 4, a few minutes
    python examples/benchmarks/pytorch.py             every layer, batches 1 to 16, and growth; an hour or more

Both sides run in one process, in turn, on as many threads; the median counts. The machine's matrix product is timed
in the same run, and with it the time that eight products per quaternion product would take: the eight-product limit.
"""

import argparse
import json
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import speed_layers
import speed_networks
import speed_plan
import speed_tables as tables
from speed_machine import header
from speed_measure import How, product_gflops, say

import quatnet
from quatnet.backend import xp
from quatnet.cli import run_main
from quatnet.errors import ConfigError


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="whole networks at batch 4 only")
    parser.add_argument("--json", type=_new_file, metavar="FILE", help="write all figures")
    parser.add_argument("--plot", type=_new_file, metavar="FILE", help="draw them, as PNG, PDF or SVG")
    parser.add_argument("--threads", type=_positive, metavar="N", help="on both sides (default: QUATNET_NUM_THREADS)")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="default 5 with --quick, else 3")
    parser.add_argument("--seed", type=int, default=0, help="of weights and clips (default 0)")
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    parser.add_argument(
        "--toy", action="store_true", help=argparse.SUPPRESS
    )  # everything, so small that it says nothing
    args = parser.parse_args()
    if args.plot and not find_spec("matplotlib"):
        parser.error('--plot needs matplotlib: pip install -e ".[examples]"')
    return args


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _new_file(text: str) -> Path:
    """A mistake shows now, and not after an hour."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file in a folder that exists, got {text!r}")
    return path


def run(plan: speed_plan.Plan, how: How) -> dict[str, Any]:
    """Measure everything in the plan, print it, and return it."""
    gflops = product_gflops(plan.product_sides)
    say(f"\nfloat32 matrix product: {gflops:.1f} GFLOP/s on {how.threads} threads\n")
    fixed = {name: network(job, how, gflops) for name, job in plan.fixed.items()}
    more = [network(job, how, gflops) for job in plan.more]
    say("memory of a training step")
    memory = speed_networks.memory(plan.fixed["step"], fixed["step"]["layouts"], how)
    say("\n".join(tables.memory_lines(memory)) + "\n")
    layers = list(every_layer(plan, how, gflops))
    growth = {name: series(name, points, how) for name, points in plan.growth.items()}
    say("errors of each form")
    errors = speed_layers.errors(plan.layers, how.seed)
    return {
        "product_gflops": gflops,
        "networks": [*fixed.values(), *more],
        "memory": memory,
        "layers": layers,
        "growth": growth,
        "ratios": tables.ratios(fixed, memory),
        "errors": errors,
        "definitions": tables.DEFINITIONS,
    }


def network(job: speed_networks.Job, how: How, gflops: float) -> dict[str, Any]:
    say(f"{job.network}, {job.work}, batch {job.batch}, {job.frames} frames")
    row = speed_networks.measured(job, how)
    row["share_of_limit"] = tables.share_of_limit(row, gflops)
    say("\n".join(tables.network_lines(row)) + "\n")
    return row


def every_layer(plan: speed_plan.Plan, how: How, gflops: float) -> Iterator[dict[str, Any]]:
    if plan.batches:
        say(tables.layer_head())
    for layer, batch in product(plan.layers, plan.batches):
        for row in speed_layers.measured(layer, batch, how):
            row["share_of_limit"] = tables.share_of_limit(row, gflops)
            say(tables.layer_line(row))
            yield row


def series(name: str, points: list[tuple[int, speed_networks.Job]], how: How) -> list[dict[str, Any]]:
    """Measure one series of the growth; each number of threads in a process of its own."""
    say(f"\ngrowth: {name}")
    rows = []
    for value, job in points:
        if name == "threads":
            row = speed_networks.in_own_process(job, how._replace(threads=value))
        else:
            row = speed_networks.measured(job, how)
        say(tables.growth_line(value, row))
        rows.append({"value": value, **row})
    return rows


def main() -> None:
    args = options()
    if xp.__name__ != "numpy":
        raise ConfigError(f"the benchmark measures NumPy, and the array module is {xp.__name__}; unset QUATNET_BACKEND")
    threads = args.threads or quatnet.thread_count()
    has_torch = not args.no_torch and find_spec("torch") is not None
    rounds = args.rounds or (5 if args.quick else 3)
    how = How(threads, rounds, args.seed, has_torch, turn_seconds=0.0 if args.toy else 0.05)
    how.start()
    facts = header(how)
    if not has_torch:
        say("PyTorch is not measured: it is not installed, or was left out by --no-torch")
    plan = speed_plan.chosen(quick=args.quick, toy=args.toy, threads=threads)
    results = facts | run(plan, how)
    say("\n" + "\n".join(tables.summary_lines(results)))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    if args.plot:
        from speed_plot import draw

        draw(results, args.plot)


if __name__ == "__main__":
    run_main(main, stopped="stopped; nothing was written")
