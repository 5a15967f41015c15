"""One run: a network trained, pruned or distilled as its row says, and what it says of the clips it never heard."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from reproduce_networks import as_small_as, choice
from reproduce_rows import Row
from reproduce_training import Run, Trained
from story_recipe import FROM_NOTHING

from quatnet.errors import ConfigError
from quatnet.profile import count_parameters, multiplications
from quatnet.prune import cut
from quatnet.tensor import no_grad
from quatnet.weight_average import WeightAverage

EPOCHS = {"esc10": 40, "esc50": 30, "ravdess": 40, "smoke": 2}
LONG = 100  # epochs of the best
LATER = 1 / 3  # of these epochs again, at a quarter of the peak rate, for what was pruned
GENTLE = replace(FROM_NOTHING, peak=FROM_NOTHING.peak / 4)
TEACHER = "quaternion-16"


def result(run: Run) -> dict[str, Any]:
    """Return what came out, for the records; a training that went astray has "failed" instead of an accuracy."""
    epochs, frames = EPOCHS[run.row.data], run.task.frontend.frames
    try:
        trained = KINDS[run.row.kind](run, epochs)
    except ConfigError as error:
        return {"fold": run.fold, "seed": run.seed, "failed": str(error)}
    config = trained.model.config
    products_16, products_8 = multiplications(config, frames)
    judged = {"accuracy": run.task.score(run.task.answers(trained.model))}
    if not math.isfinite(trained.loss):
        judged = {"failed": f"the loss is {trained.loss} after {trained.epochs} epochs"}
    return {
        "fold": run.fold,
        "seed": run.seed,
        **judged,
        "clips": run.task.facts["test"],
        "parameters": count_parameters(trained.model),
        "multiplications_16": products_16,
        "multiplications_8": products_8,
        "widths": config.widths,
        "embedding": config.embedding,
        "loss": round(trained.loss, 4),
        "epochs": trained.epochs,
        "train_seconds": round(trained.seconds, 1),
        "total_seconds": round(trained.total("seconds"), 1),
        "train_multiplications": trained.work,
        "total_multiplications": trained.total("work"),
    }


def alone(run: Run, epochs: int) -> Trained:
    return run.train(run.fresh(run.config), epochs)


def pruned(run: Run, epochs: int) -> Trained:
    """Cut the base network, and train what is left."""
    base = alone(run.of(run.row.base), epochs)
    choose = choice(run.row, len(run.task.classes), run.task.frontend.frames, run.seed)
    tuned = run.train(cut(base.model, choose(base.model)), later(epochs), recipe=GENTLE)
    return replace(tuned, before=base)


def continued(run: Run, epochs: int) -> Trained:
    base = alone(run.of(run.row.base), epochs)
    return replace(run.train(cut(base.model, {}), later(epochs), recipe=GENTLE), before=base)


def from_scratch(run: Run, epochs: int) -> Trained:
    """Train a network as small as the pruned one, for as many epochs as that and its base had."""
    like = replace(run.row, kind="prune", how=f"l1-{run.row.how}")
    choose = choice(like, len(run.task.classes), run.task.frontend.frames, run.seed)
    return run.train(run.fresh(as_small_as(run.fresh(run.config), choose)), epochs + later(epochs))


def distilled(run: Run, epochs: int) -> Trained:
    """Learn from the labels and from a teacher: the quaternion network of twice the width, or recorded answers."""
    if run.row.how == "strong":
        return run.train(run.fresh(run.config), epochs, task=run.task.of_student())
    teacher = alone(run.of(Row(run.row.data, TEACHER)), epochs)
    student = run.train(run.fresh(run.config), epochs, task=run.task.of_student(teacher.model))
    asked = multiplications(teacher.model.config, run.task.frontend.frames)[1] * epochs * run.task.facts["train"]
    return replace(student, work=student.work + asked, before=teacher)


def best(run: Run, _epochs: int) -> Trained:
    """Every means: recorded answers of a strong network, a long training, and the average of the weights at its end."""
    model = run.fresh(run.config)
    average = WeightAverage(FROM_NOTHING.optimiser(model.parameters()))
    trained = run.train(model, LONG, task=run.task.of_student(), optimiser=average)
    average.take()
    rng = np.random.default_rng([run.seed, 3])
    with no_grad():  # the statistics of the batch norms, seen with the averaged weights
        for x, _ in run.task.batches(FROM_NOTHING)(rng):
            model(x, train=True, rng=rng)
    return trained


def later(epochs: int) -> int:
    return max(1, round(epochs * LATER))


KINDS: dict[str, Callable[[Run, int], Trained]] = {
    "": alone,
    "frontend": alone,
    "prune": pruned,
    "continue": continued,
    "scratch": from_scratch,
    "distil": distilled,
    "best": best,
}
