"""Print the names of the CuPy that is installed and the arguments they take, as the stand-in keeps them.

    python tests/support/cupy_names.py > tests/support/mock_cupy/cupy/names.txt

A GPU is not needed. Only names that NumPy has as well are listed: a stand-in that is NumPy underneath has no others.
"""

import inspect
import textwrap
from types import ModuleType

import cupy
import numpy


def functions(module: ModuleType, twin: ModuleType) -> list[str]:
    """Each function of both modules with the names of its arguments, (*) where they cannot be told."""
    return [name + _arguments(getattr(module, name)) for name in _shared(module, twin) if _kind(module, name) == "f"]


def others(kind: str) -> list[str]:
    """The ufuncs (u), or the types and constants (c) that CuPy takes from NumPy as they are."""
    return [name for name in _shared(cupy, numpy) if _kind(cupy, name) == kind]


def _shared(module: object, twin: object) -> list[str]:
    return sorted(name for name in {*dir(module)} & {*dir(twin)} if not name.startswith("_"))


def _kind(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    if isinstance(value, cupy.ufunc):
        return "u"
    if value is getattr(numpy, name, None) and not inspect.isroutine(value) and not inspect.ismodule(value):
        return "c"
    plain = callable(value) and not inspect.isclass(value)
    return "f" if plain or value is cupy.broadcast else "a class of its own"


def _arguments(function: object) -> str:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # compiled, and does not tell
        return "(*)"
    anything = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters)
    return "(*)" if anything else f"({' '.join(parameter.name for parameter in parameters)})"


if __name__ == "__main__":
    sections = {
        f"CuPy {cupy.__version__} beside NumPy {numpy.__version__}: ufuncs": others("u"),
        "types and constants": others("c"),
        "functions": functions(cupy, numpy),
        "linalg": functions(cupy.linalg, numpy.linalg),
        "lib.stride_tricks": functions(cupy.lib.stride_tricks, numpy.lib.stride_tricks),
        "ndarray": _shared(cupy.ndarray, numpy.ndarray),
    }
    for title, names in sections.items():
        print(f"[{title}]", *textwrap.wrap(" ".join(names), 118), sep="\n")
