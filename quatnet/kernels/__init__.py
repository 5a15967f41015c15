"""CUDA kernels for the CuPy backend, for operations that need several passes over memory as array expressions.

The comment at the start of each `.cu` file states how often each number is read and written, with and without the CUDA
kernel. The Python module of the same name allocates the results and launches the CUDA kernels. Arrays are CuPy arrays
of float32 or float64, see `supports`. The tests run each CUDA kernel on the CPU, and compile each CUDA kernel for six
GPU architectures. `docs/gpu.md` states which GPU has run them.
"""

from . import adam, dropout, eight_products, hamilton, normalize, patches, pooling, weight_transform, winograd
from .load import supports

__all__ = [
    "adam", "dropout", "eight_products", "hamilton", "normalize", "patches", "pooling", "supports", "weight_transform",
    "winograd",
]  # fmt: skip
