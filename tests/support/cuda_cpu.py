"""Execution of CUDA kernels on the CPU.

g++ compiles the CUDA C source as C++. The threads run one by one on NumPy arrays.

    kernels = compile_for_cpu(code)                              # the same code as for cupy.RawModule(code=code)
    kernels["scale"]((blocks,), (256,), (array, 2.0, array.size), order="reverse")

With `check`, these errors raise a `LaunchError`: races, reads of uninitialized shared memory, accesses out of bounds,
overflow and division by zero. Divergent barriers and wrong arguments always raise an error.
"""

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .cuda_launch import Kernel, LaunchError

HERE = Path(__file__).parent / "cuda"
FLAGS = ("-std=c++17", "-fPIC", "-ffp-contract=off", "-Wno-unknown-pragmas", "-I", str(HERE))
CHECKS = ("-O1", "-fsanitize=thread,bounds,signed-integer-overflow,integer-divide-by-zero")
SIGNATURE = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)')


def unavailable_reason() -> str | None:
    """Return None if CUDA kernels can run on the CPU, or the reason in one line."""
    return None if shutil.which("g++") else "g++ is not installed: CUDA kernels cannot run on the CPU"


@functools.cache
def compile_for_cpu(code: str, *, check: bool = False) -> dict[str, Kernel]:
    """Return a dictionary of the CUDA kernels of a source by name.

    Raises LaunchError if the source does not compile.
    """
    signatures = {name: _parameters(text) for name, text in SIGNATURE.findall(code)}
    source = f'#include "on_cpu.h"\n#line 1 "kernel.cu"\n{code}\n' + "".join(
        map(_body, signatures, signatures.values())
    )
    flags = list(CHECKS) if check else ["-O2"]
    runtime = [_built((HERE / name).read_text(), ["-O2"], ".o") for name in ("scheduler.cpp", "checker.cpp")]
    # PyDLL does not release the GIL, so only one launch runs at a time
    library = ctypes.PyDLL(str(_built(source, flags, ".so", *runtime)))
    typedefs = {name: c_type for c_type, name in re.findall(r"typedef (\w+) (\w+);", code)}
    resolved = {name: [_resolved(c_type, typedefs) for c_type in types] for name, types in signatures.items()}
    return {name: Kernel(library, name, types, check) for name, types in resolved.items()}


def _parameters(text: str) -> list[str]:
    """Return the C types of a signature: "const T* x, long long n" -> ["const T*", "long long"]."""
    return [re.sub(r"\s*\w+$", "", " ".join(part.replace("__restrict__", "").split())) for part in text.split(",")]


def _resolved(c_type: str, typedefs: dict[str, str]) -> str:
    return re.sub(r"\w+", lambda word: typedefs.get(word[0], word[0]), c_type)


def _body(name: str, parameters: list[str]) -> str:
    """Return the C++ source of the function that unpacks the arguments and runs one thread."""
    values = ", ".join(f"*({c_type}*)values[{n}]" for n, c_type in enumerate(parameters))
    return (
        f'extern "C" __attribute__((no_sanitize("thread"))) void body_{name}(void** values) {{ {name}({values}); }}\n'
    )


def _built(source: str, flags: list[str], ending: str, *objects: Path) -> Path:
    """Return the path of the compiled file. The file is cached under a hash of the sources and flags."""
    directory = Path(tempfile.gettempdir()) / f"quatnet-kernels-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    headers = "".join(path.read_text() for path in sorted(HERE.glob("*.h")))
    key = hashlib.sha256("\0".join([source, headers, *flags, *map(str, objects)]).encode()).hexdigest()
    built = directory / f"{key[:24]}{ending}"
    if not built.exists():
        _compile(source, [*flags, *FLAGS], built, objects)
    return built


def _compile(source: str, flags: list[str], built: Path, objects: tuple[Path, ...]) -> None:
    new = built.with_suffix(f".{os.getpid()}.o")
    _run(["g++", "-x", "c++", *flags, "-c", "-", "-o", str(new)], source)
    if objects:
        library = new.with_suffix(".new")
        _run(["g++", "-shared", "-Wl,-Bsymbolic", str(new), *map(str, objects), "-o", str(library)], "")
        new.unlink()
        new = library
    new.replace(built)


def _run(command: list[str], source: str) -> None:
    done = subprocess.run(command, input=source, capture_output=True, text=True)
    if done.returncode:
        raise LaunchError(f"g++ cannot compile the kernel:\n{done.stderr}")
