"""Measure the speed and memory of quatnet and, if installed, of PyTorch on this machine.

    python examples/benchmarks/pytorch.py --quick     whole networks at batch size 4, a few minutes
    python examples/benchmarks/pytorch.py             also every layer, and several sizes; an hour or more

quatnet and PyTorch run alternately in one process with the same number of threads. The median time is reported.
The speed of a float32 matrix product is measured too. The eight-product limit is the time of all multiplications of
the network at this speed, with eight real multiplications per quaternion product.
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
from speed_machine import print_metadata
from speed_measure import Settings, log, matmul_gflops

import quatnet
from quatnet.backend import xp
from quatnet.cli import run_main
from quatnet.errors import ConfigError


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="measure whole networks at batch size 4 only")
    parser.add_argument("--json", type=_output_file, metavar="FILE", help="write all results to FILE")
    parser.add_argument("--plot", type=_output_file, metavar="FILE", help="plot the results to FILE (PNG, PDF or SVG)")
    parser.add_argument(
        "--threads", type=_positive_int, metavar="N", help="threads of both libraries (default: QUATNET_NUM_THREADS)"
    )
    parser.add_argument("--rounds", type=_positive_int, metavar="N", help="default: 5 with --quick, otherwise 3")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights and the inputs (default: 0)")
    parser.add_argument("--no-torch", action="store_true", help="do not measure PyTorch")
    parser.add_argument("--toy", action="store_true", help=argparse.SUPPRESS)  # for tests; times are not meaningful
    args = parser.parse_args()
    if args.plot and not find_spec("matplotlib"):
        parser.error('--plot needs matplotlib: pip install -e ".[examples]"')
    return args


def _positive_int(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return int(text)


def _output_file(text: str) -> Path:
    """Return the path of an output file. Raise an error before the measurements start if its folder is missing."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file in a folder that exists, got {text!r}")
    return path


def run(plan: speed_plan.Plan, settings: Settings) -> dict[str, Any]:
    """Run all measurements of the plan, and print and return the results."""
    gflops = matmul_gflops(plan.matmul_sizes)
    log(f"\nfloat32 matrix product: {gflops:.1f} GFLOP/s on {settings.threads} threads\n")
    ratio_rows = {name: run_network(job, settings, gflops) for name, job in plan.ratio_jobs.items()}
    other_rows = [run_network(job, settings, gflops) for job in plan.other_jobs]
    log("memory of a training step")
    memory = speed_networks.measure_memory(plan.ratio_jobs["step"], ratio_rows["step"]["layouts"], settings)
    log("\n".join(tables.memory_lines(memory)) + "\n")
    layers = list(run_layers(plan, settings, gflops))
    growth = {name: run_growth(name, points, settings) for name, points in plan.growth.items()}
    log("errors of each algorithm")
    errors = speed_layers.measure_errors(plan.layers, settings.seed)
    return {
        "product_gflops": gflops,
        "networks": [*ratio_rows.values(), *other_rows],
        "memory": memory,
        "layers": layers,
        "growth": growth,
        "ratios": tables.compute_ratios(ratio_rows, memory),
        "errors": errors,
        "definitions": tables.DEFINITIONS,
    }


def run_network(job: speed_networks.Job, settings: Settings, gflops: float) -> dict[str, Any]:
    log(f"{job.network}, {job.work}, batch {job.batch}, {job.frames} frames")
    row = speed_networks.measure_job(job, settings)
    row["share_of_limit"] = tables.share_of_limit(row, gflops)
    log("\n".join(tables.network_lines(row)) + "\n")
    return row


def run_layers(plan: speed_plan.Plan, settings: Settings, gflops: float) -> Iterator[dict[str, Any]]:
    if plan.batch_sizes:
        log(tables.layer_header())
    for layer, batch in product(plan.layers, plan.batch_sizes):
        for row in speed_layers.measure_layer(layer, batch, settings):
            row["share_of_limit"] = tables.share_of_limit(row, gflops)
            log(tables.layer_line(row))
            yield row


def run_growth(name: str, points: list[tuple[int, speed_networks.Job]], settings: Settings) -> list[dict[str, Any]]:
    """Measure one series of jobs of growing size. Each number of threads is measured in its own process."""
    log(f"\ngrowth: {name}")
    rows = []
    for value, job in points:
        if name == "threads":
            row = speed_networks.measure_in_subprocess(job, settings._replace(threads=value))
        else:
            row = speed_networks.measure_job(job, settings)
        log(tables.growth_line(value, row))
        rows.append({"value": value, **row})
    return rows


def main() -> None:
    args = parse_options()
    if xp.__name__ != "numpy":
        raise ConfigError(
            f"the benchmark measures the NumPy backend, but the backend is {xp.__name__}; unset QUATNET_BACKEND"
        )
    threads = args.threads or quatnet.thread_count()
    has_torch = not args.no_torch and find_spec("torch") is not None
    rounds = args.rounds or (5 if args.quick else 3)
    settings = Settings(threads, rounds, args.seed, has_torch, turn_seconds=0.0 if args.toy else 0.05)
    settings.apply()
    metadata = print_metadata(settings)
    if not has_torch:
        log("PyTorch is not measured: it is not installed, or --no-torch was given")
    plan = speed_plan.select_plan(quick=args.quick, toy=args.toy, threads=threads)
    results = metadata | run(plan, settings)
    log("\n" + "\n".join(tables.summary_lines(results)))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    if args.plot:
        from speed_plot import plot_results

        plot_results(results, args.plot)


if __name__ == "__main__":
    run_main(main, stopped="stopped; nothing was written")
