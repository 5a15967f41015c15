"""Training settings of the experiments: batch size, optimizer, learning rate schedule and augmentation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from quatnet import audio
from quatnet.optim import Adam, AdamW, Optimizer, one_cycle

one_cycle_schedule = partial(one_cycle, pct_start=0.25)
adamw = partial(AdamW, weight_decay=0.05)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training.

    Parameters
    ----------
    batch_size : clips per batch
    max_lr : highest learning rate
    schedule : function of (step, total_steps, max_lr=...), returns the learning rate of a step
    optimizer : function of the parameters, returns the optimizer
    label_smoothing : weight of the uniform distribution in the targets
    mixup_alpha : parameter of the beta distribution of mixup
    """

    batch_size: int = 16
    max_lr: float = 4e-3
    schedule: Callable[..., float] = one_cycle_schedule
    optimizer: Callable[..., Optimizer] = adamw
    label_smoothing: float = 0.1
    mixup_alpha: float = 0.2


def constant_lr(_step: int, _total_steps: int, *, max_lr: float) -> float:
    """Return `max_lr` for every step."""
    return max_lr


FROM_SCRATCH = TrainConfig()
# The transfer of PANNs to GTZAN (Q. Kong and others, 2020, released code)
TRANSFER = TrainConfig(32, 1e-4, constant_lr, partial(Adam, amsgrad=True), label_smoothing=0.0, mixup_alpha=1.0)
# PANNs on AudioSet, except that the learning rate decreases at the end
AUDIOSET = TrainConfig(32, 1e-3, optimizer=partial(Adam, amsgrad=True), label_smoothing=0.0, mixup_alpha=1.0)


def augment(
    x: np.ndarray, targets: np.ndarray, rng: np.random.Generator, *, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch after a random time shift, one time mask and one frequency mask, and mixup."""
    x = audio.time_shift(x, rng=rng)
    x = audio.spec_augment(x, rng=rng, num_masks=1, max_frames=x.shape[1] // 8, max_mels=8)
    return audio.mixup(x, targets, rng=rng, alpha=alpha)
