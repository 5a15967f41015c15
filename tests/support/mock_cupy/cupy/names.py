"""The names that the real CuPy shares with NumPy, and the arguments they take; `support/cupy_names.py` writes them."""

import re
from functools import cache
from pathlib import Path

Names = dict[str, frozenset[str] | None]  # None: any arguments


@cache
def section(title: str) -> Names:
    """Return what one section of the table lists."""
    text = (Path(__file__).parent / "names.txt").read_text()
    lines = re.search(rf"^\[(?:CuPy [^:]+: )?{title}\]\n([^\[]*)", text, re.MULTILINE)[1]
    return {name: _arguments(arguments) for name, arguments in re.findall(r"(\w+)(?:\(([^)]*)\))?", lines)}


@cache
def version() -> str:
    """Return the version of the CuPy that the names are of."""
    return re.match(r"\[CuPy (\S+)", (Path(__file__).parent / "names.txt").read_text())[1]


def _arguments(text: str) -> frozenset[str] | None:
    return None if text == "*" else frozenset(text.split())
