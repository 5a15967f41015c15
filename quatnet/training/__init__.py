"""Training of networks: training loop, batches, metrics, checkpoints, results, transfer and weight averaging."""

from .augmentation import augmentation, default_augmentation
from .checkpoint import load_model
from .data import DataLoader, evaluate, predict
from .fit import fit
from .loop import Progress, Trainer
from .metrics import accuracy, confusion_matrix
from .results import result_row, results_table, run_metadata, summarize
from .transfer import freeze_backbone, with_new_head
from .weight_average import WeightAverage

__all__ = [
    "DataLoader", "Progress", "Trainer", "WeightAverage", "accuracy", "augmentation", "confusion_matrix",
    "default_augmentation", "evaluate", "fit", "freeze_backbone", "load_model", "predict", "result_row",
    "results_table", "run_metadata", "summarize", "with_new_head",
]  # fmt: skip
