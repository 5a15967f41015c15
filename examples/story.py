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
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pictures  # examples/pictures.py

import quatnet
from quatnet import audio, datasets
from quatnet.batches import Batches, predict, shuffled
from quatnet.checkpoint import load_model
from quatnet.distill import Loss, distillation, label_loss
from quatnet.errors import ConfigError, QuatnetError
from quatnet.metrics import accuracy, confusion_matrix, one_hot
from quatnet.models import CNN, CNNConfig, small_cnn, student_of
from quatnet.optim import Adam, AdamW, Optimiser, one_cycle
from quatnet.profile import count_parameters, milliseconds_per_clip, multiplications
from quatnet.prune import choose, cut
from quatnet.train import Training
from quatnet.transfer import frozen, with_new_head

PRUNED_SHARE, PRUNED_BLOCKS, FINE_TUNING = 0.25, 3, 1 / 3  # share of filters, in how many last blocks, share of epochs
NAMES = ["real CNN", "quaternion CNN", "student alone", "student distilled", "quaternion CNN pruned"]


warm_cycle = partial(one_cycle, warm_up=0.25)
decayed = partial(AdamW, weight_decay=0.05)
soft_answers = partial(distillation, temperature=3.0, weight=0.8)


@dataclass(frozen=True)
class Recipe:
    """How one network is trained: batches and what is done to them, optimiser, learning rate of each step."""

    batch: int = 16
    peak: float = 4e-3
    schedule: Callable[..., float] = warm_cycle  # step, total, peak
    optimiser: Callable[[dict], Optimiser] = decayed
    label_smoothing: float = 0.1
    mixup: float = 0.2


def constant(_step: int, _total: int, *, peak: float) -> float:
    return peak


# Of the transfer of PANNs to GTZAN (Q. Kong and others, 2020, released code)
TRANSFER = Recipe(32, 1e-4, constant, partial(Adam, amsgrad=True), label_smoothing=0.0, mixup=1.0)


@dataclass(frozen=True)
class Task:
    """What is learned: how clips come in batches, and how answers to the test clips are judged.

    Parameters
    ----------
    batches, steps : one epoch of training by a recipe, and how many batches it has
    answers : gives a network's logits (clips, classes) for the test clips
    score : judges such logits; `score_name` says what the number is
    judged : further figures of such logits, for the table and `results.json`
    picture : draws logits in a file; `picture_name` is the file's
    example, example_name : one test clip (frames, mels, 4), and what is heard in it
    facts : JSON of the data, for `results.json` and the checkpoints
    """

    classes: tuple[str, ...]
    frontend: audio.FrontEnd
    batches: Callable[[Recipe], Batches]
    steps: Callable[[Recipe], int]
    answers: Callable[[CNN], np.ndarray]
    score: Callable[[np.ndarray], float]
    picture: Callable[[np.ndarray, str, Path], None]
    example: np.ndarray
    example_name: str
    facts: dict[str, Any]
    score_name: str = "accuracy"
    judged: Callable[[np.ndarray], dict[str, float]] = lambda _: {}
    picture_name: str = "confusion"
    loss: Loss = label_loss
    distil: Callable[[CNN], Loss] = soft_answers
    recipe: Recipe = Recipe()


