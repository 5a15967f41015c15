"""What the figures of the benchmark depend on: the machine, versions, threads, seed."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from speed_measure import How, say

import quatnet
from quatnet.cli.info import processor

PACKAGES = ("numpy", "threadpoolctl", "torch", "speechbrain")


def header(how: How) -> dict[str, Any]:
    """Print and return what the figures depend on."""
    facts = {
        "command": shlex.join(sys.argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()},
        "versions": {"quatnet": quatnet.__version__, "python": platform.python_version()} | _versions(),
        "threads": how.threads,
        "rounds": how.rounds,
        "seed": how.seed,
    }
    for key, value in facts.items():
        say(f"{key:9} {_text(value)}")
    return facts


def _text(value: Any) -> str:
    return ", ".join(f"{key} {part}" for key, part in value.items()) if isinstance(value, dict) else str(value)


def _versions() -> dict[str, str]:
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
