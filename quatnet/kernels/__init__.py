"""CUDA kernels for the CuPy backend, for computations that need several passes over memory as array expressions.

The header of each `.cu` file states how often each number is read and written, and why the kernel is worthwhile. The
Python module allocates the results and launches the kernels. Arrays are contiguous CuPy arrays of float32 or float64;
`supports` tests this. No kernel has been run on a GPU so far: the tests run each kernel on the CPU, and compile it for
six GPU architectures.
"""

from . import adam, eight_products, hamilton, normalize, patches, pooling
from .load import supports

__all__ = ["adam", "eight_products", "hamilton", "normalize", "patches", "pooling", "supports"]
