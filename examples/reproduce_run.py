"""One run of a row: a network trained, pruned or distilled on one fold with one seed, and what it says of the rest."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from reproduce_networks import as_small_as, choice, network
from reproduce_rows import Row
from story_recipe import FROM_NOTHING, Recipe
from story_task import Task, one_label_task

from quatnet import audio, datasets
from quatnet.datasets import ravdess, synthetic
from quatnet.errors import ConfigError
from quatnet.models import CNN, CNNConfig
from quatnet.optim import Optimiser
from quatnet.profile import count_parameters, multiplications
from quatnet.prune import cut
from quatnet.tensor import no_grad
from quatnet.train import Training
from quatnet.weight_average import WeightAverage

EPOCHS = {"esc10": 40, "esc50": 30, "ravdess": 40, "smoke": 2}
LONG = 100  # epochs of the best
LATER = 1 / 3  # of these epochs again, at a quarter of the peak rate, for what was pruned
GENTLE = replace(FROM_NOTHING, peak=FROM_NOTHING.peak / 4)
TEACHER = "quaternion-16"


@dataclass(frozen=True)
class Place:
    """Where recordings are, checkpoints go, and a strong teacher's answers lie."""

    recordings: Path | None
    out: Path
    teacher: Path | None
    resume: bool


@dataclass
class Trained:
    """A network at the end of a run, and what it cost: `before` is what it stands on."""

    model: CNN
    loss: float
    epochs: int
    seconds: float
    work: float  # multiplications
    before: "Trained | None" = None

    def total(self, figure: str) -> float:
        """Return "seconds" or "work", with those of what it stands on."""
        return getattr(self, figure) + (self.before.total(figure) if self.before else 0.0)


class Run:
    """A row on one fold with one seed."""

    def __init__(self, row: Row, fold: int, seed: int, place: Place) -> None:
        self.row, self.fold, self.seed, self.place = row, fold, seed, place
        self.path = place.out / row.name / f"fold{fold}-seed{seed}.npz"

    def of(self, row: Row) -> "Run":
        """Return another row on the same fold with the same seed."""
        return Run(row, self.fold, self.seed, replace(self.place, resume=True))

    @cached_property
    def task(self) -> Task:
        """What is learned: the recordings, heard through the row's front end."""
        if self.row.asks_a_file and self.place.teacher is None:
            raise ConfigError(f"{self.row.name} needs --teacher FILE, the recorded answers of a strong network")
        frontend = front_end(self.row)
        print(frontend)
        data, cache = recordings(self.row.data, self.place), self.place.out / "features"
        teacher = self.place.teacher if self.row.asks_a_file else None
        return one_label_task(data, self.fold, frontend, cache=cache, teacher=teacher)

    def train(
        self,
        model: CNN,
        epochs: int,
        *,
        recipe: Recipe = FROM_NOTHING,
        task: Task | None = None,
        optimiser: Optimiser | None = None,
    ) -> Trained:
        """Train the model, from where its checkpoint stands if that is to be resumed."""
        task = task or self.task
        steps = task.steps(recipe)
        training = Training(
            model,
            task.batches(recipe),
            optimiser or recipe.optimiser(model.parameters()),
            epochs=epochs,
            steps=steps,
            schedule=lambda step: recipe.schedule(step, epochs * steps, peak=recipe.peak),
            seed=self.seed,
            loss=task.loss,
            path=self.path,
            facts={"row": self.row.name, "fold": self.fold, "frontend": repr(task.frontend)},
        )
        if self.place.resume and self.path.exists():
            training.load()
        progress = training.run(label=f"{self.row.name} fold {self.fold} seed {self.seed}")
        forward = multiplications(model.config, task.frontend.frames)[1]
        work = 3.0 * forward * epochs * task.facts["train"]  # forwards, and twice as much backwards
        return Trained(model, progress.history[-1]["loss"], epochs, progress.seconds, work)

    def fresh(self, config: CNNConfig) -> CNN:
        """Return a network with its first weights."""
        return CNN(config, rng=np.random.default_rng(self.seed))

    @property
    def config(self) -> CNNConfig:
        return network(self.row.network, len(self.task.classes))

    def result(self) -> dict[str, Any]:
        """Return what came out, for the records; a training that went astray has "failed" instead of an accuracy."""
        epochs, frames = EPOCHS[self.row.data], self.task.frontend.frames
        try:
            trained = KINDS[self.row.kind](self, epochs)
        except ConfigError as error:
            return {"fold": self.fold, "seed": self.seed, "failed": str(error)}
        config = trained.model.config
        products_16, products_8 = multiplications(config, frames)
        judged = {"accuracy": self.task.score(self.task.answers(trained.model))}
        if not math.isfinite(trained.loss):
            judged = {"failed": f"the loss is {trained.loss} after {trained.epochs} epochs"}
        return {
            "fold": self.fold,
            "seed": self.seed,
            **judged,
            "clips": self.task.facts["test"],
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
        return run.train(run.fresh(run.config), epochs, task=run.task.recorded)
    teacher = alone(run.of(Row(run.row.data, TEACHER)), epochs)
    student = run.train(run.fresh(run.config), epochs, task=run.task.of_student(teacher.model))
    asked = multiplications(teacher.model.config, run.task.frontend.frames)[1] * epochs * run.task.facts["train"]
    return replace(student, work=student.work + asked, before=teacher)


def best(run: Run, _epochs: int) -> Trained:
    """Every means: recorded answers of a strong network, a long training, and the average of the weights at its end."""
    model = run.fresh(run.config)
    average = WeightAverage(FROM_NOTHING.optimiser(model.parameters()))
    trained = run.train(model, LONG, task=run.task.recorded, optimiser=average)
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


def front_end(row: Row) -> audio.FrontEnd:
    """Return how a row hears: as the example of its data does, or by another variant."""
    hears = partial(audio.FrontEnd, floor_db=-60.0)
    if row.kind == "frontend":
        hears = partial(audio.FrontEnd, variant=row.how, floor_db=-100.0 if row.how == "released" else -60.0)
    if row.data == "ravdess":
        return hears(hop=640, clip_seconds=4.0)
    return hears(hop=1280, clip_seconds=2.0 if row.data == "smoke" else 5.0)


def recordings(data: str, place: Place) -> datasets.Dataset:
    """Return the recordings of a row; "smoke" makes its own."""
    if data == "smoke":
        return synthetic.load(clips_per_class=5, seed=0)
    if place.recordings is None:
        raise ConfigError(f"{data} needs --data DIR, the folder that holds ESC-50 and RAVDESS; docs/data-sets.md")
    if data == "ravdess":
        return ravdess.load(place.recordings)
    return datasets.esc50.load(place.recordings, esc10=data == "esc10")
