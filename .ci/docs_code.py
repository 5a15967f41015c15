"""A pytest plugin that runs the Python code blocks of Markdown files: pytest -p docs_code README.md docs"""

from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

root = str(Path(__file__).resolve().parent.parent)
pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], path=root, patterns=["*.md"]).pytest()
