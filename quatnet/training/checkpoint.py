"""One `.npz` file per model: its config, its arrays, and where training had come to.

A file is written under a temporary name, flushed to the disk and renamed, so that a name never stands for
half a file. It is read without pickle: arrays and one JSON text, nothing that could run.
"""

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..distill import Student
from ..errors import CheckpointError
from ..models import Network, build, config_of

FORMAT = "quatnet checkpoint 2"
Groups = Mapping[str, Mapping[str, np.ndarray]]


def write(path: Path, model: Student, facts: Mapping[str, Any], groups: Groups | None = None) -> None:
    """Save `model` with `facts` (JSON) and further `groups` of arrays, all or nothing."""
    arrays: dict[str, Any] = {
        f"{group}/{name}": a for group, part in (groups or {}).items() for name, a in part.items()
    }
    arrays |= {f"model/{name}": array for name, array in model.state_dict().items()}
    about = {"format": FORMAT, "config": asdict(model.config), **facts}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """Return the facts and the groups of arrays in a checkpoint; CheckpointError where it is not a whole one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except (KeyError, ValueError, TypeError, EOFError, OSError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} is truncated or no quatnet checkpoint ({type(error).__name__}); train it again"
        ) from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no {FORMAT!r}: it says {about!r:.80}")
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = array
    return about, groups


def load_model(path: Path) -> Network:
    """Rebuild the network of a checkpoint; CheckpointError where config and arrays do not fit together."""
    about, groups = read(Path(path))
    try:
        config = config_of(about["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} has no usable network config: {error}") from error
    model = build(config, rng=np.random.default_rng(0))
    try:
        model.load_state_dict(groups.get("model", {}))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return model
