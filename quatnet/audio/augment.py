"""Data augmentation of batches (N, frames, mels, 4).

Each function returns new arrays of the same dtype, and of float32 for float16.
"""

from collections.abc import Iterator

import numpy as np

from ..checks import as_array, checked_count, checked_number, checked_rng
from ..errors import ShapeError


def spec_augment(
    x: np.ndarray, *, rng: np.random.Generator, num_masks: int = 2, max_frames: int = 64, max_mels: int = 8
) -> np.ndarray:
    """Return the clips with random ranges of frames and of mel bins masked.

    The ranges are drawn separately for each clip. Masked cells are set to the mean of the clip, separately for each of
    the four components.

    Parameters
    ----------
    x : float array (N, frames, mels, 4)
    rng : random generator
    num_masks : number of time masks per clip, and number of frequency masks per clip
    max_frames, max_mels : the width of a mask is uniform in 0 ... max - 1, and at most the length of the axis

    Raises
    ------
    ShapeError
        `x` is not an array (N, frames, mels, 4).
    ConfigError
        `num_masks`, `max_frames` or `max_mels` is not an integer of at least 1, or `rng` is not a generator.

    Source: D. S. Park and others, SpecAugment, 2019. Singh and others, 2025, set masked cells to 0 after the first
    batch norm. The mean of the clip is an equivalent value that needs no batch norm.
    """
    y, rng = _checked_batch(x).copy(), checked_rng(rng)
    for clip in y:  # clip is a view (frames, mels, 4) of y
        # two means over one axis each are four times as fast as one mean over two axes
        mean = clip.mean(axis=0).mean(axis=0)
        for mask in _random_masks(rng, num_masks, max_frames, clip.shape[0]):
            clip[mask] = mean
        for mask in _random_masks(rng, num_masks, max_mels, clip.shape[1]):
            clip[:, mask] = mean
    return y


def _random_masks(rng: np.random.Generator, num_masks: int, max_width: int, length: int) -> Iterator[slice]:
    """Yield `num_masks` random slices, each shorter than `max_width`, of an axis with `length` elements."""
    checked_count("the largest width of a mask", max_width)
    for _ in range(checked_count("num_masks", num_masks)):
        width = rng.integers(min(max_width, length + 1))
        start = rng.integers(length - width + 1)
        yield slice(start, start + width)


def _checked_batch(x: np.ndarray) -> np.ndarray:
    y = as_array(x, np)
    if y.ndim != 4 or y.shape[-1] != 4 or np.asarray(x).dtype.kind != "f":
        raise ShapeError(f"expected a float batch (N, frames, mels, 4), got shape {y.shape} of {np.asarray(x).dtype}")
    return y


def mixup(
    x: np.ndarray, targets: np.ndarray, *, rng: np.random.Generator, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return convex combinations of pairs of clips, and the same combinations of their targets.

    y_n = λ_n x_n + (1 - λ_n) x_p(n), where p is a random permutation of the clips and λ_n ~ Beta(alpha, alpha).

    Parameters
    ----------
    x : float array (N, frames, mels, 4)
    targets : float array (N, classes), one-hot or soft
    rng : random generator
    alpha : parameter of the Beta distribution; 1 is the uniform distribution, smaller values change clips less

    Returns
    -------
    x, targets : arrays of the same shapes and dtypes

    Raises
    ------
    ShapeError
        `x` or `targets` has another shape, or the numbers of clips differ.
    ConfigError
        `alpha` is not positive and finite.

    Source: H. Zhang and others, mixup, 2018.
    """
    x, targets, alpha = _checked_batch(x), as_array(targets, np), checked_number("alpha", alpha, "(0, inf)")
    if targets.ndim != 2 or len(targets) != len(x):
        raise ShapeError(
            f"expected targets ({len(x)}, classes), got shape {targets.shape}; datasets.one_hot converts class labels"
        )
    lam = checked_rng(rng).beta(alpha, alpha, size=len(x))
    permutation = rng.permutation(len(x))
    return _mix(x, lam, permutation), _mix(targets, lam, permutation)


def _mix(x: np.ndarray, lam: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """Return lam·x + (1 - lam)·x[permutation].

    The clips are computed one by one, so that each clip fits into the CPU cache.
    """
    y = np.empty_like(x)
    for n, (weight, m) in enumerate(zip(lam.tolist(), permutation, strict=True)):
        np.multiply(x[n], weight, out=y[n])
        y[n] += x[m] * (1 - weight)
    return y


def time_shift(x: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Return the clips rolled along time, each by a random number of frames.

    y[n, (t + s_n) mod frames] = x[n, t], where the shift s_n of clip n is uniform in 0 ... frames - 1.

    Parameters
    ----------
    x : float array (N, frames, mels, 4)
    rng : random generator

    Raises
    ------
    ShapeError
        `x` is not an array (N, frames, mels, 4), or has no frames.
    """
    x = _checked_batch(x)
    if x.shape[1] == 0:
        raise ShapeError(f"expected at least one frame, got shape {x.shape}")
    y = np.empty_like(x)
    for n, shift in enumerate(checked_rng(rng).integers(x.shape[1], size=len(x))):
        y[n, :shift], y[n, shift:] = x[n, x.shape[1] - shift :], x[n, : x.shape[1] - shift]
    return y
