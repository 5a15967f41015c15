"""Explanations of wrong results: the first wrong call, and the typical mistake that gives the same results."""

import copy
import importlib
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .formatting import format_value
from .library import LIBRARY
from .loading import Call, equal, like

MAX_CALLS = 40  # number of calls of the wrong function that a mistake must reproduce


def reference(chapter: str) -> ModuleType:
    """Return the module with the plain solution, the mistakes and the hints of a chapter."""
    return importlib.import_module(f"support.exercises.mistakes_{chapter}")


@dataclass
class Mistake:
    """A wrong solution: the plain solution with one replacement in the source of the function `owner`."""

    message: str
    owner: str
    functions: dict[str, Any]


@cache
def mistakes(chapter: str) -> dict[str, Mistake]:
    """Return the typical mistakes of a chapter by their message."""
    module = reference(chapter)
    source = Path(module.__file__).read_text(encoding="utf-8").partition("\nMISTAKES")[0]
    return {message: _mistake(message, source, before, after) for message, before, after in module.MISTAKES}


def _mistake(message: str, source: str, before: str, after: str) -> Mistake:
    if source.count(before) != 1:
        raise ValueError(f"expected {before!r} once in the plain solution, found {source.count(before)}")
    owner = re.findall(r"^def (\w+)", source[: source.index(before)], re.MULTILINE)[-1]
    functions: dict[str, Any] = {"__name__": "wrong_solution"}
    exec(compile(source.replace(before, after), "wrong_solution", "exec"), functions)
    return Mistake(message, owner, functions)


def explain(chapter: str, calls: list[Call], hints: int = 0) -> list[str] | None:
    """Return an explanation of the first wrong call, or None if all results are equal to those of quatnet.

    The lines are the call, the mistake, and the hints.
    """
    wrong = next((call for call in calls if not _is_right(chapter, call)), None)
    if wrong is None:
        return None
    same = [call for call in calls if call.name == wrong.name and call is not wrong][:MAX_CALLS]
    lines = [describe(chapter, wrong)]
    found = next(_matching(chapter, [wrong, *same, *_probes(chapter, wrong)]), None) or _diagnosis(chapter, wrong)
    lines.append(f"The mistake: {found}." if found else difference(chapter, wrong))
    return [*lines, *hint_lines(chapter, wrong.name, hints)]


def _diagnosis(chapter: str, wrong: Call) -> str | None:
    """Return the explanation of a function that has several mistakes, by a diagnosis that the chapter defines."""
    diagnose = getattr(reference(chapter), "DIAGNOSES", {}).get(wrong.name)
    try:
        return diagnose(wrong.function) if diagnose else None
    except Exception:
        return None


def difference(chapter: str, call: Call) -> str:
    """Return a sentence about the components or the first entry that differ."""
    right = _right_result(chapter, call)
    arrays = isinstance(right, np.ndarray) and isinstance(call.result, np.ndarray)
    if getattr(reference(chapter), "QUATERNIONS", False) and arrays and right.shape == call.result.shape == (4,):
        wrong = [unit for unit, a, b in zip("rijk", call.result, right, strict=True) if not equal(a, b)]
        return f"Wrong components: {', '.join(wrong)}. No typical mistake gives this result."
    return _difference(call.result, right)


def _probes(chapter: str, wrong: Call) -> Iterator[Call]:
    """Yield calls of the wrong function with other numbers, and with the PROBES of the chapter, to tell mistakes apart.

    Arguments that quatnet refuses are left out.
    """
    rng = np.random.default_rng(0)
    probes = [tuple(_other_numbers(arg, rng) for arg in wrong.args) for _ in range(3)]
    for args in [*probes, *getattr(reference(chapter), "PROBES", {}).get(wrong.name, [])]:
        call = Call(wrong.function, wrong.name, args, None)
        right = _result(LIBRARY[chapter][wrong.name], call)
        if not isinstance(right, Exception):
            call.result = like(_result(wrong.function, call), right)
            yield call


