"""The common names of CuPy and NumPy and their arguments, read from `names.txt` (see `support/cupy_names.py`)."""

import re
from functools import cache
from pathlib import Path

Names = dict[str, frozenset[str] | None]  # function -> allowed arguments; None allows all arguments


@cache
def section(title: str) -> Names:
    """Return the names of one section of `names.txt`."""
    text = (Path(__file__).parent / "names.txt").read_text()
    lines = re.search(rf"^\[(?:CuPy [^:]+: )?{title}\]\n([^\[]*)", text, re.MULTILINE)[1]
    return {name: _arguments(arguments) for name, arguments in re.findall(r"(\w+)(?:\(([^)]*)\))?", lines)}


@cache
def version() -> str:
    """Return the version of CuPy from which `names.txt` was written."""
    return re.match(r"\[CuPy (\S+)", (Path(__file__).parent / "names.txt").read_text())[1]


def _arguments(text: str) -> frozenset[str] | None:
    return None if text == "*" else frozenset(text.split())
