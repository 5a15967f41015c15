"""A row on one fold with one seed: where its checkpoint is, and how its networks are trained."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from reproduce_networks import network
from reproduce_rows import Row
from reproduce_task import Place, task_of
from story_recipe import FROM_NOTHING, Recipe
from story_task import Task

from quatnet.models import CNN, CNNConfig
from quatnet.optim import Optimizer
from quatnet.profile import multiplications
from quatnet.training.loop import Trainer


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
        """Return another row on the same fold with the same seed; if it is trained already, it is not trained again."""
        return Run(row, self.fold, self.seed, replace(self.place, resume=True))

    @cached_property
    def task(self) -> Task:
        """What is learned."""
        return task_of(self.row, self.fold, self.place)

    def train(
        self,
        model: CNN,
        epochs: int,
        *,
        recipe: Recipe = FROM_NOTHING,
        task: Task | None = None,
        optimizer: Optimizer | None = None,
    ) -> Trained:
        """Train the model, from where its checkpoint stands if that is to be resumed."""
        task = task or self.task
        steps = task.steps(recipe)
        training = Trainer(
            model,
            task.batches(recipe),
            optimizer or recipe.optimizer(model.parameters()),
            epochs=epochs,
            steps_per_epoch=steps,
            schedule=lambda step: recipe.schedule(step, epochs * steps, max_lr=recipe.peak),
            seed=self.seed,
            loss=task.loss,
            path=self.path,
            metadata={"row": self.row.name, "fold": self.fold, "frontend": repr(task.frontend)},
        )
        if self.place.resume and self.path.exists():
            training.load()
        progress = training.run(label=f"{self.row.name} fold {self.fold} seed {self.seed}")
        work = 3.0 * self.forward(model.config) * epochs * task.facts["train"]  # forwards, and twice as much backwards
        return Trained(model, progress.history[-1]["loss"], epochs, progress.seconds, work)

    def forward(self, config: CNNConfig) -> int:
        """Return the multiplications of a clip, 8 for a quaternion product."""
        return multiplications(config, self.task.frontend.frames)[1]

    def fresh(self, config: CNNConfig) -> CNN:
        """Return a network with its first weights."""
        return CNN(config, rng=np.random.default_rng(self.seed))

    @property
    def config(self) -> CNNConfig:
        return network(self.row.network, len(self.task.classes))
