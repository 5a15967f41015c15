"""Batches of clips for training and evaluation."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..autodiff import no_grad
from ..backend import Array, asnumpy
from ..distill import Student
from ..errors import ConfigError, ShapeError
from ..processes import RANK, SIZE, all_gather
from ..threads import single_threaded_blas
from .metrics import accuracy

Batches = Callable[[np.random.Generator], Iterable[tuple[Array, Array]]]
Augment = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


class DataLoader:
    """Iterable of shuffled batches.

    A call with a random generator yields the batches (x, targets) of one epoch.

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
        There are no inputs, or the numbers of inputs and targets differ.
    ConfigError
        `batch_size` is less than 1.
    """

    def __init__(self, inputs: Array, targets: Array, *, batch_size: int = 16, augment: Augment | None = None) -> None:
        if not len(inputs) or len(inputs) != len(targets):
            raise ShapeError(f"expected one target for each input, got {len(inputs)} inputs, {len(targets)} targets")
        if batch_size < 1:
            raise ConfigError(f"expected batch_size >= 1, got {batch_size}")
        self.inputs, self.targets, self.batch_size, self.augment = inputs, targets, batch_size, augment

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self.inputs) // self.batch_size)

    def __call__(self, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        order = rng.permutation(len(self.inputs))
        for indices in np.array_split(order, len(self)):
            x, targets = self.inputs[indices], self.targets[indices]
            yield self.augment(x, targets, rng) if self.augment else (x, targets)


def predict(model: Student, inputs: Array, *, batch_size: int = 16) -> np.ndarray:
    """Return the logits (N, classes) of `inputs` (N, frames, mels, 4), in evaluation mode.

    With several processes, each computes a part of the batches, and all return all logits.
    """
    starts = np.array_split(np.arange(0, len(inputs), batch_size), SIZE)[RANK]
    with no_grad(), single_threaded_blas():
        logits = [asnumpy(model(inputs[i : i + batch_size]).data) for i in starts]
    return np.concatenate(all_gather(logits))


def evaluate(model: Student, inputs: Array, labels: np.ndarray, *, batch_size: int = 16) -> float:
    """Return the accuracy on `inputs` (N, frames, mels, 4) with `labels` (N,), in evaluation mode."""
    return accuracy(predict(model, inputs, batch_size=batch_size), labels)
