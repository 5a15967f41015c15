"""Common form of two recorded runs of a network, with two batch sizes."""

from typing import Any

from ..backend import Array, xp
from ..errors import ConfigError
from .nodes import DROPOUTS, Batch, Ref, Runtime
from .record import Call, Recorder


class Mismatch(ConfigError):
    """Exception for two runs that differ."""


def merge(first: tuple[Recorder, Any], second: tuple[Recorder, Any], batch: tuple[int, int]) -> tuple[list[Call], Any]:
    """Return the calls and outputs of two runs with the batch sizes `batch`, in the order of the second run.

    Dropout may occur in the second run only.
    """
    pairs, same = _pair_calls(first[0].calls, second[0].calls)
    _check_constants(first[0].arrays, second[0].arrays)
    outputs = _merge_values(first[1], second[1], batch, same, "output")
    calls = list[Call]()
    for a, b in pairs:
        calls.append(_merge_calls(a, b, batch, same) if a else _training_dropout(b, calls, second[0].inputs))
    return calls, outputs


def _pair_calls(a: list[Call], b: list[Call]) -> tuple[list[tuple[Call | None, Call]], dict[str, str]]:
    """Return the pairs of equal calls, and the name in the first run of each value of the second run."""
    pairs, same, position = list[tuple[Call | None, Call]](), dict[str, str](), 0
    for n, call in enumerate(b):
        if position < len(a) and _may_be_same(a[position], call, same):
            pairs.append((a[position], call))
            same[f"%{n}"] = f"%{position}"
            position += 1
        elif call.op in DROPOUTS:
            pairs.append((None, call))
            argument = call.arguments["x"].name
            same[f"%{n}"] = same.get(argument, argument)
        else:
            raise Mismatch("the runs have different operations")
    if position < len(a):
        raise Mismatch("the runs have different operations")
    return pairs, same


def _may_be_same(a: Call, b: Call, same: dict[str, str]) -> bool:
    """Return whether `a` and `b` are the same operation. Dropouts must also have equal arguments."""
    if a.op not in DROPOUTS or a.op != b.op:
        return a.op == b.op
    x, y = (call.arguments["x"].name for call in (a, b))
    return x == same.get(y, y) and a.arguments["p"] == b.arguments["p"]


def _check_constants(a: dict[str, tuple[Array, str]], b: dict[str, tuple[Array, str]]) -> None:
    for name in a.keys() | b.keys():
        x, y = (arrays[name][0] if name in arrays else xp.zeros(0) for arrays in (a, b))
        if x.shape != y.shape or not xp.array_equal(x, y, equal_nan=True):
            raise ConfigError(
                f"a tensor or array of shape {x.shape} is computed from the input outside the ops, or differs in each "
                "call; use quatnet.ops instead of NumPy and .data"
            )


def _training_dropout(call: Call, calls: list[Call], inputs: set[str]) -> Call:
    """Return the call of a dropout that occurs in training only, after `calls`. Its shape is that of its argument."""
    name, shape = call.arguments["x"].name, call.shape
    if name.startswith("%"):
        shape = calls[int(name[1:])].shape
    elif name in inputs:
        shape = (Batch(), *shape[1:])
    return Call(call.op, call.arguments | {"train": Runtime("train"), "rng": Runtime("rng")}, shape)


def _merge_calls(a: Call, b: Call, batch: tuple[int, int], same: dict[str, str]) -> Call:
    arguments = _merge_values(a.arguments, b.arguments, batch, same, f"{b.op}, argument")
    return Call(b.op, arguments, _merge_values(a.shape, b.shape, batch, same, f"{b.op}, shape of the result"))


def _merge_values(a: Any, b: Any, batch: tuple[int, int], same: dict[str, str], place: str) -> Any:
    """Return the common form of an argument in two runs with two batch sizes."""
    if isinstance(a, slice) and isinstance(b, slice):
        x, y = ((item.start, item.stop, item.step) for item in (a, b))
        return slice(*_merge_values(x, y, batch, same, place))
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return {key: _merge_values(value, b[key], batch, same, f"{place} {key}") for key, value in a.items()}
    if type(a) in (tuple, list) and type(a) is type(b) and len(a) == len(b):
        return type(a)(_merge_values(x, y, batch, same, place) for x, y in zip(a, b, strict=True))
    if isinstance(a, Ref) and isinstance(b, Ref) and a.name == same.get(b.name, b.name):
        return b
    if a is False and b is True and place.endswith((" train", " training")):
        return Runtime("train")
    if a is None and isinstance(b, Runtime):
        return b
    if type(a) is type(b) is int and a != b and a % batch[0] == 0 and b == a // batch[0] * batch[1]:
        return Batch(a // batch[0])
    if type(a) is type(b) and a == b:
        return a
    raise Mismatch(
        f"{place}: {a} for a batch of {batch[0]}, and {b} for a batch of {batch[1]} with other values; expected a "
        "constant or a multiple of the batch size"
    )
