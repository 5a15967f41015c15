"""Helpers of several test modules.

This package is imported before quatnet and selects the backend:

python -m pytest                          NumPy
QUATNET_BACKEND=mock python -m pytest     the mock CuPy of `mock_cupy`, without a GPU
QUATNET_BACKEND=cupy python -m pytest     CuPy on a GPU
"""

import os
import sys
from pathlib import Path

from .cuda_cpu import unavailable_reason

HERE = Path(__file__).parent


def python_path(*folders: Path) -> str:
    """Return a PYTHONPATH of `folders` and of the PYTHONPATH of this process, for subprocesses."""
    return os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])


if os.environ.get("QUATNET_BACKEND") == "mock":
    if unavailable_reason():
        sys.exit(f"QUATNET_BACKEND=mock: {unavailable_reason()}")
    sys.path[:0] = [str(HERE / "mock_cupy"), str(HERE.parent)]
    os.environ["PYTHONPATH"] = python_path(HERE / "mock_cupy", HERE.parent)
    os.environ["QUATNET_BACKEND"] = "cupy"  # sets the backend for subprocesses too
