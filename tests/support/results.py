"""What a run of an example must have left behind."""

import json
from pathlib import Path

import matplotlib.image
import numpy as np

from quatnet.training.checkpoint import load_model

KEYS = {
    "name",
    "parameters",
    "multiplications_16",
    "multiplications_8",
    "ms_per_clip",
    "train_seconds",
}
PICTURES = ["quaternion_input", "training_curves", "accuracy_against_cost", "pruning"]
LAST_PICTURE = {"accuracy": "confusion", "mAP": "precision_of_classes"}


def check_results(out: Path) -> dict:
    """Raise AssertionError unless results, checkpoints and pictures are complete; return the results."""
    results = json.loads((out / "results.json").read_text())
    assert len(results["models"]) == 5
    for row in results["models"]:
        assert row.keys() >= KEYS, f"missing: {KEYS - row.keys()}"
        assert 0 <= row[results["score"]] <= 1
        assert min(row[key] for key in KEYS - {"name"}) > 0
        checkpoint = load_model(out / f"{row['name'].replace(' ', '-')}.npz")
        assert sum(tensor.data.size for tensor in checkpoint.parameters()) == row["parameters"]
    for picture in [*PICTURES, LAST_PICTURE[results["score"]]]:
        pixels = matplotlib.image.imread(out / f"{picture}.png")
        assert min(pixels.shape[:2]) > 300, f"{picture}.png is only {pixels.shape}"
        assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 50, f"{picture}.png is blank"
    return results
