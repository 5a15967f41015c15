"""Command `quatnet embed`, which writes the embeddings of recordings to a file, for search and linear classifiers."""

import argparse

import numpy as np

from ..classifier import Classifier, mean_over_windows
from ..errors import ConfigError, one_line
from ..npz import write_npz
from .arguments import MODEL_HELP, seconds
from .inputs import FILES_HELP, find


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("files", nargs="+", metavar="FILE", help=FILES_HELP)
    parser.add_argument("--out", required=True, metavar="FILE.npz", help="file to write")
    parser.add_argument("--hop", type=seconds, metavar="S", help="an embedding every S seconds (default: the mean)")
    parser.add_argument("--channel", default="mean", metavar="C", help="mean (default), or a number from 0")


def run(args: argparse.Namespace) -> int:
    """Write the arrays paths (N,), starts_s (N,) and embeddings (N, channels), and return the exit code."""
    if not args.out.endswith(".npz"):
        raise ConfigError(f"expected a name that ends with .npz, got {args.out!r}")
    classifier, inputs, rows = Classifier.load(args.model), find(args.files), []

    def embed(path):
        windows = classifier.embedding_windows(classifier.stream(path, channel=args.channel), hop_seconds=args.hop)
        if args.hop is None:
            return np.zeros(1), mean_over_windows(windows)[0][None]
        return tuple(map(np.concatenate, zip(*windows, strict=True)))

    for path, (starts, values) in inputs.map(embed):
        rows.append((np.full(len(values), str(path)), starts / classifier.frontend.sample_rate_hz, values))
    if rows:
        arrays = map(np.concatenate, zip(*rows, strict=True))
        write_npz(args.out, dict(zip(("paths", "starts_s", "embeddings"), arrays, strict=True)))
        print(one_line(f"wrote {sum(len(values) for *_, values in rows)} embeddings to {args.out}"))
    return inputs.exit_code
