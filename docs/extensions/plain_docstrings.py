"""Convert docstrings to reST. They are written for help(): |q| and q* are literal, indented blocks are formulas."""

import re

SECTION = re.compile(r"\w[\w ]*\n-{3,}")


def readable(_app, _what, _name, _object, _options, lines):
    """Escape the lines of a docstring in place, paragraph by paragraph, so that reST shows them unchanged."""
    lines[:] = "\n\n".join(map(as_rest, with_notes("\n".join(lines).split("\n\n")))).split("\n")


def with_notes(paragraphs):
    """Put a heading above text that follows the parameters or errors. Without it, numpydoc takes it for a parameter."""
    sections = [n for n, paragraph in enumerate(paragraphs) if SECTION.match(paragraph)]
    if not sections or paragraphs[sections[-1]].startswith(("Notes", "Examples", "References")):
        return paragraphs
    text = [n for n in range(sections[-1] + 1, len(paragraphs)) if paragraphs[n][:1].strip()]
    return [*paragraphs[: text[0]], "Notes\n-----", *paragraphs[text[0] :]] if text else paragraphs


def as_rest(paragraph):
    if paragraph.startswith(">>>"):
        return paragraph
    if all(line.startswith("    ") for line in paragraph.split("\n")):
        return "::\n\n" + paragraph
    text_and_code = paragraph.split("`")
    escaped = "`".join(part if n % 2 else re.sub(r"([|*])", r"\\\1", part) for n, part in enumerate(text_and_code))
    return escaped.replace("|`", "|\\ `").replace("`\\|", "`\\ \\|")  # reST needs a separator: |`x`|


def setup(app):
    app.connect("autodoc-process-docstring", readable, priority=400)  # before numpydoc reads the sections
    return {"parallel_read_safe": True}
