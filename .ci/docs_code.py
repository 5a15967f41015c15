"""A pytest plugin that runs the Python code blocks of Markdown files: pytest -p docs_code README.md docs

It also compares the outputs that comments quote after or below a `print` with what the block prints.
"""

import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

root = Path(__file__).resolve().parent.parent
sys.path.append(str(root / "docs" / "extensions"))
from outputs import quoted_outputs  # noqa: E402


def words(text: str) -> str:
    return " ".join(text.split())


def code_blocks(document: Document) -> Iterator[Region]:
    for region in PythonCodeBlockParser()(document):
        region.evaluator = comparing(region.evaluator)
        yield region


def comparing(evaluate):
    def run(example: Example) -> str | None:
        printed = io.StringIO()
        with redirect_stdout(printed):
            result = evaluate(example)
        missing = [text for text in quoted_outputs(example.parsed) if words(text) not in words(printed.getvalue())]
        return result or (f"the comment {missing[0]!r} is not an output of the block" if missing else None)

    return run


pytest_collect_file = Sybil(parsers=[code_blocks], path=str(root), patterns=["*.md"]).pytest()
