"""Train and write the model of the package: the row esc50/quaternion-40/best, on the clips of all folds of ESC-50.

    python examples/reproduce/packaged_model.py --data DIR --teacher FILE [--seed 0] [--resume] [--write PATH]

The accuracy of the model card is the accuracy of the row on fold 1, since the model itself has no test clips.
"""

import argparse
from pathlib import Path

from distillation_rows import train_best
from row_data import Paths
from row_training import Run
from rows import row_from_name

from quatnet import Classifier
from quatnet.classifier import PACKAGED
from quatnet.cli import run_main

ROW = "esc50/quaternion-40/best"
ALL_FOLDS = 0  # no fold has this number, so all clips are training clips
METADATA = {
    "data": "ESC-50, 2000 clips of 50 classes, all five folds",
    "accuracy": "83.4 % on fold 1 of the same training on folds 2 to 5, mean of two seeds (docs/results.md)",
    "command": "python examples/reproduce/packaged_model.py --data DIR --teacher FILE",
    "teacher": "embeddings of EfficientAT mn04_as, trained on AudioSet",
    "license": "the recordings of ESC-50 are licensed under CC BY-NC 3.0: no commercial use",
    "data_sources": ["K. J. Piczak, ESC: dataset for environmental sound classification, 2015"],
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the recordings")
    parser.add_argument("--teacher", type=Path, required=True, metavar="FILE", help="cached teacher outputs")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, shuffling and augmentation (0)")
    parser.add_argument("--out", type=Path, default=Path("runs/reproduce"), help="folder of checkpoints and features")
    parser.add_argument("--write", type=Path, default=PACKAGED, metavar="PATH", help="model file (of the package)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted training")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    run = Run(row_from_name(ROW), ALL_FOLDS, args.seed, Paths(args.data, args.out, args.teacher, args.resume))
    result = train_best(run, 0)
    print(f"trained for {result.epochs} epochs in {result.seconds:.0f} s, loss {result.loss:.4f}")
    metadata = METADATA | {"seed": args.seed, "epochs": result.epochs, "loss": round(result.loss, 4)}
    classifier = Classifier(result.model, run.task.frontend, run.task.classes, metadata=metadata)
    classifier.save(args.write, overwrite=True, float16=True)
    print(f"wrote {args.write}, {args.write.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run_main(main)
