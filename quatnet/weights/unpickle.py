"""Restricted unpickler for PyTorch files, which creates only tensors and built-in containers.

Every global name in the pickle that is not needed for tensors is replaced by a `Placeholder`. A call of a placeholder
has no effect. A small pickle can also contain an object whose traversal takes exponential time, such as nested tuples
that contain the same tuple twice. Therefore, the type of each value is checked before the value is hashed, printed or
used. Storages are not read or copied twice.

Source: PyTorch, torch/_utils.py and torch/storage.py, 2.x (structure of a tensor).
"""

import math
import pickle
from collections.abc import Callable
from types import FunctionType
from typing import Any, BinaryIO, ClassVar, Literal, NamedTuple

import numpy as np

from ..errors import CheckpointError

STORAGE_DTYPES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1",
    "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
BYTE_ORDERS: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
MAX_NDIM = 64  # maximum number of axes of a NumPy array
HASHABLE_TYPES = (str, bytes, int, float, type(None))  # types whose hash is computed in linear time
Shape = tuple[int, ...]
LoadStorage = Callable[[str, str, int], Any]  # key, dtype, number of elements -> array of the elements


class Placeholder:
    """Placeholder for an object that is not a tensor. `name` is the name of the class of the object."""

    def __init__(self, name: str) -> None:
        self.name = name

    def append(self, _: object) -> None:
        """Do nothing."""

    extend = append


class StorageType(NamedTuple):
    """A storage class of PyTorch, represented by the dtype of its elements."""

    dtype: str


def rebuild_tensor(storage: Any, offset: int, size: Shape, strides: Shape, *_: object) -> Any:
    """Return a view of a storage, like `torch._utils._rebuild_tensor_v2`."""
    if isinstance(storage, Placeholder):
        return storage
    shape = (size, strides) if type(size) is type(strides) is tuple and len(size) == len(strides) <= MAX_NDIM else ()
    if not shape or any(type(n) is not int for n in (offset, *size, *strides)):
        raise CheckpointError("a tensor has an invalid shape")
    last = offset + sum((n - 1) * step for n, step in zip(size, strides, strict=True))
    outside = 0 not in size and last >= len(storage)
    if min((offset, *size, *strides)) < 0 or outside or math.prod(size) > len(storage):
        raise CheckpointError(f"a tensor of shape {size} exceeds its storage of {len(storage)} elements")
    return np.lib.stride_tricks.as_strided(storage[offset:], size, tuple(step * storage.itemsize for step in strides))


ALLOWED_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda array, *_: array,
    ("collections", "OrderedDict"): lambda: {},  # later opcodes set the entries
}
OPCODES = """
    PROTO FRAME STOP MARK POP POP_MARK DUP MEMOIZE BINPUT LONG_BINPUT BINGET LONG_BINGET GLOBAL STACK_GLOBAL BINPERSID
    NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINSTRING
    SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS
    EMPTY_DICT
"""


class OpcodeHandlers(dict[int, Callable[["Unpickler"], None]]):
    """Dictionary of the handlers of the allowed opcodes. Any other opcode raises CheckpointError."""

    def __missing__(self, code: int) -> Any:
        raise CheckpointError(f"the pickle is damaged, or has the opcode {bytes([code])!r}, which is not allowed")


def _handler(name: str) -> Any:
    return pickle._Unpickler.dispatch[getattr(pickle, name)[0]]


