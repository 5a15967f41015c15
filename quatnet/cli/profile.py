"""`python -m quatnet profile NETWORK`: what a published network costs, as a table or as JSON."""

import argparse
import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np

from ..backend import on_gpu
from ..errors import ConfigError
from ..models import NAMES, Config, build, compile, from_name, pruned_config
from ..paper_code.torchinfo import torchinfo_mult_adds
from ..profile.counts import layer_costs, network_cost
from ..profile.latency import layer_milliseconds, milliseconds_per_clip
from ..threads import thread_count
from .profile_table import table

SAMPLE_RATE_HZ, HOP = 32_000, 320  # of the published networks


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of `argparse`."""
    parser = commands.add_parser("profile", help="what a network costs: parameters, multiplications, memory, time")
    parser.add_argument("network", help=", ".join(NAMES))
    parser.add_argument("--prune", type=float, default=0.0, metavar="P", help="cut this share of the later filters")
    parser.add_argument("--clip-seconds", type=float, default=10.0, metavar="S", help="length of the clip (10)")
    parser.add_argument("--classes", type=int, default=527, metavar="N", help="classes (527, of AudioSet)")
    parser.add_argument("--latency", action="store_true", help="build the network and measure milliseconds")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print what was asked for. Raises ConfigError for a name or a value that cannot work."""
    facts = profile_of(options)
    print(json.dumps(facts, indent=2) if options.json else table(facts))


def profile_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a network and of its layers, as JSON will have them."""
    config, frames = _config(options), _frames(options.clip_seconds)
    total, layers = asdict(network_cost(config, frames)), [asdict(cost) for cost in layer_costs(config, frames)]
    asked = {key: getattr(options, key) for key in ("network", "prune", "clip_seconds", "classes")}
    facts = asked | {"frames": frames, "mels": config.mels} | {key: total[key] for key in total if key != "name"}
    facts["torchinfo_mult_adds"] = torchinfo_mult_adds(config, frames)
    return facts | (_measured(config, frames, layers) if options.latency else {}) | {"layers": layers}


def _config(options: argparse.Namespace) -> Config:
    if options.classes < 1:
        raise ConfigError(f"expected at least 1 class, got {options.classes}")
    return pruned_config(from_name(options.network, options.classes), options.prune)


def _frames(clip_seconds: float) -> int:
    if not 0 < clip_seconds < math.inf:
        raise ConfigError(f"expected a clip of some seconds, got {clip_seconds}")
    return 1 + int(clip_seconds * SAMPLE_RATE_HZ) // HOP


def _measured(config: Config, frames: int, layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Measure the network, the same compiled, and each layer, whose time is written into its row."""
    model, clip = build(config, rng=np.random.default_rng(0)), np.zeros((frames, config.mels, 4), np.float32)
    alone = layer_milliseconds(model, frames)
    for layer in layers:
        layer["milliseconds"] = alone[layer["name"]]
    facts = {"threads": thread_count(), "milliseconds": milliseconds_per_clip(model, clip, runs=5)}
    if not on_gpu():
        facts["milliseconds_compiled"] = milliseconds_per_clip(compile(model), clip, runs=5)
    return facts
