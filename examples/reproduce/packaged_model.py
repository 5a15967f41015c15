"""Train, test and write a model of the package.

    python examples/reproduce/packaged_model.py esc50 --data DIR --teacher FILE [--resume] [--write PATH]
    python examples/reproduce/packaged_model.py esc50-small --data DIR          the same for esc50-pruned

The models are the networks of three rows, trained on folds 2 to 5 of ESC-50 with seed 0 and tested on fold 1.
"""

import argparse
from pathlib import Path

from row_data import Paths
from row_training import Run
from rows import row_from_name
from run_row import TRAINING

from quatnet import Classifier
from quatnet.cli import run_main
from quatnet.model_file import model_path

ROWS = {
    "esc50": "esc50/real-20/epochs-400/distil-strong",
    "esc50-small": "esc50/quaternion-16/epochs-200",
    "esc50-pruned": "esc50/quaternion-16/epochs-200/prune-l1-28k",
}
FOLD = 1  # of the test clips
METADATA = {
    "license": "the recordings of ESC-50 are licensed under CC BY-NC 3.0: no commercial use",
    "data_sources": ["K. J. Piczak, ESC: dataset for environmental sound classification, 2015"],
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=ROWS)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the recordings")
    parser.add_argument("--teacher", type=Path, metavar="FILE", help="cached teacher outputs, for esc50")
    parser.add_argument("--out", type=Path, default=Path("runs/reproduce"), help="folder of checkpoints and features")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted training")
    parser.add_argument("--write", type=Path, metavar="PATH", help="model file (that of the package)")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    row = row_from_name(ROWS[args.model])
    run = Run(row, FOLD, 0, Paths(args.data, args.out, args.teacher, args.resume))
    result = TRAINING[row.change](run, row.epochs)
    accuracy = run.task.metric(run.task.predict_test(result.model))
    teacher = " --teacher FILE" if row.needs_cached_teacher else ""
    metadata = METADATA | {
        "data": f"ESC-50, {run.task.metadata['train']} clips of 50 classes, without fold {FOLD}",
        "accuracy": f"{accuracy:.1%} of the {run.task.metadata['test']} clips of fold {FOLD}",
        "command": f"python examples/reproduce/packaged_model.py {args.model} --data DIR{teacher}",
        "teacher": "embeddings of EfficientAT mn04_as, trained on AudioSet" if teacher else "none",
        "row": row.name,
        "fold": FOLD,
        "seed": run.seed,
        "epochs": int(result.total("epochs")),
    }
    classifier = Classifier(result.model, run.task.frontend, run.task.classes, metadata=metadata)
    path = args.write or model_path(args.model)
    classifier.save(path, overwrite=True, float16=True)
    print(f"wrote {path}: {path.stat().st_size / 1e6:.2f} MB, {metadata['accuracy']}")


if __name__ == "__main__":
    run_main(main)
