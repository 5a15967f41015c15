"""Command `python -m quatnet info`, which prints the backend, the device, the versions and the state of CuPy."""

import argparse
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from ..backend import check_backend, gpu_unavailable_reason, on_gpu, requested_backend, xp
from ..errors import QuatnetError
from ..threads import thread_count

CUPY = ("cupy-cuda12x", "cupy-cuda13x", "cupy")  # names of the packages that contain CuPy


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `argparse`."""
    parser = commands.add_parser("info", help="backend, device and versions of this machine")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the report.

    Afterwards, raises ConfigError or BackendUnavailable if the requested backend is not available.
    """
    print(report(), flush=True)
    check_backend()


def report() -> str:
    """Return the report as a text of five lines.

    Raises ConfigError if `QUATNET_NUM_THREADS` is not a number.
    """
    lines = {"backend": backend(), "device": device(), "versions": versions()}
    lines |= {"threads": str(thread_count()), "CuPy": start_up_test()}
    return "\n".join(f"{name:9} {text}" for name, text in lines.items())


def backend() -> str:
    """Return the names of the backend in use and of the requested backend."""
    try:
        name = "cupy" if on_gpu() else "numpy"
    except QuatnetError:
        name = "none"
    return f"{name} (requested by QUATNET_BACKEND: {requested_backend()})"


def device() -> str:
    """Return the name of the GPU, or of the processor if the backend runs on the CPU."""
    try:
        if not on_gpu():
            return f"{processor()}, {os.cpu_count()} cores"
    except QuatnetError:
        return "none"
    gpu = xp.cuda.runtime.getDeviceProperties(xp.cuda.Device().id)
    memory, driver = gpu["totalGlobalMem"] / 1e9, xp.cuda.runtime.driverGetVersion()
    return (
        f"{gpu['name'].decode()}, compute capability {gpu['major']}.{gpu['minor']}, {memory:.1f} GB, "
        f"driver for CUDA {driver // 1000}.{driver % 1000 // 10}"
    )


def versions() -> str:
    """Return the versions of quatnet, Python and the dependencies."""
    cupy = [f"{name} {installed}" for name in CUPY if (installed := _installed_version(name))]
    others = [f"{name} {_installed_version(name)}" for name in ("numpy", "scipy")]
    own = [f"quatnet {__version__}", f"python {platform.python_version()}"]
    return ", ".join(own + others + (cupy or ["cupy not installed"]))


def start_up_test() -> str:
    """Return the result of the start-up test of CuPy, `backend.gpu_unavailable_reason`, as text."""
    start = time.perf_counter()
    reason = gpu_unavailable_reason()
    passed = f"passed the start-up test in {time.perf_counter() - start:.2f} s: it allocates, compiles and multiplies"
    return f"does not work here: {reason}" if reason else passed


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _installed_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
