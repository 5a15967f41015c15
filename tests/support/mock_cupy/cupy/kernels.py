"""CUDA kernels without a GPU. `support.cuda_cpu` compiles the CUDA source for the CPU."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from support.cuda_cpu import compile_for_cpu

from .array import ndarray
from .traffic import log


class RawModule:
    """The CUDA kernels of one source file, compiled at the first launch."""

    def __init__(self, code: str) -> None:
        self.code = code

    def get_function(self, name: str) -> "RawKernel":
        return RawKernel(self.code, name)


class RawKernel:
    """A CUDA kernel, launched as in CuPy by kernel(grid, block, arguments)."""

    def __init__(self, code: str, name: str) -> None:
        self.code, self.name = code, name

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], arguments: Sequence[Any]) -> None:
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                raise TypeError(f"a kernel expects device arrays, got a numpy.ndarray of shape {argument.shape}")
        log("launches", self.name)
        values = [value._memory if isinstance(value, ndarray) else value for value in arguments]
        compile_for_cpu(self.code)[self.name](grid, block, values)
