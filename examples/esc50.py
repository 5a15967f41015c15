"""Train, distill and prune a quaternion CNN for environmental sounds, and compare it with a real CNN.

    python examples/esc50.py                        synthesized sounds, about a minute
    python examples/esc50.py --data DIR [--esc10]   ESC-50 in its official layout
    python examples/esc50.py --download             ESC-50, downloaded first
    mpiexec -n 2 python examples/esc50.py           two processes that share each batch; needs the extra [mpi]

The script trains a real CNN, a quaternion CNN of the same widths, a student of half the width from scratch, and the
same student by distillation from the quaternion CNN. Then it prunes the quaternion CNN and fine-tunes the result.

Source: A. Singh, M. Plumbley, V. Abrol, Compressing Quaternion Convolutional Neural Networks for Audio Classification,
2025 (arXiv 2510.21388).
"""

import argparse
from pathlib import Path

import numpy as np

from quatnet import audio, datasets, distill, models, plots, prune, training
from quatnet.cli import nonnegative_int, positive_int, run_main
from quatnet.files import write_json
from quatnet.processes import RANK, root_first

EPOCHS = {"ESC-50": 30, "ESC-10": 60}  # 5 for synthesized sounds


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a tiny run of every step, in seconds")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with meta/ and audio/ of ESC-50")
    parser.add_argument("--download", action="store_true", help="download ESC-50 (600 MB) into --data, or OUT/data")
    parser.add_argument("--esc10", action="store_true", help="use the ten classes of ESC-10 only")
    parser.add_argument(
        "--fold", type=int, default=1, help="test fold, 1 to 5; training uses the other folds (default 1)"
    )
    parser.add_argument(
        "--epochs", type=positive_int, help="default 5 for synthesized sounds, 30 for ESC-50, 60 for ESC-10"
    )
    parser.add_argument("--seed", type=nonnegative_int, default=0, help="seed of all random numbers (default 0)")
    parser.add_argument("--out", type=Path, default=Path("runs/esc50"), help="folder of the results")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoints in --out")
    return parser.parse_args()


