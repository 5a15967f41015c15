"""Command `quatnet info [MODEL]`: the backend, the device and the versions, or the content of a model."""

import argparse
import json
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .. import __version__
from ..backend import check_backend, gpu_unavailable_reason, on_gpu, requested_backend, xp
from ..errors import ConfigError, QuatnetError, one_line
from ..threads import thread_count
from .arguments import MODEL_HELP

CUPY = ("cupy-cuda12x", "cupy-cuda13x", "cupy")  # names of the packages that contain CuPy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("--check", action="store_true", help="compare the logits of the test waveform of the model")


def run(args: argparse.Namespace) -> None:
    """Print the report, or the description of a model file.

    Afterwards, raises ConfigError or BackendUnavailable if the requested backend is not available. Raises ConfigError
    for --check without a model.
    """
    if getattr(args, "model", None) is not None:
        print(describe(args.model, check=args.check))
        return
    if getattr(args, "check", False):
        raise ConfigError("--check needs a model: quatnet info MODEL --check")
    print(report(), flush=True)
    check_backend()


def describe(path: str, *, check: bool = False) -> str:
    """Return the content of a model file as text. Raises CheckpointError as `Classifier.load` does."""
    from ..classifier import DIGESTS, Classifier  # `info` without a model also works without a backend
    from ..graph import count
    from ..model_file import model_path

    model, size = Classifier.load(path, check=check), Path(model_path(path)).stat().st_size
    cost, kind = count(model.network), "several per window" if model.multi_label else "one per window"
    settings = {key: value for key, value in model.frontend.settings.items() if key != "class"}
    lines = {
        "file": f"{path}, {size:,} bytes" + (", the logits of the test waveform are correct" if check else ""),
        "classes": f"{len(model.classes)}, {kind}: {', '.join(model.classes)}",
        "network": f"{cost.parameters:,} parameters, {cost.multiplications_8:,} multiplications per window",
        "front end": ", ".join(f"{key} {value}" for key, value in settings.items()),
        "padding": model.padding,
        "temperature": f"{model.temperature:g}",
        "thresholds": ", ".join(f"{key} {value:g}" for key, value in model.thresholds.items()) or "0.5",
        "background": ", ".join(model.background) or "none",
    }
    shown = {key: value for key, value in model.metadata.items() if key != DIGESTS}
    metadata = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in shown.items()]
    return "\n".join(f"{one_line(key):12} {one_line(text, length=4000)}" for key, text in [*lines.items(), *metadata])


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
