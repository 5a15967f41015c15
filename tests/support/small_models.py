"""A small random classifier and recordings for the tests of model files and commands."""

import numpy as np

from quatnet import Classifier, models
from quatnet.audio import FrontEnd

FRONTEND = FrontEnd(sample_rate_hz=8000, high_hz=4000.0, window=256, hop=80, mels=16, clip_seconds=1.0)
CLASSES = ("cat", "dog", "rain, heavy")


def small_classifier(frontend: FrontEnd = FRONTEND, classes=CLASSES, **options) -> Classifier:
    """Return a classifier with random weights."""
    config = models.CNNConfig(len(classes), True, ((4,), (8,)), embedding=8, mels=frontend.mels)
    return Classifier(models.build(config, rng=np.random.default_rng(0)), frontend, classes, **options)


def noise(seconds: float, rate_hz: int = 8000, seed: int = 0) -> np.ndarray:
    """Return noise whose level changes every half second."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * rate_hz)
    levels = np.repeat(rng.uniform(-3, -0.5, -(-samples * 2 // rate_hz)), -(-rate_hz // 2))[:samples]
    return np.clip(0.3 * 10**levels * rng.standard_normal(samples), -0.99, 0.99).astype(np.float32)
