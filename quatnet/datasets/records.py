"""Data set classes: clips with class labels and cross-validation folds."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress

import numpy as np

from ..audio import read
from ..audio.read import read_blocks
from ..audio.stream import SILENT_PEAK
from ..checks import checked_count
from ..errors import DataError, one_line
from .parallel import map_on_cpu


@dataclass(frozen=True)
class Clip:
    """Recording with a class label and a fold.

    Attributes
    ----------
    name : file name, or a description of a synthesized clip
    label : index of the class in `Dataset.classes`, or -1 for a clip without a class (a negative)
    fold : number of the cross-validation fold
    source : function without arguments that returns the waveform, float (samples,), and its sample rate in Hz. For a
        part of a file, it is `partial(audio.read, path, start_seconds=..., stop_seconds=...)`
    key : unique key of the samples in the feature cache
    more_labels : indices of the further classes of a clip with several classes
    group : name of the source of the clip, for example a speaker or a recording site, or an empty string
    seconds : duration of the clip, or 0 if it is unknown
    rate_hz : sample rate of the file, or 0 if it is unknown
    """

    name: str
    label: int
    fold: int
    source: Callable[[], tuple[np.ndarray, int]]
    key: str
    more_labels: tuple[int, ...] = ()
    group: str = ""
    seconds: float = 0.0
    rate_hz: int = 0

    @property
    def labels(self) -> tuple[int, ...]:
        """Indices of all classes of the clip. The tuple of a negative is empty."""
        return (self.label, *self.more_labels) if self.label >= 0 else ()

    @property
    def file_reader(self) -> partial | None:
        """The source if it is `partial(audio.read, ...)`, which reads a file or a part of a file, else None."""
        return self.source if isinstance(self.source, partial) and self.source.func is read else None

    def read(self, stop_seconds: float) -> tuple[np.ndarray, int]:
        """Return the waveform, float (samples,), and its sample rate in Hz.

        If the source is `partial(audio.read, path)`, the file is read up to `stop_seconds`.
        """
        reader = self.file_reader
        return self.read_source() if reader is None or reader.keywords else reader(stop_seconds=stop_seconds)

    def blocks(self, stop_seconds: float = math.inf) -> Iterator[np.ndarray]:
        """Yield the waveform in blocks (samples,). A file of any length is read in blocks, up to `stop_seconds`."""
        if reader := self.file_reader:
            yield from read_blocks(*reader.args, **({"stop_seconds": stop_seconds} | reader.keywords))
        else:
            yield self.read_source()[0]

    def read_source(self) -> tuple[np.ndarray, int]:
        """Return the complete waveform and its sample rate in Hz. Raises DataError for an invalid `source`."""
        result = self.source() if callable(self.source) else self.source
        if not isinstance(result, tuple) or len(result) != 2:
            found = type(result).__name__
            raise DataError(f"{self.name}: expected source() to return (waveform, sample rate in Hz), got {found}")
        return result


@dataclass(frozen=True)
class Dataset:
    """Data set for classification.

    Attributes
    ----------
    name : name of the data set
    classes : class names, in the order of the labels
    clips : all clips
    note : message for the user, for example about skipped recordings, or an empty string
    skipped : one message for each recording that cannot be read
    needs_all_classes : whether `split` raises an error if a class is not in both parts
    """

    name: str
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    note: str = ""
    skipped: tuple[str, ...] = ()
    needs_all_classes: bool = False

    def __post_init__(self) -> None:
        for clip in self.clips:
            labels = clip.label, *clip.more_labels
            valid = all(isinstance(label, int | np.integer) and -1 <= label < len(self.classes) for label in labels)
            if not valid or -1 in clip.more_labels:
                expected = f"expected labels below {len(self.classes)}, the number of classes, or one label -1"
                raise DataError(f"{clip.name}: {expected}, got {', '.join(map(repr, labels))}")

    @property
    def labels(self) -> np.ndarray:
        """Labels of the clips, int (clips,)."""
        return np.array([clip.label for clip in self.clips])

    @property
    def folds(self) -> np.ndarray:
        """Folds of the clips, int (clips,)."""
        return np.array([clip.fold for clip in self.clips])

    @property
    def targets(self) -> np.ndarray:
        """Targets of the clips, float32 (clips, classes), 1 for each class of a clip and 0 elsewhere."""
        targets = np.zeros((len(self.clips), len(self.classes)), np.float32)
        for target, clip in zip(targets, self.clips, strict=True):
            target[list(clip.labels)] = 1
        return targets

    @property
    def is_multilabel(self) -> bool:
        """Whether a clip has several classes or none."""
        return any(len(clip.labels) != 1 for clip in self.clips)

    def split(self, fold: int) -> tuple[list[Clip], list[Clip]]:
        """Return the training clips and the test clips.

        The test clips are the clips of `fold`, the training clips are all other clips.

        Raises
        ------
        DataError
            The data set has no fold `fold`, or no other fold, a clip is in both parts, or a class is in one part.
        """
        folds, fold = sorted(set(self.folds.tolist())), checked_count("fold", fold, minimum=0)
        if fold not in folds or len(folds) < 2:
            raise DataError(f"{self.name} has no test fold {fold} besides training folds; its folds are {folds}")
        train, test = ([clip for clip in self.clips if (clip.fold == fold) == part] for part in (False, True))
        if both := {clip.key for clip in train} & {clip.key for clip in test}:
            names = sorted(clip.name for clip in test if clip.key in both)
            raise DataError(f"{self.name}: {len(names)} clips are in fold {fold} and another fold, first {names[0]}")
        for part, text in ((train, f"the folds other than {fold}"), (test, f"fold {fold}")):
            present = {label for clip in part for label in clip.labels}
            absent = [name for label, name in enumerate(self.classes) if label not in present]
            if absent and self.needs_all_classes:
                raise DataError(f"{self.name}: no clips of {listed(absent)} in {text}; add clips, or use another fold")
        return train, test

    def readable(self, *, stop_seconds: float = 60.0) -> "Dataset":
        """Return the data set without the clips that cannot be read.

        The note contains the number and the names of these clips and of silent clips, and `skipped` the errors. All
        clips are read, files up to `stop_seconds`.
        """
        results = list(map_on_cpu(lambda clip: _error_and_peak(clip, stop_seconds), self.clips))
        errors = [error for error, _ in results]
        skipped = [clip.name for clip in compress(self.clips, errors)]
        silent = [clip.name for clip, (_, peak) in zip(self.clips, results, strict=True) if peak < SILENT_PEAK]
        silent_note = f"{len(silent)} clips are silent ({listed(silent)})." if silent else ""
        note = " ".join(filter(None, [self.note, skipped_note(skipped, len(self.clips)), silent_note]))
        clips = tuple(compress(self.clips, [not error for error in errors]))
        return replace(self, clips=clips, note=note, skipped=(*self.skipped, *filter(None, errors)))


def _error_and_peak(clip: Clip, stop_seconds: float) -> tuple[str, float]:
    """Return the error of reading a clip, or an empty string, and the peak of its samples."""
    try:
        return "", max((float(np.abs(block).max(initial=0)) for block in clip.blocks(stop_seconds)), default=0.0)
    except DataError as error:
        return str(error), 1.0


def skipped_note(names: Sequence[str], total: int) -> str:
    """Return a sentence with the number and the names of the unreadable recordings among `total` recordings.

    The result is empty if `names` is empty.
    """
    return f"Skipped {len(names)} of {total} recordings, which cannot be read ({listed(names)})." if names else ""


def digest(clip: Clip) -> str:
    """Return twelve digits that identify the samples of a clip. Raises DataError if the clip cannot be read."""
    result = hashlib.sha256()
    for block in clip.blocks():
        result.update(block.tobytes())
    return result.hexdigest()[:12]


def listed(names: Sequence[str]) -> str:
    """Return the first three names, and the number of the others, on one line."""
    return one_line(", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""))
