"""Quaternion CNNs on AudioSet: 527 classes, several a clip, and more sound than fits into memory.

    python examples/audioset.py                        a miniature in the official formats, a few minutes
    python examples/audioset.py --data DIR             balanced_train_segments.csv trains, eval_segments.csv tests
    python examples/audioset.py --data DIR --train balanced_train unbalanced_train

DIR holds class_labels_indices.csv, the tables of segments, and the recordings, anywhere below. They are packed once
into shards under --packed; then the front end runs for each batch. Each class has its turn in training, the loss is
binary cross entropy, and mAP, AUC and d' judge. What is trained and compared is told in `esc50.py` and `story.py`.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pictures  # examples/pictures.py
import story  # examples/story.py
import story_options
from story_recipe import Recipe, augment
from story_task import Task

from quatnet import audio
from quatnet.cli import run_main
from quatnet.datasets import Format, Packed, audioset, balanced_batches, pack, recordings
from quatnet.datasets.found import Recordings
from quatnet.datasets.synthetic import toy_audioset
from quatnet.distill import binary_cross_entropy_loss, distillation
from quatnet.models import Network
from quatnet.optim import Adam
from quatnet.training.batches import Batches, predict
from quatnet.training.ranking import average_precision, d_prime, mean_over_classes, roc_auc

# The published one, but for the rate, which falls at the end
RECIPE = Recipe(32, 1e-3, optimizer=partial(Adam, amsgrad=True), label_smoothing=0.0, mixup=1.0)
EPOCHS, STEPS = 10, 1000  # an epoch is so many batches; 5 of 20 for the miniature


def options() -> argparse.Namespace:
    parser = story_options.parser(__doc__, out="runs/audioset")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the folder with the official tables and the recordings"
    )
    parser.add_argument("--train", default=["balanced_train"], nargs="+", metavar="TABLE", help="tables to train on")
    parser.add_argument("--packed", type=Path, metavar="DIR", help="where the shards are kept (default OUT/packed)")
    parser.add_argument("--verify", action="store_true", help="check every packed clip before training")
    parser.add_argument(
        "--epochs", type=story_options.positive, help=f"default 5 for the miniature, {EPOCHS} for AudioSet"
    )
    parser.add_argument(
        "--steps", type=story_options.positive, help=f"batches of an epoch; default 20, {STEPS} for AudioSet"
    )
    return parser.parse_args()


def packed_tables(args: argparse.Namespace, names: list[str], files: Recordings, form: Format) -> Packed:
    """Pack what is not packed yet, and say what is missing."""
    tables = [args.data / f"{name}_segments.csv" for name in names]
    segments = audioset.joined([audioset.read_segments(table, args.data / audioset.LABELS) for table in tables])
    folder = (args.packed or args.out / "packed") / segments.name
    pack(segments, files, folder, form)
    packed = Packed(segments, folder, form)
    print(packed.report)
    if args.verify:
        packed.verify()
    return packed


def multi_label_task(train: Packed, test: Packed, frontend: audio.FrontEnd, steps: int) -> Task:
    """Clips with several labels, from shards; the test table is never trained on, and chooses nothing."""
    targets, example = test.targets(range(len(test))), test.features([0], frontend)[0]

    def batches(recipe: Recipe) -> Batches:
        change = partial(augment, alpha=recipe.mixup)
        return balanced_batches(train, frontend, batch_size=recipe.batch, steps_per_epoch=steps, augment=change)

    def answers(model: Network) -> np.ndarray:
        return np.concatenate([predict(model, x) for x in test.batches(frontend)])

    def judged(logits: np.ndarray) -> dict[str, float]:
        area = mean_over_classes(roc_auc(logits, targets))
        return {"AUC": area, "d_prime": d_prime(area)}

    def picture(logits: np.ndarray, name: str, path: Path) -> None:
        pictures.precision_of_classes(average_precision(logits, targets), test.segments.classes, name, path)

    return Task(
        classes=test.segments.classes,
        frontend=frontend,
        batches=batches,
        steps=lambda _: steps,
        answers=answers,
        score=lambda logits: mean_over_classes(average_precision(logits, targets)),
        judged=judged,
        picture=picture,
        example=example,
        example_name=", ".join(test.segments.classes[label] for label in np.flatnonzero(targets[0])),
        facts={"name": f"AudioSet, {train.segments.name}", "fold": "eval", "train": len(train), "test": len(test)},
        score_name="mAP",
        picture_name="precision_of_classes",
        loss=binary_cross_entropy_loss,
        distil=partial(distillation, kind="bernoulli", temperature=1.0),
        recipe=RECIPE,
    )


def main() -> None:
    args = options()
    seconds, small = 2.0 if args.smoke else 10.0, args.data is None
    if small:
        args.data = toy_audioset.write(
            args.out / "miniature", clips=60 if args.smoke else 300, seed=args.seed, clip_seconds=seconds
        )
        print("This is a miniature of synthesized sounds, so its figures say little; --data DIR takes AudioSet.")
    files = recordings(args.data)
    form = Format(clip_seconds=seconds)
    train, test = packed_tables(args, args.train, files, form), packed_tables(args, ["eval"], files, form)
    frontend = story.heard(args.frontend, hop=1280, floor_db=-60.0, clip_seconds=seconds)
    task = multi_label_task(train, test, frontend, args.steps or (3 if args.smoke else 20 if small else STEPS))
    story.tell(task, args, epochs=args.epochs or (2 if args.smoke else 5 if small else EPOCHS))


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume goes on from the last finished epoch")
