"""Command `quatnet train`, which trains a classifier on recordings of the user."""

import argparse
from pathlib import Path

import numpy as np

from ..datasets import Dataset, choose_clip_seconds
from ..errors import one_line
from ..models import build
from ..training.recipe import network_config
from ..training.recordings import check_files, default_frontend, load_split
from . import recordings
from .arguments import seconds as positive_seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("data", nargs="?", metavar="DIR", help="folder of class folders")
    parser.add_argument("--out", type=Path, default=Path("runs/train"), metavar="DIR", help="default: runs/train")
    parser.add_argument("--dry-run", action="store_true", help="print what was found, and stop")
    text = "window length, by default from the recordings"
    parser.add_argument("--clip-seconds", type=positive_seconds, metavar="S", help=text)
    recordings.add_arguments(parser, new_network=True)


def run(args: argparse.Namespace) -> None:
    """Train, print the results and write them to the folder `--out`. Raises QuatnetError for invalid input."""
    path = args.out / "model.npz"
    if recordings.is_finished(path, args):
        return
    if not args.dry_run:
        check_files(path, resume=args.resume, overwrite=args.overwrite)
    data = recordings.load_readable(args)
    lengths = [clip.seconds for clip in data.clips]
    seconds = args.clip_seconds or choose_clip_seconds([max(lengths)] if args.annotations else lengths)
    fold, frontend = 1 if args.fold is None else args.fold, default_frontend(data.clips, seconds)
    data.split(fold)  # raises DataError for an unknown fold
    config = network_config(len(data.classes), size=args.size, quaternion=args.network == "quaternion")
    network = build(config, rng=np.random.default_rng(args.seed))
    print(describe(data), f"windows of {seconds:g} s, {frontend.sample_rate_hz} Hz", sep="\n")
    higher = sum(clip.rate_hz > frontend.sample_rate_hz for clip in data.clips)
    if higher and frontend.sample_rate_hz < 32000:
        print(f"frequencies above {frontend.high_hz:g} Hz are not used; {higher} clips have a higher sample rate")
    print(f"{args.network} network with {sum(tensor.size for tensor in network.parameters()):,} parameters")
    if not args.dry_run:
        split = load_split(data, fold, frontend, cache=args.out.parent / "features")
        recordings.fit_and_report(network, split, path, args, report_to=args.out)


def describe(data: Dataset) -> str:
    """Return the classes with their numbers of clips, the durations, the sample rates and the note as text."""
    seconds = np.array([clip.seconds for clip in data.clips])
    rates = ", ".join(f"{rate} Hz" for rate in sorted({clip.rate_hz for clip in data.clips}))
    counts = zip(data.classes, data.targets.sum(axis=0).astype(int), strict=True)
    lines = [
        f"{data.name}: {len(data.clips)} clips, {seconds.sum() / 60:.1f} minutes, at {rates}",
        f"{len(data.classes)} classes: {', '.join(f'{name} ({count})' for name, count in counts)}",
        f"length of a clip: {seconds.min():.1f} to {seconds.max():.1f} s, median {np.median(seconds):.1f} s",
    ]
    return "\n".join(one_line(line, length=10_000) for line in [*lines, data.note] if line)
