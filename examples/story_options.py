"""The options that every example has."""

import argparse
import math
from pathlib import Path

from quatnet import audio
from quatnet.paper_code import PaperCodeFrontEnd
from quatnet.prune import CRITERIA


def parser(description: str, out: str) -> argparse.ArgumentParser:
    """The options of every example."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=natural, default=0, help="of weights, shuffling, augmentation, synthesis")
    parser.add_argument("--out", type=Path, default=Path(out), help="results, checkpoints, pictures")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --out")
    parser.add_argument(
        "--init",
        type=Path,
        nargs="+",
        default=[],
        metavar="CHECKPOINT",
        help="go on from other sounds, with a new head",
    )
    parser.add_argument(
        "--frontend",
        choices=[*audio.FrontEnd.variants, *PaperCodeFrontEnd.variants],
        default="delta",
        help="the four components: log-mel and deltas, log-mel repeated, or as in the paper's code (delta)",
    )
    parser.add_argument("--freeze", action="store_true", help="with --init: train only the new head")
    parser.add_argument("--smoke", action="store_true", help="a tiny run of everything, in seconds")
    parser.add_argument("--temperature", type=above_zero, metavar="T", help="of distillation (3; 1 for AudioSet)")
    parser.add_argument("--weight", type=float, metavar="W", help="of the teacher's answers, 0 to 1 (0.8; 0.5)")
    _add_pruning(parser)
    return parser


def of_distillation(args: argparse.Namespace) -> dict[str, float]:
    """What was asked for of temperature and weight."""
    asked = {"temperature": args.temperature, "alpha": args.weight}
    return {key: value for key, value in asked.items() if value is not None}


def _add_pruning(parser: argparse.ArgumentParser) -> None:
    """Without these a quarter of the filters of the last blocks goes at once, by L1 norm."""
    names = [*CRITERIA, "random"]
    parser.add_argument("--criterion", choices=names, default="l1", help="which filters are pruned first (l1)")
    parser.add_argument(
        "--budget",
        type=above_zero,
        nargs=2,
        metavar=("MULT", "PARAM"),
        help="prune all blocks, to these shares of the real CNN's multiplications and parameters, such as 0.5 0.2",
    )
    parser.add_argument(
        "--rounds", type=positive, default=1, help="prune in so many rounds, with training in between (1)"
    )


def positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def above_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, such as 0.5, got {text!r}")
    return value
