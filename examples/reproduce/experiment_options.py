"""Command-line options of experiment.py."""

import argparse
import math
from pathlib import Path

from variants import CRITERION_NAMES, FRONTENDS

from quatnet.cli import nonnegative_int, positive_int

DATASETS = ("esc50", "gtzan", "ravdess", "audioset")
SINGLE_LABEL = ("esc50", "gtzan", "ravdess")
DATASETS_OF_OPTION = {
    "esc10": ("esc50",),
    "filtered": ("gtzan",),
    "fold": SINGLE_LABEL,
    "teacher": SINGLE_LABEL,
    "train": ("audioset",),
    "packed": ("audioset",),
    "verify": ("audioset",),
    "steps": ("audioset",),
}


def parse_args(description: str) -> argparse.Namespace:
    """Return the command-line options. Options that do not apply to the data set raise an error."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=DATASETS, required=True)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the recordings (synthesized sounds)")
    parser.add_argument("--out", type=Path, help="results, checkpoints, plots (runs/experiment/DATASET)")
    parser.add_argument("--smoke", action="store_true", help="a small run of all steps, in seconds")
    parser.add_argument("--epochs", type=positive_int, help="default depends on the data set, 5 for synthesized sounds")
    parser.add_argument("--seed", type=nonnegative_int, default=0, help="seed of all random numbers (0)")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoints in --out")
    parser.add_argument("--frontend", choices=FRONTENDS, default="delta", help="components of the features (delta)")
    _add_dataset_options(parser.add_argument_group("options of a data set"))
    _add_transfer_options(parser.add_argument_group("transfer"))
    _add_distillation_options(parser.add_argument_group("distillation"))
    _add_pruning_options(parser.add_argument_group("pruning"))
    args = parser.parse_args()
    for name, datasets in DATASETS_OF_OPTION.items():
        if args.dataset not in datasets and getattr(args, name) != parser.get_default(name):
            parser.error(f"--{name} does not apply to --dataset {args.dataset}")
    args.out = args.out or Path("runs/experiment") / args.dataset
    return args


def _add_dataset_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--fold", type=int, default=1, help="the test fold (default 1)")
    group.add_argument("--esc10", action="store_true", help="esc50: only the ten classes of ESC-10")
    group.add_argument("--filtered", action="store_true", help="gtzan: the fault-filtered split")
    group.add_argument("--train", default=["balanced_train"], nargs="+", metavar="TABLE", help="audioset: tables")
    group.add_argument("--packed", type=Path, metavar="DIR", help="audioset: folder of the shards (OUT/packed)")
    group.add_argument("--verify", action="store_true", help="audioset: check every packed clip before training")
    group.add_argument("--steps", type=positive_int, help="audioset: batches per epoch (1000, synthesized 20)")


def _add_transfer_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--init", type=Path, nargs="+", default=[], metavar="CHECKPOINT", help="pretrained networks, at most two kinds"
    )
    group.add_argument("--freeze", action="store_true", help="with --init: train only the new classifier")


def _add_distillation_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--teacher", type=Path, metavar="FILE", help="cached logits or embeddings, .npz; docs/09-distillation.md"
    )
    group.add_argument("--temperature", type=positive_float, metavar="T", help="default 3; 1 for AudioSet")
    group.add_argument("--alpha", type=float, metavar="A", help="weight of the soft loss, 0 to 1 (0.8; AudioSet 0.5)")


def _add_pruning_options(group: argparse._ArgumentGroup) -> None:
    """Default: a quarter of the filters of the last blocks is pruned in one round, by L1 norm."""
    group.add_argument("--criterion", choices=CRITERION_NAMES, default="l1", help="score of a filter (l1)")
    group.add_argument(
        "--budget",
        type=positive_float,
        nargs=2,
        metavar=("MULT", "PARAM"),
        help="prune all blocks, to these fractions of the real CNN's multiplications and parameters, such as 0.5 0.2",
    )
    group.add_argument("--rounds", type=positive_int, default=1, help="rounds of pruning and fine-tuning (1)")


def positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, such as 0.5, got {text!r}")
    return value
