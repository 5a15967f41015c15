"""What a data set is: clips with a label and a fold, and where their sound comes from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import DataError


@dataclass(frozen=True)
class Clip:
    """One recording. `source()` gives (waveform (samples,), sample rate in Hz).

    `key` names all that shapes those samples, so that features computed from them can be kept.
    """

    name: str
    label: int
    fold: int
    source: Callable[[], tuple[np.ndarray, int]]
    key: str


@dataclass(frozen=True)
class Dataset:
    """Clips, the names of their classes in the order of the labels, and a note for the user."""

    name: str
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    note: str = ""

    @property
    def labels(self) -> np.ndarray:
        """The labels (clips,) in order."""
        return np.array([clip.label for clip in self.clips])

    @property
    def folds(self) -> np.ndarray:
        """The folds (clips,) in order."""
        return np.array([clip.fold for clip in self.clips])

    def split(self, fold: int) -> tuple[list[Clip], list[Clip]]:
        """Return the clips of all other folds, to train on, and those of `fold`, to test.

        Raises
        ------
        DataError
            There is no such fold, or no other.
        """
        folds = sorted(set(self.folds.tolist()))
        if fold not in folds or len(folds) < 2:
            raise DataError(f"{self.name} has no test fold {fold} beside others: its folds are {folds}")
        train = [clip for clip in self.clips if clip.fold != fold]
        return train, [clip for clip in self.clips if clip.fold == fold]
