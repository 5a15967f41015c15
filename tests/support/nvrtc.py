"""Compilation of CUDA sources with NVRTC, to read the resource usage of CUDA kernels without a GPU.

NVRTC is the compiler that CuPy uses. `pip install nvidia-cuda-nvrtc-cu12==12.9.86` installs the last version that
supports sm_70.
"""

import ctypes
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = "nvidia-cuda-nvrtc-cu12==12.9.86"
VERSION = (12, 9)
OPTIONS = ("--ftz=true", "--ptxas-options=-v")  # CuPy passes `--ftz=true`, which flushes subnormal float32 to 0
NUMBERS = {  # the patterns match the log of ptxas
    "registers": r"Used (\d+) registers",
    "stack": r"(\d+) bytes stack frame",
    "stores": r"(\d+) bytes spill stores",
    "loads": r"(\d+) bytes spill loads",
    "shared": r"(\d+) bytes smem",
}


class Usage(NamedTuple):
    """Resource usage of a CUDA kernel.

    The fields are registers per thread and the bytes of stack, spilled stores, spilled loads and shared memory.
    """

    registers: int
    stack: int
    stores: int
    loads: int
    shared: int


class CompileError(RuntimeError):
    """The error for a source that NVRTC cannot compile, or for a ptxas log without resource usage."""


def unavailable_reason() -> str | None:
    """Return None if NVRTC 12.9 is installed, or the reason in one line."""
    if _path() is None:
        return f"NVRTC is not installed: no kernel is compiled for a GPU; pip install {PACKAGE}"
    major, minor = ctypes.c_int(), ctypes.c_int()
    _library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    version = (major.value, minor.value)
    return None if version == VERSION else f"NVRTC {version} is installed, not {VERSION}; pip install {PACKAGE}"


@cache
def compile_for_gpu(source: str, architecture: str) -> dict[str, Usage]:
    """Return the resource usage of each CUDA kernel of a source, compiled for an architecture such as sm_70.

    Raises CompileError.
    """
    library, program = _library(), ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    options = [option.encode() for option in (f"--gpu-architecture={architecture}", *OPTIONS)]
    failed = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    log = _log(program)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise CompileError(f"{architecture}: {log.strip()}")
    return {part.split("'")[0]: _usage(part) for part in log.split("Compiling entry function '")[1:]}


def _usage(log: str) -> Usage:
    matches = {name: re.search(pattern, log) for name, pattern in NUMBERS.items()}
    # ptxas omits `shared` if it is 0
    missing = [name for name, match in matches.items() if not match and name != "shared"]
    if missing:
        raise CompileError(f"expected {missing} in the log of ptxas, got {log!r}")
    return Usage(**{name: int(match[1]) if match else 0 for name, match in matches.items()})


def _log(program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _library().nvrtcGetProgramLogSize(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    _library().nvrtcGetProgramLog(program, text)
    return text.value.decode()


def _path() -> Path | None:
    """Return the path of the NVRTC library. The namespace package `nvidia` may consist of several folders."""
    package = importlib.util.find_spec("nvidia")
    folders = package.submodule_search_locations if package else None
    paths = [path for folder in folders or [] for path in Path(folder).glob("cuda_nvrtc/lib/libnvrtc.so.*")]
    return paths[0] if paths else None


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(_path()))
