"""Test helper for the files that an experiment writes."""

import json
from pathlib import Path

import matplotlib.image
import numpy as np

from quatnet.training import load_model

KEYS = {
    "name",
    "parameters",
    "multiplications_16",
    "multiplications_8",
    "ms_per_clip",
    "train_seconds",
}
PLOTS = ["quaternion_input", "training_curves", "accuracy_against_cost", "pruning"]
PLOT_OF_METRIC = {"accuracy": "confusion", "mAP": "average_precision"}


def check_results(out: Path) -> dict:
    """Return the content of results.json. Assert that results, checkpoints and plots are complete."""
    results = json.loads((out / "results.json").read_text())
    assert len(results["models"]) == 5
    for row in results["models"]:
        assert row.keys() >= KEYS, f"missing keys in results.json: {KEYS - row.keys()}"
        assert 0 <= row[results["metric"]] <= 1
        assert min(row[key] for key in KEYS - {"name"}) > 0
        checkpoint = load_model(out / f"{row['name'].replace(' ', '-')}.npz")
        assert sum(tensor.data.size for tensor in checkpoint.parameters()) == row["parameters"]
    for plot in [*PLOTS, PLOT_OF_METRIC[results["metric"]]]:
        pixels = matplotlib.image.imread(out / f"{plot}.png")
        assert min(pixels.shape[:2]) > 300, f"expected more than 300 x 300 pixels in {plot}.png, got {pixels.shape}"
        colors = np.unique((255 * pixels).astype(np.uint8).view(np.uint32))
        assert len(colors) > 50, f"expected more than 50 colors in {plot}.png"
    return results
