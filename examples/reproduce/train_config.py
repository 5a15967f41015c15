"""Training settings of the experiments: batch size, optimizer, learning-rate schedule and augmentation."""

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
    """The settings of a training.

    Parameters
    ----------
    batch_size : clips per batch
    max_lr : maximum learning rate
    schedule : function of (step, total_steps, max_lr=...), returns the learning rate of a step
    optimizer : function of the parameters, returns the optimizer
    label_smoothing : weight of the uniform distribution in the targets
    mixup_alpha : parameter of the beta distribution of mixup
    masks : number of time masks and of frequency masks of SpecAugment
    masked_frames, masked_mels : largest width of a mask, as a fraction of the frames and in mel bins
    """

    batch_size: int = 16
    max_lr: float = 4e-3
    schedule: Callable[..., float] = one_cycle_schedule
    optimizer: Callable[..., Optimizer] = adamw
    label_smoothing: float = 0.1
    mixup_alpha: float = 0.2
    masks: int = 1
    masked_frames: float = 1 / 8
    masked_mels: int = 8


def constant_lr(_step: int, _total_steps: int, *, max_lr: float) -> float:
    """Return `max_lr` for every step, a constant learning rate."""
    return max_lr


FROM_SCRATCH = TrainConfig()
STRONG_AUGMENTATION = TrainConfig(mixup_alpha=0.3, masks=2, masked_frames=1 / 6, masked_mels=10)  # rows epochs-N
# Transfer learning of PANNs on GTZAN (Q. Kong et al., 2020, released code)
TRANSFER = TrainConfig(32, 1e-4, constant_lr, partial(Adam, amsgrad=True), label_smoothing=0.0, mixup_alpha=1.0)
# Training of PANNs on AudioSet, with a learning rate that decreases at the end
AUDIOSET = TrainConfig(32, 1e-3, optimizer=partial(Adam, amsgrad=True), label_smoothing=0.0, mixup_alpha=1.0)


def augment(
    x: np.ndarray, targets: np.ndarray, rng: np.random.Generator, *, config: TrainConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Apply a random time shift, time masks, frequency masks, and mixup to a batch."""
    x = audio.time_shift(x, rng=rng)
    max_frames = int(x.shape[1] * config.masked_frames)
    x = audio.spec_augment(x, rng=rng, num_masks=config.masks, max_frames=max_frames, max_mels=config.masked_mels)
    return audio.mixup(x, targets, rng=rng, alpha=config.mixup_alpha)
