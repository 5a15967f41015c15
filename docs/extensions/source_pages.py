"""Add a page with line numbers for each Python file of the project, and point links to Python files to these pages."""

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


def pages(_app):
    formatter = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True)
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        code = highlight(path.read_text(encoding="utf-8"), PythonLexer(), formatter)
        yield page_name(path), {"title": name, "body": f"<h1>{name}</h1>{code}"}, "page.html"


def setup(app):
    app.add_transform(SourceLinks)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True}
