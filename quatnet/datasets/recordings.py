"""Data set of recordings of the user: classes, groups and folds of a list of recordings with labels.

The class names are in the Unicode form NFC, ordered by code point. The labels `noise`, `other`, `background`, `silence`
and `_background_noise_`, in upper or lower case, are negatives: examples without a class.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..checks import as_scores, checked_count
from ..errors import DataError
from . import splits
from .audio_files import file_clip, read_headers
from .records import Dataset, listed, skipped_note

NEGATIVES = {"noise", "other", "background", "silence", "_background_noise_"}
MIN_SECONDS = 0.1
REPAIR = "correct the paths, convert the files to WAV or FLAC, or remove them"


@dataclass(frozen=True)
class Recording:
    """Audio file, or a part of an audio file, with labels.

    Attributes
    ----------
    path : audio file
    name : name of the clip in messages, usually the path below the folder of the data set
    labels : class names, or names of negatives
    fold, group : name of the fold and the group, or an empty string
    part : start and end of the clip in the file in s, or None for the complete file
    """

    path: Path
    name: str
    labels: tuple[str, ...]
    fold: str = ""
    group: str = ""
    part: tuple[float, float] | None = None


def dataset_of_recordings(
    name: str, recordings: Sequence[Recording], *, group: str | None = None, folds: int = 5, seed: int = 0,
    strict: bool = False, notes: Sequence[str] = (),
) -> Dataset:  # fmt: skip
    """Return the data set of the recordings. The note describes the split and possible problems of the training.

    The headers of all files are checked. The samples are not read, except for files of equal size, which are compared.

    Parameters
    ----------
    name : name of the data set in messages
    recordings : recordings with labels. Folds are used if there are at least two
    group : "parent", or a regular expression, see `splits.option_groups`. By default, the groups of `recordings`, or
        groups derived from the file names
    folds : number of folds that are made if `recordings` has no folds. 1 makes no split, for an evaluation
    seed : seed of the folds
    strict : whether to raise an error if a recording cannot be read. By default, it is skipped and listed
    notes : sentences at the start of the note

    Raises
    ------
    DataError
        No recording can be read, there is only one class and no negative, a class has only one group, or a group that
        was given is in two folds.
    """
    folds, seed = checked_count("folds", folds), checked_count("seed", seed, 0)
    headers, errors = _checked_headers(name, recordings, strict)
    usable = [recording for recording in recordings if recording.path in headers]
    classes = sorted({label for recording in recordings for label in recording.labels if not is_negative(label)})
    number = {label: index for index, label in enumerate(classes)}
    labels = [tuple(sorted(number[label] for label in set(r.labels) if label in number)) for r in usable]
    if not classes or (folds > 1 and len(classes) == 1 and all(labels)):
        raise DataError(f"{name}: expected two classes, or one and a class 'noise', got {listed(classes) or 'none'}")
    groups, rule, single = _groups(usable, labels, group)
    groups, copies = splits.join_equal_files(groups, [recording.path for recording in usable])
    clips = tuple(
        file_clip(
            recording.path, headers[recording.path], part=recording.part, name=recording.name, fold=1, group=source,
            label=indices[0] if indices else -1, more_labels=indices[1:],
        )
        for recording, indices, source in zip(usable, labels, groups, strict=True)
    )  # fmt: skip
    data = Dataset(name, tuple(classes), clips, skipped=tuple(errors.values()), needs_all_classes=folds > 1)
    given = [recording.fold for recording in usable]
    has_folds = len(set(given)) > 1
    numbers, split = _given_folds(data, given, rule, group) if has_folds else _new_folds(data, rule, folds, seed)
    clips = tuple(replace(clip, fold=fold) for clip, fold in zip(clips, numbers, strict=True))
    name_of = {recording.path: recording.name for recording in recordings}
    unreadable = skipped_note([name_of[path] for path in errors], len(headers) + len(errors))
    sentences = [
        *notes,
        split,
        split and _unused_groups([classes[index] for index in single]),
        *_warnings(data),
        _copies(usable, copies),
        unreadable and f"{unreadable[:-1]}; {REPAIR}.",
    ]
    return replace(data, clips=clips, note=" ".join(filter(None, sentences)))


def as_label(text: str) -> str:
    """Return a label in the Unicode form NFC, without no-break spaces, so that labels that look equal are equal."""
    return unicodedata.normalize("NFC", text).replace("\u00a0", " ").strip()


def is_negative(label: str) -> bool:
    """Return whether a label is a name of negatives."""
    return label.lower() in NEGATIVES


def choose_clip_seconds(seconds: Sequence[float]) -> float:
    """Return a clip length for recordings of the given durations in s.

    The length is the 90th percentile of the durations, rounded to half a second, from 1 to 10 s. At most a tenth of the
    recordings is then longer by more than a quarter of a second, unless they are longer than 10 s.

    Raises ShapeError for values that are no numbers, and DataError without recordings.

    >>> choose_clip_seconds([5.0, 5.015, 4.2]), choose_clip_seconds([0.4]), choose_clip_seconds([30.0])
    (5.0, 1.0, 10.0)
    """
    durations = as_scores(seconds)
    if not durations.size:
        raise DataError("expected the durations of recordings, got none")
    percentile = float(np.percentile(durations, 90, method="higher"))
    return min(max(round(2 * percentile) / 2, 1.0), 10.0)


def _checked_headers(
    name: str, recordings: Sequence[Recording], strict: bool
) -> tuple[dict[Path, tuple[float, int]], dict[Path, str]]:
    headers, errors = read_headers(dict.fromkeys(recording.path for recording in recordings))
    for path in [path for path, (seconds, _) in headers.items() if seconds < MIN_SECONDS]:
        errors[path] = f"{path}: expected at least {MIN_SECONDS} s, got {headers.pop(path)[0]:.3f} s"
    if not recordings:
        raise DataError(f"{name}: expected at least one recording with a label, got none")
    if not headers or (strict and errors):
        counts = f"{len(errors)} of {len(headers) + len(errors)} recordings cannot be used"
        raise DataError(f"{name}: {counts}; {REPAIR}: {listed(list(errors.values()))}")
    return headers, errors


def _groups(
    recordings: Sequence[Recording], labels: Sequence[Sequence[int]], option: str | None
) -> tuple[list[str], str, list[int]]:
    """Return the group of each recording, the rule in words, and classes of one source, see `splits.guess_groups`."""
    paths = [recording.path for recording in recordings]
    if any(recording.group for recording in recordings):
        names = splits.names_of(paths)
        return [r.group or name for r, name in zip(recordings, names, strict=True)], option or "column", []
    if not option:
        return splits.guess_groups(paths, labels)
    return splits.option_groups(option, paths, [recording.name for recording in recordings]), option, []


def _unused_groups(classes: Sequence[str]) -> str:
    """Return a sentence about groups in the file names that are not used because of `classes`."""
    if not classes:
        return ""
    return (
        f"Groups by {splits.SOURCES} were found, but are not used, because one group contains all clips of "
        f"{listed(classes)}: training and test clips can be of one speaker, site or source; add recordings of others, "
        "remove the class, or give another group."
    )


def _given_folds(data: Dataset, given: Sequence[str], rule: str, option: str | None) -> tuple[list[int], str]:
    """Return the given folds, and sentences about them."""
    if "" in given:
        raise DataError(f"{data.name}: {given.count('')} of {len(given)} recordings have no fold; complete the folds")
    folds = splits.fold_numbers(given)
    crossing = splits.groups_in_two_folds([clip.group for clip in data.clips], folds)
    if crossing and option:
        advice = "correct them, or leave out one option"
        raise DataError(f"{data.name}: groups are in two folds ({listed(crossing)}); {advice}")
    names = ", ".join(f"{value!r}" for _, value in sorted(set(zip(folds, given, strict=True)))[:12])
    note = f" One source (by {rule}), or a copy, seems to be in two folds: {listed(crossing)}." if crossing else ""
    return folds, f"The folds are given: {names}.{note}"


def _new_folds(data: Dataset, rule: str, folds: int, seed: int) -> tuple[list[int], str]:
    """Return stratified folds, and a sentence about them."""
    groups, labels = [clip.group for clip in data.clips], [clip.labels for clip in data.clips]
    numbers = splits.stratified_folds(groups, labels, folds=folds, seed=seed)
    counts = splits.groups_by_class(groups, labels)
    single = [name for index, name in enumerate(data.classes) if len(counts[index]) < 2]
    if single and folds > 1:
        raise DataError(
            f"{data.name}: fewer than two groups (by {rule}) in {listed(single)}, one for training and one for the "
            f"test; add recordings, or give another group (skipped: {listed(data.skipped) or 'none'})"
        )
    split = f"{len(set(numbers))} folds were made, which keep {len(set(groups))} groups together (by {rule})."
    return numbers, split if folds > 1 else ""


def _warnings(data: Dataset) -> Iterator[str]:
    """Yield sentences about classes with few clips or groups, imbalance, negatives and sample rates."""
    groups = splits.groups_by_class([clip.group for clip in data.clips], [clip.labels for clip in data.clips])
    if negatives := groups.pop(-1, None):
        yield f"{negatives.total()} clips are negatives (without a class)."
    sizes = sorted((groups[index].total(), name) for index, name in enumerate(data.classes))
    if few := [f"{name} {size}" for size, name in sizes if size < 5]:
        yield f"Classes with fewer than 5 clips: {listed(few)}."
    if few := [f"{name} {len(groups[index])}" for index, name in enumerate(data.classes) if len(groups[index]) < 3]:
        yield f"Classes with fewer than 3 groups: {listed(few)}."
    if sizes[-1][0] >= 4 * sizes[0][0]:
        yield f"Class imbalance: {sizes[0][1]} {sizes[0][0]}, {sizes[-1][1]} {sizes[-1][0]} clips."
    folded = [name.casefold() for name in data.classes]
    if similar := [name for name in data.classes if folded.count(name.casefold()) > 1]:
        yield f"Classes that differ in upper and lower case only: {listed(similar)}."
    if own := _classes_with_own_rates(data):
        yield f"Classes with sample rates of their own, which may be learned: {listed(own)}."


def _classes_with_own_rates(data: Dataset) -> list[str]:
    """Return the classes whose clips have other sample rates than all clips of the other classes."""
    classes = defaultdict[int, set[int]](set)
    for clip in data.clips:
        classes[clip.rate_hz].update(clip.labels or (-1,))
    shared = set().union(*(labels for labels in classes.values() if len(labels) > 1))
    return [name for index, name in enumerate(data.classes) if index not in shared and len(classes) > 1]


def _copies(recordings: Sequence[Recording], copies: dict[Path, str]) -> str:
    """Return a sentence about equal files."""
    labels = defaultdict[str, set[tuple[str, ...]]](set)
    for recording in recordings:
        if recording.path in copies:
            labels[copies[recording.path]].add(recording.labels)
    conflicts = [r.name for r in recordings if r.path in copies and len(labels[copies[r.path]]) > 1]
    text = f" Some have different labels: {listed(conflicts)}; correct the labels." if conflicts else ""
    return f"{len(copies)} files have equal content; equal files are in one group.{text}" if copies else ""
