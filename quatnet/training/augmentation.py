"""Augmentation of training batches by time shift, SpecAugment and mixup."""

import numpy as np

from .. import audio
from .data import Augment


def augmentation(*, masks: int = 1, max_frames: float = 1 / 8, max_mels: int = 8, mixup: float | None = 0.2) -> Augment:
    """Return a function of (x, targets, rng) that augments a batch of clips (N, frames, mels, 4).

    Each clip is rolled along time by a random number of frames.

    Parameters
    ----------
    masks : number of masked ranges of frames and number of masked ranges of mel bins per clip, as in SpecAugment, or 0
    max_frames, max_mels : a mask is narrower than this fraction of the frames, and than this number of mel bins
    mixup : parameter of the distribution Beta(mixup, mixup) of the mixup weights, or None to disable mixup
    """

    def augment(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = audio.time_shift(x, rng=rng)
        if masks:
            frames = int(x.shape[1] * max_frames)
            x = audio.spec_augment(x, rng=rng, num_masks=masks, max_frames=frames, max_mels=max_mels)
        return audio.mixup(x, targets, rng=rng, alpha=mixup) if mixup else (x, targets)

    return augment


def default_augmentation(epochs: int) -> Augment | None:
    """Return the recommended augmentation for `epochs` epochs on a few hundred to a few thousand clips.

    The result is None below 10 epochs, a time shift from 10 epochs on, and time shift, masks and mixup from 100 epochs
    on. In short trainings, augmentation lowers the accuracy. The measurements are in
    `docs/decisions/0020-augmentation-by-epochs.md`.
    """
    if epochs < 10:
        return None
    return augmentation() if epochs >= 100 else augmentation(masks=0, mixup=None)
