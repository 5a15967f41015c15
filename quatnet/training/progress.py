"""Progress of a training, and its validation when it is read from a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CheckpointError

MAX_NUMBER = 1e300  # a larger number in a checkpoint is not converted to float


@dataclass
class Progress:
    """State of a training.

    `epoch` is the number of completed epochs. `step` and `totals` belong to the current epoch. The totals are the
    summed loss, the correct clips (negative without class probabilities) and all clips. `history` contains the metrics
    of each completed epoch.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    totals: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    history: list[dict[str, float]] = field(default_factory=list)


def read_progress(fields: Any, *, epochs: int, steps_per_epoch: int, metrics: set[str]) -> Progress:
    """Return the `Progress` with the given `fields`, the inverse of `dataclasses.asdict`.

    Raises CheckpointError for missing fields, values of another type or out of range, and if an epoch of the history
    does not contain all `metrics`.
    """
    if not isinstance(fields, dict) or fields.keys() != vars(Progress()).keys():
        raise CheckpointError(f"expected the progress of a training, got {fields!r:.80}")
    progress = Progress(**fields)
    if not (_is_count(progress.epoch, epochs) and _is_count(progress.step, steps_per_epoch)):
        raise CheckpointError(
            f"expected at most {epochs} epochs and {steps_per_epoch} steps, "
            f"got {progress.epoch!r:.80} and {progress.step!r:.80}"
        )
    totals, history = progress.totals, progress.history
    valid = isinstance(totals, list) and len(totals) == 3 and all(map(_is_number, [progress.seconds, *totals]))
    if not valid or not isinstance(history, list) or len(history) != progress.epoch:
        raise CheckpointError("expected seconds, three totals and the metrics of each epoch, got other values")
    if not all(isinstance(epoch, dict) and metrics <= epoch.keys() for epoch in history):
        raise CheckpointError(f"expected the metrics {', '.join(sorted(metrics))} of each epoch, got others")
    if not all(_is_number(value) for epoch in history for value in epoch.values()):
        raise CheckpointError("expected numbers as the metrics of each epoch, got other values")
    return progress


def _is_count(value: Any, maximum: int) -> bool:
    return type(value) is int and 0 <= value <= maximum


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < MAX_NUMBER


def read_generator_state(name: str, state: Any) -> Mapping[str, Any]:
    """Return the state of a random generator. Raises CheckpointError if it is not a state of NumPy's PCG64."""
    generator = np.random.PCG64()
    try:
        generator.state = state
    except (TypeError, ValueError, KeyError, OverflowError, AttributeError) as error:
        raise CheckpointError(f"{name}: expected the state of a random generator, got {state!r:.80}") from error
    if generator.state != state:
        raise CheckpointError(f"{name}: expected the state of a random generator, got {state!r:.80}")
    return state
