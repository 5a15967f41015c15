"""Training of networks: training loop, batches, metrics, checkpoints, results, transfer and weight averaging."""

from .checkpoint import load_model
from .data import DataLoader, augmentation, default_augmentation, evaluate, predict
from .fit import fit
from .loop import Progress, Trainer
from .metrics import accuracy, confusion_matrix
from .recipe import default_epochs, linear_baseline, network_config
from .recordings import Split, default_frontend, load_split, train_classifier
from .report import evaluate_test, format_report, write_report
from .results import result_row, results_table, run_metadata, summarize
from .transfer import freeze_backbone, with_new_head
from .weight_average import WeightAverage

__all__ = [
    "DataLoader", "Progress", "Split", "Trainer", "WeightAverage", "accuracy", "augmentation", "confusion_matrix",
    "default_augmentation", "default_epochs", "default_frontend", "evaluate", "evaluate_test", "fit", "format_report",
    "freeze_backbone", "linear_baseline", "load_model", "load_split", "network_config", "predict", "result_row",
    "results_table", "run_metadata", "summarize", "train_classifier", "with_new_head", "write_report",
]  # fmt: skip
