"""Convert docstrings to reST. They are written for help(): |q| and q* are literal, indented blocks are formulas."""

import re


def readable(_app, _what, _name, _object, _options, lines):
    """Escape the lines of a docstring in place, paragraph by paragraph, so that reST shows them unchanged."""
    lines[:] = "\n\n".join(map(as_rest, "\n".join(lines).split("\n\n"))).split("\n")


def as_rest(paragraph):
    if paragraph.startswith(">>>"):
        return paragraph
    if all(line.startswith("    ") for line in paragraph.split("\n")):
        return "::\n\n" + paragraph
    text_and_code = paragraph.split("`")
    return "`".join(part if n % 2 else re.sub(r"([|*])", r"\\\1", part) for n, part in enumerate(text_and_code))


def setup(app):
    app.connect("autodoc-process-docstring", readable, priority=400)  # before numpydoc reads the sections
    return {"parallel_read_safe": True}
