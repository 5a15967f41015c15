"""Read a Markdown page as a notebook for myst-nb: blocks of ```python are code cells, the text between is Markdown."""

import re

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from outputs import without_outputs

CODE = re.compile(r"^```python\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def read(text: str) -> NotebookNode:
    """Return the cells of `text`; `source_map` gives the line of each cell, for warnings."""
    is_chapter = re.match(r"# \d\d?\. ", text)  # the other pages are not executed
    cells, lines, end = [], [], 0
    for number, part in enumerate(CODE.split(text)):
        start = text.index(part, end)
        end = start + len(part)
        lines.append(text.count("\n", 0, start))
        code = without_outputs(part) if is_chapter else part
        cells.append(new_code_cell(code.rstrip("\n")) if number % 2 else new_markdown_cell(part))
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "source_map": lines})
