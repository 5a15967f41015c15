"""Loader of GTZAN in the published layout, such as `blues/blues.00000.wav`.

The data set has ten genre folders with 100 clips of 30 s each. The ten folds are assigned by the position in the sorted
list of files, as in the transfer experiment of Q. Kong and others, PANNs, 2020. The folds are not independent: training
and test folds contain clips of the same artists and repeated recordings. The fault-filtered split avoids this overlap.

Source: G. Tzanetakis, P. Cook, Musical genre classification of audio signals, 2002.
"""

import os
import re
from pathlib import Path

from ..errors import DataError
from .audio_files import clip_from_file, find_root, skipped_note, unreadable_files
from .gtzan_filtered import TEST, TRAIN, clip_numbers
from .records import Clip, Dataset

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
FOLDS = 10
NAME = re.compile(rf"({'|'.join(GENRES)})\.(\d{{5}})\.(wav|au)")
HINT = "give the folder that contains blues/ to rock/, or its parent"


def load(folder: str | os.PathLike, *, filtered: bool = False) -> Dataset:
    """Return the data set GTZAN in ten folds, or its fault-filtered split.

    Clip n of the sorted list of all files, counted from 0, is in fold 1 + n mod 10. Unreadable recordings, such as
    `jazz.00054.wav` in most copies, are skipped and listed in the note. The folds of other clips do not change.

    Parameters
    ----------
    folder : folder that contains the genre folders, or its parent
    filtered : whether to return the fault-filtered split. Fold 1 is the training set and fold 2 is the test set. No
        artist or recording is in both sets. The validation set is not used

    Raises
    ------
    DataError
        The folder is missing, a file name is not a file name of GTZAN, or no recording can be used.
    """
    error_message = f"no folders blues/ to rock/ in {folder}; {HINT}"
    root = find_root(Path(folder), _contains_genres, error_message=error_message)
    paths = _list_recordings(root)
    unreadable = unreadable_files(paths)
    folds = _filtered_folds(paths) if filtered else {path: 1 + n % FOLDS for n, path in enumerate(paths)}
    clips = tuple(_clip(path, fold) for path, fold in folds.items() if path not in unreadable)
    if not clips:
        raise DataError(f"{root}: none of {len(paths)} recordings can be used; {HINT}")
    return Dataset("GTZAN, filtered" if filtered else "GTZAN", GENRES, clips, skipped_note(unreadable, len(paths)))


def _contains_genres(folder: Path) -> bool:
    return all((folder / genre).is_dir() for genre in GENRES)


def _list_recordings(root: Path) -> list[Path]:
    """Return all recordings sorted by file name."""
    paths = [path for genre in GENRES for path in (root / genre).glob("[!.]*") if path.suffix in (".wav", ".au")]
    for path in paths:
        if not (match := NAME.fullmatch(path.name)) or match[1] != path.parent.name:
            raise DataError(f"{path}: expected a name such as {path.parent.name}.00000.wav; {HINT}")
    return sorted(paths, key=lambda path: path.name)


def _filtered_folds(paths: list[Path]) -> dict[Path, int]:
    folds = {clip: fold for fold, part in ((1, TRAIN), (2, TEST)) for clip in clip_numbers(part)}
    clips = {path: (path.parent.name, int(path.name.split(".")[1])) for path in paths}
    return {path: folds[clip] for path, clip in clips.items() if clip in folds}


def _clip(path: Path, fold: int) -> Clip:
    return clip_from_file(path, GENRES.index(path.parent.name), fold)
