"""Command `python -m quatnet profile NETWORK`, which prints the cost of a network as a table or as JSON."""

import argparse
import json
from dataclasses import asdict
from typing import Any

import numpy as np

from ..audio import FrontEnd
from ..backend import on_gpu
from ..graph import trace
from ..models import NAMES, Config, build, compile, from_name, pruned_config
from ..paper_code.torchinfo import torchinfo_mult_adds
from ..profile.counts import layer_costs, network_cost
from ..profile.latency import layer_milliseconds, milliseconds_per_clip
from ..threads import thread_count
from .arguments import positive_int
from .profile_table import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("network", help=", ".join(NAMES))
    text = "share of the filters to prune in the second half of the blocks (default: 0)"
    parser.add_argument("--prune", type=float, default=0.0, metavar="P", help=text)
    parser.add_argument("--clip-seconds", type=float, default=10.0, metavar="S", help="length (default: 10)")
    parser.add_argument(
        "--classes", type=positive_int, default=527, metavar="N", help="number of classes (default: 527)"
    )
    parser.add_argument("--latency", action="store_true", help="build the network and measure its run time")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> None:
    """Print the profile as a table or as JSON. Raises ConfigError for an invalid name or value."""
    profile = profile_network(args)
    print(json.dumps(profile, indent=2) if args.json else table(profile))


def profile_network(args: argparse.Namespace) -> dict[str, Any]:
    """Return the costs of a network and of its layers, as printed with `--json`."""
    config = pruned_config(from_name(args.network, args.classes), args.prune)
    frames = FrontEnd(clip_seconds=args.clip_seconds).frames
    total, layers = asdict(network_cost(config, frames)), [asdict(cost) for cost in layer_costs(config, frames)]
    profile = {key: getattr(args, key) for key in ("network", "prune", "clip_seconds", "classes")}
    profile |= {"frames": frames, "mels": config.mels} | {key: total[key] for key in total if key != "name"}
    profile["torchinfo_mult_adds"] = torchinfo_mult_adds(config, frames)
    return profile | (_measure_latency(config, frames, layers) if args.latency else {}) | {"layers": layers}


def _measure_latency(config: Config, frames: int, layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run time of the network, without and with compilation.

    The run time of each layer is added to `layers`.
    """
    model, clip = build(config, rng=np.random.default_rng(0)), np.zeros((frames, config.mels, 4), np.float32)
    times = layer_milliseconds(trace(model, clip[None]))
    for layer in layers:
        layer["milliseconds"] = times[layer["name"]]
    latency = {"threads": thread_count(), "milliseconds": milliseconds_per_clip(model, clip, runs=5)}
    if not on_gpu():
        latency["milliseconds_compiled"] = milliseconds_per_clip(compile(model), clip, runs=5)
    return latency
