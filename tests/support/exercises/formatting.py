"""Short texts for numbers, quaternions and arrays."""

from typing import Any

import numpy as np


def format_value(value: Any, quaternions: bool = False, zeros: bool = False) -> str:
    """Return a short text for a number, a quaternion, an array or a tuple. `zeros`: quaternions with all four terms."""
    if isinstance(value, tuple | list) and not isinstance(value, str):
        return "(" + ", ".join(format_value(item, quaternions, zeros) for item in value) + ")"
    if isinstance(value, str | bool | dict | type(None)):
        return repr(value) if len(repr(value)) < 80 else "..."
    if callable(value):
        return getattr(value, "__name__", repr(value) if len(repr(value)) < 30 else type(value).__name__)
    array = np.asarray(value)
    if array.shape == ():
        return f"{array:.6g}" if array.dtype.kind in "iuf" else str(value)
    if quaternions and array.shape == (4,):
        return format_quaternion(array, zeros)
    if array.size <= 16 and array.ndim <= 2:
        return np.array2string(array, precision=4, suppress_small=True, separator=", ").replace("\n", "")
    return f"an array of shape {array.shape}"


def format_quaternion(q: np.ndarray, zeros: bool = False) -> str:
    """Return a quaternion such as 1 + 2i - k, or with `zeros` 1 + 2i + 0j - k."""
    terms = [
        f"{'-' if a < 0 else '+'} {_coefficient(abs(a), unit)}"
        for a, unit in zip(q, ("", "i", "j", "k"), strict=True)
        if a or zeros
    ]
    text = " ".join(terms).removeprefix("+ ")
    return (f"-{text[2:]}" if text.startswith("- ") else text) or "0"


def _coefficient(a: float, unit: str) -> str:
    return unit if unit and a == 1 else f"{a:.6g}{unit}"
