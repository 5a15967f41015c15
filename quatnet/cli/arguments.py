"""Argument types for `argparse`."""

import argparse


def positive_int(text: str) -> int:
    """Return `text` as an integer of at least 1. Raises ArgumentTypeError for any other text."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return int(text)


def nonnegative_int(text: str) -> int:
    """Return `text` as an integer of at least 0. Raises ArgumentTypeError for any other text."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected an integer of at least 0, got {text!r}")
    return int(text)
