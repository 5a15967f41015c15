"""Reading of PyTorch files without PyTorch and without executing code from the file.

`torch.save` pickles an object and writes the storages of its tensors separately. Since 2020, the format is a zip
archive. Earlier versions wrote a stream.

Source: PyTorch, torch/serialization.py, 2.x (file formats).
"""

import io
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..checks import checked_path
from ..errors import CheckpointError
from .unpickle import Placeholder, Unpickler, decode, stored_dtype, type_name

Errors = tuple[type[Exception], ...]
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # first object in a file of the format before 2020


def read_torch(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Return the arrays of a state dict by name from a file written by `torch.save`.

    The state dict is the saved object, or its entry "model", "state_dict" or "model_state_dict". Arrays have the byte
    order of this machine. bfloat16 tensors are returned as float32. Tensors that share a storage are views of the same
    array.

    Raises
    ------
    CheckpointError
        The file is missing or damaged, has no state dict, or the state dict has a value that is not a tensor.
    """
    path = checked_path(path)
    with weight_file_errors(path, "PyTorch file"):  # the unpickler can raise any exception for a damaged pickle
        content = _read_zip(path) if zipfile.is_zipfile(path) else _read_stream(path.read_bytes())
        return find_state_dict(content)


@contextmanager
def weight_file_errors(path: Path, kind: str, errors: Errors = (Exception,)) -> Iterator[None]:
    """Convert `errors` in the context, which reads a file, to a CheckpointError with the path."""
    try:
        yield
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no file {path}") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error!s:.500}") from error
    except errors as error:
        raise CheckpointError(
            f"{path} is damaged or not a {kind} ({type(error).__name__}: {error!s:.200}); download it again"
        ) from error


def find_state_dict(content: Any) -> dict[str, np.ndarray]:
    """Return the state dict in an unpickled object. Raises CheckpointError if there is none."""
    for key in ("model", "state_dict", "model_state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if isinstance(content, Placeholder):
        raise CheckpointError(f"expected a state dict, got an object {content.name}; save model.state_dict() instead")
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"expected a state dict of tensors by name, got {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str):
            raise CheckpointError(f"expected a str as the name of each tensor, got a {type(name).__name__}")
        if not isinstance(value, np.ndarray):
            raise CheckpointError(f"expected a tensor under the name {name!r}, got {type_name(value)}")
    return dict(content)


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        if "data.pkl" not in members:
            names = ", ".join(info.filename for info in archive.infolist())
            raise CheckpointError(
                f"expected an archive of torch.save, got {names!r:.80}; training.load_model reads .npz"
            )
        if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
            raise CheckpointError("expected uncompressed archive members, as torch.save writes, got compressed members")
        if sum(info.file_size for info in archive.infolist()) > path.stat().st_size:
            raise CheckpointError("the archive members overlap; torch.save writes separate members")
        byte_order = archive.read(members["byteorder"]).decode() if "byteorder" in members else "little"

        @cache
        def load_storage(key: str, dtype: str, size: int) -> np.ndarray:
            return decode(bytearray(archive.read(members[f"data/{key}"])), dtype, size, byte_order)

        return Unpickler(io.BytesIO(archive.read(members["data.pkl"])), load_storage).load()


def _read_stream(content: bytes) -> Any:
    """Return the object in a file of the format used before 2020.

    The file contains the magic number, the version, the system information, the object, the storage keys and the
    storages, in this order. The object is unpickled twice: first to collect the dtypes of the storages, then with the
    storages.
    """
    file, dtypes = io.BytesIO(content), dict[str, str]()

    def record_dtype(key: str, dtype: str, _: int) -> Placeholder:
        dtypes[key] = dtype
        return Placeholder("storage")

    if Unpickler(file, record_dtype).load() != MAGIC_NUMBER:
        raise CheckpointError("expected a zip archive or a stream of torch.save, got another file format")
    for _ in ("version", "system information"):
        Unpickler(file, record_dtype).load()
    start = file.tell()
    Unpickler(file, record_dtype).load()
    keys = Unpickler(file, record_dtype).load()
    if not isinstance(keys, list) or not set(map(type, keys)) <= {str, int} or len(set(keys)) < len(keys):
        raise CheckpointError("expected a list of different storage keys, got another object; the file is damaged")
    storages = {str(key): _read_storage(file, dtypes[str(key)]) for key in keys}
    file.seek(start)
    return Unpickler(file, lambda key, dtype, size: storages[key]).load()


def _read_storage(file: BinaryIO, dtype: str) -> np.ndarray:
    (size,) = struct.unpack("<q", file.read(8))
    return decode(bytearray(file.read(max(0, size) * stored_dtype(dtype).itemsize)), dtype, size)
