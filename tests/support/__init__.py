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
if os.environ.get("QUATNET_BACKEND") == "mock":
    if unavailable_reason():
        sys.exit(f"QUATNET_BACKEND=mock: {unavailable_reason()}")
    paths = [str(HERE / "mock_cupy"), str(HERE.parent)]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ["QUATNET_BACKEND"] = "cupy"  # sets the backend for subprocesses too
