"""The machine that a PyTorch file runs on here: of all that a pickle may ask for, it does only what makes tensors.

Every name that makes none becomes a `Refused`, an empty thing that does nothing when it is called. A few bytes can
also describe a tuple that holds itself twice, sixty times over: to hash, print or multiply such a thing takes years.
So nothing is used before its type is known, and no number is read or copied twice.

Source: PyTorch, torch/_utils.py and torch/storage.py, 2.x (what a tensor is made of).
"""

import math
import pickle
from collections.abc import Callable
from types import FunctionType
from typing import Any, BinaryIO, ClassVar, Literal, NamedTuple

import numpy as np

from ..errors import CheckpointError

STORAGES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1",
    "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
ORDERS: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
MOST_AXES = 64  # of an array of NumPy
SIMPLE = (str, bytes, int, float, type(None))  # what may be hashed whatever it holds
Size = tuple[int, ...]
Numbers = Callable[[str, str, int], Any]  # key, kind of numbers, their count -> the storage, an array (count,)


class Refused:
    """Stands for something that is no tensor; knows its name and does nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def append(self, _: object) -> None:
        """Forget it."""

    extend = append


class Kind(NamedTuple):
    """A class of storage, of which the file needs to know only what numbers it holds."""

    numbers: str


def rebuild_tensor(storage: Any, offset: int, size: Size, strides: Size, *_: object) -> Any:
    """Return a view of a storage, as `torch._utils._rebuild_tensor_v2` makes a tensor."""
    if isinstance(storage, Refused):
        return storage
    shape = (size, strides) if type(size) is type(strides) is tuple and len(size) == len(strides) <= MOST_AXES else ()
    if not shape or any(type(n) is not int for n in (offset, *size, *strides)):
        raise CheckpointError("a tensor whose shape is no shape")
    last = offset + sum((n - 1) * step for n, step in zip(size, strides, strict=True))
    outside = 0 not in size and last >= len(storage)
    if min((offset, *size, *strides)) < 0 or outside or math.prod(size) > len(storage):
        raise CheckpointError(f"a tensor of shape {size} has more numbers than its storage, {len(storage)}")
    return np.lib.stride_tricks.as_strided(storage[offset:], size, tuple(step * storage.itemsize for step in strides))


def rebuild_parameter(array: Any, *_: object) -> Any:
    """Return the array, as `torch._utils._rebuild_parameter` returns a tensor that is trained."""
    return array


def ordered() -> dict[Any, Any]:
    """Return an empty dictionary: entries are set one by one."""
    return {}


MAKERS = {
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
    ("collections", "OrderedDict"): ordered,
}
KEPT = """
    PROTO FRAME STOP MARK POP POP_MARK DUP MEMOIZE BINPUT LONG_BINPUT BINGET LONG_BINGET GLOBAL STACK_GLOBAL BINPERSID
    NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINSTRING
    SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS
    EMPTY_DICT
"""


class Instructions(dict[int, Callable[["Unpickler"], None]]):
    """What to do for each byte of the program."""

    def __missing__(self, code: int) -> Any:
        raise CheckpointError(f"it is damaged, or has an instruction {bytes([code])!r} that state dicts do not need")


def _handler(name: str) -> Any:
    return pickle._Unpickler.dispatch[getattr(pickle, name)[0]]


class Unpickler(pickle._Unpickler):  # the one in Python: that in C makes room for any number of memos at once
    """Knows tensors, numbers, texts, lists and dictionaries."""

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes]
    dispatch: ClassVar[Any] = Instructions({getattr(pickle, name)[0]: _handler(name) for name in KEPT.split()})

    def __init__(self, file: BinaryIO, numbers: Numbers) -> None:
        super().__init__(file, encoding="utf-8", errors="backslashreplace")
        self.numbers = numbers

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGES:
            return Kind(STORAGES[name])
        return MAKERS.get((module, name)) or Refused(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        kind, key, count = (pid[1], pid[2], pid[4]) if type(pid) is tuple and len(pid) > 4 else (None,) * 3
        if not isinstance(kind, Kind):
            found = kind.name if isinstance(kind, Refused) else type(kind).__name__
            raise CheckpointError(f"numbers of the kind {found} are not known here")
        if not isinstance(key, (str, int)) or type(count) is not int:
            raise CheckpointError("numbers without a name or a count")
        return self.numbers(str(key), kind.numbers, count)

    def reduce(self) -> None:
        """Call a maker; whatever else is called gives nothing."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, (FunctionType, Refused)):
            raise CheckpointError(f"its pickle calls a {type(function).__name__}")
        self.stack.append(function(*arguments) if isinstance(function, FunctionType) else function)

    def new_set(self) -> None:
        """Put something that is no tensor in the place of a set, which would hash what is in it."""
        self.stack.append(Refused("set"))

    def fixed_set(self) -> None:
        """Do the same with what it would hold."""
        self.pop_mark()
        self.new_set()

    def pass_bytes_over(self) -> None:
        """Do not make room for bytes before it is known that they are there."""
        self.read(int.from_bytes(self.read(8), "little"))
        self.stack.append(Refused("bytearray"))

    def build(self) -> None:
        """Forget what an object would be told: tensors are whole, and a dictionary needs no more."""
        self.stack.pop()

    def set_items(self) -> None:
        """Set all entries since the mark."""
        entries = self.pop_mark()
        for key, value in zip(entries[::2], entries[1::2], strict=True):
            self._set(key, value)

    def set_item(self) -> None:
        """Set one entry."""
        value, key = self.stack.pop(), self.stack.pop()
        self._set(key, value)

    def _set(self, key: Any, value: Any) -> None:
        if type(self.stack[-1]) is dict:
            self.stack[-1][key if isinstance(key, SIMPLE) else Refused(type(key).__name__)] = value
        elif not isinstance(self.stack[-1], Refused):
            raise CheckpointError(f"its pickle sets an entry of a {type(self.stack[-1]).__name__}")

    dispatch |= {
        pickle.EMPTY_SET[0]: new_set, pickle.FROZENSET[0]: fixed_set, pickle.ADDITEMS[0]: lambda self: self.pop_mark(),
        pickle.BYTEARRAY8[0]: pass_bytes_over,
        pickle.REDUCE[0]: reduce, pickle.NEWOBJ[0]: reduce, pickle.BUILD[0]: build,
        pickle.SETITEM[0]: set_item, pickle.SETITEMS[0]: set_items,
    }  # fmt: skip


def decoded(raw: bytes | memoryview, kind: str, count: int, order: str) -> np.ndarray:
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
