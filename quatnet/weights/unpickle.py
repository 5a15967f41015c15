"""The machine that a PyTorch file runs on here: of all that a pickle may call, only what makes tensors means something.

Every other name becomes a `Refused`, an empty thing that does nothing when it is called.

Source: PyTorch, torch/_utils.py and torch/storage.py, 2.x (what a tensor is made of).
"""

import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np

from ..errors import CheckpointError

STORAGES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1",
    "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
ORDERS: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
Size = tuple[int, ...]
Numbers = Callable[[str, str, int], np.ndarray]  # key, kind of numbers, their count


class Refused:
    """Stands for something that is no tensor; knows its name and does nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_: object) -> "Refused":
        return self

    def __setstate__(self, _: object) -> None:
        pass


class Kind(NamedTuple):
    """A class of storage, of which the file needs to know only what numbers it holds."""

    numbers: str


class Rebuild:
    """Makes an array of a storage, as `torch._utils._rebuild_tensor_v2` makes a tensor."""

    __slots__ = ()

    def __call__(self, storage: np.ndarray, offset: int, size: Size, strides: Size, *_: object) -> np.ndarray:
        last = offset + sum((n - 1) * step for n, step in zip(size, strides, strict=True))
        outside = 0 not in size and last >= len(storage)
        if min((offset, *size, *strides)) < 0 or outside or math.prod(size) > len(storage):
            raise CheckpointError(f"a tensor of shape {size} has more numbers than its storage, {len(storage)}")
        steps = tuple(step * storage.itemsize for step in strides)
        return np.lib.stride_tricks.as_strided(storage[offset:], size, steps).copy()


class Parameter:
    """`torch._utils._rebuild_parameter`: the array that it is given."""

    __slots__ = ()

    def __call__(self, array: np.ndarray, *_: object) -> np.ndarray:
        return array


class Unpickler(pickle._Unpickler):  # the one in Python: that in C makes room for any number of memos at once
    """Knows tensors, numbers, texts, lists and dictionaries."""

    def __init__(self, file: BinaryIO, numbers: Numbers) -> None:
        super().__init__(file, encoding="utf-8")
        self.numbers = numbers

    def find_class(self, module: str, name: str) -> Any:
        known = {"_rebuild_tensor_v2": Rebuild(), "_rebuild_parameter": Parameter()}
        if module == "torch" and name in STORAGES:
            return Kind(STORAGES[name])
        if module == "torch._utils" and name in known:
            return known[name]
        return OrderedDict if (module, name) == ("collections", "OrderedDict") else Refused(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, kind, key, _, count, *_ = pid
        if not isinstance(kind, Kind):
            raise CheckpointError(f"numbers of the kind {getattr(kind, 'name', kind)} are not known here")
        return self.numbers(str(key), kind.numbers, int(count))


def decoded(raw: bytes, kind: str, count: int, order: str) -> np.ndarray:
    """Return `count` numbers of bytes in `order`, "little" or "big", as the machine has them.

    Raises CheckpointError where there are more or fewer bytes than that.
    """
    if count < 0 or len(raw) != count * width(kind):
        raise CheckpointError(f"expected {count} numbers of {width(kind)} bytes each, got {len(raw)} bytes")
    stored = np.dtype("u2" if kind == "bfloat16" else kind)
    array = np.frombuffer(raw, stored.newbyteorder(ORDERS[order])).astype(stored)
    return (array.astype(np.uint32) << 16).view(np.float32) if kind == "bfloat16" else array


def width(kind: str) -> int:
    return 2 if kind == "bfloat16" else np.dtype(kind).itemsize
