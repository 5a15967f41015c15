"""Class-balanced sampling, which draws clips from all classes equally often.

Source: Q. Kong and others, PANNs, 2020, section III-G (balanced sampling).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from ..audio import FrontEnd
from ..errors import DataError
from .packed import PackedClips

Augment = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def clips_by_class(packed: PackedClips) -> list[np.ndarray]:
    """Return the int32 indices of the packed clips of each class."""
    segments = packed.segments
    rows = np.repeat(np.arange(len(segments)), np.diff(segments.offsets))  # table row of each entry of segments.labels
    clips = np.searchsorted(packed.rows, rows).astype(np.int32)
    is_packed = np.isin(rows, packed.rows)
    labels, clips = segments.labels[is_packed], clips[is_packed]
    order = np.argsort(labels, kind="stable")
    return np.split(clips[order], np.searchsorted(labels[order], np.arange(1, len(segments.classes))))


def class_balanced_sampler(groups: Sequence[np.ndarray], rng: np.random.Generator) -> Iterator[int]:
    """Yield an infinite sequence of clip indices.

    Each round draws one clip from every non-empty group, in random order. Within a group, clips are drawn without
    replacement until all clips have been drawn. A clip with several labels is in several groups.

    Parameters
    ----------
    groups : clip indices of each class, from `clips_by_class`
    rng : random generator

    Raises
    ------
    DataError
        All groups are empty.
    """
    samplers = [_shuffled_sampler(group, rng) for group in groups if len(group)]
    if not samplers:
        raise DataError("expected at least one class with clips, got none")
    while True:
        for number in rng.permutation(len(samplers)):
            yield int(next(samplers[number]))


def _shuffled_sampler(group: np.ndarray, rng: np.random.Generator) -> Iterator[np.integer]:
    while True:
        yield from rng.permutation(group)


def balanced_batches(
    packed: PackedClips, frontend: FrontEnd, *, batch_size: int, steps_per_epoch: int, augment: Augment | None = None
) -> Callable[[np.random.Generator], Iterator[tuple[np.ndarray, np.ndarray]]]:
    """Return a function of a random generator that yields the class-balanced batches of one epoch.

    Features are computed when a batch is requested. Only one batch is in memory.

    Parameters
    ----------
    packed : clips of the training set
    frontend : front end that computes the features
    batch_size : number of clips per batch
    steps_per_epoch : number of batches per epoch
    augment : function (x, targets, rng) -> (x, targets), applied to each batch

    Returns
    -------
    function rng -> iterator of (x, targets): float32 (N, frames, mels, 4) and (N, classes). The attribute
    `batch_indices` of the function is a function rng -> iterator of the clip indices of each batch
    """
    groups = clips_by_class(packed)

    def batch_indices(rng: np.random.Generator) -> Iterator[list[int]]:
        sampler = class_balanced_sampler(groups, np.random.default_rng(rng.integers(1 << 63)))
        return (list(islice(sampler, batch_size)) for _ in range(steps_per_epoch))

    def epoch(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for clips in batch_indices(rng):
            x, targets = packed.features(clips, frontend), packed.targets(clips)
            yield augment(x, targets, rng) if augment else (x, targets)

    epoch.batch_indices, epoch.frontend_settings = batch_indices, frontend.settings  # type: ignore[attr-defined]
    return epoch
