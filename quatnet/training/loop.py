"""Training loop with a progress bar, checkpoints and reproducible resumption.

Random numbers are drawn from two generators: one for shuffling and augmentation, one for dropout. The states of both
generators are saved in checkpoints, so the final weights of a resumed run are bit-identical to those of an
uninterrupted run.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..audio.frontend import check_frontend
from ..backend import Array, asnumpy, xp
from ..checks import checked_count, checked_path
from ..distill import Loss, cross_entropy_loss
from ..errors import CheckpointError, ConfigError, NonFiniteError, TrainingStopped
from ..models.build import is_built_in
from ..nn import Module
from ..optim import Optimizer, clip_grad_norm
from ..processes import RANK, all_reduce, barrier
from ..threads import single_threaded_blas
from . import checkpoint, checks, distributed
from .data import Batches
from .interrupt import interrupt_flag
from .progress import Progress, read_state
from .totals import add_step

LOG_INTERVAL = 10  # steps between two updates of the displayed loss on a GPU; each update waits for the GPU


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
    max_grad_norm : maximum of the total norm of all gradients, or None for no clipping
    evaluate : function of the model, called after each epoch. The history contains the result as `test_` + `metric`
    metric : name of the result of `evaluate`
    keep_best : whether to restore the weights of the epoch with the highest result of `evaluate` at the end. In this
        case, `evaluate` should use validation clips
    path : checkpoint file, written after each epoch and on Ctrl-C
    metadata : JSON description of the run, saved in the checkpoint. A run can only be resumed with the same metadata
        and the same options of the optimizer
    sync_batch_norm : whether several processes use the batch statistics of the global batch

    Raises
    ------
    ConfigError
        An argument is invalid, for example a learning rate in place of the function `schedule`.
    """

    def __init__(
        self,
        model: Module,
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
        checks.check_model(model)
        checks.check_functions(batches=batches, schedule=schedule, loss=loss, evaluate=evaluate)
        has_score = evaluate is not None or not keep_best
        checks.check_settings(model, optimizer, max_grad_norm, has_score=has_score, has_checkpoint=path is not None)
        epochs, seed = checked_count("epochs", epochs), checked_count("seed", seed, minimum=0)
        steps_per_epoch = checked_count("steps_per_epoch", steps_per_epoch)
        checks.check_length(batches, steps_per_epoch)
        self.model, self.batches, self.optimizer, self.loss = model, batches, optimizer, loss
        self.epochs, self.steps_per_epoch, self.schedule = epochs, steps_per_epoch, schedule
        self.max_grad_norm, self.evaluate, self.metric = max_grad_norm, evaluate, f"test_{metric}"
        self.keep_best, self.path = keep_best, None if path is None else checked_path(path)
        settings = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "seed": seed}
        self.metadata = checks.as_json(metadata, **settings, optimizer_settings=optimizer.settings())
        self.progress, self.best = Progress(), dict[str, np.ndarray]()
        self._owns_path = False  # whether the checkpoint at `path` is of this training, or does not exist
        self._sums = xp.zeros(3)  # of the current epoch, see `totals.add_step`
        self._example: Array | None = None  # one clip
        self._loaded_example: Array | None = None  # zeros of its shape, of a checkpoint
        self._traceable = True  # false after `trace` has failed
        self.data_rng, self.dropout_rng = (np.random.default_rng([seed, n]) for n in range(2))
        self.epoch_start_state = self.data_rng.bit_generator.state
        if sync_batch_norm:
            distributed.synchronize_batch_norm(model)

    def run(self, *, label: str = "training") -> Progress:
        """Train all remaining epochs and return the progress with its history.

        On Ctrl-C, the checkpoint is saved and TrainingStopped is raised. A second Ctrl-C interrupts immediately.

        Raises
        ------
        NonFiniteError
            A loss, a parameter after an epoch, or the result of `evaluate` is NaN or infinite. The last checkpoint is
            kept.
        CheckpointError
            `path` exists, but has not been loaded. The folder of `path` was removed during the training, or the network
            contains NaN or infinity.
        ConfigError
            The number of batches is not `steps_per_epoch`, or the batches are features of another front end.
        """
        settings = getattr(self.batches, "frontend_settings", None)
        for model in (self.model, *getattr(self.loss, "teachers", ())):
            check_frontend(model, settings)
        if settings:
            self.model.frontend_settings = settings
        barrier()  # all processes have loaded the checkpoint
        if self.path and not self._owns_path and not RANK:
            self._check_path(self.path)
        done = self.progress.epoch * self.steps_per_epoch + self.progress.step
        distributed.broadcast(self.model)
        total = self.epochs * self.steps_per_epoch
        bar = tqdm(total=total, initial=done, desc=label, unit="step", disable=RANK > 0)
        with bar, interrupt_flag() as interrupted:
            while self.progress.epoch < self.epochs:
                self._epoch(bar, interrupted)
            if self.keep_best and self.best:
                self.model.load_state_dict(self.best)
                self.save()
            if interrupted.is_set():
                self._stop()
        barrier()  # the checkpoint of process 0 is complete
        return self.progress

    def _check_path(self, path: Path) -> None:
        """Write and remove the checkpoint, so that all errors of writing are raised before the first step."""
        if path.exists():
            raise CheckpointError(
                f"{path} exists; call Trainer.load or fit(..., resume=True) to continue its training, "
                "choose another path, or delete the file"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self.save()
        path.unlink()
        self._owns_path = True

    def _epoch(self, bar: tqdm, interrupted: threading.Event) -> None:
        self.epoch_start_state = self.data_rng.bit_generator.state if not self.progress.step else self.epoch_start_state
        self.data_rng.bit_generator.state = self.epoch_start_state
        start = time.perf_counter() - self.progress.seconds
        for batch in islice(checks.checked_batches(self.batches(self.data_rng)), self.progress.step, None):
            if self.progress.step == self.steps_per_epoch:
                raise ConfigError(f"expected steps_per_epoch = {self.steps_per_epoch} batches, got more")
            self._step(*checks.checked_batch(batch))
            self.progress.seconds = time.perf_counter() - start
            self._show(bar)
            if all_reduce(np.array([interrupted.is_set()], np.float32))[0]:
                self._stop()
        if self.progress.step < self.steps_per_epoch:
            raise ConfigError(f"expected steps_per_epoch = {self.steps_per_epoch} batches, got {self.progress.step}")
        self._read_totals()  # synchronizes the GPU, so that the time is complete
        checks.check_finite_parameters(self.model, self.progress.epoch + 1, self.path)
        self.progress.seconds = time.perf_counter() - start
        self._end_epoch()

    @single_threaded_blas()
    def _step(self, x: Array, targets: Array) -> None:
        means = checks.running_means(self.model) if self._example is None else []
        self._example = x[:1] if self._example is None else self._example
        clips, share = len(x), distributed.share(len(x))
        x, targets = x[share], targets[share]
        outputs = self.model(x, train=True, rng=distributed.DropoutGenerator(self.dropout_rng, share))
        loss = self.loss(outputs, targets, x)
        checks.check_loss(loss)
        add_step(self._sums, self.model, outputs, targets, loss.data)
        self.progress.totals[2] += clips
        if isinstance(loss.data, np.ndarray) or self.progress.step % LOG_INTERVAL == 0:  # on a CPU in every step
            self._read_totals()
        self.optimizer.zero_grad()  # gradients of other backward passes, as in `evaluate`
        distributed.backward(loss, len(x) / clips, self.optimizer.parameters.values())
        checks.check_running_means(means)
        if self.max_grad_norm:
            clip_grad_norm(self.optimizer.parameters.values(), self.max_grad_norm)
        progress = self.progress
        step = progress.epoch * self.steps_per_epoch + progress.step
        self.optimizer.step(lr=checks.as_number("schedule", self.schedule(step)))
        self.optimizer.zero_grad()
        progress.step += 1

    def _read_totals(self) -> None:
        """Copy the totals from the device to the progress. Raises NonFiniteError if a loss was not finite."""
        *self.progress.totals[:2], steps = asnumpy(self._sums).tolist()
        if not np.isfinite(self.progress.totals[0]):
            finite_steps = int(steps)
            step = f"step {finite_steps + 1} of {self.steps_per_epoch} of epoch {self.progress.epoch + 1}"
            raise checks.loss_error(f"{step}{self._clips(finite_steps)}", self.path)

    def _clips(self, step: int) -> str:
        """Return the indices of the clips in the batch of `step` as a part of a message, if they are known."""
        batch_indices = getattr(self.batches, "batch_indices", None)
        if batch_indices is None:
            return ""
        rng = np.random.default_rng()
        rng.bit_generator.state = self.epoch_start_state
        indices = next(islice(batch_indices(rng), step, None))
        return f", with the {getattr(self.batches, 'items', 'clips')} {', '.join(map(str, indices))}"

    def _show(self, bar: tqdm) -> None:
        if self.progress.step % LOG_INTERVAL == 1:
            loss, correct, clips = self.progress.totals
            accuracy = {"accuracy": f"{correct / clips:.1%}"} if correct >= 0 else {}
            bar.set_postfix(epoch=self.progress.epoch + 1, loss=f"{loss / clips:.3f}", **accuracy)
        bar.update()

    def _end_epoch(self) -> None:
        distributed.broadcast(self.model)
        progress = self.progress
        loss, correct, clips = progress.totals
        epoch = {"loss": loss / clips} | ({"accuracy": correct / clips} if correct >= 0 else {})
        if self.evaluate:
            epoch[self.metric] = checks.as_number("evaluate", self.evaluate(self.model))
            if not np.isfinite(epoch[self.metric]):
                raise NonFiniteError(f"evaluate returned {epoch[self.metric]} after epoch {progress.epoch + 1}")
            # a generator, because without `keep_best` an epoch may have no result
            earlier = (past[self.metric] for past in progress.history)
            if self.keep_best and epoch[self.metric] > max(earlier, default=-np.inf):
                self.best = self.model.state_dict()
        progress.history.append(epoch)
        progress.epoch, progress.step, progress.totals = progress.epoch + 1, 0, [0.0, 0.0, 0.0]
        self._sums = xp.zeros(3)
        self.save()

    def _stop(self) -> None:
        self.save()
        barrier()
        saved = f"saved in {self.path}; a resumed run continues from there" if self.path else "nothing was saved"
        epoch = min(self.progress.epoch + 1, self.epochs)
        raise TrainingStopped(f"stopped in epoch {epoch} of {self.epochs}: {saved}")

    def save(self) -> None:
        """Write the checkpoint to `path`, unless `path` is None. Under mpiexec, only process 0 writes.

        Raises CheckpointError if the folder of `path` does not exist, or if the network contains NaN or infinity. In
        this case, the last checkpoint is kept.
        """
        if self.path is None or RANK:
            return
        if not self.path.parent.is_dir():
            raise CheckpointError(f"the folder {self.path.parent} of the checkpoint was removed during the training")
        self._read_totals()
        start = self.epoch_start_state if self.progress.step else self.data_rng.bit_generator.state
        generators = {"data_rng": start, "dropout_rng": self.dropout_rng.bit_generator.state}
        training = {"metadata": self.metadata, "progress": asdict(self.progress), **generators}
        groups, graph = {"optimizer": self.optimizer.state_dict(), "best": self.best}, None
        example = self._loaded_example if self._example is None else self._example
        if example is not None and self._traceable and not is_built_in(self.model):
            # in every checkpoint, because attributes of the network can change during the training
            graph = checkpoint.trace_or_warn(self.model, example)
            self._traceable = graph is not None
        checkpoint.write(self.path, self.model, {"training": training}, groups, graph=graph)

    def load(self) -> None:
        """Load the state of the training from the checkpoint.

        Raises CheckpointError if the checkpoint comes from a different run or is damaged. In this case, the trainer
        does not change.
        """
        metrics = {"loss", *([self.metric] if self.keep_best else [])}
        header, arrays, progress = read_state(self.path, self.model, self.optimizer, self.metadata, metrics=metrics)
        if self.keep_best and progress.history and not arrays["best"]:
            advice = "resume without keep_best, or train again"
            raise CheckpointError(
                f"{self.path} has no weights of the best epoch, because keep_best was false; {advice}"
            )
        self._loaded_example = checkpoint.example_input(header)
        self.model.load_state_dict(arrays["model"])
        self.optimizer.load_state_dict(arrays["optimizer"])
        self.model.frontend_settings = header.get("frontend")
        self.progress, self.best, self._owns_path = progress, arrays["best"], True
        self._sums = xp.asarray([*progress.totals[:2], progress.step], dtype=np.float64)
        training = header["training"]
        self.epoch_start_state = self.data_rng.bit_generator.state = training["data_rng"]
        self.dropout_rng.bit_generator.state = training["dropout_rng"]
