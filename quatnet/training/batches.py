"""Feeding a network: shuffled, augmented batches to train on, and predictions for many clips."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..autodiff import no_grad
from ..backend import Array, asnumpy
from ..distill import Student
from ..threads import single_threaded_blas

Batches = Callable[[np.random.Generator], Iterable[tuple[Array, Array]]]
Augment = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def shuffled_batches(inputs: Array, targets: Array, *, batch_size: int, augment: Augment | None = None) -> Batches:
    """Return what gives, for a generator, one epoch over `inputs` (N, ...) and `targets` (N, classes).

    The batches are of nearly equal size, at most `batch_size`, so that none is too small for batch statistics.
    """

    def epoch(rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        order = rng.permutation(len(inputs))
        for chosen in np.array_split(order, -(-len(order) // batch_size)):
            x, t = inputs[chosen], targets[chosen]
            yield augment(x, t, rng) if augment else (x, t)

    return epoch


def predict(model: Student, inputs: Array, *, batch_size: int = 16) -> np.ndarray:
    """Return the logits (N, classes) of `inputs` (N, frames, mels, 4), in evaluation mode."""
    with no_grad(), single_threaded_blas():
        parts = [asnumpy(model(inputs[i : i + batch_size]).data) for i in range(0, len(inputs), batch_size)]
    return np.concatenate(parts)
