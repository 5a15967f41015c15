"""What several lessons share. Its import comes before quatnet's, and decides who is CuPy.

python -m pytest                              NumPy
QUATNET_BACKEND=stand-in python -m pytest     the stand-in for CuPy, `stand_in`, where there is no GPU
QUATNET_BACKEND=cupy python -m pytest         CuPy on a GPU
"""

import os
import sys
from pathlib import Path

from .cuda_cpu import why_not

HERE = Path(__file__).parent
if os.environ.get("QUATNET_BACKEND") == "stand-in":
    if why_not():
        sys.exit(f"QUATNET_BACKEND=stand-in: {why_not()}")
    paths = [str(HERE / "stand_in"), str(HERE.parent)]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ["QUATNET_BACKEND"] = "cupy"  # for processes that the tests start, too
