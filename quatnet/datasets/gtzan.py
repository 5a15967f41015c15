"""GTZAN in its published layout: a folder for each of ten genres, 100 clips of 30 s, `blues/blues.00000.wav`.

Source: G. Tzanetakis, P. Cook, Musical genre classification of audio signals, 2002. Ten folds by place in the sorted
list of files, as Q. Kong and others, PANNs, 2020, whose transfer to GTZAN tests on each of them. In these folds,
clips of one artist, and repeated recordings, are on both sides: see `filtered`.
"""

import re
from pathlib import Path

from ..errors import DataError
from .files import clip_of, left_out, root_of, unreadable
from .gtzan_filtered import TEST, TRAIN, numbers
from .records import Clip, Dataset

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
FOLDS = 10
NAME = re.compile(rf"({'|'.join(GENRES)})\.(\d{{5}})\.(wav|au)")
REMEDY = "give the folder that holds blues/ to rock/, or its parent"


def load(folder: Path, *, filtered: bool = False) -> Dataset:
    """Return GTZAN in ten folds; a recording that cannot be read is left out, and the note says so.

    `jazz.00054.wav` of the usual copies is such a one. A clip's fold is 1 + its place in the sorted list of all
    files, modulo 10, whether or not others can be read.

    Parameters
    ----------
    folder : the one that holds the folders of the genres, or its parent
    filtered : the fault-filtered split instead, without artists or recordings on both sides: fold 1 to train on,
        fold 2 to test. Its validation part is left out, since nothing here is chosen by it.

    Raises
    ------
    DataError
        No such folder, a file that is not named as in GTZAN, or nothing that can be read.
    """
    root = root_of(Path(folder), _holds_genres, missing=f"there are no folders blues/ to rock/ in {folder}; {REMEDY}")
    paths = _paths(root)
    broken = unreadable(paths)
    folds = _filtered_folds(paths) if filtered else {path: 1 + n % FOLDS for n, path in enumerate(paths)}
    clips = tuple(_clip(path, fold) for path, fold in folds.items() if path not in broken)
    if not clips:
        raise DataError(f"{root}: none of {len(paths)} recordings can be used; {REMEDY}")
    return Dataset("GTZAN, filtered" if filtered else "GTZAN", GENRES, clips, left_out(broken, len(paths)))


def _holds_genres(folder: Path) -> bool:
    return all((folder / genre).is_dir() for genre in GENRES)


def _paths(root: Path) -> list[Path]:
    """All recordings in the order of their names: that of genres, then of numbers."""
    paths = [path for genre in GENRES for path in (root / genre).glob("[!.]*") if path.suffix in (".wav", ".au")]
    for path in paths:
        if not (match := NAME.fullmatch(path.name)) or match[1] != path.parent.name:
            raise DataError(f"{path}: expected a name such as {path.parent.name}.00000.wav; {REMEDY}")
    return sorted(paths, key=lambda path: path.name)


def _filtered_folds(paths: list[Path]) -> dict[Path, int]:
    sides = {(genre, n): fold for fold, part in ((1, TRAIN), (2, TEST)) for genre, n in numbers(part)}
    places = {path: (path.parent.name, int(path.name.split(".")[1])) for path in paths}
    return {path: sides[place] for path, place in places.items() if place in sides}


def _clip(path: Path, fold: int) -> Clip:
    return clip_of(path, GENRES.index(path.parent.name), fold)
