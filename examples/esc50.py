"""The story of quaternion CNNs on environmental sounds, from clips to a small network, on NumPy alone.

    python examples/esc50.py                        synthesised sounds, a few minutes
    python examples/esc50.py --data DIR [--esc10]   real recordings: ESC-50 in its official layout
    python examples/esc50.py --download             fetches them first

Five networks are trained: a real CNN, its quaternion twin, a small student alone, the same student distilled
from the quaternion CNN, and the quaternion CNN with a part of its filters pruned. One table compares them.

After A. Singh, M. Plumbley, V. Abrol, Compressing Quaternion Convolutional Neural Networks for Audio
Classification, 2025 (arXiv 2510.21388).
"""

import argparse
import json
import platform
import shlex
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pictures  # examples/pictures.py

import quatnet
from quatnet import audio, datasets
from quatnet.batches import predict, shuffled
from quatnet.distill import distillation, label_loss
from quatnet.errors import QuatnetError
from quatnet.metrics import accuracy, confusion_matrix, one_hot
from quatnet.models import CNN, small_cnn, student_of
from quatnet.optim import AdamW, one_cycle
from quatnet.profile import count_parameters, milliseconds_per_clip, multiplications
from quatnet.prune import choose, cut
from quatnet.train import Training

BATCH, PEAK_RATE, WEIGHT_DECAY, LABEL_SMOOTHING = 16, 4e-3, 0.05, 0.1
EPOCHS = {"ESC-50": 30, "ESC-10": 60}  # 5 for synthesised sounds
PRUNED_SHARE, PRUNED_BLOCKS, FINE_TUNING = 0.25, (2, 3, 4), 1 / 3  # share of filters, where, share of epochs
NAMES = ["real CNN", "quaternion CNN", "student alone", "student distilled", "quaternion CNN pruned"]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="ESC-50: the folder with meta/ and audio/, or its parent"
    )
    parser.add_argument("--download", action="store_true", help="fetch ESC-50 (600 MB) into --data, or OUT/data")
    parser.add_argument("--esc10", action="store_true", help="only the ten classes of ESC-10")
    parser.add_argument("--fold", type=int, default=1, help="the fold to test on; the others train (default 1)")
    parser.add_argument(
        "--epochs", type=positive, help="default 5 for synthesised sounds, 60 for ESC-10, 30 for ESC-50"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, shuffling, augmentation, synthesis")
    parser.add_argument("--out", type=Path, default=Path("runs/esc50"), help="results, checkpoints, pictures")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --out")
    parser.add_argument("--smoke", action="store_true", help="a tiny run of everything, in seconds")
    return parser.parse_args()


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def load_clips(args: argparse.Namespace) -> datasets.Dataset:
    """Real recordings where a folder or a download is asked for, synthesised sounds otherwise."""
    if args.download:
        args.data = datasets.download(args.data or args.out / "data")
    if args.data:
        return datasets.esc50.load(args.data, esc10=args.esc10)
    return datasets.synthetic.load(clips_per_class=5 if args.smoke else 40, seed=args.seed)


def augment(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """No clip comes twice: shifted in time, with stripes masked, and mixed with another."""
    x = audio.time_shift(x, rng=rng)
    x = audio.spec_augment(x, rng=rng, stripes=1, max_frames=x.shape[1] // 8, max_mels=8)
    return audio.mixup(x, targets, rng=rng, alpha=0.2)


def main() -> None:
    args = options()

    # 1. Clips. Each has a class and a fold; the test fold is never trained on, and chooses nothing.
    data = load_clips(args)
    train_clips, test_clips = data.split(args.fold)
    epochs = args.epochs or (2 if args.smoke else EPOCHS.get(data.name, 5))
    print(f"{data.name}: {len(train_clips)} clips to train, {len(test_clips)} to test (fold {args.fold}). {data.note}")

    # 2. Quaternions. A time-frequency cell is one: log-mel and its first three changes in time are r, i, j, k.
    frontend = audio.FrontEnd(hop=1280, floor_db=-60.0, clip_seconds=2.0 if args.smoke else 5.0)
    features = datasets.features(data.clips, frontend, cache=args.out.parent / "features")
    labels, tested = data.labels, data.folds == args.fold
    train_x, test_x, test_labels = features[~tested], features[tested], labels[tested]
    targets = one_hot(labels[~tested], len(data.classes)) * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / len(data.classes)

    # 3. Training, the same for all five: AdamW, one cycle of the learning rate, the last epoch counts.
    def train(name: str, model: CNN, epochs: int, loss=label_loss, peak: float = PEAK_RATE) -> dict:
        steps = -(-len(train_x) // BATCH)
        training = Training(
            model,
            shuffled(train_x, targets, batch=BATCH, augment=augment),
            AdamW(model.parameters(), weight_decay=WEIGHT_DECAY),
            epochs=epochs,
            steps=steps,
            schedule=partial(one_cycle, total=epochs * steps, peak=peak, warm_up=0.25),
            seed=args.seed,
            loss=loss,
            evaluate=lambda model: accuracy(predict(model, test_x), test_labels),  # drawn, never chosen by
            path=args.out / f"{name.replace(' ', '-')}.npz",
            facts={"data": data.name, "fold": args.fold, "frontend": repr(frontend)},
        )
        if args.resume and training.path.exists():
            training.load()
        progress = training.run(label=name)
        products_16, products_8 = multiplications(model.config, frontend.frames)
        return {
            "name": name,
            "accuracy": accuracy(predict(model, test_x), test_labels),
            "parameters": count_parameters(model),
            "multiplications_16": products_16,
            "multiplications_8": products_8,
            "ms_per_clip": milliseconds_per_clip(model, test_x[0]),
            "train_seconds": progress.seconds,
            "widths": model.config.widths,
            "history": progress.history,
        }

    # 4. A real CNN, and the quaternion CNN of the same widths: a quarter of the weights.
    def fresh(config) -> CNN:
        return CNN(config, rng=np.random.default_rng(args.seed))

    width = 8 if args.smoke else 16
    real = fresh(small_cnn(len(data.classes), quaternion=False, width=width))
    quaternion = fresh(small_cnn(len(data.classes), quaternion=True, width=width))
    rows = [train(NAMES[0], real, epochs), train(NAMES[1], quaternion, epochs)]

    # 5. Distilling: a student of half the width, from the labels alone and with the quaternion CNN's answers.
    small = student_of(quaternion.config)
    rows.append(train(NAMES[2], fresh(small), epochs))
    rows.append(train(NAMES[3], fresh(small), epochs, distillation(quaternion, temperature=3.0, weight=0.8)))

    # 6. Pruning: the filters of smallest L1 norm go, with all that belongs to them; the rest is trained on.
    pruned = cut(quaternion, choose(quaternion, PRUNED_SHARE, blocks=PRUNED_BLOCKS))
    rows.append(train(NAMES[4], pruned, max(1, round(epochs * FINE_TUNING)), peak=PEAK_RATE / 4))

    # 7. What came out.
    print(table(rows), sentence(rows, len(test_x)), sep="\n")
    results = {
        "command": shlex.join(sys.argv),
        "seed": args.seed,
        "data": {"name": data.name, "fold": args.fold, "train": len(train_x), "test": len(test_x)},
        "versions": {
            "quatnet": quatnet.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": {"processor": platform.machine(), "threads": quatnet.thread_count()},
        "sentence": sentence(rows, len(test_x)),
        "models": rows,
    }
    partial_file = args.out / ".results.json.part"
    partial_file.write_text(json.dumps(results, indent=1))
    partial_file.replace(args.out / "results.json")
    pictures.quaternion_input(test_x[0], frontend, data.classes[test_labels[0]], args.out / "quaternion_input.png")
    pictures.training_curves(rows, args.out / "training_curves.png")
    pictures.accuracy_against_cost(rows, args.out / "accuracy_against_cost.png")
    confusion = confusion_matrix(predict(pruned, test_x), test_labels)
    pictures.confusion(confusion, data.classes, NAMES[4], args.out / "confusion.png")
    print(f"results.json, a checkpoint per network and four pictures are in {args.out}")


def table(rows: list[dict]) -> str:
    """One line per network; multiplications in millions a clip, with 16 and with 8 per quaternion product."""
    head = "network                accuracy parameters  mult. 16   mult. 8  ms/clip  train s"
    lines = [
        f"{r['name']:22} {r['accuracy']:8.1%} {r['parameters']:10,} {r['multiplications_16'] / 1e6:7.1f} M "
        f"{r['multiplications_8'] / 1e6:7.1f} M {r['ms_per_clip']:8.2f} {r['train_seconds']:8.1f}"
        for r in rows
    ]
    foot = "(train s: this network's own; the distilled and the pruned one also stand on the quaternion CNN's)"
    return "\n".join(["", head, *lines, foot, ""])


def sentence(rows: list[dict], clips: int) -> str:
    """Say in plain words what the figures show, whether or not the paper agrees."""
    real, quaternion, alone, distilled, pruned = rows

    def against(a: dict, b: dict) -> str:
        points = 100 * (a["accuracy"] - b["accuracy"])
        if abs(points) < 0.05:
            return "as accurate as"
        return f"{abs(points):.1f} points {'above' if points > 0 else 'below'}"

    share = {key: pruned[key] / real[key] for key in ("parameters", "multiplications_8", "ms_per_clip")}
    error = 100 * np.sqrt(max(1e-9, real["accuracy"] * (1 - real["accuracy"])) / clips)
    return (
        f"With {quaternion['parameters'] / real['parameters']:.0%} of the parameters the quaternion CNN is "
        f"{against(quaternion, real)} the real CNN; pruned, it is {against(pruned, real)} the real CNN with "
        f"{share['parameters']:.0%} of the parameters, {share['multiplications_8']:.0%} of the multiplications "
        f"(8 per quaternion product) and {share['ms_per_clip']:.0%} of the milliseconds per clip; the distilled "
        f"student is {against(distilled, alone)} the same student trained alone "
        f"({clips} test clips: one standard error is {error:.1f} points, so smaller differences say little)."
    )


if __name__ == "__main__":
    try:
        main()
    except (QuatnetError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; --resume goes on from the last finished epoch")
