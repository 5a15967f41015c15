"""The training loop, with a progress bar, checkpoints, and an exact resume.

All randomness comes from two generators made from the seed: one shuffles and augments, one draws dropout. A checkpoint
holds the state of both, so a run that was killed and resumed ends in bit-identical weights.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..autodiff import Tensor
from ..backend import Array, asnumpy, xp
from ..distill import Loss, Student, cross_entropy_loss
from ..errors import CheckpointError, TrainingStopped
from ..optim import Optimizer, clip_grad_norm
from ..threads import single_threaded_blas
from . import checkpoint
from .data import Batches
from .interrupt import interrupt_flag

LOG_INTERVAL = 10  # steps between two readings of the loss: each reading synchronizes a GPU


@dataclass
class Progress:
    """State of a training: finished epochs, steps of the current epoch, and the history of all epochs."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    totals: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # loss, correct clips, clips of this epoch
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Trains one model.

    Parameters
    ----------
    model : called as model(x, train=True, rng=...), returns logits (N, classes)
    batches : called with a generator, yields the (x, targets) of one epoch; such as a `DataLoader`
    optimizer : of the parameters of `model`
    epochs : length of the training
    steps_per_epoch : number of batches in an epoch
    schedule : learning rate of a step, counted over all epochs
    seed : of shuffling, augmentation and dropout
    loss : function of (logits, targets, x); see `quatnet.distill`
    max_grad_norm : clip the joint norm of all gradients to this value
    evaluate : called with the model after each epoch; the history keeps its result as `test_` + `metric`
    keep_best : end with the weights of the epoch with the highest `evaluate`; use validation clips for it
    path : checkpoint, written after each epoch and on Ctrl-C
    metadata : JSON about the run, stored in the checkpoint; a resumed run must have the same
    """

    def __init__(
        self,
        model: Student,
        batches: Batches,
        optimizer: Optimizer,
        *,
        epochs: int,
        steps_per_epoch: int,
        schedule: Callable[[int], float],
        seed: int = 0,
        loss: Loss = cross_entropy_loss,
        max_grad_norm: float | None = None,
        evaluate: Callable[[Any], float] | None = None,
        metric: str = "accuracy",
        keep_best: bool = False,
        path: Path | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.model, self.batches, self.optimizer, self.loss = model, batches, optimizer, loss
        self.epochs, self.steps_per_epoch, self.schedule = epochs, steps_per_epoch, schedule
        self.max_grad_norm, self.evaluate, self.metric = max_grad_norm, evaluate, f"test_{metric}"
        self.keep_best, self.path = keep_best, path
        run = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "seed": seed, **(metadata or {})}
        self.metadata = json.loads(json.dumps(run))  # as a checkpoint returns it
        self.progress, self.best = Progress(), dict[str, np.ndarray]()
        self._totals = xp.zeros(2)  # loss and correct clips of this epoch, on the device
        self.data_rng, self.dropout_rng = (np.random.default_rng([seed, n]) for n in range(2))
        self.epoch_start = self.data_rng.bit_generator.state

    def run(self, *, label: str = "training") -> Progress:
        """Train to the end, from where `load` left off, and return the progress with its history.

        Raises TrainingStopped on Ctrl-C, after saving; a second Ctrl-C stops at once.
        """
        done = self.progress.epoch * self.steps_per_epoch + self.progress.step
        with (
            tqdm(total=self.epochs * self.steps_per_epoch, initial=done, desc=label, unit="step") as bar,
            interrupt_flag() as interrupted,
        ):
            while self.progress.epoch < self.epochs:
                self._epoch(bar, interrupted)
        if self.keep_best and self.best:
            self.model.load_state_dict(self.best)
            self.save()
        return self.progress

    def _epoch(self, bar: tqdm, interrupted: threading.Event) -> None:
        self.epoch_start = self.data_rng.bit_generator.state if not self.progress.step else self.epoch_start
        self.data_rng.bit_generator.state = self.epoch_start
        clock = time.perf_counter()
        for x, targets in islice(self.batches(self.data_rng), self.progress.step, None):
            self._step(xp.asarray(x), xp.asarray(targets))
            clock, before = time.perf_counter(), clock
            self.progress.seconds += clock - before
            self._show(bar)
            if interrupted.is_set():
                self._stop()
        self._read_totals()  # synchronizes a GPU
        self.progress.seconds += time.perf_counter() - clock
        self._end_epoch()

    @single_threaded_blas()
    def _step(self, x: Array, targets: Array) -> None:
        logits = self.model(x, train=True, rng=self.dropout_rng)
        loss = self.loss(logits, targets, x)
        loss.backward()
        if self.max_grad_norm:
            clip_grad_norm(self.optimizer.parameters.values(), self.max_grad_norm)
        progress = self.progress
        self.optimizer.step(lr=self.schedule(progress.epoch * self.steps_per_epoch + progress.step))
        self.optimizer.zero_grad()
        progress.step += 1
        classes = _num_classes(self.model, logits, targets)
        correct = _correct(logits.data[:, :classes], targets[:, :classes]).sum()
        self._totals += xp.stack([loss.data.astype(np.float64) * len(x), correct.astype(np.float64)])
        progress.totals[2] += len(x)

    def _read_totals(self) -> list[float]:
        """Copy the totals from the device into the progress, and return them."""
        self.progress.totals[:2] = asnumpy(self._totals).tolist()
        return self.progress.totals

    def _show(self, bar: tqdm) -> None:
        if self.progress.step % LOG_INTERVAL == 1:
            loss, correct, clips = self._read_totals()
            bar.set_postfix(
                epoch=self.progress.epoch + 1, loss=f"{loss / clips:.3f}", accuracy=f"{correct / clips:.1%}"
            )
        bar.update()

    def _end_epoch(self) -> None:
        progress = self.progress
        loss, correct, clips = progress.totals
        epoch = {"loss": loss / clips, "accuracy": correct / clips}
        if self.evaluate:
            epoch[self.metric] = self.evaluate(self.model)
            earlier = [past[self.metric] for past in progress.history]
            if self.keep_best and epoch[self.metric] > max(earlier, default=-1.0):
                self.best = self.model.state_dict()
        progress.history.append(epoch)
        progress.epoch, progress.step, progress.totals = progress.epoch + 1, 0, [0.0, 0.0, 0.0]
        self._totals = xp.zeros(2)
        self.save()

    def _stop(self) -> None:
        self.save()
        saved = f"saved in {self.path}; resume to continue from there" if self.path else "nothing was saved"
        raise TrainingStopped(f"stopped in epoch {self.progress.epoch + 1} of {self.epochs}: {saved}")

    def save(self) -> None:
        """Write the checkpoint, if there is a path for it."""
        if self.path is None:
            return
        self._read_totals()
        start = self.epoch_start if self.progress.step else self.data_rng.bit_generator.state
        training = {
            "metadata": self.metadata,
            "progress": asdict(self.progress),
            "data_rng": start,
            "dropout_rng": self.dropout_rng.bit_generator.state,
        }
        groups = {"optimizer": self.optimizer.state_dict(), "best": self.best}
        checkpoint.write(self.path, self.model, {"training": training}, groups)

    def load(self) -> None:
        """Continue from the checkpoint; CheckpointError where it comes from a different run."""
        header, groups = checkpoint.read(self.path) if self.path else ({}, {})
        training = header.get("training", {})
        if training.get("metadata") != self.metadata:
            raise CheckpointError(
                f"{self.path} comes from another run: it has {training.get('metadata')}, this one {self.metadata}; "
                "choose another path, or do not resume"
            )
        self.model.load_state_dict(groups["model"])
        self.optimizer.load_state_dict(groups["optimizer"])
        self.progress, self.best = Progress(**training["progress"]), groups.get("best", {})
        self._totals = xp.asarray(self.progress.totals[:2])
        self.epoch_start = self.data_rng.bit_generator.state = training["data_rng"]
        self.dropout_rng.bit_generator.state = training["dropout_rng"]


def _num_classes(model: Student, logits: Tensor, targets: Array) -> int:
    """Outputs may have features, and targets soft targets, after the classes."""
    config = getattr(model, "config", None)
    return config.classes if config else min(logits.shape[1], targets.shape[1])


def _correct(logits: Array, targets: Array) -> Array:
    """Whether the class with the largest logit has the largest target of its clip (one of them, if several do)."""
    predicted = xp.take_along_axis(targets, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    return predicted == targets.max(axis=1)
