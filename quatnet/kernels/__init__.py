"""CUDA kernels for the CuPy backend: what an expression of arrays would take several passes over memory for.

Each `.cu` file says how often every number is read and written, and why it is there; the Python file of the same name
makes room for the results and starts the kernels. Their arrays are CuPy's, contiguous, of float32 or float64: `takes`
tells. Nothing here was ever run on a GPU: the tests run each kernel on the CPU and compile it for six kinds of GPU.
"""

from . import adam, eight, hamilton, normalize, patches, pooling
from .load import takes

__all__ = ["adam", "eight", "hamilton", "normalize", "patches", "pooling", "takes"]
