"""Add a page with line numbers for each Python file of the project, and point links to Python files to these pages."""

import inspect
from importlib import import_module
from pathlib import Path

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.addnodes import download_reference
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("quatnet", "tests", "examples", "docs/figures")


class SourceLinks(SphinxTransform):
    """Replace download links to .py files by references to their pages."""

    default_priority = 800  # before Sphinx collects the files of downloads

    def apply(self):
        for link in list(self.document.findall(download_reference)):
            path = (Path(self.env.srcdir) / self.env.docname).parent.joinpath(link["reftarget"]).resolve()
            if path.suffix == ".py" and path.is_relative_to(ROOT):
                uri = self.app.builder.get_relative_uri(self.env.docname, page_name(path))
                link.replace_self(nodes.reference("", "", *link.children, internal=True, refuri=uri))


def page_name(path):
    return "source/" + path.relative_to(ROOT).with_suffix("").as_posix()


def source_url(_domain: str, info: dict) -> str | None:
    """Return the page and line that define an object of quatnet, relative to an API page (for sphinx.ext.linkcode)."""
    value = import_module(info["module"])
    for name in info["fullname"].split("."):
        value = getattr(value, name, None)
    try:
        value = inspect.unwrap(getattr(value, "fget", value))
        path, line = Path(inspect.getsourcefile(value)), inspect.getsourcelines(value)[1]
    except (TypeError, OSError):  # a constant, an attribute
        return None
    return f"../{page_name(path)}.html#L-{line}" if path.is_relative_to(ROOT) else None


def pages(_app):
    formatter = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True)
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        code = highlight(path.read_text(encoding="utf-8"), PythonLexer(), formatter)
        context = {"title": name, "body": f"<h1>{name}</h1>{code}", "toctree": no_navigation}
        yield page_name(path), context, "page.html"


def no_navigation(**_options) -> str:
    """Return an empty navigation tree. The full one on 400 pages takes half of the time of a build."""
    return ""


def setup(app):
    app.add_transform(SourceLinks)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True}
