"""Render formulas as MathML, which browsers display without JavaScript or downloads."""

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.util.logging import getLogger

CONVERTER = LatexToMathML(fancy_error=False)


def formula(node, displaystyle):
    try:
        return CONVERTER.convert_with_local_state(node.astext(), displaystyle=displaystyle)
    except LatexError as error:
        getLogger(__name__).warning("%s in the formula %s", error, node.astext(), location=node)
        return ""


def inline(translator, node):
    translator.body.append(formula(node, False))
    raise nodes.SkipNode


def block(translator, node):
    translator.body.append(f'<div class="math">{formula(node, True)}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    return {"parallel_read_safe": True}
