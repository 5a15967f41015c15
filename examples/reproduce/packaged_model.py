"""Train and write the models of the package.

    python examples/reproduce/packaged_model.py --data DIR --teacher FILE [--seed 0] [--resume] [--write PATH]
    python examples/reproduce/packaged_model.py --pruned --data DIR --teacher FILE [--fold 1] [--seed 0] [--resume]

The model is the row esc50/quaternion-40/best on the clips of all folds, so it has no test clips. Its card contains
the accuracy of the row on fold 1. With `--pruned`, it is a quaternion-16 network that is trained in the same way for 60
epochs on the other folds than `--fold`, pruned to 28,000 parameters, fine-tuned for 40 epochs, and tested on `--fold`.
"""

import argparse
import copy
from dataclasses import replace
from pathlib import Path

from distillation_rows import BEST, train_best
from row_data import Paths
from row_training import Run, TrainResult
from rows import row_from_name

from quatnet import Classifier
from quatnet.cli import run_main
from quatnet.model_file import PACKAGED, PACKAGED_PRUNED
from quatnet.prune import Budget, prune_filters, select

ROW, PRUNED_ROW = "esc50/quaternion-40/best", "esc50/quaternion-16/best"
PARAMETERS, EPOCHS, FINETUNE_EPOCHS = 28_000, 60, 40  # of the pruned model
FINETUNE = replace(BEST, max_lr=BEST.max_lr / 2, mixup_alpha=0.2)
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
    parser.add_argument("--pruned", action="store_true", help="train the pruned model of at most 100 kB")
    parser.add_argument("--fold", type=int, default=1, metavar="N", help="fold of the test clips of --pruned (1)")
    parser.add_argument("--write", type=Path, metavar="PATH", help="model file (that of the package)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted training")
    return parser.parse_args()


def train_pruned(run: Run) -> TrainResult:
    """Train, prune and fine-tune the network of a run, with cached teacher outputs."""
    base = train_best(run, 0, best_epochs=EPOCHS)
    keep = select(base.model, budget=Budget(parameters=PARAMETERS, frames=run.task.frontend.frames))
    finetuning = copy.copy(run)
    finetuning.path = run.path.with_name(f"{run.path.stem}-pruned.npz")
    pruned = prune_filters(base.model, keep)
    return finetuning.train(pruned, FINETUNE_EPOCHS, config=FINETUNE, task=run.task.for_student())


def main() -> None:
    args = parse_args()
    row, fold = (PRUNED_ROW, args.fold) if args.pruned else (ROW, ALL_FOLDS)
    run = Run(row_from_name(row), fold, args.seed, Paths(args.data, args.out, args.teacher, args.resume))
    result = train_pruned(run) if args.pruned else train_best(run, 0)
    print(f"trained for {result.epochs} epochs in {result.seconds:.0f} s, loss {result.loss:.4f}")
    metadata = METADATA | {"seed": args.seed, "epochs": result.epochs, "loss": round(result.loss, 4)}
    if args.pruned:
        accuracy = run.task.metric(run.task.predict_test(result.model))
        metadata |= {
            "data": f"ESC-50, 1600 clips of 50 classes, without fold {fold}",
            "accuracy": f"{accuracy:.2%} on fold {fold}",
            "command": f"{METADATA['command']} --pruned",
            "fold": fold,
        }
        print(metadata["accuracy"])
    classifier = Classifier(result.model, run.task.frontend, run.task.classes, metadata=metadata)
    path = args.write or (PACKAGED_PRUNED if args.pruned else PACKAGED)
    classifier.save(path, overwrite=True, float16=True)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run_main(main)
