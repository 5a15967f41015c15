"""Train the five networks of `esc50.py` on AudioSet: 527 classes, several labels per clip, clips in packed shards.

    python examples/audioset.py                        a toy data set in the official formats, about a minute
    python examples/audioset.py --data DIR             train on balanced_train_segments.csv, test on eval_segments.csv
    python examples/audioset.py --data DIR --train balanced_train unbalanced_train

DIR contains class_labels_indices.csv, the tables of segments, and the recordings, which are packed once into shards.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from quatnet import audio, datasets, distill, models, plots, prune, training
from quatnet.cli import nonnegative_int, positive_int, run_main
from quatnet.datasets import audioset
from quatnet.files import write_json
from quatnet.optim import Adam
from quatnet.processes import RANK, root_first
from quatnet.training import metrics
from quatnet.training.results import cost_row


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a tiny run of every step, in seconds")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the official tables and the recordings")
    parser.add_argument("--train", default=["balanced_train"], nargs="+", metavar="TABLE", help="tables to train on")
    parser.add_argument("--packed", type=Path, metavar="DIR", help="folder of the shards (default OUT/packed)")
    parser.add_argument("--verify", action="store_true", help="check every packed clip before training")
    parser.add_argument("--epochs", type=positive_int, help="default 5 for the toy data set, 10 for AudioSet")
    parser.add_argument("--steps", type=positive_int, help="batches per epoch; default 20, 1000 for AudioSet")
    parser.add_argument("--seed", type=nonnegative_int, default=0, help="seed of all random numbers (default 0)")
    parser.add_argument("--out", type=Path, default=Path("runs/audioset"), help="folder of the results")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoints in --out")
    return parser.parse_args()


def packed_tables(args: argparse.Namespace, names: list[str], clip_seconds: float) -> datasets.PackedClips:
    """Pack the clips of the tables that are not packed yet, and report missing ones."""
    tables = [args.data / f"{name}_segments.csv" for name in names]
    segments = audioset.concatenate([audioset.read_segments(table, args.data / audioset.LABELS) for table in tables])
    folder, form = (args.packed or args.out / "packed") / segments.name, datasets.ShardFormat(clip_seconds=clip_seconds)
    datasets.pack(segments, datasets.index_recordings(args.data), folder, form)
    packed = datasets.PackedClips(segments, folder, form)
    print(packed.report)
    if args.verify:
        packed.verify()
    return packed


def predict(model: models.Network, test: datasets.PackedClips, frontend: audio.FrontEnd) -> np.ndarray:
    """Return the logits (clips, classes) of all test clips."""
    return np.concatenate([training.predict(model, x) for x in test.batches(frontend)])


def fit(model: models.Network, batches: Callable, checkpoint: Path, settings: dict) -> training.Progress:
    optimizer = Adam(model.parameters(), amsgrad=True)
    return training.fit(model, batches, optimizer=optimizer, checkpoint=checkpoint, **settings)


def main() -> None:
    args = options()
    toy, seconds = args.data is None, 2.0 if args.smoke else 10.0

    # 1. Clips: tables of segments and an index of recordings, packed into shards of int16 samples.
    if toy:
        clips, write = 60 if args.smoke else 300, datasets.synthetic.toy_audioset.write
        with root_first():
            args.data = write(args.out / "toy", clips=clips, seed=args.seed, clip_seconds=seconds)
        print("This toy data set is synthesized; its figures say little about AudioSet. --data DIR takes AudioSet.")
    train_set, test_set = packed_tables(args, args.train, seconds), packed_tables(args, ["eval"], seconds)
    audioset.check_disjoint(train_set.segments, test_set.segments)
    epochs = args.epochs or (2 if args.smoke else 5 if toy else 10)
    steps = args.steps or (3 if args.smoke else 20 if toy else 1000)

    # 2. Front end and batches: 32 clips, balanced over the classes, with time shift, SpecAugment and mixup.
    frontend = audio.FrontEnd(hop=1280, floor_db=-60.0, clip_seconds=seconds)
    print(frontend)
    augment = training.augmentation(mixup=1.0)
    batches = datasets.balanced_batches(train_set, frontend, batch_size=32, steps_per_epoch=steps, augment=augment)
    targets = test_set.targets(range(len(test_set)))

    # 3. Networks.
    classes, width = test_set.segments.classes, 8 if args.smoke else 16
    real_config, quaternion_config = (models.small_cnn(len(classes), quaternion=q, width=width) for q in (False, True))
    student_config = models.half_width(quaternion_config)
    configs = (real_config, quaternion_config, student_config, student_config)
    built = [models.build(config, rng=np.random.default_rng(args.seed)) for config in configs]
    real_cnn, quaternion_cnn, student, distilled = built

    # 4. Training: binary cross entropy, Adam with AMSGrad, one cycle of the learning rate.
    name = f"AudioSet, {train_set.segments.name}"
    settings = {
        "epochs": epochs,
        "steps_per_epoch": steps,
        "max_lr": 1e-3,
        "loss": distill.binary_cross_entropy_loss,
        "evaluate": lambda model: metrics.multi_label_metrics(predict(model, test_set, frontend), targets)["mAP"],
        "metric": "mAP",
        "seed": args.seed,
        "resume": args.resume,
        "metadata": {"data": name, "fold": "eval", "frontend": repr(frontend)},
    }
    real_progress = fit(real_cnn, batches, args.out / "real-CNN.npz", settings)
    quaternion_progress = fit(quaternion_cnn, batches, args.out / "quaternion-CNN.npz", settings)
    student_progress = fit(student, batches, args.out / "student-from-scratch.npz", settings)

    # 5. Distillation with one Bernoulli distribution per class at temperature T = 1.
    soft_loss = distill.distillation(quaternion_cnn, kind="bernoulli", temperature=1.0, alpha=0.5)
    distilled_progress = fit(distilled, batches, args.out / "student-distilled.npz", settings | {"loss": soft_loss})

    # 6. Pruning of a quarter of the filters of the last three blocks by L1 norm, then fine-tuning.
    last_blocks = range(len(quaternion_config.widths))[-3:]
    pruned = prune.prune_filters(quaternion_cnn, prune.select(quaternion_cnn, 0.25, blocks=last_blocks))
    finetune = settings | {"max_lr": 1e-3 / 4, "epochs": max(1, round(epochs / 3))}
    pruned_progress = fit(pruned, batches, args.out / "quaternion-CNN-pruned.npz", finetune)

    # 7. Evaluation on the test table.
    networks = {
        "real CNN": (real_cnn, real_progress),
        "quaternion CNN": (quaternion_cnn, quaternion_progress),
        "student from scratch": (student, student_progress),
        "student distilled": (distilled, distilled_progress),
        "quaternion CNN pruned": (pruned, pruned_progress),
    }
    example, rows = test_set.features([0], frontend)[0], []
    for network, (model, progress) in networks.items():
        scores = metrics.multi_label_metrics(predict(model, test_set, frontend), targets)
        rows.append({"name": network, **scores, **cost_row(model, example, progress)})

    # 8. Table, summary, results.json and figures.
    summary = training.summarize(rows, len(test_set), metric="mAP")
    print(training.results_table(rows, metric="mAP", extra=("AUC", "d_prime")), summary, sep="\n")
    precisions = metrics.average_precision(predict(pruned, test_set, frontend), targets)
    if RANK:  # under mpiexec, process 0 alone writes files
        return
    split = {"name": name, "fold": "eval", "train": len(train_set), "test": len(test_set)}
    run = training.run_metadata(args.seed)
    write_json(args.out / "results.json", run | {"data": split, "metric": "mAP", "summary": summary, "models": rows})
    label = ", ".join(classes[index] for index in np.flatnonzero(targets[0]))
    savings = prune.layer_savings(quaternion_cnn.config, pruned.config, frontend.frames)
    plots.quaternion_input(example, frontend, label, args.out / "quaternion_input.png")
    plots.training_curves(rows, args.out / "training_curves.png", metric="mAP")
    plots.accuracy_against_cost(rows, args.out / "accuracy_against_cost.png", metric="mAP")
    plots.pruning(savings, args.out / "pruning.png")
    plots.average_precision(precisions, classes, "quaternion CNN pruned", args.out / "average_precision.png")
    print(f"results.json, five checkpoints and five figures are in {args.out}")


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume continues from the last finished epoch", hint="; see --resume")
