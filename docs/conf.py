"""Configuration of Sphinx: sphinx-build -W docs build/docs"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

from source_pages import source_url as linkcode_resolve  # noqa: F401, read by sphinx.ext.linkcode

import quatnet

project, author, version = "quatnet", "the authors of quatnet", quatnet.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "numpydoc",
    "mathml",
    "captions",
    "downloads",
    "api_pages",
    "plain_docstrings",
    "source_pages",
]
exclude_patterns = ["figures", "extensions"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_custom_formats = {".md": "notebooks.read"}  # ```python on GitHub, a code cell here
nb_execution_mode, nb_execution_in_temp = "force", True  # without files of the repository
nb_merge_streams, nb_execution_timeout = True, 300
nb_execution_excludepatterns = ["docs/[a-z]*.md", "decisions/*"]  # only the chapters are executed
default_role = "literal"  # `name` in a docstring is code
numpydoc_show_class_members = False
autodoc_typehints = "none"
html_theme = "furo"
html_title = f"quatnet {version}"
html_math_renderer = "mathml"
html_show_sphinx = html_show_copyright = False
html_static_path, html_css_files = ["_static"], ["formulas.css", "site.css"]
highlight_language = "none"  # indented blocks are formulas
pygments_style, pygments_dark_style = "tango", "github-dark"