def main() -> None:
    args = options()

    # 1. Clips and folds. Each clip has a class and a fold. The test fold is used for evaluation only.
    if args.download:
        with root_first():  # under mpiexec, process 0 downloads
            args.data = datasets.download(args.data or args.out / "data")
    if args.data:
        data = datasets.esc50.load(args.data, esc10=args.esc10)
    else:
        data = datasets.synthetic.load(clips_per_class=5 if args.smoke else 40, seed=args.seed)
    train_clips, test_clips = data.split(args.fold)
    print(
        f"{data.name}: {len(train_clips)} training clips, {len(test_clips)} test clips (fold {args.fold}).", data.note
    )
    epochs = args.epochs or (2 if args.smoke else EPOCHS.get(data.name, 5))
    if args.data and not args.epochs:
        print(f"{epochs} epochs are few. The accuracies in docs/results.md take --epochs 100 or 200.")

    # 2. Front end. The features (clips, frames, mels, 4) hold a quaternion for each frame and mel bin: r is the log-mel
    # (dB); i, j and k are the first, second and third delta along time. The features are cached on disk.
    clip_seconds = 2.0 if args.smoke else 5.0
    frontend = audio.FrontEnd(sample_rate_hz=32000, hop=1280, mels=64, floor_db=-60.0, clip_seconds=clip_seconds)
    print(frontend)
    features = datasets.features(data.clips, frontend, cache=args.out.parent / "features")
    test = data.folds == args.fold
    train_x, test_x, test_labels = features[~test], features[test], data.labels[test]
    targets = datasets.one_hot(data.labels[~test], len(data.classes), label_smoothing=0.1)

    # 3. Networks. The real CNN selects the component r. The quaternion CNN has the same numbers of real channels and
    # about a quarter of the weights. The two students have half of the channels.
    real_config = models.small_cnn(len(data.classes), quaternion=False, width=8 if args.smoke else 16)
    quaternion_config = models.small_cnn(len(data.classes), quaternion=True, width=8 if args.smoke else 16)
    student_config = models.half_width(quaternion_config)
    real_cnn = models.build(real_config, rng=np.random.default_rng(args.seed))
    quaternion_cnn = models.build(quaternion_config, rng=np.random.default_rng(args.seed))
    student = models.build(student_config, rng=np.random.default_rng(args.seed))
    distilled = models.build(student_config, rng=np.random.default_rng(args.seed))

    # 4. Training: AdamW and one cycle of the learning rate. The number of epochs selects the augmentation: below 10
    # none, from 10 on a random time shift, from 100 on also SpecAugment and mixup, as in docs/results.md.
    strong = training.augmentation(masks=2, max_frames=1 / 6, max_mels=10, mixup=0.3)
    augment = strong if epochs >= 100 else training.default_augmentation(epochs)
    loader = training.DataLoader(train_x, targets, batch_size=16, augment=augment)
    settings = {
        "epochs": epochs,
        "max_lr": 4e-3,
        "weight_decay": 0.05,
        "test": (test_x, test_labels),  # for the training curves only; the last epoch is kept
        "seed": args.seed,
        "resume": args.resume,
        "metadata": {"data": data.name, "fold": args.fold, "frontend": repr(frontend)},
    }
    real_progress = training.fit(real_cnn, loader, checkpoint=args.out / "real-CNN.npz", **settings)
    quaternion_progress = training.fit(quaternion_cnn, loader, checkpoint=args.out / "quaternion-CNN.npz", **settings)
    student_progress = training.fit(student, loader, checkpoint=args.out / "student-from-scratch.npz", **settings)

    # 5. Distillation. The loss is 0.2 · cross entropy + 0.8 · T² KL(teacher || student), where the probabilities in KL
    # are softmax(logits / T) with the temperature T = 3. The teacher receives the same augmented batch.
    soft_loss = distill.distillation(quaternion_cnn, temperature=3.0, alpha=0.8)
    distilled_progress = training.fit(
        distilled, loader, loss=soft_loss, checkpoint=args.out / "student-distilled.npz", **settings
    )

    # 6. Pruning. In each layer of the last three blocks the 25 % of the filters with the smallest L1 norm are removed,
    # with their batch norm entries and the matching input channels of the next layer. Fine-tuning follows.
    last_blocks = range(len(quaternion_config.widths))[-3:]
    keep_indices = prune.select(quaternion_cnn, ratio=0.25, blocks=last_blocks, criterion=prune.l1)
    pruned = prune.prune_filters(quaternion_cnn, keep_indices)
    finetune = settings | {"max_lr": 1e-3, "epochs": max(1, round(epochs / 3))}
    pruned_progress = training.fit(pruned, loader, checkpoint=args.out / "quaternion-CNN-pruned.npz", **finetune)

    # 7. Evaluation on the test fold: accuracy, parameters, milliseconds per clip, real multiplications per clip. The
    # multiplications are counted with 16 and with 8 per quaternion product.
    rows = [
        training.result_row("real CNN", real_cnn, test_x, test_labels, real_progress),
        training.result_row("quaternion CNN", quaternion_cnn, test_x, test_labels, quaternion_progress),
        training.result_row("student from scratch", student, test_x, test_labels, student_progress),
        training.result_row("student distilled", distilled, test_x, test_labels, distilled_progress),
        training.result_row("quaternion CNN pruned", pruned, test_x, test_labels, pruned_progress),
    ]

    # 8. Table, summary, results.json and figures.
    summary = training.summarize(rows, len(test_clips))
    savings = prune.layer_savings(quaternion_cnn.config, pruned.config, frontend.frames)
    print(
        "",
        prune.savings_table(savings),
        training.results_table(rows),
        summary,
        sep="\n",
    )
    matrix = training.confusion_matrix(training.predict(pruned, test_x), test_labels)
    if RANK:  # under mpiexec, process 0 alone writes files
        return
    split = {"name": data.name, "fold": args.fold, "train": len(train_clips), "test": len(test_clips)}
    run = training.run_metadata(args.seed)
    write_json(
        args.out / "results.json", run | {"data": split, "metric": "accuracy", "summary": summary, "models": rows}
    )
    example = int(test_x[..., 0].std(axis=(1, 2)).argmax())  # index of the clip with the largest deviation
    label = data.classes[test_labels[example]]
    plots.quaternion_input(test_x[example], frontend, label, args.out / "quaternion_input.png")
    plots.training_curves(rows, args.out / "training_curves.png")
    plots.accuracy_against_cost(rows, args.out / "accuracy_against_cost.png")
    plots.pruning(savings, args.out / "pruning.png")
    plots.confusion(matrix, data.classes, "quaternion CNN pruned", args.out / "confusion.png")
    print(f"results.json, five checkpoints and five figures are in {args.out}")


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume continues from the last finished epoch", hint="; see --resume")
