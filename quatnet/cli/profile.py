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

COLUMNS = {  # key of a cost -> column title, divisor, number of decimals
    "parameters": ("parameters", 1, 0),
    "multiplications_16": ("mult. 16 (M)", 1e6, 1),
    "multiplications_8": ("mult. 8 (M)", 1e6, 1),
    "multiplications_winograd": ("Winograd (M)", 1e6, 1),
    "additions_16": ("add. 16 (M)", 1e6, 1),
    "additions_8": ("add. 8 (M)", 1e6, 1),
    "activation_bytes": ("activations (MB)", 1e6, 2),
    "milliseconds": ("ms", 1, 2),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("network", help=", ".join(NAMES))
    text = "share of the filters to prune in the second half of the blocks (default: 0)"
    parser.add_argument("--prune", type=float, default=0.0, metavar="P", help=text)
    parser.add_argument("--clip-seconds", type=float, default=10.0, metavar="S", help="length (default: 10)")
    parser.add_argument("--classes", type=positive_int, default=527, metavar="N", help="classes (default: 527)")
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


def table(profile: dict[str, Any]) -> str:
    """Return a text with a title, a table of the layers and the network, and a summary."""
    columns = {key: column for key, column in COLUMNS.items() if key in profile}
    rows = [["layer", *(title for title, _, _ in columns.values())]]
    for layer in [*profile["layers"], {"name": "network", **profile}]:
        values = ((layer[key] / unit, decimals) for key, (_, unit, decimals) in columns.items())
        rows.append([layer["name"], *(f"{value:,.{decimals}f}" for value, decimals in values)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([_title(profile), "", *lines, "", *_summary(profile)])


def _title(profile: dict[str, Any]) -> str:
    pruned = f", {profile['prune']:.0%} of the filters in the second half pruned" if profile["prune"] else ""
    clip = f"{profile['clip_seconds']:g} s ({profile['frames']} frames, {profile['mels']} mels)"
    return f"{profile['network']}{pruned}: one clip of {clip}, {profile['classes']} classes"


def _summary(profile: dict[str, Any]) -> list[str]:
    giga = {key: f"{value / 1e9:.3f} G" for key, value in profile.items() if isinstance(value, int)}
    lines = [
        f"{profile['parameters']:,} parameters",
        f"{giga['multiplications_16']} real multiplications with 16 for a quaternion product, "
        f"{giga['multiplications_8']} with 8, {giga['multiplications_winograd']} with the algorithms that quatnet uses",
        f"{profile['torchinfo_mult_adds'] / 1e9:.2f} G multiply-adds counted by torchinfo, including the spectrogram; "
        "its formula is wrong for quaternion layers",
    ]
    if "milliseconds" in profile:
        compiled = f", {profile['milliseconds_compiled']:.1f} ms compiled" if "milliseconds_compiled" in profile else ""
        lines.append(
            f"{profile['milliseconds']:.1f} ms{compiled}, {profile['threads']} threads; each layer was timed separately"
        )
    return lines
