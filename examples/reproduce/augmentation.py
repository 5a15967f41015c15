"""Measure the accuracy with and without augmentation for several numbers of epochs, on ESC-10 or RAVDESS.

    python examples/reproduce/augmentation.py esc10 --data DIR --epochs 5 10 20 60 --seeds 0 1 2

The quaternion CNN of `examples/esc50.py` is trained with the augmentation variants none, shift (time shift) and full
(time shift, SpecAugment and mixup). The test fold of seed s is 1 + s. Each result is one line of JSON in the file of
--out. Trainings whose result is in the file are skipped.
"""

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np

from quatnet import audio, datasets, models, training
from quatnet.cli import nonnegative_int, positive_int, run_main

VARIANTS = {
    "none": None,
    "shift": training.augmentation(masks=0, mixup=None),
    "full": training.augmentation(mixup=0.2),
}
HOP, CLIP_SECONDS = {"esc10": 1280, "ravdess": 640}, {"esc10": 5.0, "ravdess": 4.0}  # as in the examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["esc10", "ravdess"])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of ESC-50 or RAVDESS")
    parser.add_argument("--epochs", type=positive_int, nargs="+", default=[5, 10, 20, 60])
    parser.add_argument("--seeds", type=nonnegative_int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", choices=VARIANTS, nargs="+", default=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=Path("runs/augmentation"))
    args = parser.parse_args()
    data = datasets.esc50.load(args.data, esc10=True) if args.dataset == "esc10" else datasets.ravdess.load(args.data)
    frontend = audio.FrontEnd(hop=HOP[args.dataset], floor_db=-60.0, clip_seconds=CLIP_SECONDS[args.dataset])
    features = datasets.features(data.clips, frontend, cache=args.out / "features")
    path = args.out / f"{args.dataset}.jsonl"
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(row["epochs"], row["seed"], row["variant"]) for row in done}
    for epochs, seed, variant in product(args.epochs, args.seeds, args.variants):
        if (epochs, seed, variant) in known:
            continue
        accuracy = train(data, features, epochs, seed, variant)
        with path.open("a") as file:
            print(json.dumps({"epochs": epochs, "seed": seed, "variant": variant, "accuracy": accuracy}), file=file)


def train(data: datasets.Dataset, features: np.ndarray, epochs: int, seed: int, variant: str) -> float:
    """Return the accuracy on fold 1 + seed of a network trained on the other folds."""
    test, classes = data.folds == 1 + seed, len(data.classes)
    model = models.build(models.small_cnn(classes, quaternion=True, width=16), rng=np.random.default_rng(seed))
    targets = datasets.one_hot(data.labels[~test], classes, label_smoothing=0.1)
    loader = training.DataLoader(features[~test], targets, batch_size=16, augment=VARIANTS[variant])
    training.fit(model, loader, epochs=epochs, seed=seed)
    return training.evaluate(model, features[test], data.labels[test])


if __name__ == "__main__":
    run_main(main)
