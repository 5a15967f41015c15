"""Write each executed chapter as a notebook that needs no other file, and link it below the title of the chapter."""

import base64
import mimetypes
import re
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.transforms import SphinxTransform

FOLDER = "notebooks"
INSTALL = "This notebook needs quatnet: `pip install -e '.[examples]'` in a copy of the repository."
IMAGE = re.compile(r"!\[(.*?)\]\((figures/.*?)\)")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?![a-z]+:)[^)]*\)")  # to another file
COMMENT = re.compile(r"<!--.*?-->\n*", re.DOTALL)


class DownloadLink(SphinxTransform):
    default_priority = 200

    def apply(self):
        if is_chapter(self.env.docname):
            address = f"{FOLDER}/{self.env.docname}.ipynb"
            link = f'<p class="download"><a href="{address}" download>Download as a notebook</a></p>'
            title = next(self.document.findall(nodes.title))
            title.parent.insert(title.parent.index(title) + 1, nodes.raw("", link, format="html"))


def is_chapter(name: str) -> bool:
    return re.match(r"\d\d-", name) is not None


def write_notebooks(app, exception):
    """Convert the notebooks that myst-nb has executed."""
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    for path in (Path(app.outdir).parent / "jupyter_execute").glob("[0-9][0-9]-*.ipynb"):
        if path.stem in app.env.found_docs:
            notebook = nbformat.read(path, as_version=4)
            nbformat.write(standalone(notebook, Path(app.srcdir)), folder / path.name)


def standalone(notebook: nbformat.NotebookNode, sources: Path) -> nbformat.NotebookNode:
    """Return the notebook with its images inside, and without links to files and hidden blocks of tests."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = IMAGE.sub(lambda match: embedded(match[1], sources / match[2]), COMMENT.sub("", cell.source))
            cell.source = LINK.sub(r"\1", text)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(INSTALL))
    notebook.metadata.pop("source_map", None)
    return notebook


def embedded(text: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{text}" src="data:{mimetypes.guess_type(path)[0]};base64,{data}">'


def setup(app):
    app.add_transform(DownloadLink)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True}
