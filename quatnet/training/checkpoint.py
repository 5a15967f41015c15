"""Checkpoints: `.npz` files with the config and the arrays of a model, and the state of its training.

A checkpoint contains named arrays and a JSON header. Reading does not use pickle.
"""

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ..backend import Array, asnumpy, xp
from ..errors import CheckpointError
from ..graph import Graph, GraphModule, trace
from ..graph.files import decode, from_json, to_json
from ..graph.nodes import sizes
from ..models import Network, build, config_from_dict
from ..models.build import check_size, is_built_in
from ..nn import Module
from ..npz import parse_json, read_npz, write_npz

FORMAT = "quatnet checkpoint 2"
ArrayGroups = Mapping[str, Mapping[str, np.ndarray]]


def write(
    path: str | os.PathLike,
    model: Module,
    header: Mapping[str, Any],
    groups: ArrayGroups | None = None,
    *,
    graph: Graph | None = None,
) -> None:
    """Save `model` with the JSON `header` and further `groups` of arrays.

    The config of a network of `quatnet.models`, or the `graph` of another network, is also saved. The file is written
    with `npz.write_npz`.
    """
    config = getattr(model, "config", None) if is_built_in(model) else None
    groups = {**(groups or {}), "model": model.state_dict()}
    arrays: dict[str, Any] = {f"{group}/{name}": groups[group][name] for group in groups for name in groups[group]}
    settings = getattr(model, "frontend_settings", None)
    header = {"format": FORMAT, "config": asdict(config) if config else None, "frontend": settings, **header}
    if graph is not None:
        header["graph"] = to_json(graph)
        constants = (name for name in graph.arrays if graph.kinds[name] == "constant")
        arrays |= {f"graph/{name}": asnumpy(graph.arrays[name]) for name in constants}
    write_npz(path, {"header": np.array(json.dumps(header, allow_nan=False))} | arrays)


def read(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """Return the header and the groups of arrays of a checkpoint.

    Raises CheckpointError if the file is missing, truncated, not a checkpoint, or a checkpoint of another format.
    """
    arrays = read_npz(path)
    try:
        header = parse_json(str(arrays.pop("header" if "header" in arrays else "about")))
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is not a quatnet checkpoint: it has no JSON header ({error!s:.80})") from error
    found = header.get("format") if isinstance(header, dict) else None
    if found != FORMAT:
        raise CheckpointError(f"{path}: expected the format {FORMAT!r}, got {found!r:.80}; train the network again")
    if not isinstance(header.get("frontend"), dict | None):
        raise CheckpointError(f"{path}: expected the settings of a front end, got {header['frontend']!r:.80}")
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = array
    return header, groups


def load_model(path: str | os.PathLike) -> Network | GraphModule:
    """Return the network of a checkpoint, as a `GraphModule` if the network is not of `quatnet.models`.

    The attribute `frontend_settings` of the network contains the settings of the front end of the training clips, if
    they are known. Raises CheckpointError if the checkpoint has neither a config nor a graph, or if the arrays do not
    match.
    """
    header, groups = read(path)
    arrays = groups.get("model", {})
    if "graph" not in header and header.get("config") is None:
        raise CheckpointError(
            f"{path} has only arrays, since the network could not be traced: build the network, then call "
            'load_state_dict(checkpoint.read(path)[1]["model"])'
        )
    model: Network | GraphModule
    try:
        if "graph" in header:
            arrays = groups.get("graph", {}) | arrays
            names = decode(header["graph"]["kinds"])
            model = GraphModule(from_json(header["graph"], {name: arrays[name] for name in names}))
        else:
            config = config_from_dict(header["config"])
            check_size(config, arrays)
            model = build(config, rng=np.random.default_rng(0))
            model.load_state_dict(arrays)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{path} contains no usable network: {error!s:.500}") from error
    model.frontend_settings = header.get("frontend")
    return model


def example_input(header: Mapping[str, Any]) -> Array | None:
    """Return zeros of the shape of an input of the network of a checkpoint, or None without a graph of one input."""
    try:
        (shape,) = decode(header["graph"]["inputs"]).values()
        return xp.zeros(sizes(shape), dtype=np.float32)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def trace_or_warn(model: Module, example: Array) -> Graph | None:
    """Return the graph of `model`, or None with a warning if the network cannot be traced."""
    try:
        return trace(model, example)
    except Exception as error:  # the network may raise any exception for the inputs of `trace`
        warnings.warn(f"the checkpoint has no graph, because the network cannot be traced: {error}", stacklevel=2)
        return None
