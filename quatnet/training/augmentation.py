"""Augmentation of training batches: time shift, SpecAugment and mixup in one function."""

import numpy as np

from .. import audio
from .data import Augment


def augmentation(*, masks: bool = True, mixup: float | None = 0.2) -> Augment:
    """Return a function of (x, targets, rng) that changes the clips of a batch (N, frames, mels, 4).

    Each clip is rolled by a random number of frames.

    Parameters
    ----------
    masks : also mask one stripe of at most 1/8 of the frames and one of at most 8 mel bins, as SpecAugment does
    mixup : also blend two clips and their targets with λ ~ Beta(mixup, mixup); None blends nothing
    """

    def augment(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = audio.time_shift(x, rng=rng)
        if masks:
            x = audio.spec_augment(x, rng=rng, stripes=1, max_frames=x.shape[1] // 8, max_mels=8)
        return audio.mixup(x, targets, rng=rng, alpha=mixup) if mixup else (x, targets)

    return augment


def default_augmentation(epochs: int) -> Augment | None:
    """Return the augmentation for a training of `epochs` epochs on some hundred to thousand clips.

    Below 10 epochs None, from 10 epochs on a time shift, from 100 epochs on also masks and mixup. Short trainings do
    not overfit, and augmentation makes them less accurate; `docs/data-sets.md` has the measurements.
    """
    if epochs < 10:
        return None
    return augmentation() if epochs >= 100 else augmentation(masks=False, mixup=None)
