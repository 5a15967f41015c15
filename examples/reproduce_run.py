"""One run: a network trained, pruned or taught as its row says, and what it says of the clips it never heard."""

import math
from collections.abc import Callable
from typing import Any

from reproduce_pruning import alone, as_costly, at_rate, continued, from_scratch, pruned
from reproduce_teaching import best, distilled
from reproduce_training import Run, Trained

from quatnet.errors import ConfigError
from quatnet.profile import count_parameters, multiplications

EPOCHS = {"esc10": 40, "esc50": 30, "ravdess": 40, "smoke": 2}
LONGER = 3  # times as many
KINDS: dict[str, Callable[[Run, int], Trained]] = {
    "": alone,
    "frontend": alone,
    "long": lambda run, epochs: alone(run, LONGER * epochs),
    "rate": at_rate,
    "prune": pruned,
    "continue": continued,
    "scratch": from_scratch,
    "distil": distilled,
    "equal": as_costly,
    "best": best,
}


def result(run: Run) -> dict[str, Any]:
    """Return what came out, for the records; a training that went astray has "failed" instead of an accuracy."""
    epochs, frames = EPOCHS[run.row.data], run.task.frontend.frames
    try:
        trained = KINDS[run.row.kind](run, epochs)
    except ConfigError as error:
        return {"fold": run.fold, "seed": run.seed, "failed": str(error)}
    config = trained.model.config
    products_16, products_8 = multiplications(config, frames)
    judged = {"accuracy": run.task.score(run.task.answers(trained.model))}
    if not math.isfinite(trained.loss):
        judged = {"failed": f"the loss is {trained.loss} after {trained.epochs} epochs"}
    return {
        "fold": run.fold,
        "seed": run.seed,
        **judged,
        "clips": run.task.facts["test"],
        "parameters": count_parameters(trained.model),
        "multiplications_16": products_16,
        "multiplications_8": products_8,
        "widths": config.widths,
        "embedding": config.embedding,
        "loss": round(trained.loss, 4),
        "epochs": trained.epochs,
        "train_seconds": round(trained.seconds, 1),
        "total_seconds": round(trained.total("seconds"), 1),
        "train_multiplications": trained.work,
        "total_multiplications": trained.total("work"),
    }