class Unpickler(pickle._Unpickler):  # the C unpickler would allocate a memo of any requested size
    """Unpickler that creates only tensors, numbers, strings, tuples, lists and dictionaries."""

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes]
    dispatch: ClassVar[Any] = OpcodeHandlers({getattr(pickle, name)[0]: _handler(name) for name in OPCODES.split()})

    def __init__(self, file: BinaryIO, load_storage: LoadStorage) -> None:
        super().__init__(file, encoding="utf-8", errors="backslashreplace")
        self.load_storage = load_storage

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGE_DTYPES:
            return StorageType(STORAGE_DTYPES[name])
        return ALLOWED_FUNCTIONS.get((module, name)) or Placeholder(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        storage_type, key, size = (pid[1], pid[2], pid[4]) if type(pid) is tuple and len(pid) > 4 else (None,) * 3
        if not isinstance(storage_type, StorageType):
            raise CheckpointError(f"the storage type {type_name(storage_type)} is not supported")
        if not isinstance(key, (str, int)) or type(size) is not int:
            raise CheckpointError("a storage has no valid key or size")
        return self.load_storage(str(key), storage_type.dtype, size)

    def load_reduce(self) -> None:
        """Call an allowed function, or return the placeholder if a placeholder is called."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, (FunctionType, Placeholder)):
            raise CheckpointError(f"the pickle calls an object of type {type(function).__name__}")
        self.stack.append(function(*arguments) if isinstance(function, FunctionType) else function)

    def load_empty_set(self) -> None:
        """Push a placeholder instead of a set, because the items of a set are hashed."""
        self.stack.append(Placeholder("set"))

    def load_frozenset(self) -> None:
        """Discard the items and push a placeholder instead of a frozenset."""
        self.pop_mark()
        self.load_empty_set()

    def load_bytearray8(self) -> None:
        """Skip the bytes and push a placeholder, because a bytearray is allocated before its bytes are read."""
        self.read(int.from_bytes(self.read(8), "little"))
        self.stack.append(Placeholder("bytearray"))

    def load_setitems(self) -> None:
        """Set the dictionary entries on the stack above the mark."""
        entries = self.pop_mark()
        for pair in zip(entries[::2], entries[1::2], strict=True):
            self.stack += pair
            self.load_setitem()

    def load_setitem(self) -> None:
        """Set the dictionary entry on top of the stack."""
        value, key = self.stack.pop(), self.stack.pop()
        if type(self.stack[-1]) is dict:
            self.stack[-1][key if isinstance(key, HASHABLE_TYPES) else Placeholder(type(key).__name__)] = value
        elif not isinstance(self.stack[-1], Placeholder):
            raise CheckpointError(f"the pickle sets an entry of an object of type {type(self.stack[-1]).__name__}")

    dispatch |= {
        pickle.EMPTY_SET[0]: load_empty_set, pickle.FROZENSET[0]: load_frozenset,
        pickle.ADDITEMS[0]: lambda self: self.pop_mark(), pickle.BYTEARRAY8[0]: load_bytearray8,
        pickle.REDUCE[0]: load_reduce, pickle.NEWOBJ[0]: load_reduce,
        pickle.BUILD[0]: lambda self: self.stack.pop(),  # tensors and dictionaries need no attributes
        pickle.SETITEM[0]: load_setitem, pickle.SETITEMS[0]: load_setitems,
    }  # fmt: skip


def decode(raw: bytes | bytearray, dtype: str, size: int, byte_order: str = "little") -> np.ndarray:
    """Return the elements of a storage as an array (size,) in the byte order of this machine.

    `byte_order` is "little" or "big". bfloat16 is returned as float32. Raises CheckpointError if the number of bytes
    does not match.
    """
    stored = stored_dtype(dtype)
    if size < 0 or len(raw) != size * stored.itemsize:
        raise CheckpointError(f"expected {size} elements of {stored.itemsize} bytes each, got {len(raw)} bytes")
    array = np.frombuffer(raw, stored.newbyteorder(BYTE_ORDERS[byte_order])).astype(stored, copy=False)
    # the bits of a bfloat16 value are the upper half of the bits of the float32 value
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else array


def stored_dtype(dtype: str) -> np.dtype:
    """Return the NumPy dtype of the elements in a file. bfloat16 values are stored as bit patterns."""
    return np.dtype("u2" if dtype == "bfloat16" else dtype)


def type_name(value: object) -> str:
    """Return the name of the type of an unpickled value, for error messages."""
    return value.name if isinstance(value, Placeholder) else type(value).__name__
