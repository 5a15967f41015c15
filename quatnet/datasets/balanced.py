"""Class-balanced sampling: rare sounds come as often as speech, which is in half of all clips.

Source: Q. Kong and others, PANNs, 2020, section III-G (balanced sampling): classes take turns, and each deals out its
own clips like a pack of cards.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from ..audio import FrontEnd
from ..errors import DataError
from .packed import Packed

Augment = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def clips_of_classes(packed: Packed) -> list[np.ndarray]:
    """Return for each class the numbers of the clips in which it is heard."""
    segments = packed.segments
    rows = np.repeat(np.arange(len(segments)), np.diff(segments.offsets))
    clips = np.searchsorted(packed.rows, rows).astype(np.int32)  # of every label in the table
    there = np.isin(rows, packed.rows)
    labels, clips = segments.labels[there], clips[there]
    order = np.argsort(labels, kind="stable")
    return np.split(clips[order], np.searchsorted(labels[order], np.arange(1, len(segments.classes))))


def class_balanced(groups: Sequence[np.ndarray], rng: np.random.Generator) -> Iterator[int]:
    """Yield clips without end: in each round every class that has clips gives one, in random order.

    A class gives none of its `groups` of clips twice before it has given all. A clip with several labels is in
    several groups. Raises DataError where no class has a clip.
    """
    decks = [_deck(group, rng) for group in groups if len(group)]
    if not decks:
        raise DataError("expected classes with clips to sample from, got none")
    while True:
        for number in rng.permutation(len(decks)):
            yield int(next(decks[number]))


def _deck(group: np.ndarray, rng: np.random.Generator) -> Iterator[np.integer]:
    while True:
        yield from rng.permutation(group)


def balanced_batches(
    packed: Packed, frontend: FrontEnd, *, batch_size: int, steps_per_epoch: int, augment: Augment | None = None
) -> Callable[[np.random.Generator], Iterator[tuple[np.ndarray, np.ndarray]]]:
    """Return what gives, for a generator, `steps_per_epoch` batches (x, targets) of balanced clips.

    The front end runs as the batches are asked for; nothing but the batch is in memory.
    """
    groups = clips_of_classes(packed)

    def epoch(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        drawn = class_balanced(groups, np.random.default_rng(rng.integers(1 << 63)))
        for _ in range(steps_per_epoch):
            clips = list(islice(drawn, batch_size))
            x, targets = packed.features(clips, frontend), packed.targets(clips)
            yield augment(x, targets, rng) if augment else (x, targets)

    return epoch
