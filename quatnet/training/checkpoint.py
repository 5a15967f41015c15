"""One `.npz` file per model: its config, its arrays, and the state of its training.

The file is read without pickle: it holds arrays and one JSON text.
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
from ..files import atomic_write
from ..models import Network, build, config_from_dict

FORMAT = "quatnet checkpoint 2"
ArrayGroups = Mapping[str, Mapping[str, np.ndarray]]


def write(
    path: str | os.PathLike, model: Student, header: Mapping[str, Any], groups: ArrayGroups | None = None
) -> None:
    """Save `model` with the JSON `header` and further `groups` of arrays, all or nothing.

    The config of a built-in network is stored too; of any other network only the arrays.
    """
    config = getattr(model, "config", None)
    arrays: dict[str, Any] = {
        f"{group}/{name}": array for group, members in (groups or {}).items() for name, array in members.items()
    }
    arrays |= {f"model/{name}": array for name, array in model.state_dict().items()}
    header = {"format": FORMAT, "config": asdict(config) if config else None, **header}
    with atomic_write(path) as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


def read(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """Return the header and the groups of arrays of a checkpoint.

    Raises CheckpointError where the file is missing, truncated, no checkpoint, or one of another format.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("header" if "header" in arrays else "about")))
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except (KeyError, ValueError, TypeError, EOFError, OSError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} is truncated or no quatnet checkpoint ({type(error).__name__}); train it again"
        ) from error
    found = header.get("format") if isinstance(header, dict) else None
    if found != FORMAT:
        raise CheckpointError(f"{path}: expected the format {FORMAT!r}, got {found!r:.80}; train the network again")
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = array
    return header, groups


def load_model(path: str | os.PathLike) -> Network:
    """Return the built-in network of a checkpoint.

    Raises CheckpointError for a checkpoint of another network, or where config and arrays do not fit together.
    """
    header, groups = read(Path(path))
    if header.get("config") is None:
        raise CheckpointError(
            f"{path} holds no built-in network, only its arrays: build the network, then call "
            'load_state_dict(checkpoint.read(path)[1]["model"])'
        )
    try:
        config = config_from_dict(header["config"])
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} has no usable network config: {error}") from error
    model = build(config, rng=np.random.default_rng(0))
    try:
        model.load_state_dict(groups.get("model", {}))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return model
