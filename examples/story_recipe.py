"""How a network of the story is trained, and what is done to its batches."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from quatnet import audio
from quatnet.optim import Adam, AdamW, Optimizer, one_cycle

warm_cycle = partial(one_cycle, pct_start=0.25)
decayed = partial(AdamW, weight_decay=0.05)


@dataclass(frozen=True)
class Recipe:
    """How one network is trained: batches and what is done to them, optimizer, learning rate of each step."""

    batch: int = 16
    peak: float = 4e-3
    schedule: Callable[..., float] = warm_cycle  # step, total, peak
    optimizer: Callable[[dict], Optimizer] = decayed
    label_smoothing: float = 0.1
    mixup: float = 0.2


def constant(_step: int, _total: int, *, max_lr: float) -> float:
    return max_lr


FROM_NOTHING = Recipe()
# Of the transfer of PANNs to GTZAN (Q. Kong and others, 2020, released code)
TRANSFER = Recipe(32, 1e-4, constant, partial(Adam, amsgrad=True), label_smoothing=0.0, mixup=1.0)


def augment(
    x: np.ndarray, targets: np.ndarray, rng: np.random.Generator, *, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """No clip comes twice: shifted in time, with stripes masked, and mixed with another."""
    x = audio.time_shift(x, rng=rng)
    x = audio.spec_augment(x, rng=rng, num_masks=1, max_frames=x.shape[1] // 8, max_mels=8)
    return audio.mixup(x, targets, rng=rng, alpha=alpha)
