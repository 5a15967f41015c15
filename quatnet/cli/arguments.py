"""Types of command-line arguments, for `argparse`."""

import argparse


def positive_int(text: str) -> int:
    """Return `text` as a whole number of at least 1; another text is an error of the argument."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def nonnegative_int(text: str) -> int:
    """Return `text` as a whole number of at least 0; another text is an error of the argument."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)
