"""Argument types for `argparse`."""

import argparse
import re
from collections.abc import Callable

from ..checks import checked_number

MODEL_HELP = "model file, or name of a packaged model: esc50, esc50-small, esc50-pruned"


def positive_int(text: str) -> int:
    """Return `text` as an integer of at least 1. Raises ArgumentTypeError for any other text."""
    return _integer(text, 1)


def nonnegative_int(text: str) -> int:
    """Return `text` as an integer of at least 0. Raises ArgumentTypeError for any other text."""
    return _integer(text, 0)


def _integer(text: str, minimum: int) -> int:
    if not re.fullmatch("[0-9]{1,18}", text) or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"expected an integer of at least {minimum}, got {text!r:.40}")
    return int(text)


def number(interval: str, expected: str) -> Callable[[str], float]:
    """Return a function that converts text to a number in `interval`, such as "(0, 1]", which is `expected` in words.

    The function raises ArgumentTypeError for any other text.
    """

    def convert(text: str) -> float:
        try:
            return checked_number(expected, float(text), interval)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text}") from None

    return convert


fraction = number("(0, 1]", "a fraction above 0 and at most 1")
seconds = number("(0, inf)", "a number of seconds above 0")