def parser(description: str, out: str) -> argparse.ArgumentParser:
    """The options of every example."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of weights, shuffling, augmentation, synthesis")
    parser.add_argument("--out", type=Path, default=Path(out), help="results, checkpoints, pictures")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --out")
    parser.add_argument(
        "--init",
        type=Path,
        nargs="+",
        default=[],
        metavar="CHECKPOINT",
        help="go on from other sounds, with a new head",
    )
    parser.add_argument("--freeze", action="store_true", help="with --init: train only the new head")
    parser.add_argument("--smoke", action="store_true", help="a tiny run of everything, in seconds")
    return parser


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def augment(
    x: np.ndarray, targets: np.ndarray, rng: np.random.Generator, *, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """No clip comes twice: shifted in time, with stripes masked, and mixed with another."""
    x = audio.time_shift(x, rng=rng)
    x = audio.spec_augment(x, rng=rng, stripes=1, max_frames=x.shape[1] // 8, max_mels=8)
    return audio.mixup(x, targets, rng=rng, alpha=alpha)


def one_label_task(data: datasets.Dataset, fold: int, frontend: audio.FrontEnd, cache: Path) -> Task:
    """Clips of one label each; the test fold is never trained on, and chooses nothing."""
    train_clips, test_clips = data.split(fold)
    print(f"{data.name}: {len(train_clips)} clips to train, {len(test_clips)} to test (fold {fold}). {data.note}")
    features = datasets.features(data.clips, frontend, cache=cache)
    labels, tested = data.labels, data.folds == fold
    train_x, test_x, test_labels = features[~tested], features[tested], labels[tested]
    targets = one_hot(labels[~tested], len(data.classes))

    def batches(recipe: Recipe) -> Batches:
        smooth = targets * (1 - recipe.label_smoothing) + recipe.label_smoothing / len(data.classes)
        return shuffled(train_x, smooth, batch=recipe.batch, augment=partial(augment, alpha=recipe.mixup))

    def picture(logits: np.ndarray, name: str, path: Path) -> None:
        pictures.confusion(confusion_matrix(logits, test_labels), data.classes, name, path)

    return Task(
        classes=data.classes,
        frontend=frontend,
        batches=batches,
        steps=lambda recipe: -(-len(train_x) // recipe.batch),
        answers=lambda model: predict(model, test_x),
        score=lambda logits: accuracy(logits, test_labels),
        picture=picture,
        example=test_x[0],
        example_name=data.classes[test_labels[0]],
        facts={"name": data.name, "fold": fold, "train": len(train_x), "test": len(test_x)},
    )


def tell(task: Task, args: argparse.Namespace, epochs: int) -> None:
    """Train the five networks, compare them, and write everything under `args.out`."""

    transfer = {"init": [str(path) for path in args.init], "freeze": args.freeze} if args.init else {}

    # 3. Training, the same for all five: AdamW, one cycle of the learning rate, the last epoch counts.
    def train(name: str, model: CNN, epochs: int, loss: Loss = task.loss, recipe: Recipe = task.recipe) -> dict:
        steps = task.steps(recipe)
        training = Training(
            model,
            task.batches(recipe),
            recipe.optimiser(model.parameters()),
            epochs=epochs,
            steps=steps,
            schedule=lambda step: recipe.schedule(step, epochs * steps, peak=recipe.peak),
            seed=args.seed,
            loss=loss,
            evaluate=lambda model: task.score(task.answers(model)),  # drawn, never chosen by
            path=args.out / f"{name.replace(' ', '-')}.npz",
            score=task.score_name,
            facts={"data": task.facts["name"], "fold": task.facts["fold"], "frontend": repr(task.frontend)} | transfer,
        )
        if args.resume and training.path.exists():
            training.load()
        progress = training.run(label=name)
        return row(name, model, task) | {"train_seconds": progress.seconds, "history": progress.history}

    # 4. A real CNN, and the quaternion CNN of the same widths: a quarter of the weights.
    def fresh(config: CNNConfig) -> CNN:
        return CNN(config, rng=np.random.default_rng(args.seed))

    def start(name: str, config: CNNConfig) -> tuple[CNN, dict]:
        """A network from nothing, or one trained on other sounds, with a new classifier: see --init."""
        model = begun.get(config.quaternion)
        if model is None:
            model = fresh(config)
            return model, train(name, model, epochs)
        with frozen(model) if args.freeze else nullcontext():
            found = train(name, model, epochs, recipe=TRANSFER)
        return model, found | {"parameters": count_parameters(model)}

    width, classes = 8 if args.smoke else 16, len(task.classes)
    begun = trained_elsewhere(args.init, classes, args.seed)
    _, real_row = start(NAMES[0], small_cnn(classes, quaternion=False, width=width))
    quaternion, quaternion_row = start(NAMES[1], small_cnn(classes, quaternion=True, width=width))
    rows = [real_row, quaternion_row]

    # 5. Distilling: a student of half the width, from the labels alone and with the quaternion CNN's answers.
    small = student_of(quaternion.config)
    rows.append(train(NAMES[2], fresh(small), epochs))
    rows.append(train(NAMES[3], fresh(small), epochs, task.distil(quaternion)))

    # 6. Pruning: the filters of smallest L1 norm go, with all that belongs to them; the rest is trained on.
    last_blocks = range(len(quaternion.blocks))[-PRUNED_BLOCKS:]
    pruned = cut(quaternion, choose(quaternion, PRUNED_SHARE, blocks=last_blocks))
    gentle = replace(task.recipe, peak=task.recipe.peak / 4)
    rows.append(train(NAMES[4], pruned, max(1, round(epochs * FINE_TUNING)), recipe=gentle))

    # 7. What came out.
    print(table(rows, task.score_name), sentence(rows, task.facts["test"], task.score_name), sep="\n")
    save(results(rows, task, args.seed), args.out / "results.json")
    pictures.quaternion_input(task.example, task.frontend, task.example_name, args.out / "quaternion_input.png")
    pictures.training_curves(rows, args.out / "training_curves.png", score=task.score_name)
    pictures.accuracy_against_cost(rows, args.out / "accuracy_against_cost.png", score=task.score_name)
    task.picture(task.answers(pruned), NAMES[4], args.out / f"{task.picture_name}.png")
    print(f"results.json, a checkpoint per network and four pictures are in {args.out}")


def trained_elsewhere(paths: list[Path], classes: int, seed: int) -> dict[bool, CNN]:
    """The networks of checkpoints, with classifiers for `classes`: at most a real and a quaternion one."""
    models = [with_new_head(load_model(path), classes, rng=np.random.default_rng(seed)) for path in paths]
    begun = {model.config.quaternion: model for model in models}
    if len(begun) < len(models):
        raise ConfigError(f"--init takes a checkpoint of a real and one of a quaternion network, got {paths}")
    return begun


def row(name: str, model: CNN, task: Task) -> dict:
    """What the table says of a trained network."""
    logits = task.answers(model)
    products_16, products_8 = multiplications(model.config, task.frontend.frames)
    return {
        "name": name,
        task.score_name: task.score(logits),
        "parameters": count_parameters(model),
        "multiplications_16": products_16,
        "multiplications_8": products_8,
        "ms_per_clip": milliseconds_per_clip(model, task.example),
        "widths": model.config.widths,
        **task.judged(logits),
    }


def results(rows: list[dict], task: Task, seed: int) -> dict:
    return {
        "command": shlex.join(sys.argv),
        "seed": seed,
        "data": task.facts,
        "score": task.score_name,
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
    more = [key for key in ("AUC", "d_prime") if key in rows[0]]
    head = f"network                {score:>8} parameters  mult. 16   mult. 8  ms/clip  train s"
    head += "".join(f" {key:>8}" for key in more)
    lines = [
        f"{r['name']:22} {r[score]:8.1%} {r['parameters']:10,} {r['multiplications_16'] / 1e6:7.1f} M "
        f"{r['multiplications_8'] / 1e6:7.1f} M {r['ms_per_clip']:8.2f} {r['train_seconds']:8.1f}"
        + "".join(f" {r[key]:8.3f}" for key in more)
        for r in rows
    ]
    foot = "(train s: this network's own; the distilled and the pruned one also stand on the quaternion CNN's)"
    return "\n".join(["", head, *lines, foot, ""])


def sentence(rows: list[dict], clips: int, score: str = "accuracy") -> str:
    """Say in plain words what the figures show, whether or not the paper agrees."""
    real, quaternion, alone, distilled, pruned = rows

    def against(a: dict, b: dict) -> str:
        points = 100 * (a[score] - b[score])
        if abs(points) < 0.05:
            return "as accurate as"
        return f"{abs(points):.1f} points {'above' if points > 0 else 'below'}"

    share = {key: pruned[key] / real[key] for key in ("parameters", "multiplications_8", "ms_per_clip")}
    error = 100 * np.sqrt(max(1e-9, real[score] * (1 - real[score])) / clips)
    trust = f": one standard error is {error:.1f} points, so smaller differences say little"
    return (
        f"With {quaternion['parameters'] / real['parameters']:.0%} of the parameters the quaternion CNN is "
        f"{against(quaternion, real)} the real CNN; pruned, it is {against(pruned, real)} the real CNN with "
        f"{share['parameters']:.0%} of the parameters, {share['multiplications_8']:.0%} of the multiplications "
        f"(8 per quaternion product) and {share['ms_per_clip']:.0%} of the milliseconds per clip; the distilled "
        f"student is {against(distilled, alone)} the same student trained alone "
        f"({clips} test clips{trust if score == 'accuracy' else f', points of {score}'})."
    )


def run(main: Callable[[], None]) -> None:
    """A user's mistake and Ctrl-C end in one clear line."""
    try:
        main()
    except (QuatnetError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; --resume goes on from the last finished epoch")
