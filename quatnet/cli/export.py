"""Command `quatnet export`, which writes a model as an ONNX file."""

import argparse

from ..classifier import Classifier
from ..errors import ConfigError, one_line
from .arguments import MODEL_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("out", metavar="FILE.onnx", help="file to write: a waveform in, confidences out")


def run(args: argparse.Namespace) -> None:
    """Write the ONNX file. Raises ConfigError for another suffix, and as `Classifier.to_onnx` does."""
    if not args.out.endswith(".onnx"):
        raise ConfigError(f"expected a name that ends with .onnx, got {args.out!r}")
    Classifier.load(args.model).to_onnx(args.out)
    print(one_line(f"wrote {args.out}"))
