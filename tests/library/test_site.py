"""The chapters as notebooks, and the words that readers search for."""

import ast
import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
CHAPTERS = sorted(DOCS.glob("[0-9][0-9]-*.md"))
LONG_PAGES = ("why-it-is-fast", "cuda-kernels", "own-sounds", "deployment")
WITH_EXERCISES = [*CHAPTERS, *(DOCS / f"{name}.md" for name in LONG_PAGES)]
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PACKAGES = {"quatnet", "numpy", "scipy", "matplotlib"}  # of quatnet-numpy[examples]


def imported(code: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(code)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapters_import_only_packages_of_the_examples(path):
    code = "\n".join(CODE.findall(path.read_text(encoding="utf-8")))
    assert code
    assert imported(code) <= PACKAGES | sys.stdlib_module_names


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_chapters_have_a_figure_outputs_and_exercises_with_discussion(path):
    text = path.read_text(encoding="utf-8")
    figures = re.findall(r"^!\[(.+)\]\((figures/.*\.svg)\)$", text, re.MULTILINE)
    assert figures
    assert all((DOCS / name).exists() for _, name in figures)
    assert "print(" in "".join(CODE.findall(text))
    exercises, discussion = text.partition("\n## Exercises\n")[2].split("\n## Discussion\n")
    numbers = re.findall(r"^\d+(?=\. )", exercises, re.MULTILINE)
    assert numbers
    assert re.findall(r"^\d+(?=\. )", discussion, re.MULTILINE) == numbers


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.stem)
def test_displayed_formulas_follow_an_empty_line(path):
    """A formula $$ directly after text in a list item would be printed with its dollar signs."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"^ +\$\$", text, re.MULTILINE)


@pytest.mark.parametrize("word", ["autograd", "backpropagation", "overfitting", "deploy", "gpu"])
def test_search_words_occur_in_a_page(word):
    assert any(re.search(rf"\b{word}", path.read_text(encoding="utf-8").lower()) for path in DOCS.glob("*.md"))
