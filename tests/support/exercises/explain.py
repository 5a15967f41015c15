"""Explanations of wrong results: the first wrong call, and the typical mistake that gives the same results."""

import copy
import importlib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .formatting import format_value
from .library import LIBRARY
from .loading import Call, equal, exercise_file, like, load, structure

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
    return next(iter(explain_all(chapter, calls, hints).values()), None)


def explain_all(chapter: str, calls: list[Call], hints: int = 0) -> dict[str, list[str]]:
    """Return the explanation of the first wrong call of each function that has one."""
    wrong: dict[str, Call] = {}
    for call in calls:
        if call.name not in wrong and not _is_right(chapter, call):
            wrong[call.name] = call
    return {name: _explain_call(chapter, call, calls, hints) for name, call in wrong.items()}


def _explain_call(chapter: str, wrong: Call, calls: list[Call], hints: int) -> list[str]:
    same = [call for call in calls if call.name == wrong.name and call is not wrong][:MAX_CALLS]
    probes = list(_probes(chapter, wrong))
    found = _general(chapter, wrong) or next(_matching(chapter, [wrong, *same, *probes]), None)
    found = found or _order(chapter, [wrong, *same, *probes]) or _diagnosis(chapter, wrong)
    found = found or _calls_of(wrong.name, _helpers_with_wrong_results(chapter, wrong))
    found = found or _in_each_result(chapter, [wrong, *same, *probes])
    shown = _simple_call(chapter, wrong)
    cause = f"The mistake: {found}." if found else difference(chapter, shown)
    return [describe(chapter, shown), cause, *hint_lines(chapter, wrong.name, hints)]


def _general(chapter: str, wrong: Call) -> str | None:
    """Return the explanation of a missing result, or of a wrong function of the same file that the function calls."""
    if wrong.result is None:
        return "the function returns None; a `return` is missing"
    return _calls_of(wrong.name, _wrong_helpers(chapter, wrong))


def _calls_of(name: str, helpers: list[str]) -> str | None:
    text = f"{name} calls {' and '.join(helpers)} of the same file, with wrong results: correct this first"
    return text if helpers else None


def _wrong_helpers(chapter: str, wrong: Call) -> list[str]:
    """Return the functions of the exercise without which, replaced by those of quatnet, the call is right."""
    space = getattr(wrong.function, "__globals__", {})
    own = _helpers(chapter, wrong)

    def is_right(names: Iterable[str]) -> bool:
        space.update({name: LIBRARY[chapter][name] for name in names})
        result = _result(wrong.function, wrong)
        space.update(own)
        return equal(like(result, right), right)

    right = _right_result(chapter, wrong)
    if not own or not is_right(own):
        return []
    return [name for name in own if not is_right(own.keys() - {name})] or list(own)


def _helpers(chapter: str, call: Call) -> dict[str, Callable]:
    """Return the other functions of the exercise that the file of the learner contains."""
    space = getattr(call.function, "__globals__", {})
    return {name: space[name] for name in LIBRARY[chapter] if name != call.name and callable(space.get(name))}


def _helpers_with_wrong_results(chapter: str, wrong: Call) -> list[str]:
    """Return the functions of the exercise in the same file that the call uses and that have wrong results in it."""
    space = getattr(wrong.function, "__globals__", {})
    own, found = _helpers(chapter, wrong), []

    def checked(name: str) -> Callable:
        def call(*args: Any) -> Any:
            right = _result(LIBRARY[chapter][name], Call(own[name], name, args, None))
            try:
                result = own[name](*args)
            except Exception as error:
                result = error
            if not isinstance(right, Exception) and not equal(like(result, right), right):
                found.append(name)
            if isinstance(result, Exception):
                raise result
            return result

        return call

    space.update({name: checked(name) for name in own})
    _result(wrong.function, wrong)
    space.update(own)
    return [name for name in own if name in found]


def _order(chapter: str, calls: list[Call]) -> str | None:
    """Return the explanation of the order i, j, k, r of the components in the arguments, the results or both."""
    if not getattr(reference(chapter), "QUATERNIONS", False):
        return None
    for before, after in [(1, -1), (1, 0), (0, -1)]:
        if all(_is_rolled(chapter, call, before, after) for call in calls):
            return "the components seem to be in the order i, j, k, r; expected r, i, j, k: here r comes first"
    return None


def _is_rolled(chapter: str, call: Call, before: int, after: int) -> bool:
    args = tuple(_rolled(arg, before) for arg in call.args)
    right = _result(LIBRARY[chapter][call.name], Call(call.function, call.name, args, None))
    return not isinstance(right, Exception) and equal(call.result, _rolled(right, after))


def _rolled(value: Any, shift: int) -> Any:
    """Return an array with all axes of length 4 rolled by `shift`, and any other value as it is."""
    axes = [axis for axis, length in enumerate(np.shape(value)) if length == 4] if isinstance(value, np.ndarray) else []
    return np.roll(value, [shift] * len(axes), axes) if axes else value


