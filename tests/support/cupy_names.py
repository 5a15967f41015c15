"""Script that prints the names of the installed CuPy and their arguments for the mock CuPy.

    python tests/support/cupy_names.py > tests/support/mock_cupy/cupy/names.txt

The script needs no GPU. It lists only names that NumPy also has, because the mock computes with NumPy.
"""

import inspect
import textwrap
from types import ModuleType

import cupy
import numpy


def functions(module: ModuleType, numpy_module: ModuleType) -> list[str]:
    """Return the functions of both modules with the names of their arguments, or (*) if the names are unknown."""
    return [
        name + _arguments(getattr(module, name)) for name in _shared(module, numpy_module) if _kind(module, name) == "f"
    ]


def others(kind: str) -> list[str]:
    """Return the names of the ufuncs (kind u), or of the types and constants (kind c) that CuPy imports from NumPy."""
    return [name for name in _shared(cupy, numpy) if _kind(cupy, name) == kind]


def _shared(module: object, numpy_module: object) -> list[str]:
    return sorted(name for name in {*dir(module)} & {*dir(numpy_module)} if not name.startswith("_"))


def _kind(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    if isinstance(value, cupy.ufunc):
        return "u"
    if value is getattr(numpy, name, None) and not inspect.isroutine(value) and not inspect.ismodule(value):
        return "c"
    is_function = callable(value) and not inspect.isclass(value)
    return "f" if is_function or value is cupy.broadcast else "class"


def _arguments(function: object) -> str:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # the signatures of compiled functions are unknown
        return "(*)"
    has_var_keyword = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters)
    return "(*)" if has_var_keyword else f"({' '.join(parameter.name for parameter in parameters)})"


if __name__ == "__main__":
    sections = {
        f"CuPy {cupy.__version__} with NumPy {numpy.__version__}: ufuncs": others("u"),
        "types and constants": others("c"),
        "functions": functions(cupy, numpy),
        "linalg": functions(cupy.linalg, numpy.linalg),
        "lib.stride_tricks": functions(cupy.lib.stride_tricks, numpy.lib.stride_tricks),
        "ndarray": _shared(cupy.ndarray, numpy.ndarray),
    }
    for title, names in sections.items():
        print(f"[{title}]", *textwrap.wrap(" ".join(names), 118), sep="\n")
