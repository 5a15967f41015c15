"""Recordings in the arguments of a command, and the loop over them."""

import glob
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from ..errors import DataError, one_line

Result = TypeVar("Result")
SOME_FAILED, NONE_USABLE = 3, 4  # exit codes
FILES_HELP = "recordings: files, folders, patterns such as 'field/**/*.WAV', and @list.txt with one of these per line"


@dataclass
class Inputs:
    """Recordings of a command, and those that cannot be used.

    `paths` maps each path to the folder below which it was found. `errors` maps each argument or recording that cannot
    be used to the reason.
    """

    paths: dict[Path, Path] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0, 3 if some recordings cannot be used, or 4 if none can be used."""
        usable = [path for path in self.paths if str(path) not in self.errors]
        return (SOME_FAILED if usable else NONE_USABLE) if self.errors else 0

    def fail(self, name: str, reason: str) -> None:
        """Record a recording that cannot be used, and print the reason to stderr."""
        self.errors[name] = reason
        print_error(reason)

    def map(self, work: Callable[[Path], Result]) -> Iterator[tuple[Path, Result]]:
        """Yield each path and `work(path)`. A path for which `work` raises DataError is recorded in `errors`."""
        for path in self.paths:
            try:
                result = work(path)
            except DataError as error:
                self.fail(str(path), str(error))
                continue
            yield path, result


def print_error(reason: str) -> None:
    """Print one line to stderr."""
    print(f"quatnet: {one_line(reason)}", file=sys.stderr)


def find(arguments: Sequence[str], *, inputs: Inputs | None = None, lists: Sequence[str] = ()) -> Inputs:
    """Return the recordings of the arguments of a command. They are added to `inputs`.

    `lists` are the `@` arguments that contain the arguments.
    """
    inputs = inputs or Inputs()
    for argument in arguments:
        try:
            if argument.startswith("@") and not os.path.exists(argument):
                if argument in lists:
                    raise DataError("the list contains itself")
                text = Path(argument[1:]).read_text(encoding="utf-8-sig", errors="surrogateescape")
                if "\0" in text:
                    raise DataError("not a list in UTF-8; save it as UTF-8")
                names = list(filter(None, map(str.strip, text.splitlines())))
                if not names:
                    raise DataError("the list is empty")
                find(names, inputs=inputs, lists=(*lists, argument))
            else:
                inputs.paths.update(_recordings(argument))
        except (DataError, OSError, UnicodeError) as error:
            inputs.fail(argument, f"{argument}: {getattr(error, 'strerror', None) or error}")
    return inputs


def _recordings(argument: str) -> dict[Path, Path]:
    """Return the recordings of an argument, and their folders. Raises DataError if there are none."""
    path = Path(argument)
    if argument and path.is_dir():
        from ..datasets.folder import list_recordings  # its import takes longer than the classification of a file

        found = dict.fromkeys(list_recordings(path), path)
    elif argument and path.exists():
        found = {path: path.parent}
    else:
        names = filter(os.path.isfile, sorted(glob.glob(argument, recursive=True)))
        folder = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
        found = {Path(name): folder for name in names}
    if not found:
        raise DataError("no recordings in this folder" if argument and path.is_dir() else "no such file or folder")
    return found
