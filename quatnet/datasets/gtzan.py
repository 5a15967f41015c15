"""Loader of GTZAN in the published layout, such as `blues/blues.00000.wav`.

The data set has ten genre folders with 100 clips of 30 s each. The ten folds are assigned by the number in the file
name, as in the transfer experiment of Q. Kong and others, PANNs, 2020. The folds are not independent: training
and test folds contain clips of the same artists and repeated recordings. The fault-filtered split avoids this overlap.

Source: G. Tzanetakis, P. Cook, Musical genre classification of audio signals, 2002.
"""

import os
import re
from pathlib import Path

from ..checks import checked_path
from ..errors import DataError
from .audio_files import dataset_of_files, find_root
from .gtzan_filtered import TEST, TRAIN, clip_numbers
from .records import Dataset

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
FOLDS = 10
NUM_CLIPS = 1000
NAME = re.compile(rf"({'|'.join(GENRES)})\.(000[0-9][0-9])\.(wav|au)", re.IGNORECASE)
HINT = "give the folder that contains blues/ to rock/, or its parent"


def load(folder: str | os.PathLike, *, filtered: bool = False) -> Dataset:
    """Return the data set GTZAN in ten folds, or its fault-filtered split.

    The clip of number n, such as 54 of `jazz.00054.wav`, is in fold 1 + n mod 10. Unreadable recordings, such as
    `jazz.00054.wav` in most copies, are skipped and listed in the note. The folds of other clips do not change.

    Parameters
    ----------
    folder : folder that contains the genre folders, or its parent
    filtered : whether to return the fault-filtered split. Fold 1 is the training set and fold 2 is the test set. No
        artist or recording is in both sets. The validation set is not used

    Raises
    ------
    DataError
        The folder is missing, a file name is not a file name of GTZAN, a clip has two files, or no recording can be
        used.
    """
    root = find_root(checked_path(folder), _contains_genres, "folders blues/ to rock/", hint=HINT)
    recordings = _list_recordings(root)
    parts = {clip: fold for fold, part in ((1, TRAIN), (2, TEST)) for clip in clip_numbers(part)}
    folds = parts if filtered else {clip: 1 + clip[1] % FOLDS for clip in recordings}
    files = {path: (GENRES.index(clip[0]), folds[clip]) for clip, path in recordings.items() if clip in folds}
    name, total = ("GTZAN, filtered", len(parts)) if filtered else ("GTZAN", NUM_CLIPS)
    return dataset_of_files(name, GENRES, files, total=total, hint=HINT)


def _contains_genres(folder: Path) -> bool:
    return all((folder / genre).is_dir() for genre in GENRES)


def _list_recordings(root: Path) -> dict[tuple[str, int], Path]:
    """Return the file of each genre and number, sorted by file name. Hidden files are ignored."""
    paths = [path for genre in GENRES for path in (root / genre).glob("[!.]*")]
    recordings: dict[tuple[str, int], Path] = {}
    for path in sorted(path for path in paths if path.suffix.lower() in (".wav", ".au")):
        if not (match := NAME.fullmatch(path.name)) or match[1] != path.parent.name:
            raise DataError(f"{path}: expected a name such as {path.parent.name}.00000.wav; {HINT}")
        if (first := recordings.setdefault((match[1], int(match[2])), path)) != path:
            raise DataError(f"{path} and {first.name} are the same clip; remove one of the files")
    return recordings