def _simple_call(chapter: str, wrong: Call) -> Call:
    """Return a wrong call of the same function with small integers, or `wrong` if there is none with its structure."""
    if not getattr(reference(chapter), "ANY_NUMBERS", False) or all(map(_is_simple, wrong.args)):
        return wrong
    rng = np.random.default_rng(0)
    for _ in range(5):
        call = Call(wrong.function, wrong.name, tuple(_small_integers(arg, rng) for arg in wrong.args), None)
        right = _result(LIBRARY[chapter][call.name], call)
        call.result = like(_result(wrong.function, call), right)
        is_comparable = not isinstance(right, Exception) and structure(call.result) == structure(wrong.result)
        if is_comparable and not isinstance(call.result, Exception) and not equal(call.result, right):
            return call
    return wrong


def _is_simple(arg: Any) -> bool:
    is_float = isinstance(arg, np.ndarray) and arg.dtype.kind == "f"
    return not is_float or bool(np.all((np.abs(arg) < 100) & (arg == np.round(arg))))


def _small_integers(arg: Any, rng: np.random.Generator) -> Any:
    is_float = isinstance(arg, np.ndarray) and arg.dtype.kind == "f"
    return rng.integers(1, 10, arg.shape).astype(float) if is_float else arg


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
    names = result_names(chapter, call.name, len(right)) if isinstance(right, tuple) else []
    text = _difference(call.result, right, names)
    note = getattr(reference(chapter), "SHAPES", {}).get(call.name)
    return f"{text} {note}" if note and "has the shape" in text else text


def result_names(chapter: str, name: str, count: int) -> list[str]:
    """Return the names of the `count` results of a function, from the first sentence of its docstring.

    They are a and b for "Return (a, b)", and a[0] and a[1] for "Return a list of the a".
    """
    text = getattr(load(exercise_file(chapter)), name).__doc__
    if found := re.match(r"Return (?:the gradients )?\((\w+(?:, \w+)+)\)", text):
        return found[1].split(", ")
    found = re.match(r"Return (?:a|the) (?:list|tuple) of (?:the |arrays )?`?(\w+)", text)
    return [f"{found[1]}[{n}]" for n in range(count)]


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
    """Return whether the result is that of quatnet, or the arguments are wrong, so that quatnet raises an error."""
    right = _result(LIBRARY[chapter][call.name], call)
    return isinstance(right, Exception) or equal(call.result, right)


def _matching(chapter: str, calls: list[Call]) -> Iterator[str]:
    """Yield the typical mistakes in the called function, or in its helper functions, that give the same results."""
    name = calls[0].name
    for mistake in mistakes(chapter).values():
        is_own = mistake.owner == name or mistake.owner not in LIBRARY[chapter]
        if is_own and all(equal(call.result, _result(mistake.functions[name], call)) for call in calls):
            yield mistake.message


def _in_each_result(chapter: str, calls: list[Call]) -> str | None:
    """Return the typical mistakes of a function that returns several results, one mistake for each wrong result."""
    if not isinstance(calls[0].result, tuple):
        return None
    count, right = len(calls[0].result), [_result(LIBRARY[chapter][call.name], call) for call in calls]
    if any(not isinstance(pair, tuple) or len(pair) != count for pair in [*right, *(call.result for call in calls)]):
        return None
    wrong = [
        n for n in range(count) if not all(equal(call.result[n], r[n]) for call, r in zip(calls, right, strict=True))
    ]
    found = {n: _mistake_in_result(chapter, calls, n) for n in wrong}
    names = result_names(chapter, calls[0].name, count)
    return "; ".join(f"{names[n]}: {text}" for n, text in found.items() if text) or None


def _mistake_in_result(chapter: str, calls: list[Call], n: int) -> str | None:
    """Return the message of the typical mistake that gives the same result number `n` in all calls, or None."""
    for mistake in mistakes(chapter).values():
        results = [_result(mistake.functions[calls[0].name], call) for call in calls]
        if mistake.owner == calls[0].name and all(
            isinstance(result, tuple) and equal(call.result[n], result[n])
            for call, result in zip(calls, results, strict=True)
        ):
            return mistake.message
    return None


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
    zeros = any(callable(arg) or getattr(arg, "shape", (4,)) != (4,) for arg in call.args)
    got, right = (format_value(value, quaternions, zeros) for value in (call.result, _right_result(chapter, call)))
    return f"{call.name}({', '.join(names)}) is {got}, expected {right}."


def _difference(got: Any, right: Any, names: Sequence[str] = ()) -> str:
    """Return a sentence about the first entry that differs. `names` are those of several results."""
    if isinstance(got, Exception):
        return f"Expected {format_value(right)}."
    if isinstance(right, tuple) and isinstance(got, tuple) and len(got) == len(right):
        n = next(n for n, pair in enumerate(zip(got, right, strict=True)) if not equal(*pair))
        return f"In {names[n]}: " + _difference(got[n], right[n])
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
