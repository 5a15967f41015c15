"""What `python -m quatnet` says of this machine: which arrays, which device, which versions, and whether CuPy works."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .. import __version__
from ..backend import gpu_unavailable_reason, on_gpu, requested_backend, xp
from ..errors import QuatnetError
from ..threads import thread_count

CUPY = ("cupy-cuda12x", "cupy-cuda13x", "cupy")  # the distributions that hold it


def report() -> str:
    """Return five lines. Raises ConfigError where `QUATNET_NUM_THREADS` is not a number."""
    facts = {"backend": backend(), "device": device(), "versions": versions()}
    facts |= {"threads": str(thread_count()), "CuPy": start_up_test()}
    return "\n".join(f"{name:9} {fact}" for name, fact in facts.items())


def backend() -> str:
    """Return the array module in use, and what was asked for."""
    try:
        found = "cupy" if on_gpu() else "numpy"
    except QuatnetError:
        found = "none"
    return f"{found} (QUATNET_BACKEND asks for {requested_backend()})"


def device() -> str:
    """Return what computes: the GPU that CuPy uses, or the processor."""
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
    """Return the versions of quatnet and of what it stands on."""
    cupy = [f"{name} {found}" for name in CUPY if (found := _installed(name))]
    others = [f"{name} {_installed(name)}" for name in ("numpy", "scipy")]
    own = [f"quatnet {__version__}", f"python {platform.python_version()}"]
    return ", ".join(own + others + (cupy or ["cupy not installed"]))


def start_up_test() -> str:
    """Return the outcome of `backend.gpu_unavailable_reason`, whichever array module is in use."""
    start = time.perf_counter()
    reason = gpu_unavailable_reason()
    passed = f"passed the start-up test in {time.perf_counter() - start:.2f} s: it allocates, compiles and multiplies"
    return f"does not work here: {reason}" if reason else passed


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