def _other_numbers(arg: Any, rng: np.random.Generator) -> Any:
    """Return an array of random numbers for an array of floats, and any other argument as it is."""
    if isinstance(arg, tuple):
        return tuple(_other_numbers(item, rng) for item in arg)
    is_float = isinstance(arg, np.ndarray) and arg.dtype.kind == "f"
    return rng.uniform(0.5, 2, arg.shape) * rng.choice([-1, 1], arg.shape) if is_float else arg


def _right_result(chapter: str, call: Call) -> Any:
    return LIBRARY[chapter][call.name](*copy.deepcopy(call.args))


def _is_right(chapter: str, call: Call) -> bool:
    return equal(call.result, _right_result(chapter, call))


def _matching(chapter: str, calls: list[Call]) -> Iterator[str]:
    """Yield the typical mistakes in the called function, or in its helper functions, that give the same results."""
    name = calls[0].name
    for mistake in mistakes(chapter).values():
        is_own = mistake.owner == name or mistake.owner not in LIBRARY[chapter]
        if is_own and all(equal(call.result, _result(mistake.functions[name], call)) for call in calls):
            yield mistake.message


def _result(function: Callable, call: Call) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(*copy.deepcopy(call.args))
        except Exception as error:
            return error


def hint_lines(chapter: str, name: str, hints: int) -> list[str]:
    """Return the first `hints` hints for a function. The last hint is the place of the solution in quatnet."""
    available = [*reference(chapter).HINTS.get(name, []), f"the solution is {LIBRARY[chapter][name].source}"]
    if not hints:
        return ["For a hint, add --hints 1 (then 2, 3, ...)."]
    return [f"Hint {n} of {len(available)}: {hint}" for n, hint in enumerate(available[:hints], 1)]


def describe(chapter: str, call: Call) -> str:
    """Return one line with a call, its result and the expected result."""
    quaternions = getattr(reference(chapter), "QUATERNIONS", False)
    names = [format_value(arg, quaternions) for arg in call.args]
    if isinstance(call.result, Exception):
        return str(call.result)
    got, right = (format_value(value, quaternions) for value in (call.result, _right_result(chapter, call)))
    return f"{call.name}({', '.join(names)}) is {got}, expected {right}."


def _difference(got: Any, right: Any) -> str:
    """Return a sentence about the first entry that differs."""
    if isinstance(got, Exception):
        return f"Expected {format_value(right)}."
    if isinstance(right, tuple) and isinstance(got, tuple) and len(got) == len(right):
        n = next(n for n, pair in enumerate(zip(got, right, strict=True)) if not equal(*pair))
        return f"In result {n + 1} of {len(right)}: " + _difference(got[n], right[n])
    try:
        got, right = np.asarray(got, dtype=float), np.asarray(right, dtype=float)
    except (TypeError, ValueError):
        return f"Expected {format_value(right)}."
    if got.shape != right.shape:
        return f"The result has the shape {got.shape}, expected {right.shape}."
    wrong = ~np.isclose(got, right, rtol=1e-6, atol=1e-8, equal_nan=True)
    if wrong.size == 1:
        return f"No typical mistake gives this result{_common_ratio(got, right)}."
    index = tuple(int(n) for n in np.argwhere(wrong)[0])
    entry = f"entry {list(index)} is {got[index]:.6g}, expected {right[index]:.6g}{_common_ratio(got, right)}"
    return f"{wrong.sum()} of {wrong.size} entries differ: {entry}."


def _common_ratio(got: np.ndarray, right: np.ndarray) -> str:
    """Return a note if all entries are wrong by the same factor, such as 2 or -1/4."""
    used = np.abs(right) > 1e-9
    ratios = got[used] / right[used]
    simple = used.any() and np.isclose(ratios[0] * 12, np.rint(ratios[0] * 12))
    if simple and np.allclose(ratios, ratios[0], rtol=1e-6) and np.allclose(got[~used], 0, atol=1e-9):
        return f"; the result is {ratios[0]:.6g} times the expected one"
    return ""
