"""What the examples share: five networks trained on one task, one table, one sentence, pictures.

A real CNN, its quaternion twin, a small student alone, the same student distilled from the quaternion CNN, and the
quaternion CNN with a part of its filters pruned. `esc50.py` tells the story from its beginning.
"""

import argparse
import json
import platform
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pictures  # examples/pictures.py

import quatnet
from quatnet import audio, datasets
from quatnet.batches import Batches, predict, shuffled
from quatnet.distill import Loss, distillation, label_loss
from quatnet.errors import QuatnetError
from quatnet.metrics import accuracy, confusion_matrix, one_hot
from quatnet.models import CNN, CNNConfig, small_cnn, student_of
from quatnet.optim import AdamW, one_cycle
from quatnet.profile import count_parameters, milliseconds_per_clip, multiplications
from quatnet.prune import choose, cut
from quatnet.train import Training

BATCH, PEAK_RATE, WEIGHT_DECAY, LABEL_SMOOTHING = 16, 4e-3, 0.05, 0.1
PRUNED_SHARE, PRUNED_BLOCKS, FINE_TUNING = 0.25, (2, 3, 4), 1 / 3  # share of filters, where, share of epochs
NAMES = ["real CNN", "quaternion CNN", "student alone", "student distilled", "quaternion CNN pruned"]


@dataclass(frozen=True)
class Task:
    """What is learned: how clips come in batches, and how answers to the test clips are judged.

    Parameters
    ----------
    batches, steps : one epoch of training, and how many batches it has
    answers : gives a network's logits (clips, classes) for the test clips
    score : judges such logits; `score_name` says what the number is
    picture : draws logits in a file; `picture_name` is the file's
    example, example_name : one test clip (frames, mels, 4), and what is heard in it
    facts : JSON of the data, for `results.json` and the checkpoints
    """

    classes: tuple[str, ...]
    frontend: audio.FrontEnd
    batches: Batches
    steps: int
    answers: Callable[[CNN], np.ndarray]
    score: Callable[[np.ndarray], float]
    picture: Callable[[np.ndarray, str, Path], None]
    example: np.ndarray
    example_name: str
    facts: dict[str, Any]
    score_name: str = "accuracy"
    picture_name: str = "confusion"
    loss: Loss = label_loss
    distil: Callable[[CNN], Loss] = field(default=partial(distillation, temperature=3.0, weight=0.8))


