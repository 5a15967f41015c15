"""Test that the letters of shapes in docstrings, messages and docs are those of the notation page."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FACTOR = r"(?:\d* ?[A-Z]{1,2}|\d+)"
LENGTH = re.compile(rf"\.\.\.|[a-z_ ]+|{FACTOR}(?: ?(?://|[/*·+-]) ?{FACTOR})*")


def strings():
    """Yield (path, text) of every Markdown page, and of every string in the Python files."""
    for path in ROOT.glob("docs/*.md"):
        yield path, path.read_text(encoding="utf-8")
    for path in (path for folder in ("quatnet", "examples", "tests/course") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value


def letters(text: str) -> set[str]:
    """Return the letters of all shapes in `text`, such as N and C of (N, 4C)."""
    shapes = (shape.split(",") for shape in re.findall(r"\(([^()]*,[^()]*)\)", text))
    lengths = ([length.strip() for length in shape if length.strip()] for shape in shapes)
    return {
        letter
        for shape in lengths
        if all(LENGTH.fullmatch(length) for length in shape)
        for letter in re.findall("[A-Z]+", " ".join(shape))
    }


def test_shapes_have_the_letters_of_the_notation_page() -> None:
    page = (ROOT / "docs/notation.md").read_text(encoding="utf-8").split("## Letters of shapes")[1].split("| array")[0]
    first_column = " ".join(row.split("|")[1] for row in page.splitlines() if row.startswith("|"))
    listed = set(re.findall("`([A-Z]+)`", first_column))
    found = {letter: path for path, text in strings() for letter in letters(text)}
    assert {letter: str(path) for letter, path in found.items() if letter not in listed} == {}
    assert listed == set(found)
