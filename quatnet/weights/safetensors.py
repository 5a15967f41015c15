"""Reading and writing of `.safetensors` files with the package `safetensors` (optional extra `weights`)."""

import math
import os
from collections.abc import Mapping

import numpy as np

from ..checks import checked_path
from ..errors import CheckpointError, import_optional
from ..files import atomic_write
from .torch_file import weight_file_errors
from .unpickle import decode, stored_dtype

DTYPES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": "bfloat16", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
    "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
MISSING = 'safetensors files need the package safetensors: pip install "quatnet-numpy[weights]"'
WRITABLE = set(map(stored_dtype, DTYPES.values()))


def read_safetensors(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays by name and the metadata of a `.safetensors` file.

    bfloat16 tensors are returned as float32, because NumPy has no bfloat16.

    Raises
    ------
    CheckpointError
        The file is missing or damaged, or a tensor has a dtype that NumPy does not support, such as float8.
    MissingPackageError
        The package `safetensors` is not installed.
    """
    library, path = import_optional("safetensors", MISSING), checked_path(path)
    with weight_file_errors(path, "safetensors file", (OSError, ValueError, library.SafetensorError)):
        tensors = library.deserialize(path.read_bytes())
        with library.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        return {name: _as_array(name, tensor) for name, tensor in tensors}, metadata


def _as_array(name: str, tensor: Mapping) -> np.ndarray:
    if tensor["dtype"] not in DTYPES:
        raise CheckpointError(f"{name}: expected one of {', '.join(DTYPES)}, got dtype {tensor['dtype']!r}")
    return decode(tensor["data"], DTYPES[tensor["dtype"]], math.prod(tensor["shape"])).reshape(tensor["shape"])


def write_safetensors(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays and metadata to a `.safetensors` file with `files.atomic_write`.

    Raises
    ------
    CheckpointError
        A value is not an array, is masked, or has a dtype or a name that the format does not support. The metadata
        are not text.
    MissingPackageError
        The package `safetensors` is not installed.
    """
    import_optional("safetensors", MISSING)
    from safetensors.numpy import save

    for name, array in arrays.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise CheckpointError(f"expected the name of an array, got {name!r:.80}")
        if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
            raise CheckpointError(f"{name}: expected a NumPy array without a mask, got {type(array).__name__}")
        if array.dtype.newbyteorder("=") not in WRITABLE:
            raise CheckpointError(f"{name}: safetensors has no {array.dtype}; convert it first")
    if not all(isinstance(text, str) for item in (metadata or {}).items() for text in item):
        raise CheckpointError(f"expected text as names and values of the metadata, got {metadata!r:.200}")
    # `save` ignores the strides of an array, so the arrays must be in C order
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with atomic_write(path) as file:
        file.write(save(arrays, dict(metadata) if metadata else None))
