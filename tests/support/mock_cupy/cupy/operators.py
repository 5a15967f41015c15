"""Operators and NumPy functions of device arrays."""

from typing import Any

import numpy as np

from .array import call, ndarray
from .functions import everything, module, ufunc

FUNCTIONS = everything()
BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "matmul": "matmul",
    "lshift": "left_shift",
    "rshift": "right_shift",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
}
COMPARE = {
    "lt": "less",
    "le": "less_equal",
    "eq": "equal",
    "ne": "not_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}


def _forward(function: Any) -> Any:
    def operator(self: ndarray, other: Any) -> Any:
        if not isinstance(other, ndarray) and getattr(other, "__array_priority__", 0) > ndarray.__array_priority__:
            return NotImplemented  # Python then calls the operator of the other operand
        return function(self, other)

    return operator


for _sign, _name in (BINARY | COMPARE).items():
    setattr(ndarray, f"__{_sign}__", _forward(FUNCTIONS[_name]))
for _sign, _name in BINARY.items():
    setattr(ndarray, f"__r{_sign}__", lambda self, other, _name=_name: FUNCTIONS[_name](other, self))
    setattr(ndarray, f"__i{_sign}__", lambda self, other, _name=_name: FUNCTIONS[_name](self, other, out=self))
for _sign, _name in UNARY.items():
    setattr(ndarray, f"__{_sign}__", lambda self, _name=_name: FUNCTIONS[_name](self))


def _ufunc_of_numpy(self: ndarray, numpy_function: np.ufunc, method: str, *values: Any, **options: Any) -> Any:
    function = FUNCTIONS.get(numpy_function.__name__)
    if function is None or method != "__call__":
        return NotImplemented
    if "out" in options:
        (options["out"],) = options["out"]
    return function(*values, **options)


def _function_of_numpy(self: ndarray, numpy_function: Any, types: Any, values: Any, options: Any) -> Any:
    function = (LINALG if numpy_function.__module__ == "numpy.linalg" else FUNCTIONS).get(numpy_function.__name__)
    return NotImplemented if function is None else function(*values, **options)


def _cholesky(array: ndarray) -> ndarray:
    """Return the Cholesky factors. As in CuPy, a matrix that is not positive definite gives wrong numbers, no error."""
    try:
        return call(np.linalg.cholesky, "cholesky", None, array)
    except np.linalg.LinAlgError:
        return call(np.tril, "cholesky", None, array)


LINALG = module("linalg", np.linalg) | {"cholesky": _cholesky}
ndarray.__array_ufunc__ = _ufunc_of_numpy
ndarray.__array_function__ = _function_of_numpy
__all__ = ["FUNCTIONS", "LINALG", "ndarray", "ufunc"]
