"""Training and evaluation of one run."""

from collections.abc import Callable
from typing import Any

from distillation_rows import distill, train_best
from pruning_rows import (
    finetune_unpruned,
    prune_and_finetune,
    train_at_distillation_cost,
    train_from_scratch,
    train_pruned_size,
    train_with_scaled_lr,
)
from row_training import Run, TrainResult

from quatnet.errors import ConfigError, NonFiniteError
from quatnet.profile import count_parameters, multiplications

EPOCHS = {"esc10": 40, "esc50": 30, "ravdess": 40, "smoke": 2}
LONG_FACTOR = 3
TRAINING: dict[str, Callable[[Run, int], TrainResult]] = {  # change of the row -> training function
    "": train_from_scratch,
    "frontend": train_from_scratch,
    "long": lambda run, epochs: train_from_scratch(run, LONG_FACTOR * epochs),
    "rate": train_with_scaled_lr,
    "prune": prune_and_finetune,
    "continue": finetune_unpruned,
    "scratch": train_pruned_size,
    "distil": distill,
    "equal": train_at_distillation_cost,
    "best": train_best,
}


def run_row(run: Run) -> dict[str, Any]:
    """Train and evaluate a run, and return the result for the records.

    The result of a diverged training has the key "failed" instead of "accuracy".
    """
    epochs, frames = run.row.epochs or EPOCHS[run.row.dataset], run.task.frontend.frames
    try:
        result = TRAINING[run.row.change](run, epochs)
    except (ConfigError, NonFiniteError) as error:
        return {"fold": run.fold, "seed": run.seed, "failed": str(error)}
    config = result.model.config
    products_16, products_8 = multiplications(config, frames)
    return {
        "fold": run.fold,
        "seed": run.seed,
        "accuracy": run.task.metric(run.task.predict_test(result.model)),
        "clips": run.task.metadata["test"],
        "train_clips": run.task.metadata["train"],
        "parameters": count_parameters(result.model),
        "multiplications_16": products_16,
        "multiplications_8": products_8,
        "widths": config.widths,
        "embedding": config.embedding,
        "loss": round(result.loss, 4),
        "epochs": result.epochs,
        "train_seconds": round(result.seconds, 1),
        "total_seconds": round(result.total("seconds"), 1),
        "train_multiplications": result.multiplications,
        "total_multiplications": result.total("multiplications"),
    }
