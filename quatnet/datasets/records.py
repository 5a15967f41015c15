"""Data set classes: clips with class labels and cross-validation folds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import DataError


@dataclass(frozen=True)
class Clip:
    """Recording with a class label and a fold.

    Attributes
    ----------
    name : file name, or a description of a synthesized clip
    label : index of the class in `Dataset.classes`
    fold : number of the cross-validation fold, from 1
    source : function without arguments that returns the waveform, float (samples,), and its sample rate in Hz
    key : unique key of the samples in the feature cache
    """

    name: str
    label: int
    fold: int
    source: Callable[[], tuple[np.ndarray, int]]
    key: str


@dataclass(frozen=True)
class Dataset:
    """Data set for classification.

    Attributes
    ----------
    name : name of the data set
    classes : class names, in the order of the labels
    clips : all clips
    note : message for the user, for example about skipped recordings, or an empty string
    """

    name: str
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    note: str = ""

    @property
    def labels(self) -> np.ndarray:
        """Labels of the clips, int (clips,)."""
        return np.array([clip.label for clip in self.clips])

    @property
    def folds(self) -> np.ndarray:
        """Folds of the clips, int (clips,)."""
        return np.array([clip.fold for clip in self.clips])

    def split(self, fold: int) -> tuple[list[Clip], list[Clip]]:
        """Return the training clips and the test clips.

        The test clips are the clips of `fold`, the training clips are all other clips.

        Raises
        ------
        DataError
            The data set has no fold `fold`, or no other fold.
        """
        folds = sorted(set(self.folds.tolist()))
        if fold not in folds or len(folds) < 2:
            raise DataError(f"{self.name} has no test fold {fold} besides training folds; its folds are {folds}")
        train = [clip for clip in self.clips if clip.fold != fold]
        return train, [clip for clip in self.clips if clip.fold == fold]
