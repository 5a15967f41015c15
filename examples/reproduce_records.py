"""The records behind docs/results.md: a JSON file for each row, a line for each fold and seed, and who made it."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from reproduce_rows import Row
from story_outcome import replace_text

import quatnet
from quatnet.cli.info import processor

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs" / "results"


def read(row: Row, folder: Path) -> list[dict[str, Any]]:
    """Return the runs of a row, none where there is no file yet."""
    path = _path(row, folder)
    return json.loads(path.read_text())["runs"] if path.exists() else []


def keep(row: Row, run: dict[str, Any], folder: Path) -> None:
    """Write a run beside the others of its row, in the place of an earlier one with its fold and seed."""
    place = run["fold"], run["seed"]
    others = [other for other in read(row, folder) if (other["fold"], other["seed"]) != place]
    runs = sorted([*others, run | made_by(row, *place)], key=lambda run: (run["seed"], run["fold"]))
    path = _path(row, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(run) for run in runs)
    replace_text(path, f'{{"row": "{row.name}", "runs": [\n{lines}\n]}}\n')


def missing(row: Row, splits: Iterable[tuple[int, int]], folder: Path) -> list[tuple[int, int]]:
    """Return the (fold, seed) of which there is no run yet."""
    done = {(run["fold"], run["seed"]) for run in read(row, folder)}
    return [split for split in splits if split not in done]


def made_by(row: Row, fold: int, seed: int) -> dict[str, Any]:
    """Return the command that gives this run again, and the commit and machine that made it."""
    teacher = " --teacher FILE" if row.asks_a_file else ""
    command = f"python examples/reproduce.py {row.name} --fold {fold} --seed {seed} --data DIR{teacher}"
    return {"command": command, **made_with(), "threads": quatnet.thread_count()}


def made_with(*packages: str) -> dict[str, Any]:
    """Return the commit, the machine and the versions of this process, of these packages as well."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "commit": _git("rev-parse", "--short=12", "HEAD")
        + ("+" if _git("status", "--porcelain", "quatnet", "examples") else ""),
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "versions": {
            "python": platform.python_version(),
            "quatnet": quatnet.__version__,
            **{package: version(package) for package in ("numpy", *packages)},
            blas["name"]: blas["version"],
        },
    }


def _path(row: Row, folder: Path) -> Path:
    return folder / f"{row.name}.json"


def _git(*words: str) -> str:
    try:
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
