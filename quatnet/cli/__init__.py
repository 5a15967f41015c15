"""The command line: `python -m quatnet COMMAND`, and `run_main` for scripts."""

from .run_main import run_main

__all__ = ["run_main"]
