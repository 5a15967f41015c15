"""Loader of RAVDESS (speech) in the official layout, such as `Actor_01/03-01-01-01-01-01-01.wav`.

The data set has 1440 clips of 3 to 5 s by 24 actors. All clips of an actor are in the same fold. The five folds are
defined in C. Luna-Jiménez and others, Multimodal emotion recognition on RAVDESS dataset using transfer learning, 2021,
section 3.1.

Source: S. R. Livingstone, F. A. Russo, The Ryerson audio-visual database of emotional speech and song, 2018. The
license is CC BY-NC-SA 4.0.
"""

import os
import re
from dataclasses import dataclass, fields
from pathlib import Path

from ..checks import checked_path
from ..errors import DataError
from ..files import disk_errors
from .archives import extract
from .audio_files import dataset_of_files, find_root
from .records import Dataset

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
# numbers of the actors in each fold
FOLD_ACTORS = ((2, 5, 14, 15, 16), (3, 6, 7, 13, 18), (10, 11, 12, 19, 20), (8, 17, 21, 23, 24), (1, 4, 9, 22))
MAX_VALUES = (3, 2, 8, 2, 2, 2, 24)  # largest value of each field of a file name
NAME = re.compile("-".join(["([0-9]{2})"] * len(MAX_VALUES)))
NUM_CLIPS = 1440
HINT = "give Audio_Speech_Actors_01-24.zip, the folder that contains Actor_01/ to Actor_24/, or its parent"


@dataclass(frozen=True)
class FileName:
    """Fields of a file name, which are integers from 1."""

    modality: int  # 3 is audio only
    channel: int  # 1 is speech, 2 is song
    emotion: int  # index in EMOTIONS + 1
    intensity: int  # 1 is normal, 2 is strong
    statement: int
    repetition: int
    actor: int  # odd numbers are male actors, even numbers are female actors


def parse_name(path: str | os.PathLike) -> FileName:
    """Return the fields of a file name.

    Raises DataError if the file name or the folder name is not a name of RAVDESS.

    >>> parse_name("Actor_12/03-01-06-01-02-01-12.wav").emotion
    6
    """
    path = checked_path(path)
    match = NAME.fullmatch(path.stem)
    values = [int(field) for field in match.groups()] if match else []
    if not match or any(not 1 <= value <= maximum for value, maximum in zip(values, MAX_VALUES, strict=True)):
        expected = "-".join(field.name for field in fields(FileName))
        raise DataError(f"{path}: expected a name of seven two-digit fields, {expected}; {HINT}")
    name = FileName(*values)
    if path.parent.name != f"Actor_{name.actor:02}":
        raise DataError(f"{path}: actor {name.actor} in the file name, but the folder is {path.parent.name}; {HINT}")
    if name.emotion == 1 and name.intensity == 2:
        raise DataError(f"{path}: RAVDESS has no neutral speech of strong intensity; {HINT}")
    return name


def load(folder: str | os.PathLike) -> Dataset:
    """Return the speech recordings of RAVDESS in five folds by actor.

    Songs and videos are ignored. Unreadable recordings are skipped and listed in the note.

    Parameters
    ----------
    folder : folder that contains the actor folders, its parent, or the official zip archive. The archive is extracted
        into a folder with the same name next to the archive

    Raises
    ------
    DataError
        The folder is missing, a file name is not a file name of RAVDESS, or no speech recording can be read.
    """
    folder = _extracted(checked_path(folder))
    root = find_root(folder, lambda root: any(root.glob("Actor_[0-9][0-9]")), "folders Actor_01/ ...", hint=HINT)
    names = {path: parse_name(path) for path in sorted(root.glob("Actor_[0-9][0-9]/[!.]*.[wW][aA][vV]"))}
    files = {
        path: (name.emotion - 1, actor_fold(name.actor))
        for path, name in names.items()
        if (name.modality, name.channel) == (3, 1)
    }
    if len({path.stem for path in files}) < len(files):
        raise DataError(f"{root}: two files of one clip, .wav and .WAV; remove one of the files")
    return dataset_of_files("RAVDESS", EMOTIONS, files, total=NUM_CLIPS, hint=HINT)


def _extracted(path: Path) -> Path:
    if path.suffix != ".zip" or not path.is_file():
        return path
    folder = path.with_suffix("")
    if not folder.exists():
        with disk_errors(folder):
            extract(path, folder)
    return folder


def actor_fold(actor: int) -> int:
    """Return the fold (1 to 5) of an actor (1 to 24)."""
    return next(fold for fold, actors in enumerate(FOLD_ACTORS, start=1) if actor in actors)
