"""Command line interface `python -m quatnet COMMAND`, and helpers of command line scripts."""

from .arguments import nonnegative_int, positive_int
from .run_main import run_main

__all__ = ["nonnegative_int", "positive_int", "run_main"]
