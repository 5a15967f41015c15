"""Functions of the data set loaders that search root folders, check audio files, create clips and read tables."""

import csv
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from ..audio import read
from ..audio.read import open_audio
from ..errors import DataError
from .parallel import map_on_cpu
from .records import Clip, Dataset, skipped_note


def find_root(folder: Path, is_root: Callable[[Path], bool], *, error_message: str) -> Path:
    """Return `folder` or its first subfolder for which `is_root` is true. Folders of macOS metadata are ignored.

    Raises DataError with `error_message` if there is no such folder.
    """
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    for candidate in (folder, *(path for path in subfolders if not path.name.startswith((".", "__MACOSX")))):
        if is_root(candidate):
            return candidate
    raise DataError(error_message)


def dataset_of_files(
    name: str, classes: tuple[str, ...], files: Mapping[Path, tuple[int, int]], *, total: int, hint: str
) -> Dataset:
    """Return the data set of audio files. Unreadable files are skipped and listed in the note.

    The headers are checked. The samples are not read. The cache key of a clip depends on the path, the size and the
    modification time of the file.

    Parameters
    ----------
    name, classes : name and class names of the data set
    files : label and fold of each file
    total : number of recordings of the complete data set
    hint : instruction in the error message

    Raises
    ------
    DataError
        No file can be read.
    """
    readable = dict(zip(files, map_on_cpu(_has_audio_header, list(files)), strict=True))
    clips = tuple(_clip(path, *files[path]) for path in files if readable[path])
    if not clips:
        raise DataError(f"{name}: none of {len(files)} recordings can be used; {hint}")
    note = "" if len(files) == total else f"A part of {name}: {len(files)} of {total} clips. "
    note += skipped_note([path.name for path in files if not readable[path]], len(files))
    return Dataset(name, classes, clips, note.strip())


def _clip(path: Path, label: int, fold: int) -> Clip:
    status = path.stat()
    key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    return Clip(path.name, label, fold, partial(read, path), key)


def _has_audio_header(path: Path) -> bool:
    try:
        with open_audio(path):
            return True
    except DataError:
        return False


def read_table(table: Path, *, hint: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number, from 1, and the fields of each row of a CSV file in UTF-8 that is not empty.

    A byte order mark is ignored.

    Raises
    ------
    DataError
        The table is not a regular file, cannot be read, or contains a control character.
    """
    try:
        if not table.is_file():
            raise OSError("no such file")
        with table.open(newline="", encoding="utf-8-sig") as lines:
            for number, row in enumerate(csv.reader(lines, skipinitialspace=True), start=1):
                if not all(text.isprintable() for text in row):
                    raise UnicodeError(f"control character in line {number}")
                if row:
                    yield number, row
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a table ({error}); {hint}") from error
