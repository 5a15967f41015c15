"""NVRTC without a GPU: a CUDA source compiled for an architecture, and what each of its kernels takes of a GPU there.

NVRTC is the compiler that CuPy uses; it needs no driver. `pip install nvidia-cuda-nvrtc-cu12==12.9.86` brings the
last one that knows sm_70. What needs it can ask `why_not`.
"""

import ctypes
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = "nvidia-cuda-nvrtc-cu12==12.9.86"
VERSION = (12, 9)
OPTIONS = ("--ftz=true", "--ptxas-options=-v")  # the first is CuPy's: float32 below 1e-38 are 0 on a GPU
NUMBERS = {  # what the log of ptxas says of a kernel
    "registers": r"Used (\d+) registers",
    "stack": r"(\d+) bytes stack frame",
    "stores": r"(\d+) bytes spill stores",
    "loads": r"(\d+) bytes spill loads",
    "shared": r"(\d+) bytes smem",
}


class Needs(NamedTuple):
    """What a kernel takes: registers of a thread; bytes of stack, of spilled stores and loads, of shared memory."""

    registers: int
    stack: int
    stores: int
    loads: int
    shared: int


class CompileError(RuntimeError):
    """NVRTC refuses a source, or says nothing of its kernels."""


def why_not() -> str | None:
    """None where NVRTC 12.9 is installed, else the reason in one line."""
    if _path() is None:
        return f"NVRTC is not installed: no kernel is compiled for a GPU; pip install {PACKAGE}"
    major, minor = ctypes.c_int(), ctypes.c_int()
    _library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    found = (major.value, minor.value)
    return None if found == VERSION else f"NVRTC {found} is installed, other registers; pip install {PACKAGE}"


@cache
def compile_for_gpu(source: str, architecture: str) -> dict[str, Needs]:
    """Return what each kernel of a source needs on an architecture such as sm_70. Raises CompileError."""
    library, program = _library(), ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    options = [option.encode() for option in (f"--gpu-architecture={architecture}", *OPTIONS)]
    failed = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    log = _log(program)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise CompileError(f"{architecture}: {log.strip()}")
    return {part.split("'")[0]: _needs(part) for part in log.split("Compiling entry function '")[1:]}


def _needs(log: str) -> Needs:
    found = {name: re.search(pattern, log) for name, pattern in NUMBERS.items()}
    missing = [name for name, match in found.items() if not match and name != "shared"]  # not said where it is 0
    if missing:
        raise CompileError(f"expected {missing} in the log of ptxas, got {log!r}")
    return Needs(**{name: int(match[1]) if match else 0 for name, match in found.items()})


def _log(program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _library().nvrtcGetProgramLogSize(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    _library().nvrtcGetProgramLog(program, text)
    return text.value.decode()


def _path() -> Path | None:
    """The library of the package; a namespace package may be spread over several folders."""
    package = importlib.util.find_spec("nvidia")
    folders = package.submodule_search_locations if package else None
    found = [path for folder in folders or [] for path in Path(folder).glob("cuda_nvrtc/lib/libnvrtc.so.*")]
    return found[0] if found else None


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(_path()))
