"""Docstrings here are written for help() in a terminal: |q| and q* mean what they say, indented lines are a formula."""

import re


def readable(_app, _what, _name, _object, _options, lines):
    """Rewrite the lines of a docstring, paragraph by paragraph, so that reST shows them as they stand."""
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
