"""Train the model of the package: the row esc50/quaternion-40/best, on the clips of all five folds of ESC-50.

    python examples/reproduce/packaged_model.py --data DIR --teacher FILE [--seed 0] [--resume]

The accuracy of the model card is the accuracy of the row on fold 1, since the model itself has no test clips.
"""

import argparse
from pathlib import Path

from distillation_rows import train_best
from row_data import Paths
from row_training import Run
from rows import row_from_name

from quatnet.cli import run_main

ROW = "esc50/quaternion-40/best"
ALL_FOLDS = 0  # no fold has this number, so all clips are training clips


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the recordings")
    parser.add_argument("--teacher", type=Path, required=True, metavar="FILE", help="cached teacher outputs")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, shuffling and augmentation (0)")
    parser.add_argument("--out", type=Path, default=Path("runs/reproduce"), help="folder of checkpoints and features")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted training")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    run = Run(row_from_name(ROW), ALL_FOLDS, args.seed, Paths(args.data, args.out, args.teacher, args.resume))
    result = train_best(run, 0)
    print(f"trained for {result.epochs} epochs in {result.seconds:.0f} s, loss {result.loss:.4f}")


if __name__ == "__main__":
    run_main(main)
