"""Training loop with a progress bar, checkpoints and reproducible resumption.

Random numbers are drawn from two generators: one for shuffling and augmentation, one for dropout. The states of both
generators are saved in checkpoints, so the final weights of a resumed run are bit-identical to those of an
uninterrupted run.
"""

import json
import os
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
from ..processes import RANK, barrier
from ..threads import single_threaded_blas
from . import checkpoint, distributed
from .data import Batches
from .interrupt import interrupt_flag

LOG_INTERVAL = 10  # steps between two updates of the displayed loss; each update synchronizes the GPU


@dataclass
class Progress:
    """State of a training.

    `epoch` is the number of completed epochs. `step` and `totals` belong to the current epoch. `history` contains the
    metrics of each completed epoch.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    totals: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # summed loss, correct clips, all clips
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Training loop of one model.

    Parameters
    ----------
    model : network, called as model(x, train=True, rng=...), that returns logits (N, classes)
    batches : function of a random generator that yields the (x, targets) of one epoch, such as a `DataLoader`
    optimizer : optimizer of the parameters of `model`
    epochs : number of epochs
    steps_per_epoch : number of batches in an epoch
    schedule : function that returns the learning rate of a step. Steps are counted over all epochs
    seed : seed of shuffling, augmentation and dropout
    loss : function of (logits, targets, x), see `quatnet.distill`
    max_grad_norm : maximum of the joint norm of all gradients, or None for no clipping
    evaluate : function of the model, called after each epoch. The history contains the result as `test_` + `metric`
    metric : name of the result of `evaluate`
    keep_best : whether to restore the weights of the epoch with the highest result of `evaluate` at the end. In this
        case, `evaluate` should use validation clips
    path : checkpoint file, written after each epoch and on Ctrl-C
    metadata : JSON description of the run, saved in the checkpoint. A run can only be resumed with the same metadata
    sync_batch_norm : whether batch norms use the statistics of the whole batch if there are several processes.
        Otherwise they use those of the share of each process, and the running statistics of process 0 are kept
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
        path: str | os.PathLike | None = None,
        metadata: dict[str, Any] | None = None,
        sync_batch_norm: bool = True,
    ) -> None:
        self.model, self.batches, self.optimizer, self.loss = model, batches, optimizer, loss
        self.epochs, self.steps_per_epoch, self.schedule = epochs, steps_per_epoch, schedule
        self.max_grad_norm, self.evaluate, self.metric = max_grad_norm, evaluate, f"test_{metric}"
        self.keep_best, self.path = keep_best, None if path is None else Path(path)
        run = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "seed": seed, **(metadata or {})}
        self.metadata = json.loads(json.dumps(run))  # converts tuples to lists, as in a checkpoint
        self.progress, self.best = Progress(), dict[str, np.ndarray]()
        self._totals = xp.zeros(2)  # summed loss and correct clips of the epoch, on the device
        self.data_rng, self.dropout_rng = (np.random.default_rng([seed, n]) for n in range(2))
        self.epoch_start_state = self.data_rng.bit_generator.state
        if sync_batch_norm:
            distributed.synchronize_batch_norm(model)

    def run(self, *, label: str = "training") -> Progress:
        """Train all remaining epochs and return the progress with its history.

        On Ctrl-C, the checkpoint is saved and TrainingStopped is raised. A second Ctrl-C interrupts immediately.
        """
        done = self.progress.epoch * self.steps_per_epoch + self.progress.step
        total = self.epochs * self.steps_per_epoch
        distributed.broadcast(self.model)
        with (
            tqdm(total=total, initial=done, desc=label, unit="step", disable=RANK > 0) as bar,
            interrupt_flag() as interrupted,
        ):
            while self.progress.epoch < self.epochs:
                self._epoch(bar, interrupted)
        if self.keep_best and self.best:
            self.model.load_state_dict(self.best)
            self.save()
        barrier()  # the checkpoint of process 0 is complete
        return self.progress

    def _epoch(self, bar: tqdm, interrupted: threading.Event) -> None:
        self.epoch_start_state = self.data_rng.bit_generator.state if not self.progress.step else self.epoch_start_state
        self.data_rng.bit_generator.state = self.epoch_start_state
        clock = time.perf_counter()
        for x, targets in islice(self.batches(self.data_rng), self.progress.step, None):
            self._step(xp.asarray(x), xp.asarray(targets))
            clock, before = time.perf_counter(), clock
            self.progress.seconds += clock - before
            self._show(bar)
            if distributed.all_reduce(np.array([interrupted.is_set()], np.float32))[0]:
                self._stop()
        self._read_totals()  # synchronizes the GPU, so that the time is complete
        self.progress.seconds += time.perf_counter() - clock
        self._end_epoch()

    @single_threaded_blas()
    def _step(self, x: Array, targets: Array) -> None:
        clips, share = len(x), distributed.share(len(x))
        x, targets = x[share], targets[share]
        logits = self.model(x, train=True, rng=distributed.DropoutGenerator(self.dropout_rng, share))
        loss = self.loss(logits, targets, x)
        distributed.backward(loss, len(x) / clips, self.optimizer.parameters.values())
        if self.max_grad_norm:
            clip_grad_norm(self.optimizer.parameters.values(), self.max_grad_norm)
        progress = self.progress
        self.optimizer.step(lr=self.schedule(progress.epoch * self.steps_per_epoch + progress.step))
        self.optimizer.zero_grad()
        progress.step += 1
        classes = _num_classes(self.model, logits, targets)
        correct = _correct(logits.data[:, :classes], targets[:, :classes]).sum()
        sums = xp.stack([loss.data.astype(np.float64) * len(x), correct.astype(np.float64)])
        self._totals += distributed.all_reduce(sums)
        progress.totals[2] += clips

    def _read_totals(self) -> list[float]:
        """Copy the totals from the device to the progress and return the totals."""
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
        distributed.broadcast(self.model)
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
        barrier()
        saved = f"saved in {self.path}; resume to continue from there" if self.path else "nothing was saved"
        raise TrainingStopped(f"stopped in epoch {self.progress.epoch + 1} of {self.epochs}: {saved}")

    def save(self) -> None:
        """Write the checkpoint to `path`, unless `path` is None. Under mpiexec, only process 0 writes."""
        if self.path is None or RANK:
            return
        self._read_totals()
        start = self.epoch_start_state if self.progress.step else self.data_rng.bit_generator.state
        training = {
            "metadata": self.metadata,
            "progress": asdict(self.progress),
            "data_rng": start,
            "dropout_rng": self.dropout_rng.bit_generator.state,
        }
        groups = {"optimizer": self.optimizer.state_dict(), "best": self.best}
        checkpoint.write(self.path, self.model, {"training": training}, groups)

    def load(self) -> None:
        """Load the state of the training from the checkpoint.

        Raises CheckpointError if the checkpoint comes from a different run.
        """
        header, groups = checkpoint.read(self.path) if self.path else ({}, {})
        training = header.get("training", {})
        if training.get("metadata") != self.metadata:
            raise CheckpointError(
                f"{self.path} comes from another run: its metadata are {training.get('metadata')}, "
                f"the metadata of this run are {self.metadata}; choose another path, or do not resume"
            )
        self.model.load_state_dict(groups["model"])
        self.optimizer.load_state_dict(groups["optimizer"])
        self.progress, self.best = Progress(**training["progress"]), groups.get("best", {})
        self._totals = xp.asarray(self.progress.totals[:2])
        self.epoch_start_state = self.data_rng.bit_generator.state = training["data_rng"]
        self.dropout_rng.bit_generator.state = training["dropout_rng"]


def _num_classes(model: Student, logits: Tensor, targets: Array) -> int:
    """Return the number of classes, without features in the logits and soft targets in the targets."""
    config = getattr(model, "config", None)
    return config.classes if config else min(logits.shape[1], targets.shape[1])


def _correct(logits: Array, targets: Array) -> Array:
    """Return for each clip whether the class with the largest logit also has the largest target."""
    predicted = xp.take_along_axis(targets, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    return predicted == targets.max(axis=1)
