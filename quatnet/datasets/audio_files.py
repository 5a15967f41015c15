"""Functions of the data set loaders that search root folders, check audio files, create clips and read tables."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..audio import read
from ..audio.read import open_audio
from ..errors import DataError
from .parallel import map_on_cpu
from .records import Clip, Dataset, skipped_note

CONTROL_CHARACTERS = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # without tab, newline and carriage return


def find_root(folder: Path, is_root: Callable[[Path], bool], content: str, *, hint: str) -> Path:
    """Return `folder` or its first subfolder for which `is_root` is true. Folders of macOS metadata are ignored.

    Raises DataError if there is no such folder. The message names the missing `content`, and ends with `hint`.
    """
    paths = folder.iterdir() if folder.is_dir() else ()
    subfolders = sorted(path for path in paths if not path.name.startswith((".", "__MACOSX")))
    for candidate in filter(Path.is_dir, [folder, *subfolders]):
        if is_root(candidate):
            return candidate
    raise DataError(f"no {content} in {folder} or a subfolder; {hint}")


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
    headers, errors = read_headers(files)
    clips = tuple(file_clip(path, headers[path], label=files[path][0], fold=files[path][1]) for path in headers)
    if not clips:
        raise DataError(f"{name}: none of {len(files)} recordings can be used; {hint}")
    note = "" if len(files) == total else f"A part of {name}: {len(files)} of {total} clips. "
    note += skipped_note([path.name for path in errors], len(files))
    return Dataset(name, classes, clips, note.strip())


def read_headers(paths: Iterable[Path]) -> tuple[dict[Path, tuple[float, int]], dict[Path, str]]:
    """Return the duration in s and the sample rate in Hz of each readable file, and the error of each other file."""
    paths = list(paths)
    results = dict(zip(paths, map_on_cpu(_header, paths), strict=True))
    headers = {path: result for path, result in results.items() if not isinstance(result, str)}
    return headers, {path: result for path, result in results.items() if isinstance(result, str)}


def _header(path: Path) -> tuple[float, int] | str:
    try:
        with open_audio(path) as file:
            return file.frames / file.samplerate, file.samplerate
    except DataError as error:
        return str(error)


def file_clip(
    path: Path, header: tuple[float, int], *, part: tuple[float, float] | None = None, **options: Any
) -> Clip:
    """Return the clip of an audio file, or of the part of the file from part[0] to part[1] seconds.

    The other fields of `Clip` are given by name. The default name is the file name.
    """
    status = path.stat()
    key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    seconds, times = header[0], dict[str, float]()
    if part:
        key, seconds = f"{key} {part}", part[1] - part[0]
        times = {"start_seconds": part[0], "stop_seconds": part[1]}
    fields: dict[str, Any] = {"name": path.name, "seconds": seconds, "rate_hz": header[1]} | options
    return Clip(source=partial(read, path, **times), key=key, **fields)


def read_table(
    table: Path, *, hint: str, encoding: str = "utf-8-sig", **dialect: Any
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number, from 1, and the fields of each row of a CSV file that is not empty.

    By default, the encoding is UTF-8, and a byte order mark is ignored. `dialect` are options of `csv.reader`.

    Raises
    ------
    DataError
        The table is not a regular file, cannot be read, has text after a quote or a quote that is not closed, or
        contains a control character other than a tab or line break.
    """
    try:
        if not table.is_file():
            raise OSError("no such file")
        with table.open(newline="", encoding=encoding) as lines:
            reader = csv.reader(lines, skipinitialspace=True, strict=True, **dialect)
            for number, row in enumerate(reader, start=1):
                if CONTROL_CHARACTERS.search("".join(row)):
                    raise UnicodeError(f"control character in line {number}")
                if row:
                    yield number, row
    except csv.Error as error:
        raise DataError(f'{table}, line {reader.line_num}: {error}; write a quote in a field twice, ""') from error
    except (OSError, UnicodeError) as error:
        raise DataError(f"{table} cannot be read as a table ({error}); {hint}") from error
