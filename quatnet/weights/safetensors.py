"""Read and write safetensors: a header that says where each tensor lies, then the numbers; nothing that could run.

    8 bytes     length of the header, little-endian
    header      JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {...}}
    numbers     little-endian, in C order, without gaps

Source: Hugging Face, safetensors, the format's description, 2022.
"""

import json
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError
from .unpickle import MOST_AXES, decoded

KINDS = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": "bfloat16", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
    "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
LONGEST_HEADER = 100_000_000  # bytes, as the description limits it


def read_safetensors(path: Path | str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the tensors by name, and the texts that go with them; bfloat16 becomes float32.

    Raises CheckpointError where the file is missing, cut short, or contradicts itself.
    """
    try:
        content = Path(path).read_bytes()
        header = _header(content)
        texts = dict(header.pop("__metadata__", {}))
        numbers = memoryview(content)[8 + struct.unpack("<Q", content[:8])[0] :]
        _check_without_gaps(header, len(numbers))
        arrays = {name: _tensor(name, entry, numbers) for name, entry in header.items()}
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no file {path}") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        struct.error,
    ) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file ({error!r:.200}); fetch it again") from error
    return arrays, texts


def _header(content: bytes) -> dict[str, Any]:
    (length,) = struct.unpack("<Q", content[:8])
    if length > min(LONGEST_HEADER, len(content) - 8):
        raise CheckpointError(f"the header would have {length} bytes of a file of {len(content)}")
    return json.loads(content[8 : 8 + length], object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise CheckpointError("a name comes twice in the header")
    return dict(pairs)


def _tensor(name: str, entry: Mapping[str, Any], numbers: memoryview) -> np.ndarray:
    if entry["dtype"] not in KINDS:
        raise CheckpointError(f"{name}: expected one of {', '.join(KINDS)}, got dtype {entry['dtype']!r}")
    (start, stop), shape = entry["data_offsets"], entry["shape"]
    if len(shape) > MOST_AXES or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
        raise CheckpointError(f"{name}: expected a shape, got {shape!r:.200}")
    return decoded(numbers[start:stop], KINDS[entry["dtype"]], math.prod(shape), "little").reshape(shape)


def _check_without_gaps(header: Mapping[str, Any], length: int) -> None:
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        if not type(start) is type(stop) is int or not 0 <= start <= stop <= length:
            raise CheckpointError(f"{name}: bytes {start!r:.40} to {stop!r:.40} of {length}")
    places = sorted(entry["data_offsets"] for entry in header.values())
    ends = [0, *(stop for _, stop in places)]
    if [start for start, _ in places] != ends[:-1] or ends[-1] != length:
        raise CheckpointError("tensors overlap, or bytes belong to none")


def write_safetensors(
    path: Path | str, arrays: Mapping[str, np.ndarray], texts: Mapping[str, str] | None = None
) -> None:
    """Write the arrays by name, and `texts` with them, all or nothing.

    Raises CheckpointError for numbers that the format does not have.
    """
    path, names = Path(path), {np.dtype(kind): name for name, kind in KINDS.items() if kind != "bfloat16"}
    header: dict[str, Any] = {"__metadata__": dict(texts)} if texts else {}
    at = 0
    for name, array in arrays.items():
        if array.dtype.newbyteorder("=") not in names:
            raise CheckpointError(f"{name}: safetensors has no {array.dtype}; convert it first")
        entry = {"dtype": names[array.dtype.newbyteorder("=")], "shape": list(array.shape)}
        header[name] = entry | {"data_offsets": [at, at := at + array.nbytes]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the numbers start at a multiple of 8
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for array in arrays.values():
                file.write(array.astype(array.dtype.newbyteorder("<")).tobytes())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
