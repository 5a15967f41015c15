"""Train a network on arrays in one call."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array
from ..distill import Loss, Student, cross_entropy_loss
from ..optim import AdamW, Optimizer, one_cycle
from .data import Batches
from .data import evaluate as accuracy_of
from .loop import Progress, Trainer


def fit(
    model: Student,
    batches: Batches,
    *,
    epochs: int,
    steps_per_epoch: int | None = None,
    optimizer: Optimizer | None = None,
    max_lr: float = 4e-3,
    weight_decay: float = 0.05,
    loss: Loss = cross_entropy_loss,
    test: tuple[Array, np.ndarray] | None = None,
    evaluate: Callable[[Student], float] | None = None,
    metric: str = "accuracy",
    seed: int = 0,
    checkpoint: str | os.PathLike | None = None,
    resume: bool = False,
    metadata: dict[str, Any] | None = None,
) -> Progress:
    """Train `model` with AdamW and a one-cycle learning rate, and return the progress with its history.

    Parameters
    ----------
    model : called as model(x, train=True, rng=...), returns logits (N, classes)
    batches : a `DataLoader`, or another function of a generator that yields the (x, targets) of one epoch
    epochs : passes over the batches
    steps_per_epoch : number of batches in an epoch, by default len(batches)
    optimizer : of the parameters of `model`, by default AdamW with `weight_decay`
    max_lr : largest learning rate, reached after a quarter of the steps
    weight_decay : of the default optimizer
    loss : function of (logits, targets, x); see `quatnet.distill`
    test : inputs (N, ...) and labels (N,) whose accuracy is recorded after each epoch; it selects nothing
    evaluate, metric : function of the model that replaces the accuracy on `test`, and its name in the history
    seed : of shuffling, augmentation and dropout
    checkpoint : file written after each epoch and on Ctrl-C
    resume : continue from `checkpoint` where it exists; the result has the same bits as an uninterrupted run
    metadata : JSON about the run; a resumed run must have the same

    Raises
    ------
    CheckpointError
        `resume` with a checkpoint of another run.
    TrainingStopped
        Ctrl-C, after saving.
    """
    steps = len(batches) if steps_per_epoch is None else steps_per_epoch  # type: ignore[arg-type]
    if test is not None:
        evaluate = partial(accuracy_of, inputs=test[0], labels=test[1])
    trainer = Trainer(
        model,
        batches,
        optimizer or AdamW(model.parameters(), weight_decay=weight_decay),
        epochs=epochs,
        steps_per_epoch=steps,
        schedule=lambda step: one_cycle(step, epochs * steps, max_lr=max_lr, pct_start=0.25),
        seed=seed,
        loss=loss,
        evaluate=evaluate,
        metric=metric,
        path=Path(checkpoint) if checkpoint else None,
        metadata=metadata,
    )
    if resume and trainer.path and trainer.path.exists():
        trainer.load()
    return trainer.run(label=trainer.path.stem if trainer.path else "training")
