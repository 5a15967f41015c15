"""Training of a row on one fold with one seed."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from row_data import Paths, load_task
from row_networks import network_config
from rows import Row
from task import Task
from train_config import FROM_SCRATCH, STRONG_AUGMENTATION, TrainConfig

from quatnet.models import CNN, CNNConfig
from quatnet.optim import Optimizer
from quatnet.profile import multiplications
from quatnet.training import Trainer


@dataclass
class TrainResult:
    """A trained network and the cost of its training.

    `base` is the result of the network before pruning, or of the teacher.
    """

    model: CNN
    loss: float
    epochs: int
    seconds: float
    multiplications: float
    base: "TrainResult | None" = None

    def total(self, field: str) -> float:
        """Return the sum of a field, such as "seconds", over this training and `base`."""
        return getattr(self, field) + (self.base.total(field) if self.base else 0.0)


class Run:
    """A row on one fold with one seed."""

    def __init__(self, row: Row, fold: int, seed: int, paths: Paths) -> None:
        self.row, self.fold, self.seed, self.paths = row, fold, seed, paths
        self.path = paths.out / row.name / f"fold{fold}-seed{seed}.npz"

    def for_row(self, row: Row) -> "Run":
        """Return the run of another row with the same fold and seed. An existing checkpoint is used."""
        return Run(row, self.fold, self.seed, replace(self.paths, resume=True))

    @cached_property
    def task(self) -> Task:
        return load_task(self.row, self.fold, self.paths)

    def train(
        self,
        model: CNN,
        epochs: int,
        *,
        config: TrainConfig | None = None,
        task: Task | None = None,
        optimizer: Optimizer | None = None,
    ) -> TrainResult:
        """Train the model. With `paths.resume`, training continues from the checkpoint.

        The default of `config` is `train_config`.
        """
        task, config = task or self.task, config or self.train_config
        steps = task.steps_per_epoch(config)
        trainer = Trainer(
            model,
            task.batches(config),
            optimizer or config.optimizer(model.parameters()),
            epochs=epochs,
            steps_per_epoch=steps,
            schedule=lambda step: config.schedule(step, epochs * steps, max_lr=config.max_lr),
            seed=self.seed,
            loss=task.loss,
            path=self.path,
            metadata={
                "row": self.row.name,
                "fold": self.fold,
                "frontend": repr(task.frontend),
                "teacher": task.metadata.get("teacher_sha256"),
                "train_clips": task.metadata["train"],
                "settings": [config.batch_size, config.max_lr, config.label_smoothing],
            },
        )
        if self.paths.resume and self.path.exists():
            trainer.load()
        progress = trainer.run(label=f"{self.row.name} fold {self.fold} seed {self.seed}")
        # a backward pass takes twice the multiplications of a forward pass
        products = 3.0 * self.forward_multiplications(model.config) * epochs * task.metadata["train"]
        return TrainResult(model, progress.history[-1]["loss"], epochs, progress.seconds, products)

    @property
    def train_config(self) -> TrainConfig:
        return STRONG_AUGMENTATION if self.row.epochs else FROM_SCRATCH

    def forward_multiplications(self, config: CNNConfig) -> int:
        """Return the number of multiplications of a forward pass of one clip, with 8 per quaternion product."""
        return multiplications(config, self.task.frontend.frames)[1]

    def init_model(self, config: CNNConfig) -> CNN:
        """Return a network with random initial weights."""
        return CNN(config, rng=np.random.default_rng(self.seed))

    @property
    def config(self) -> CNNConfig:
        return network_config(self.row.network, len(self.task.classes))
