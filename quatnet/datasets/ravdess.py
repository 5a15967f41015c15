"""RAVDESS, speech, in its official layout: `Actor_01/03-01-01-01-01-01-01.wav` to Actor_24, 1440 clips of 3 to 5 s.

Source: S. R. Livingstone, F. A. Russo, The Ryerson audio-visual database of emotional speech and song, 2018;
CC BY-NC-SA 4.0. The five folds, each with voices of its own, are those of C. Luna-Jiménez and others, Multimodal
emotion recognition on RAVDESS dataset using transfer learning, 2021, section 3.1.
"""

from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import DataError
from .files import clip_of, left_out, root_of, unreadable
from .records import Dataset
from .unpack import unpack_all

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
ACTORS = (
    (2, 5, 14, 15, 16),
    (3, 6, 7, 13, 18),
    (10, 11, 12, 19, 20),
    (8, 17, 21, 23, 24),
    (1, 4, 9, 22),
)  # a fold each
LARGEST = (3, 2, 8, 2, 2, 2, 24)  # the fields of a name count from 1 to these
CLIPS = 1440
REMEDY = "give Audio_Speech_Actors_01-24.zip, the folder that holds Actor_01/ to Actor_24/ of it, or its parent"


@dataclass(frozen=True)
class Name:
    """What a file name says: seven numbers, each from 1. Odd actors are male."""

    modality: int  # 3 is sound alone
    channel: int  # 1 speech, 2 song
    emotion: int
    intensity: int  # 1 normal, 2 strong
    statement: int
    repetition: int
    actor: int


def parse(path: Path) -> Name:
    """Return what the name of a recording says. Raises DataError where it is not one of RAVDESS.

    >>> parse(Path("Actor_12/03-01-06-01-02-01-12.wav")).emotion
    6
    """
    parts = path.stem.split("-")
    whole = len(parts) == len(LARGEST) and all(len(part) == 2 and part.isascii() and part.isdigit() for part in parts)
    values = [int(part) for part in parts] if whole else []
    if not whole or any(not 1 <= value <= most for value, most in zip(values, LARGEST, strict=True)):
        wanted = "-".join(field.name for field in fields(Name))
        raise DataError(f"{path}: expected a name of seven pairs of digits, {wanted}; {REMEDY}")
    return _checked(Name(*values), path)


def _checked(name: Name, path: Path) -> Name:
    if path.parent.name != f"Actor_{name.actor:02}":
        raise DataError(f"{path}: the name says actor {name.actor}, the folder {path.parent.name}; {REMEDY}")
    if name.emotion == 1 and name.intensity == 2:
        raise DataError(f"{path}: there is no strong neutral speech in RAVDESS; {REMEDY}")
    return name


def load(folder: Path) -> Dataset:
    """Return the speech of RAVDESS in five folds by actor: no voice is ever on both sides.

    Songs and the sound of videos are passed over; recordings that cannot be read are left out, and the note says so.

    Parameters
    ----------
    folder : the one that holds the folders of the actors, or its parent, or the official archive, which is unpacked
        beside itself

    Raises
    ------
    DataError
        No such folder, a name that is not one of RAVDESS, or no speech that can be read.
    """
    missing = f"there are no folders Actor_01/ ... in {folder}; {REMEDY}"
    root = root_of(_unpacked(Path(folder)), lambda place: any(place.glob("Actor_[0-9][0-9]")), missing=missing)
    named = {path: parse(path) for path in sorted(root.glob("Actor_[0-9][0-9]/*.wav"))}
    speech = {path: name for path, name in named.items() if (name.modality, name.channel) == (3, 1)}
    broken = unreadable(list(speech))
    clips = tuple(
        clip_of(path, name.emotion - 1, fold_of(name.actor)) for path, name in speech.items() if path not in broken
    )
    if not clips:
        raise DataError(f"{root}: there is no speech that can be read; {REMEDY}")
    return Dataset("RAVDESS", EMOTIONS, clips, f"{_count(len(speech))}{left_out(broken, len(speech))}".strip())


def _unpacked(place: Path) -> Path:
    if place.suffix != ".zip" or not place.is_file():
        return place
    folder = place.with_suffix("")
    if not folder.exists():
        unpack_all(place, folder)
    return folder


def fold_of(actor: int) -> int:
    """Return the fold, 1 to 5, that tests the voice of `actor`, 1 to 24."""
    return next(fold for fold, actors in enumerate(ACTORS, start=1) if actor in actors)


def _count(clips: int) -> str:
    return "" if clips == CLIPS else f"This is a part of RAVDESS, {clips} clips of {CLIPS}. "
