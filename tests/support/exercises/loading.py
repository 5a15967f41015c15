"""The functions that a course test runs against: those of quatnet, or those of the learner's file."""

import copy
import difflib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .library import LIBRARY, ROOT

COURSE = Path(__file__).resolve().parents[2] / "course"
IN_PLACE = "in-place changes such as +=, q[n] = ..., q[1:] *= -1 or out="


class ExerciseError(AssertionError):
    """A failure with an explanation for the learner, which is printed in place of the traceback.

    `original` is the text of the exception of the learner's function.
    """

    original: str


@dataclass
class Call:
    """One call of a function: copies of the arguments, and of the result or the exception."""

    function: Callable
    name: str
    args: tuple
    result: Any


def chapter_of(path: str | Path) -> str:
    """Return the number and title of a chapter, such as 01_quaternions, for the path of a test module."""
    return Path(path).stem.removeprefix("test_")


def exercise_file(chapter: str) -> Path:
    return COURSE / "exercises" / f"exercise_{chapter}.py"


def load(path: str | Path) -> ModuleType:
    """Return the module of the learner's file. Raises ExerciseError if the file cannot be imported."""
    path = Path(path)
    if not path.is_file():
        raise ExerciseError(f"--implementation: there is no file {path}; copy one from tests/course/exercises")
    spec = importlib.util.spec_from_file_location(re.sub(r"\W", "_", path.stem), path)
    if spec is None:
        raise ExerciseError(f"--implementation: expected a Python file, got {path}")
    module = importlib.util.module_from_spec(spec)
    if str(path.resolve().parent) not in sys.path:  # for imports of other files of the learner
        sys.path.append(str(path.resolve().parent))
    try:
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ExerciseError(f"{path}, line {error.lineno}: {error.msg}: {(error.text or '').strip()}") from None
    except Exception as error:
        raise ExerciseError(f"{path} cannot be imported: {describe_error(error, path)}") from None
    return module


def describe_error(error: Exception, path: str | Path) -> str:
    """Return the type, the message and the lines of an exception in the learner's file and its imports."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_of_learner(frame.filename, path)]
    own = [frame for frame in frames if frame.filename == str(path)][-1:]
    places = [*own, *(frame for frame in frames[-1:] if own and frame not in own)]
    text = ", called from ".join(f"{Path(frame.filename).name}, line {frame.lineno}" for frame in reversed(places))
    return f"{type(error).__name__}: {error}" + (f" ({text})" if text else "")


def _is_of_learner(file: str, path: str | Path) -> bool:
    """Return whether `file` is the learner's file at `path`, or is neither installed nor part of quatnet."""
    installed = "site-packages" in file or file.startswith((sys.base_prefix, sys.prefix, "<"))
    part = any(folder in Path(file).parents for folder in (ROOT / "quatnet", ROOT / "tests"))
    return file == str(path) or not (installed or part)


def learner_functions(chapter: str, module: Any, calls: list[Call]) -> dict[str, Callable]:
    """Return the functions of a chapter: those of `module`, and those of quatnet for names that `module` lacks.

    Every call of a function of `module` is appended to `calls`. Raises ExerciseError if `module` defines none of the
    functions of the chapter.
    """
    library = LIBRARY[chapter]
    own = {name: getattr(module, name) for name in library if callable(getattr(module, name, None))}
    own = {name: function for name, function in own.items() if getattr(function, "__module__", "") == module.__name__}
    _check_names(module, library.keys() - own.keys())
    if not own:
        path = getattr(module, "__file__", module.__name__)
        raise ExerciseError(f"{path} defines none of {', '.join(library)}; copy {exercise_file(chapter).name}")
    return library | {name: _recorded(name, function, library[name], calls) for name, function in own.items()}


def _check_names(module: Any, missing: Iterable[str]) -> None:
    """Raise ExerciseError if a function of `module` has almost the name of a function that `module` does not define."""
    for name, function in vars(module).items():
        is_own = inspect.isfunction(function) and function.__module__ == module.__name__
        if is_own and name not in missing and (similar := difflib.get_close_matches(name, missing, 1, 0.85)):
            raise ExerciseError(f"{name} is not a function of this exercise; did you mean {similar[0]}?")


