"""Records of the runs of docs/results.md: a JSON file for each row, with a line for each fold and seed.

Each line contains the results of a run, and the command, commit, machine and software versions of the run.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rows import Row

import quatnet
from quatnet.cli.info import processor
from quatnet.errors import DataError
from quatnet.files import atomic_write, locked
from quatnet.npz import parse_json

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "docs" / "results"


def read_runs(row: Row, folder: Path) -> list[dict[str, Any]]:
    """Return the recorded runs of a row. The list is empty if the row has no file.

    Raises DataError if the file is damaged.
    """
    path = _path(row, folder)
    try:
        runs = parse_json(path.read_text())["runs"] if path.exists() else []
        if not all({"fold", "seed"} <= run.keys() for run in runs):
            raise ValueError("a run without fold or seed")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is not a file of recorded runs ({error}); restore or delete it") from error
    return runs


def save_run(row: Row, run: dict[str, Any], folder: Path) -> None:
    """Add a run to the file of its row. An earlier run of the same fold and seed is replaced."""
    fold_and_seed, path = (run["fold"], run["seed"]), _path(row, folder)
    run = run | provenance(row, *fold_and_seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):  # parallel runs must not replace the records of each other
        others = [other for other in read_runs(row, folder) if (other["fold"], other["seed"]) != fold_and_seed]
        runs = sorted([*others, run], key=lambda run: (run["seed"], run["fold"]))
        lines = ",\n".join(json.dumps(run) for run in runs)
        with atomic_write(path) as file:
            file.write(f'{{"row": "{row.name}", "runs": [\n{lines}\n]}}\n'.encode())


def missing_splits(row: Row, splits: Iterable[tuple[int, int]], folder: Path) -> list[tuple[int, int]]:
    """Return the (fold, seed) pairs that have no recorded run."""
    done = {(run["fold"], run["seed"]) for run in read_runs(row, folder)}
    return [split for split in splits if split not in done]


def provenance(row: Row, fold: int, seed: int) -> dict[str, Any]:
    """Return the command that repeats a run, and the commit, machine, versions and number of threads."""
    teacher = " --teacher FILE" if row.needs_cached_teacher else ""
    command = f"python examples/reproduce {row.name} --fold {fold} --seed {seed} --data DIR{teacher}"
    return {"command": command, **environment(), "threads": quatnet.thread_count()}


def environment(*packages: str) -> dict[str, Any]:
    """Return commit, machine, and the versions of Python, quatnet, NumPy, the BLAS of NumPy, and `packages`."""
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


def _git(*arguments: str) -> str:
    try:
        command = ["git", "-C", ROOT, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
