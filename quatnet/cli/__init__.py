"""The command line: `python -m quatnet COMMAND`; `run_main` and argument types for scripts."""

from .arguments import nonnegative_int, positive_int
from .run_main import run_main

__all__ = ["nonnegative_int", "positive_int", "run_main"]
