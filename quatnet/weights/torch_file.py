"""Read the tensors of a PyTorch file without PyTorch, and without running anything that the file brings along.

`torch.save` pickles objects and keeps the numbers of each tensor beside them: since 2020 in a zip archive, before in
one stream.

Source: PyTorch, torch/serialization.py, 2.x (what is in a file, and in which order).
"""

import io
import struct
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import CheckpointError
from .unpickle import Refused, Unpickler, decoded, width

MAGIC = 0x1950A86A20F9469CFC6C  # of the stream
LONGEST_MESSAGE = 200  # letters


def read_torch(path: Path | str) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict in a file of `torch.save`, by name, as arrays in the machine's byte order.

    The state dict is the file's object itself, or its entry "model" or "state_dict". bfloat16 becomes float32. Tensors
    that shared their numbers are views of the same array, as they are in PyTorch.

    Raises
    ------
    CheckpointError
        No such file, damaged, no state dict in it, or something in the state dict that is no tensor.
    """
    try:
        content = _read_zip(Path(path)) if zipfile.is_zipfile(path) else _read_stream(Path(path).read_bytes())
        return tensors(content)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no file {path}") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {_short(error)}") from error
    except Exception as error:  # of any kind: a damaged pickle can fail in every line of the unpickler
        raise CheckpointError(
            f"{path} is damaged or no PyTorch checkpoint ({type(error).__name__}: {_short(error)}); fetch it again"
        ) from error


def tensors(content: Any) -> dict[str, np.ndarray]:
    """Return the state dict in what a file held. Raises CheckpointError where there is none."""
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if isinstance(content, Refused):
        raise CheckpointError(f"it holds a {content.name}, no state dict; save model.state_dict() instead")
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"expected a state dict, tensors by name; got {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str):
            raise CheckpointError(f"expected tensors by name, got one under a {type(name).__name__}; it is refused")
        if not isinstance(value, np.ndarray):
            found = value.name if isinstance(value, Refused) else type(value).__name__
            raise CheckpointError(f"expected tensors by name, got {found} under {name!r}; it is refused")
    return dict(content)


def _short(error: Exception) -> str:
    """Return the message on one line of a screen or two: a name in a damaged file may have a million letters."""
    message = " ".join(str(error).split())
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}..."


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        names = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        if any(info.compress_type != zipfile.ZIP_STORED for info in names.values()):
            raise CheckpointError("its parts are compressed, which torch.save never does; it is refused")
        if sum(info.file_size for info in archive.infolist()) > path.stat().st_size:
            raise CheckpointError("its parts lie on top of each other, which torch.save never does; it is refused")
        order = archive.read(names["byteorder"]).decode() if "byteorder" in names else "little"

        @cache
        def numbers(key: str, kind: str, count: int) -> np.ndarray:
            return decoded(archive.read(names[f"data/{key}"]), kind, count, order)

        return Unpickler(io.BytesIO(archive.read(names["data.pkl"])), numbers).load()


def _read_stream(content: bytes) -> Any:
    """Read the format of before 2020: magic number, version, machine, object, keys; then all numbers, key by key.

    The object is read twice: first for the kinds of its numbers, which come after it, then with them.
    """
    file, kinds = io.BytesIO(content), dict[str, str]()

    def kind_alone(key: str, kind: str, _: int) -> Refused:
        kinds[key] = kind
        return Refused("storage")

    if Unpickler(file, kind_alone).load() != MAGIC:
        raise CheckpointError("it is neither a zip archive nor a stream of torch.save")
    for _ in ("version", "machine"):
        Unpickler(file, kind_alone).load()
    start = file.tell()
    Unpickler(file, kind_alone).load()
    keys = Unpickler(file, kind_alone).load()
    if not isinstance(keys, list) or not set(map(type, keys)) <= {str, int} or len(set(keys)) < len(keys):
        raise CheckpointError("expected the keys of its storages, each once")
    found = {str(key): _next_storage(file, kinds[str(key)]) for key in keys}
    file.seek(start)
    return Unpickler(file, lambda key, kind, count: found[key]).load()


def _next_storage(file: BinaryIO, kind: str) -> np.ndarray:
    (count,) = struct.unpack("<q", file.read(8))
    return decoded(file.read(max(0, count) * width(kind)), kind, count, "little")
