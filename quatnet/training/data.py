"""Batches of clips for training and evaluation, and their augmentation by time shift, SpecAugment and mixup."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .. import audio
from ..audio.frontend import check_frontend
from ..autodiff import Tensor, no_grad
from ..backend import Array, asnumpy
from ..checks import checked_count, checked_type
from ..datasets.balanced import Augment
from ..errors import ShapeError
from ..graph import Compiled
from ..nn import Module
from ..processes import all_gather, own_share
from ..threads import single_threaded_blas
from .checks import check_clips, check_functions, check_labeled_clips
from .metrics import accuracy

Batches = Callable[[np.random.Generator], Iterable[tuple[Array, Array]]]


def augmentation(*, masks: int = 1, max_frames: float = 1 / 8, max_mels: int = 8, mixup: float | None = 0.2) -> Augment:
    """Return a function of (x, targets, rng) that augments a batch of clips (N, frames, mels, 4).

    Each clip is rolled along time by a random number of frames.

    Parameters
    ----------
    masks : number of masked ranges of frames and number of masked ranges of mel bins per clip, as in SpecAugment, or 0
    max_frames, max_mels : a mask is narrower than this fraction of the frames, and than this number of mel bins
    mixup : parameter of the distribution Beta(mixup, mixup) of the mixup weights, or None to disable mixup
    """

    def augment(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = audio.time_shift(x, rng=rng)
        if masks:
            frames = int(x.shape[1] * max_frames)
            x = audio.spec_augment(x, rng=rng, num_masks=masks, max_frames=frames, max_mels=max_mels)
        return audio.mixup(x, targets, rng=rng, alpha=mixup) if mixup else (x, targets)

    return augment


def default_augmentation(epochs: int) -> Augment | None:
    """Return the recommended augmentation for `epochs` epochs on a few hundred to a few thousand clips.

    The result is None below 10 epochs, a time shift from 10 epochs on, and time shift, masks and mixup from 100 epochs
    on. In short trainings, augmentation lowers the accuracy. The measurements are in
    `docs/decisions/0020-augmentation-by-epochs.md`.
    """
    if epochs < 10:
        return None
    return augmentation() if epochs >= 100 else augmentation(masks=0, mixup=None)


class DataLoader:
    """Callable that yields shuffled batches.

    A call with a random generator yields the batches (x, targets) of one epoch. `items` names the inputs in messages.

    Parameters
    ----------
    inputs : array (N, ...)
    targets : array (N, classes)
    batch_size : largest number of clips in a batch. The sizes of all batches differ by at most one clip, so that no
        batch statistics are computed from a small last batch
    augment : function of (x, targets, rng) that returns augmented copies (x, targets), see `default_augmentation`

    Raises
    ------
    ShapeError
        There are no inputs, the numbers of inputs and targets differ, the dtype is not float, or a target is NaN.
    ConfigError
        `batch_size` is less than 1, or `augment` is not such a function.
    """

    items = "clips"

    def __init__(self, inputs: Array, targets: Array, *, batch_size: int = 16, augment: Augment | None = None) -> None:
        check_clips(inputs, targets)
        if targets.ndim < 2 or targets.dtype.kind not in "biuf":
            raise ShapeError(
                f"expected targets (N, classes), got {targets.shape} of {targets.dtype}; "
                "datasets.one_hot converts class numbers (N,)"
            )
        if np.isnan(targets).any():
            raise ShapeError("expected targets without NaN; correct or remove these clips")
        check_functions(augment=augment)
        self.inputs, self.targets, self.augment = inputs, targets, augment
        self.batch_size = checked_count("batch_size", batch_size)

    @property
    def num_clips(self) -> int:
        """Number of clips in an epoch."""
        return len(self.inputs)

    @property
    def frontend_settings(self) -> dict[str, Any] | None:
        """Settings of the front end of the inputs, or None if they are not known."""
        return getattr(self.inputs, "frontend_settings", None)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-self.num_clips // self.batch_size)

    def batch_indices(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Return the indices of the clips of each batch of an epoch."""
        return np.array_split(rng.permutation(self.num_clips), len(self))

    def __call__(self, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        for indices in self.batch_indices(rng):
            x, targets = self.inputs[indices], self.targets[indices]
            yield self.augment(x, targets, rng) if self.augment else (x, targets)


def predict(model: Module | Compiled, inputs: Array, *, batch_size: int = 16) -> np.ndarray:
    """Return the logits (N, classes) of `inputs` (N, ...), in evaluation mode.

    With several processes, each computes a part of the batches, and all return all logits.

    Raises ShapeError if there is no array of inputs. Raises ConfigError unless `batch_size` is an integer of at least 1
    and the model returns one tensor, or if the inputs are features of another front end than the training clips.
    """
    batch_size = checked_count("batch_size", batch_size)
    check_frontend(model, getattr(inputs, "frontend_settings", None))
    if not hasattr(inputs, "__getitem__"):
        raise ShapeError(f"expected an array of inputs, got {type(inputs).__name__}")
    if not len(inputs):
        raise ShapeError("expected at least one input, got none")
    starts = range(0, len(inputs), batch_size)
    with no_grad(), single_threaded_blas():
        outputs = (model(inputs[i : i + batch_size]) for i in starts[own_share(len(starts))])
        logits = [asnumpy(checked_type("the output of the model", tensor, Tensor).data) for tensor in outputs]
    return np.concatenate(all_gather(logits))


def evaluate(model: Module, inputs: Array, labels: np.ndarray, *, batch_size: int = 16) -> float:
    """Return the accuracy on `inputs` (N, ...) with `labels` (N,), in evaluation mode.

    Raises ShapeError for invalid inputs or labels, and ConfigError as `predict` does.
    """
    check_labeled_clips(inputs, labels)
    return accuracy(predict(model, inputs, batch_size=batch_size), labels)
