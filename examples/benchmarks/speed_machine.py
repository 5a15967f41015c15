"""Metadata of a benchmark: machine, software versions, number of threads, and seed."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from speed_measure import Settings, log

import quatnet
from quatnet.cli.info import processor

PACKAGES = ("numpy", "threadpoolctl", "torch", "speechbrain")


def print_metadata(settings: Settings) -> dict[str, Any]:
    """Print and return the metadata of the benchmark."""
    metadata = {
        "command": shlex.join(sys.argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()},
        "versions": {"quatnet": quatnet.__version__, "python": platform.python_version()} | _versions(),
        "threads": settings.threads,
        "rounds": settings.rounds,
        "seed": settings.seed,
    }
    for key, value in metadata.items():
        log(f"{key:9} {_format(value)}")
    return metadata


def _format(value: Any) -> str:
    return ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else str(value)


def _versions() -> dict[str, str]:
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
