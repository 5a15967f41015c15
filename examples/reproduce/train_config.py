"""Training settings of the experiments: batch size, optimizer, learning-rate schedule and augmentation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from quatnet.optim import Adam, AdamW, Optimizer, one_cycle
from quatnet.training import augmentation
from quatnet.training.data import Augment

one_cycle_schedule = partial(one_cycle, pct_start=0.25)
adamw = partial(AdamW, weight_decay=0.05)
DEFAULT_AUGMENTATION = augmentation()


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
    augment : augmentation of a batch
    """

    batch_size: int = 16
    max_lr: float = 4e-3
    schedule: Callable[..., float] = one_cycle_schedule
    optimizer: Callable[..., Optimizer] = adamw
    label_smoothing: float = 0.1
    augment: Augment = DEFAULT_AUGMENTATION


def constant_lr(_step: int, _total_steps: int, *, max_lr: float) -> float:
    """Return `max_lr` for every step, a constant learning rate."""
    return max_lr


FROM_SCRATCH = TrainConfig()
# rows epochs-N
STRONG_AUGMENTATION = TrainConfig(augment=augmentation(masks=2, max_frames=1 / 6, max_mels=10, mixup=0.3))
# Transfer learning of PANNs on GTZAN (Q. Kong et al., 2020, released code)
TRANSFER = TrainConfig(
    32, 1e-4, constant_lr, partial(Adam, amsgrad=True), label_smoothing=0.0, augment=augmentation(mixup=1.0)
)
# Training of PANNs on AudioSet, with a learning rate that decreases at the end
AUDIOSET = TrainConfig(
    32, 1e-3, optimizer=partial(Adam, amsgrad=True), label_smoothing=0.0, augment=augmentation(mixup=1.0)
)
