"""The augmentation of the examples: time shift, SpecAugment and mixup in one function."""

import numpy as np

from .. import audio
from .data import Augment


def default_augmentation(*, mixup: float = 0.2) -> Augment:
    """Return the function of (x, targets, rng) that shifts, masks and mixes the clips of a batch (N, frames, mels, 4).

    Each clip is rolled in time, one stripe of at most 1/8 of the frames and one of at most 8 mel bins are masked, and
    two clips are blended with λ ~ Beta(mixup, mixup).
    """

    def augment(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = audio.time_shift(x, rng=rng)
        x = audio.spec_augment(x, rng=rng, num_masks=1, max_frames=x.shape[1] // 8, max_mels=8)
        return audio.mixup(x, targets, rng=rng, alpha=mixup)

    return augment
