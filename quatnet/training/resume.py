"""State of a training in its checkpoint, read to continue the training, and the graph that the checkpoint contains."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import CheckpointError
from ..graph import Graph, trace
from ..nn import Module
from ..optim import Optimizer
from . import checkpoint
from .progress import Progress, read_generator_state, read_progress

Arrays = dict[str, np.ndarray]


@dataclass
class SavedState:
    """State of a training in a checkpoint.

    Parameters
    ----------
    progress : completed epochs and steps
    data_rng : state of the generator of shuffling and augmentation at the start of the epoch
    dropout_rng : state of the generator of dropout
    model, optimizer : `state_dict` of the network and of the optimizer
    best : arrays of the network with the highest score, empty without `keep_best`
    frontend_settings : settings of the front end of the training clips, if they are known
    """

    progress: Progress
    data_rng: Mapping[str, Any]
    dropout_rng: Mapping[str, Any]
    model: Arrays
    optimizer: Arrays
    best: Arrays
    frontend_settings: dict[str, Any] | None


def read_state(
    path: Path | None, model: Module, optimizer: Optimizer, metadata: Mapping[str, Any], *, metrics: set[str]
) -> SavedState:
    """Return the state of the training with the given `metadata`, whose history has all `metrics`.

    Raises CheckpointError if `path` is None, if the checkpoint is of another training or damaged, or if its arrays do
    not fit `model` and `optimizer`, which do not change.
    """
    header, groups = checkpoint.read(path) if path else ({}, {})
    training = header.get("training")
    found = training.get("metadata") if isinstance(training, dict) else None
    if not isinstance(training, dict) or found != metadata:
        raise CheckpointError(
            f"{path} comes from another run: {_differences(found, metadata)}; choose another path, or do not resume"
        )
    arrays = {name: groups.get(name, {}) for name in ("model", "optimizer", "best")}
    limits = {key: metadata[key] for key in ("epochs", "steps_per_epoch")}
    try:
        optimizer.check_state_dict(arrays["optimizer"])
        model.check_state_dict(arrays["model"])
        model.check_state_dict(arrays["best"] or arrays["model"])
        progress = read_progress(training.get("progress"), **limits, metrics=metrics)
        data_rng, dropout_rng = (read_generator_state(name, training.get(name)) for name in ("data_rng", "dropout_rng"))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return SavedState(progress, data_rng, dropout_rng, **arrays, frontend_settings=header.get("frontend"))


def _differences(found: Any, expected: Mapping[str, Any]) -> str:
    """Return the metadata that differ, as text."""
    if not isinstance(found, dict):
        return "it has no metadata"
    pairs = {key: (found.get(key, "missing"), expected.get(key, "missing")) for key in {**expected, **found}}
    return ", ".join(
        f"{key} is {old!r:.200} instead of {new!r:.200}" for key, (old, new) in pairs.items() if old != new
    )


def trace_or_warn(model: Module, example: Array) -> Graph | None:
    """Return the graph of `model`, or None with a warning if the network cannot be traced."""
    try:
        return trace(model, example)
    except Exception as error:  # the network may raise any exception for the inputs of `trace`
        warnings.warn(f"the checkpoint has no graph, because the network cannot be traced: {error}", stacklevel=2)
        return None
