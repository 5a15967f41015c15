"""Loader of a folder of class folders, such as `dog/bark.wav`, with recordings of the user.

Layouts: `CLASS/.../FILE`, or with a split `train/CLASS/.../FILE` (train, val, test) or `fold1/CLASS/.../FILE`. A folder
`A,B` contains clips of both classes. The folders `noise`, `other`, `background`, `silence` and `_background_noise_`
contain negatives, which are examples without a class.
"""

import os
import re
from pathlib import Path

from ..checks import checked_path
from ..errors import DataError
from .index import SUFFIXES, walk
from .recordings import Recording, as_label, dataset_of_recordings, is_negative
from .records import Dataset, listed
from .splits import PART_NAMES

UNREADABLE = (".m4a", ".aac", ".mp4", ".wma", ".webm", ".amr", ".3gp")  # listed, so that the user can convert the files


def load(
    folder: str | os.PathLike, *, group: str | None = None, folds: int = 5, seed: int = 0, strict: bool = False
) -> Dataset:
    """Return the recordings in class folders. The note describes the split and possible defects of the data.

    Unreadable recordings are skipped, and listed in the note and in `Dataset.skipped`.

    Parameters
    ----------
    folder : folder of the class folders, or of split folders that contain class folders
    group : clips of one group, for example of a speaker or a site, are in one fold. "parent" is the folder of the file,
        and another value is a regular expression whose first bracket is found in the path below `folder`. By default,
        the groups are derived from the file names, see `splits.guess_groups`
    folds : number of stratified folds, if there are no split folders. 1 makes no split, for an evaluation
    seed : seed of the folds
    strict : whether to raise an error for unreadable recordings

    Raises
    ------
    DataError
        The folder or the class folders are missing, no recording can be read, there is only one class, a class has only
        one group, or a group that was given is in two folds.
    """
    root = checked_path(folder)
    paths = {path: path.relative_to(root).parts for path in list_recordings(root)}
    tops = {parts[0] for parts in paths.values() if len(parts) > 1 and not is_negative(parts[0])}
    deep = any(len(parts) > 2 for parts in paths.values() if parts[0] in tops)
    is_split = deep and all(map(is_part, tops))
    training = max(tops, key=lambda top: (PART_NAMES.get(top.lower()) == "train", top), default="")  # for negatives
    recordings, loose = [], []
    for path, parts in paths.items():
        in_part = is_split and parts[0] in tops
        if len(parts) < 2 + in_part:
            loose.append("/".join(parts))
            continue
        labels = tuple(filter(None, map(as_label, parts[in_part].split(","))))
        fold = (parts[0] if in_part else training) if is_split else ""
        recordings.append(Recording(path, "/".join(parts), labels, fold))
    if not recordings:
        raise DataError(f"{root}: expected class folders with recordings, got {len(paths)} recordings without a folder")
    classes = [] if is_split else sorted(filter(is_part, tops))
    notes = [
        f"{len(loose)} recordings are not in a class folder: {listed(loose)}." if loose else "",
        f"{listed(sorted(tops))} is a part of a split, so its folders are the classes."
        if is_split and len(tops) < 2
        else "",
        f"{listed(classes)} are classes, since the other folders are no parts of a split." if classes else "",
    ]
    return dataset_of_recordings(str(root), recordings, group=group, folds=folds, seed=seed, strict=strict, notes=notes)


def is_part(name: str) -> bool:
    """Return whether the name of a folder is that of a part of a split, such as `train` or `fold3`."""
    return name.lower() in PART_NAMES or re.fullmatch("fold[ _-]*[0-9]+", name, re.IGNORECASE) is not None


def list_recordings(root: Path) -> list[Path]:
    """Return the audio files below `root`, sorted, without hidden files and folders."""
    suffixes = (*SUFFIXES, *UNREADABLE)
    paths = [folder / name for folder, names in walk(root) for name in names if name.lower().endswith(suffixes)]
    return sorted(paths)
