"""Data set classes: clips with class labels and cross-validation folds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..audio import read
from ..errors import DataError, one_line
from .parallel import map_on_cpu


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

    def read(self, stop_seconds: float) -> tuple[np.ndarray, int]:
        """Return the waveform, float (samples,), and its sample rate in Hz.

        If the source is a partial function of `audio.read`, the file is read up to `stop_seconds`.
        """
        if isinstance(self.source, partial) and self.source.func is read:
            return partial(self.source, stop_seconds=stop_seconds)()
        return self.source()


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
            The data set has no fold `fold`, or no other fold, or a clip is in both parts.
        """
        folds = sorted(set(self.folds.tolist()))
        if fold not in folds or len(folds) < 2:
            raise DataError(f"{self.name} has no test fold {fold} besides training folds; its folds are {folds}")
        train, test = ([clip for clip in self.clips if (clip.fold == fold) == part] for part in (False, True))
        if both := {clip.key for clip in train} & {clip.key for clip in test}:
            names = sorted(clip.name for clip in test if clip.key in both)
            raise DataError(f"{self.name}: {len(names)} clips are in fold {fold} and another fold, first {names[0]}")
        return train, test

    def readable(self) -> "Dataset":
        """Return the data set without the clips that cannot be read. The note contains their number and names."""
        errors = list(map_on_cpu(_reading_error, self.clips))
        skipped = [clip.name for clip, error in zip(self.clips, errors, strict=True) if error]
        clips = tuple(clip for clip, error in zip(self.clips, errors, strict=True) if not error)
        return replace(self, clips=clips, note=f"{self.note} {skipped_note(skipped, len(self.clips))}".strip())


def _reading_error(clip: Clip) -> DataError | None:
    try:
        clip.read(float("inf"))
    except DataError as error:
        return error
    return None


def skipped_note(names: Sequence[str], total: int) -> str:
    """Return a sentence with the number and the names of the unreadable recordings among `total` recordings.

    The result is empty if `names` is empty.
    """
    if not names:
        return ""
    text = one_line(", ".join(names[:3]) + (" ..." if len(names) > 3 else ""))
    return f"Skipped {len(names)} of {total} recordings, which cannot be read ({text})."
