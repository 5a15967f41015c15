"""Reading and writing of `.npz` archives of arrays, and reading of JSON, with a check of all values.

The checksum of each archive member is verified. Reading does not use pickle and does not evaluate text.
"""

import json
import math
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .checks import checked_path
from .errors import CheckpointError, QuatnetError
from .files import atomic_write

READ_ERRORS = (OSError, ValueError, TypeError, RuntimeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)
MIN_LIMIT, MAX_RATIO = 1 << 26, 100  # the members may have 64 MiB, or 100 times the size of a larger file
NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|][biufU][1-9]\d{0,7})', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,15}, )*(?:\d{1,15},?)?)\), \} *\n",
    re.DOTALL,
)
HINT = "; weights.load_network reads PyTorch and safetensors files"
MAX_HEADER = 512  # largest number of bytes of the header of an array


def write_npz(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to an uncompressed `.npz` archive with `files.atomic_write`.

    The bytes of the file depend on the arrays only. Raises CheckpointError for an array that `read_npz` refuses. In
    this case, no file is written.
    """
    for name, array in arrays.items():
        _check_values(f"{path}, array {name!r}", np.asarray(array), CheckpointError)
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def read_npz(
    path: str | os.PathLike, *, error: type[QuatnetError] = CheckpointError, hint: str = HINT
) -> dict[str, np.ndarray]:
    """Return the arrays of an `.npz` archive by name. The arrays are read-only. `hint` ends an error message.

    Raises
    ------
    error
        The file is missing, truncated, damaged or no `.npz` archive. The members have more than 64 MiB and more than
        100 times the size of the file. The header of an array does not match the size of its member. An array is not
        of a float, integer, boolean or string dtype, or contains NaN or infinity.
    """
    path = checked_path(path)
    if not path.is_file():
        problem = f"{path} is not a regular file" + "; give a file of this folder" * path.is_dir()
        raise error(problem if path.exists() else f"there is no file {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist(), error, hint)
            contents = {info.filename.removesuffix(".npy"): archive.read(info) for info in archive.infolist()}
        return {name: _to_array(f"{path}, array {name!r}", content, error) for name, content in contents.items()}
    except QuatnetError:
        raise
    except READ_ERRORS as problem:
        problem_name = type(problem).__name__
        raise error(f"{path} is truncated or not an .npz file of arrays ({problem_name}){hint}") from problem


def _check_members(path: Path, members: list[zipfile.ZipInfo], error: type[QuatnetError], hint: str) -> None:
    size, limit = sum(info.file_size for info in members), max(MIN_LIMIT, MAX_RATIO * path.stat().st_size)
    if size > limit:
        raise error(f"{path}: expected arrays of at most {limit} bytes for the size of the file, got {size} bytes")
    names = [info.filename for info in members]
    if len(set(names)) < len(names) or not all(name.endswith(".npy") for name in names):
        raise error(f"{path}: expected different names that end with .npy, got {names!r:.80}{hint}")
    stored_or_deflated = {info.compress_type for info in members} <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
    if not stored_or_deflated or any(info.comment for info in members):  # a comment can hide the next member
        raise error(f"{path}: expected stored or deflated members without comments, as in a file of NumPy")


def _to_array(name: str, content: bytes, error: type[QuatnetError]) -> np.ndarray:
    header = NPY_HEADER.match(content[:MAX_HEADER])
    if not header or header.end() != int.from_bytes(content[8:10], "little") + 10:
        raise error(f"{name}: expected the header of a float, integer, boolean or string array, got another one")
    dtype, shape = np.dtype(header[1].decode()), tuple(int(n) for n in header[3].replace(b",", b" ").split())
    if math.prod(shape) * dtype.itemsize != len(content) - header.end():
        raise error(f"{name}: {len(content) - header.end()} bytes do not match the shape {shape!s:.80} of {dtype}")
    array = np.ndarray(shape, dtype, content, header.end(), order="F" if header[2] == b"True" else "C")
    codes = np.frombuffer(content, f"{dtype.byteorder}u4", offset=header.end()) if dtype.kind == "U" else np.empty(0)
    if (codes > sys.maxunicode).any():
        raise error(f"{name}: expected text, got numbers above the last Unicode character")
    _check_values(name, array, error)
    return array


def _check_values(name: str, array: np.ndarray, error: type[QuatnetError]) -> None:
    if array.dtype.kind not in "biufU":
        raise error(f"{name}: expected a float, integer, boolean or string array, got {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise error(f"{name}: expected finite values, got NaN or infinity")


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises ValueError for an invalid text, a repeated key, NaN, infinity, or too many nested values.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_finite, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("too many nested values") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"expected different keys, got {[key for key, _ in pairs]!r:.80}")
    return dict(pairs)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"expected finite numbers, got {text!r:.80}")
    return value