def _recorded(name: str, function: Callable, expected: Callable, calls: list[Call]) -> Callable:
    path = function.__code__.co_filename if hasattr(function, "__code__") else ""

    def recorded(*args: Any) -> Any:
        _check_signature(name, function, expected)
        before = copy.deepcopy(args)
        kept = {id(arg): arg for arg in args if callable(arg) or isinstance(arg, np.random.Generator)}
        given = copy.deepcopy(args, kept)  # the arrays of the test do not change
        try:
            result = function(*given)
        except NotImplementedError:
            raise ExerciseError(f"{name} is not written yet: replace `raise NotImplementedError`") from None
        except Exception as error:
            shapes = ", ".join(str(arg.shape) for arg in before if isinstance(arg, np.ndarray))
            note = f"; the shapes of the arrays are {shapes}" if shapes else ""
            failure = ExerciseError(f"{name} raised {describe_error(error, path)}{note}")
            failure.original = repr(error)
            calls.append(Call(function, name, before, failure))
            raise failure from error
        if not equal(before, given, exact=True):
            raise ExerciseError(f"{name} changes its arguments: compute new arrays, without {IN_PLACE}")
        right = expected(*copy.deepcopy(before))
        result = like(result, right)
        calls.append(Call(function, name, before, copy.deepcopy(result)))
        if structure(result) != structure(right):
            raise ExerciseError(f"{name}: expected {structure(right)}, got {structure(result)}")
        return result

    return recorded


def _check_signature(name: str, function: Callable, expected: Callable) -> None:
    right = inspect.signature(expected)
    try:
        inspect.signature(function).bind(*right.parameters)
    except TypeError:
        got = inspect.signature(function)
        raise ExerciseError(f"expected the parameters {name}{right}, got {name}{got}") from None


def like(result: Any, right: Any) -> Any:
    """Return the result with lists and numbers converted to arrays where quatnet returns arrays."""
    if isinstance(right, Mapping):
        return (
            {key: like(result[key], right[key]) if key in right else result[key] for key in result}
            if isinstance(result, Mapping)
            else result
        )
    if isinstance(right, tuple):
        is_sequence = isinstance(result, tuple | list) or (isinstance(result, np.ndarray) and result.ndim > 0)
        if is_sequence and len(result) == len(right):
            return tuple(map(like, result, right))
        return result
    if isinstance(right, np.ndarray | np.number | float) and result is not None:
        try:
            return np.asarray(result, dtype=float if np.asarray(right).dtype.kind == "f" else None)
        except (TypeError, ValueError):
            return result
    return result


def structure(value: Any) -> str:
    """Return a description of the type and shape of a result."""
    if value is None:
        return "no result (is a `return` missing?)"
    if isinstance(value, np.ndarray | np.number | float | int) and not isinstance(value, bool):
        return f"shape {np.shape(value)}" if np.shape(value) else "a number"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}: " + ", ".join(map(structure, value))
    if isinstance(value, Mapping):
        return "a dict of " + ", ".join(sorted(map(str, value)))
    return type(value).__name__


def _error_text(error: Exception) -> str:
    return getattr(error, "original", repr(error))


def equal(a: Any, b: Any, *, exact: bool = False) -> bool:
    """Return whether two results are equal, up to rounding unless `exact`."""
    if isinstance(a, Exception) or isinstance(b, Exception):
        return isinstance(a, Exception) and isinstance(b, Exception) and _error_text(a) == _error_text(b)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(equal(x, y, exact=exact) for x, y in zip(a, b, strict=True))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(equal(a[key], b[key], exact=exact) for key in a)
    if callable(a) or callable(b):
        return True
    try:
        a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    except (TypeError, ValueError):
        return type(a) is type(b) and bool(np.all(a == b)) if isinstance(a, str | bool | type(None)) else True
    if a.shape != b.shape:
        return False
    return bool(np.allclose(a, b, rtol=0 if exact else 1e-6, atol=0 if exact else 1e-8, equal_nan=True))
