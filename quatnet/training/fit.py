"""Training of a network with default settings."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..backend import Array
from ..checks import checked_number
from ..distill import Loss, cross_entropy_loss
from ..errors import ConfigError
from ..nn import Module
from ..optim import AdamW, Optimizer, one_cycle
from .checks import as_json, check_model
from .data import Batches, check_labeled_clips
from .data import evaluate as accuracy_of
from .loop import Trainer
from .progress import Progress


def fit(
    model: Module,
    batches: Batches,
    *,
    epochs: int,
    steps_per_epoch: int | None = None,
    optimizer: Optimizer | None = None,
    max_lr: float = 4e-3,
    weight_decay: float = 0.05,
    loss: Loss = cross_entropy_loss,
    test: tuple[Array, np.ndarray] | None = None,
    evaluate: Callable[[Module], float] | None = None,
    metric: str = "accuracy",
    seed: int = 0,
    checkpoint: str | os.PathLike | None = None,
    resume: bool = False,
    metadata: dict[str, Any] | None = None,
    sync_batch_norm: bool = True,
) -> Progress:
    """Train `model` with a one-cycle learning rate, by default with AdamW, and return its `Progress`.

    The network has one input. A network of several inputs is wrapped in a module that splits one array into its inputs.
    The history contains the loss of each epoch, and the accuracy if the targets are class probabilities: (N, classes)
    with at least two classes and the sum 1 for each clip.

    Parameters
    ----------
    model : network, called as model(x, train=True, rng=...), that returns logits (N, classes)
    batches : a `DataLoader`, or another function of a random generator that yields the (x, targets) of one epoch
    epochs : number of passes over the batches
    steps_per_epoch : number of batches in an epoch, by default len(batches)
    optimizer : optimizer of the parameters of `model`, by default AdamW with `weight_decay`. Its learning rate is
        replaced by that of the cycle
    max_lr : largest learning rate of the cycle, reached after a quarter of the steps
    weight_decay : weight decay of the default optimizer
    loss : function of (logits, targets, x), see `quatnet.distill`
    test : inputs (N, ...) and labels (N,). The accuracy on `test` is recorded after each epoch
    evaluate : function of the model that replaces the accuracy on `test`
    metric : name of the result of `evaluate`; the history contains the result as `test_` + `metric`
    seed : seed of shuffling, augmentation and dropout
    checkpoint : file written after each epoch and on Ctrl-C. The file must not exist, unless `resume` is set
    resume : whether to continue from `checkpoint` if the file exists. The final weights are bit-identical to the
        weights of an uninterrupted run
    metadata : JSON description of the run, such as the data. A run can only be resumed with the same metadata, the same
        optimizer and the same learning rate
    sync_batch_norm : whether several processes use the batch statistics of the global batch, see `Trainer`

    Raises
    ------
    CheckpointError
        `checkpoint` exists and `resume` is not set, or `checkpoint` is the checkpoint of another run.
    ConfigError, ShapeError
        An argument is invalid. The error is raised before the first step.
    NonFiniteError
        A loss, a parameter after an epoch, or the result of `evaluate` is NaN or infinite. The last checkpoint is kept.
    TrainingStopped
        Ctrl-C was pressed. The checkpoint has been saved.
    """
    check_model(model)
    max_lr = checked_number("max_lr", max_lr, "[0, inf)")
    if steps_per_epoch is None and not hasattr(batches, "__len__"):
        raise ConfigError("expected steps_per_epoch, the number of batches in an epoch, for batches without a length")
    steps = len(batches) if steps_per_epoch is None else steps_per_epoch  # type: ignore[arg-type]
    if test is not None:
        check_labeled_clips(*test)
        evaluate = evaluate or partial(accuracy_of, inputs=test[0], labels=test[1])
    trainer = Trainer(
        model,
        batches,
        optimizer or AdamW(model.parameters(), weight_decay=weight_decay),
        epochs=epochs,
        steps_per_epoch=steps,
        schedule=lambda step: one_cycle(step, int(epochs * steps), max_lr=max_lr, pct_start=0.25),
        seed=seed,
        loss=loss,
        evaluate=evaluate,
        metric=metric,
        path=checkpoint,
        metadata=as_json(metadata, max_lr=max_lr),
        sync_batch_norm=sync_batch_norm,
    )
    if resume and trainer.path and trainer.path.exists():
        trainer.load()
    return trainer.run(label=trainer.path.stem if trainer.path else "training")