def parser(description: str, out: str) -> argparse.ArgumentParser:
    """The options of every example."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of weights, shuffling, augmentation, synthesis")
    parser.add_argument("--out", type=Path, default=Path(out), help="results, checkpoints, pictures")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --out")
    parser.add_argument("--smoke", action="store_true", help="a tiny run of everything, in seconds")
    return parser


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def augment(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """No clip comes twice: shifted in time, with stripes masked, and mixed with another."""
    x = audio.time_shift(x, rng=rng)
    x = audio.spec_augment(x, rng=rng, stripes=1, max_frames=x.shape[1] // 8, max_mels=8)
    return audio.mixup(x, targets, rng=rng, alpha=0.2)


def one_label_task(data: datasets.Dataset, fold: int, frontend: audio.FrontEnd, cache: Path) -> Task:
    """Clips of one label each; the test fold is never trained on, and chooses nothing."""
    train_clips, test_clips = data.split(fold)
    print(f"{data.name}: {len(train_clips)} clips to train, {len(test_clips)} to test (fold {fold}). {data.note}")
    features = datasets.features(data.clips, frontend, cache=cache)
    labels, tested = data.labels, data.folds == fold
    train_x, test_x, test_labels = features[~tested], features[tested], labels[tested]
    targets = one_hot(labels[~tested], len(data.classes)) * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / len(data.classes)

    def picture(logits: np.ndarray, name: str, path: Path) -> None:
        pictures.confusion(confusion_matrix(logits, test_labels), data.classes, name, path)

    return Task(
        classes=data.classes,
        frontend=frontend,
        batches=shuffled(train_x, targets, batch=BATCH, augment=augment),
        steps=-(-len(train_x) // BATCH),
        answers=lambda model: predict(model, test_x),
        score=lambda logits: accuracy(logits, test_labels),
        picture=picture,
        example=test_x[0],
        example_name=data.classes[test_labels[0]],
        facts={"name": data.name, "fold": fold, "train": len(train_x), "test": len(test_x)},
    )


def tell(task: Task, args: argparse.Namespace, epochs: int) -> None:
    """Train the five networks, compare them, and write everything under `args.out`."""

    # 3. Training, the same for all five: AdamW, one cycle of the learning rate, the last epoch counts.
    def train(name: str, model: CNN, epochs: int, loss: Loss = task.loss, peak: float = PEAK_RATE) -> dict:
        training = Training(
            model,
            task.batches,
            AdamW(model.parameters(), weight_decay=WEIGHT_DECAY),
            epochs=epochs,
            steps=task.steps,
            schedule=partial(one_cycle, total=epochs * task.steps, peak=peak, warm_up=0.25),
            seed=args.seed,
            loss=loss,
            evaluate=lambda model: task.score(task.answers(model)),  # drawn, never chosen by
            path=args.out / f"{name.replace(' ', '-')}.npz",
            facts={"data": task.facts["name"], "fold": task.facts["fold"], "frontend": repr(task.frontend)},
        )
        if args.resume and training.path.exists():
            training.load()
        progress = training.run(label=name)
        return row(name, model, task) | {"train_seconds": progress.seconds, "history": progress.history}

    # 4. A real CNN, and the quaternion CNN of the same widths: a quarter of the weights.
    def fresh(config: CNNConfig) -> CNN:
        return CNN(config, rng=np.random.default_rng(args.seed))

    width = 8 if args.smoke else 16
    real = fresh(small_cnn(len(task.classes), quaternion=False, width=width))
    quaternion = fresh(small_cnn(len(task.classes), quaternion=True, width=width))
    rows = [train(NAMES[0], real, epochs), train(NAMES[1], quaternion, epochs)]

    # 5. Distilling: a student of half the width, from the labels alone and with the quaternion CNN's answers.
    small = student_of(quaternion.config)
    rows.append(train(NAMES[2], fresh(small), epochs))
    rows.append(train(NAMES[3], fresh(small), epochs, task.distil(quaternion)))

    # 6. Pruning: the filters of smallest L1 norm go, with all that belongs to them; the rest is trained on.
    pruned = cut(quaternion, choose(quaternion, PRUNED_SHARE, blocks=PRUNED_BLOCKS))
    rows.append(train(NAMES[4], pruned, max(1, round(epochs * FINE_TUNING)), peak=PEAK_RATE / 4))

    # 7. What came out.
    print(table(rows, task.score_name), sentence(rows, task.facts["test"], task.score_name), sep="\n")
    save(results(rows, task, args.seed), args.out / "results.json")
    pictures.quaternion_input(task.example, task.frontend, task.example_name, args.out / "quaternion_input.png")
    pictures.training_curves(rows, args.out / "training_curves.png", score=task.score_name)
    pictures.accuracy_against_cost(rows, args.out / "accuracy_against_cost.png", score=task.score_name)
    task.picture(task.answers(pruned), NAMES[4], args.out / f"{task.picture_name}.png")
    print(f"results.json, a checkpoint per network and four pictures are in {args.out}")


def row(name: str, model: CNN, task: Task) -> dict:
    """What the table says of a trained network."""
    products_16, products_8 = multiplications(model.config, task.frontend.frames)
    return {
        "name": name,
        "accuracy": task.score(task.answers(model)),
        "parameters": count_parameters(model),
        "multiplications_16": products_16,
        "multiplications_8": products_8,
        "ms_per_clip": milliseconds_per_clip(model, task.example),
        "widths": model.config.widths,
    }


def results(rows: list[dict], task: Task, seed: int) -> dict:
    return {
        "command": shlex.join(sys.argv),
        "seed": seed,
        "data": task.facts,
        "versions": {
            "quatnet": quatnet.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": {"processor": platform.machine(), "threads": quatnet.thread_count()},
        "sentence": sentence(rows, task.facts["test"], task.score_name),
        "models": rows,
    }


def save(results: dict, path: Path) -> None:
    """All or nothing."""
    partial_file = path.with_name(f".{path.name}.part")
    partial_file.write_text(json.dumps(results, indent=1))
    partial_file.replace(path)


def table(rows: list[dict], score: str = "accuracy") -> str:
    """One line per network; multiplications in millions a clip, with 16 and with 8 per quaternion product."""
    head = f"network                {score:>8} parameters  mult. 16   mult. 8  ms/clip  train s"
    lines = [
        f"{r['name']:22} {r['accuracy']:8.1%} {r['parameters']:10,} {r['multiplications_16'] / 1e6:7.1f} M "
        f"{r['multiplications_8'] / 1e6:7.1f} M {r['ms_per_clip']:8.2f} {r['train_seconds']:8.1f}"
        for r in rows
    ]
    foot = "(train s: this network's own; the distilled and the pruned one also stand on the quaternion CNN's)"
    return "\n".join(["", head, *lines, foot, ""])


def sentence(rows: list[dict], clips: int, score: str = "accuracy") -> str:
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


def run(main: Callable[[], None]) -> None:
    """A user's mistake and Ctrl-C end in one clear line."""
    try:
        main()
    except (QuatnetError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; --resume goes on from the last finished epoch")
