"""Checkpoints: `.npz` files with the config and the arrays of a model, and the state of its training.

A checkpoint contains named arrays and a JSON header. Reading does not use pickle.
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
from ..graph import Graph, GraphModule
from ..graph.files import decode, from_json, to_json
from ..models import Network, build, config_from_dict

FORMAT = "quatnet checkpoint 2"
ArrayGroups = Mapping[str, Mapping[str, np.ndarray]]


def write(
    path: str | os.PathLike,
    model: Student,
    header: Mapping[str, Any],
    groups: ArrayGroups | None = None,
    *,
    graph: Graph | None = None,
) -> None:
    """Save `model` with the JSON `header` and further `groups` of arrays.

    The config of a network of `quatnet.models`, or the `graph` of another network, is also saved. The file is written
    with `files.atomic_write`.
    """
    config = getattr(model, "config", None)
    arrays: dict[str, Any] = {
        f"{group}/{name}": array for group, members in (groups or {}).items() for name, array in members.items()
    }
    arrays |= {f"model/{name}": array for name, array in model.state_dict().items()}
    header = {"format": FORMAT, "config": asdict(config) if config else None, **header}
    if graph is not None:
        header["graph"] = to_json(graph)
        arrays |= {f"graph/{name}": array for name, array in graph.arrays.items() if graph.kinds[name] == "constant"}
    with atomic_write(path) as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


def read(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """Return the header and the groups of arrays of a checkpoint.

    Raises CheckpointError if the file is missing, truncated, not a checkpoint, or a checkpoint of another format.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("header" if "header" in arrays else "about")))
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except (KeyError, ValueError, TypeError, EOFError, OSError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} is truncated or not a quatnet checkpoint ({type(error).__name__}); train the network again"
        ) from error
    found = header.get("format") if isinstance(header, dict) else None
    if found != FORMAT:
        raise CheckpointError(f"{path}: expected the format {FORMAT!r}, got {found!r:.80}; train the network again")
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = array
    return header, groups


def load_model(path: str | os.PathLike) -> Network | GraphModule:
    """Return the network of a checkpoint, as a `GraphModule` if the network is not of `quatnet.models`.

    Raises CheckpointError if the checkpoint has neither a config nor a graph, or if the arrays do not match.
    """
    header, groups = read(Path(path))
    if "graph" in header:
        arrays = groups.get("graph", {}) | groups.get("model", {})
        try:
            return GraphModule(from_json(header["graph"], {n: arrays[n] for n in decode(header["graph"]["kinds"])}))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} has no usable graph: {error}") from error
    if header.get("config") is None:
        raise CheckpointError(
            f"{path} has only arrays, since the network could not be traced: build the network, then call "
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
