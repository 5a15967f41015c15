"""Progress of a training, and the state of a training that is read from its checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..nn import Module
from ..optim import Optimizer
from . import checkpoint

MAX_NUMBER = 1e300  # a larger number in a checkpoint is not converted to float


@dataclass
class Progress:
    """State of a training.

    `epoch` is the number of completed epochs. `step` and `totals` belong to the current epoch. The totals are the
    summed loss, the correct clips (negative without class probabilities) and all clips. `history` contains the metrics
    of each completed epoch. `seconds` is the time of all epochs, without `evaluate` and without writing checkpoints.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    totals: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    history: list[dict[str, float]] = field(default_factory=list)


def read_state(
    path: Path | None, model: Module, optimizer: Optimizer, metadata: Mapping[str, Any], *, metrics: set[str]
) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]], Progress]:
    """Return the header, the groups of arrays and the progress of the checkpoint of a training.

    Raises CheckpointError if `path` is None, if the checkpoint is of a training with other `metadata` or damaged, if
    its history does not have all `metrics`, or if its arrays do not fit `model` and `optimizer`, which do not change.
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
        for name in ("data_rng", "dropout_rng"):
            _check_generator_state(name, training.get(name))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return header, arrays, progress


def _differences(found: Any, expected: Mapping[str, Any]) -> str:
    """Return the metadata that differ, as text."""
    if not isinstance(found, dict):
        return "it has no metadata"
    pairs = {key: (found.get(key, "missing"), expected.get(key, "missing")) for key in {**expected, **found}}
    changes = (f"{key} is {old!r:.200} instead of {new!r:.200}" for key, (old, new) in pairs.items() if old != new)
    return ", ".join(changes)


def read_progress(fields: Any, *, epochs: int, steps_per_epoch: int, metrics: set[str]) -> Progress:
    """Return the `Progress` with the given `fields`, the inverse of `dataclasses.asdict`.

    Raises CheckpointError for missing fields, values of another type or out of range, and if an epoch of the history
    does not contain all `metrics`.
    """
    if not isinstance(fields, dict) or fields.keys() != vars(Progress()).keys():
        raise CheckpointError(f"expected the progress of a training, got {fields!r:.80}")
    counts = {"epoch": epochs, "step": steps_per_epoch}
    if not all(type(fields[key]) is int and 0 <= fields[key] <= maximum for key, maximum in counts.items()):
        raise CheckpointError(
            f"expected at most {epochs} epochs and {steps_per_epoch} steps, "
            f"got {fields['epoch']!r:.80} and {fields['step']!r:.80}"
        )
    totals, history = fields["totals"], fields["history"]
    valid = isinstance(totals, list) and len(totals) == 3 and isinstance(history, list)
    if not valid or len(history) != fields["epoch"] or not all(isinstance(epoch, dict) for epoch in history):
        raise CheckpointError("expected three totals and the metrics of each epoch, got other values")
    if not all(metrics <= epoch.keys() for epoch in history):
        raise CheckpointError(f"expected the metrics {', '.join(sorted(metrics))} of each epoch, got others")
    numbers = [fields["seconds"], *totals, *(value for epoch in history for value in epoch.values())]
    if not all(type(number) in (int, float) and abs(number) < MAX_NUMBER for number in numbers):
        raise CheckpointError("expected numbers as seconds, totals and metrics, got other values")
    return Progress(**fields)


def _check_generator_state(name: str, state: Any) -> None:
    """Raise CheckpointError if `state` is not a state of NumPy's PCG64."""
    generator = np.random.PCG64()
    try:
        generator.state = state
        valid = generator.state == state
    except (TypeError, ValueError, KeyError, OverflowError, AttributeError):
        valid = False
    if not valid:
        raise CheckpointError(f"{name}: expected the state of a random generator, got {state!r:.80}")
