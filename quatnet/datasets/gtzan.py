"""Loader of GTZAN in its published layout: ten genre folders with 100 clips of 30 s each, `blues/blues.00000.wav`.

Source: G. Tzanetakis, P. Cook, Musical genre classification of audio signals, 2002. The ten folds go by the position
in the sorted list of files, as in the transfer experiment of Q. Kong and others, PANNs, 2020. They are not independent:
clips of one artist, and repeated recordings, are in training and test folds. The option `filtered` avoids this.
"""

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


def load(folder: Path, *, filtered: bool = False) -> Dataset:
    """Return the data set GTZAN in ten folds, or its fault-filtered split.

    The fold of a clip is 1 + its index in the sorted list of all files, modulo 10. Unreadable recordings, such as
    `jazz.00054.wav` of the usual copies, are skipped and named in the note; the folds of other clips do not change.

    Parameters
    ----------
    folder : the folder that contains the genre folders, or its parent
    filtered : return the fault-filtered split, in which no artist or recording is in both parts: fold 1 is the
        training set, fold 2 the test set. The validation set is not used.

    Raises
    ------
    DataError
        The folder is missing, a file name is not one of GTZAN, or no recording can be used.
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
