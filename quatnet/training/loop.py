"""The training loop: over any iterable, with a progress bar, an exact resume and a clean stop.

All randomness comes from two generators made from the seed: one shuffles and augments, one drives dropout.
A checkpoint holds the state of both, so a run that was killed and resumed ends in the very same numbers.
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

from ..backend import Array, asnumpy, xp
from ..distill import Loss, Student, label_loss
from ..errors import CheckpointError, TrainingStopped
from ..optim.optimizers import Optimiser, clip_by_norm
from ..threads import single_threaded_blas
from . import checkpoint
from .batches import Batches
from .interrupt import stop_flag

READ_EVERY = 10  # steps between two looks at the loss: on a GPU each of them waits for all the work before it


@dataclass
class Progress:
    """Where training stands: whole epochs, steps of the one begun, and what is known of all of them."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # loss, hits, clips of this epoch
    history: list[dict[str, float]] = field(default_factory=list)


class Training:
    """One model in training: what it needs, where it stands, and how it is saved.

    Parameters
    ----------
    batches : gives the (x, targets) of one epoch for a generator; see `batches.shuffled`
    steps : batches per epoch
    schedule : learning rate of a step, counted over all epochs
    evaluate : called after each epoch, its number is kept in the history as `test_` and the `score` that it is
    keep_best : end with the epoch of the highest `evaluate`; use clips that are kept aside for this choice
    path : checkpoint, written after each epoch and on Ctrl-C
    facts : JSON about the run; a resume must bring the same
    """

    def __init__(
        self,
        model: Student,
        batches: Batches,
        optimiser: Optimiser,
        *,
        epochs: int,
        steps: int,
        schedule: Callable[[int], float],
        seed: int = 0,
        loss: Loss = label_loss,
        clip_norm: float | None = None,
        evaluate: Callable[[Any], float] | None = None,
        score: str = "accuracy",
        keep_best: bool = False,
        path: Path | None = None,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.model, self.batches, self.optimiser, self.loss = model, batches, optimiser, loss
        self.epochs, self.steps, self.schedule, self.clip_norm = epochs, steps, schedule, clip_norm
        self.evaluate, self.score, self.keep_best, self.path = evaluate, f"test_{score}", keep_best, path
        told = {"epochs": epochs, "steps": steps, "seed": seed, **(facts or {})}
        self.facts = json.loads(json.dumps(told))  # as it will read in the checkpoint
        self.progress, self.best = Progress(), dict[str, np.ndarray]()
        self._sums = xp.zeros(2)  # loss and hits of this epoch, where the model is
        self.data_rng, self.dropout_rng = (np.random.default_rng([seed, n]) for n in range(2))
        self.epoch_start = self.data_rng.bit_generator.state

    def run(self, *, label: str = "training") -> Progress:
        """Train to the end (from wherever `load` left off) and return the progress with its history.

        Raises TrainingStopped on Ctrl-C, after saving; a second Ctrl-C stops at once.
        """
        done = self.progress.epoch * self.steps + self.progress.step
        with (
            tqdm(total=self.epochs * self.steps, initial=done, desc=label, unit="step") as bar,
            stop_flag() as stop,
        ):
            while self.progress.epoch < self.epochs:
                self._epoch(bar, stop)
        if self.keep_best and self.best:
            self.model.load_state(self.best)
            self.save()
        return self.progress

    def _epoch(self, bar: tqdm, stop: threading.Event) -> None:
        self.epoch_start = self.data_rng.bit_generator.state if not self.progress.step else self.epoch_start
        self.data_rng.bit_generator.state = self.epoch_start
        clock = time.perf_counter()
        for x, targets in islice(self.batches(self.data_rng), self.progress.step, None):
            self._step(xp.asarray(x), xp.asarray(targets))
            clock, before = time.perf_counter(), clock
            self.progress.seconds += clock - before
            self._show(bar)
            if stop.is_set():
                self._stopped()
        self._read()  # waits for what a GPU has still to do
        self.progress.seconds += time.perf_counter() - clock
        self._end_epoch()

    @single_threaded_blas()
    def _step(self, x: Array, targets: Array) -> None:
        logits = self.model(x, train=True, rng=self.dropout_rng)
        loss = self.loss(logits, targets, x)
        loss.backward()
        if self.clip_norm:
            clip_by_norm(self.optimiser.parameters, self.clip_norm)
        progress = self.progress
        self.optimiser.step(self.schedule(progress.epoch * self.steps + progress.step))
        progress.step += 1
        classes = self.model.config.classes  # a student may say more, and targets may carry a teacher's answers
        hits = _hits(logits.data[:, :classes], targets[:, :classes]).sum()
        self._sums += xp.stack([loss.data.astype(np.float64) * len(x), hits.astype(np.float64)])
        progress.sums[2] += len(x)

    def _read(self) -> list[float]:
        """Copy the sums to where the progress is written down, and return them."""
        self.progress.sums[:2] = asnumpy(self._sums).tolist()
        return self.progress.sums

    def _show(self, bar: tqdm) -> None:
        if self.progress.step % READ_EVERY == 1:
            loss, hits, clips = self._read()
            bar.set_postfix(epoch=self.progress.epoch + 1, loss=f"{loss / clips:.3f}", accuracy=f"{hits / clips:.1%}")
        bar.update()

    def _end_epoch(self) -> None:
        progress = self.progress
        loss, hits, clips = progress.sums
        figures = {"loss": loss / clips, "accuracy": hits / clips}
        if self.evaluate:
            figures[self.score] = self.evaluate(self.model)
            earlier = [epoch[self.score] for epoch in progress.history]
            if self.keep_best and figures[self.score] > max(earlier, default=-1.0):
                self.best = self.model.state()
        progress.history.append(figures)
        progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, [0.0, 0.0, 0.0]
        self._sums = xp.zeros(2)
        self.save()

    def _stopped(self) -> None:
        self.save()
        saved = f"saved in {self.path}; --resume goes on from there" if self.path else "nothing was saved"
        raise TrainingStopped(f"stopped in epoch {self.progress.epoch + 1} of {self.epochs}: {saved}")

    def save(self) -> None:
        """Write the checkpoint, if there is a path for it."""
        if self.path is None:
            return
        self._read()
        start = self.epoch_start if self.progress.step else self.data_rng.bit_generator.state
        training = {
            "facts": self.facts,
            "progress": asdict(self.progress),
            "data_rng": start,
            "dropout_rng": self.dropout_rng.bit_generator.state,
        }
        groups = {"optimiser": self.optimiser.state(), "best": self.best}
        checkpoint.write(self.path, self.model, {"training": training}, groups)

    def load(self) -> None:
        """Go on from the checkpoint; CheckpointError where it comes from a different run."""
        about, groups = checkpoint.read(self.path) if self.path else ({}, {})
        training = about.get("training", {})
        if training.get("facts") != self.facts:
            raise CheckpointError(
                f"{self.path} comes from another run: it has {training.get('facts')}, this one {self.facts}; "
                "choose another --out or leave --resume out"
            )
        self.model.load_state(groups["model"])
        self.optimiser.load_state(groups["optimiser"])
        self.progress, self.best = Progress(**training["progress"]), groups.get("best", {})
        self._sums = xp.asarray(self.progress.sums[:2])
        self.epoch_start = self.data_rng.bit_generator.state = training["data_rng"]
        self.dropout_rng.bit_generator.state = training["dropout_rng"]


def _hits(logits: Array, targets: Array) -> Array:
    """Whether each clip's first answer is its label; of many labels one, of mixed ones one of the strongest."""
    first = xp.take_along_axis(targets, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    return first == targets.max(axis=1)
