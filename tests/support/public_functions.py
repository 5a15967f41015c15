"""All public functions and methods of quatnet."""

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import walk_packages

import quatnet


def public_functions() -> Iterator[tuple[str, Callable, str]]:
    """Yield the name, the function and the docstring. The name of a class stands for its `__init__`."""
    for module in (m.name for m in walk_packages(quatnet.__path__, "quatnet.") if not m.name.endswith("__main__")):
        for name, value in vars(import_module(module)).items():
            if not name.startswith("_") and getattr(value, "__module__", None) == module:
                yield from _functions(f"{module}.{name}", value)


def _functions(name: str, value: object) -> Iterator[tuple[str, Callable, str]]:
    if inspect.isfunction(value):
        yield name, value, value.__doc__ or ""
    elif inspect.isclass(value):
        yield name, value.__init__, value.__doc__ or ""
        for key in vars(value):
            if not key.startswith("_") and callable(method := getattr(value, key)):
                yield f"{name}.{key}", method, method.__doc__ or ""
