"""Random changes of training batches (N, frames, mels, 4): new arrays, same dtype, the input untouched."""

from collections.abc import Iterator

import numpy as np

from ..errors import ConfigError, ShapeError
from .read import checked_count


def spec_augment(
    x: np.ndarray, *, rng: np.random.Generator, stripes: int = 2, max_frames: int = 64, max_mels: int = 8
) -> np.ndarray:
    """Hide random stripes of time and of mel bins, other ones in each clip.

    A hidden cell gets its clip's mean, for each of the four components.

    Parameters
    ----------
    x : float array (N, frames, mels, 4)
    stripes : how many of each kind, in every clip
    max_frames, max_mels : each width is uniform in 0 ... max - 1, and at most the whole axis

    Raises
    ------
    ShapeError
        `x` has another layout.
    ConfigError
        `stripes`, `max_frames` or `max_mels` is not a whole number of at least 1.

    Source: D. S. Park et al., SpecAugment, 2019. Singh et al., 2025, fill with 0 after their first batch
    norm; a clip's own mean tells as little, and asks nothing of the network.
    """
    y = _checked_batch(x).copy()
    for clip in y:  # a view (frames, mels, 4)
        mean = clip.mean(axis=0).mean(axis=0)  # one axis at a time: contiguous rows, so four times as fast
        for hidden in _stripes(rng, stripes, max_frames, clip.shape[0]):
            clip[hidden] = mean
        for hidden in _stripes(rng, stripes, max_mels, clip.shape[1]):
            clip[:, hidden] = mean
    return y


def _stripes(rng: np.random.Generator, stripes: int, longest: int, length: int) -> Iterator[slice]:
    """Random slices, shorter than `longest`, of an axis of `length`."""
    checked_count("a largest stripe width", longest)
    for _ in range(checked_count("stripes", stripes)):
        width = rng.integers(min(longest, length + 1))
        start = rng.integers(length - width + 1)
        yield slice(start, start + width)


def _checked_batch(x: np.ndarray) -> np.ndarray:
    if x.ndim != 4 or x.shape[-1] != 4 or not np.issubdtype(x.dtype, np.floating):
        raise ShapeError(f"expected a float batch (N, frames, mels, 4), got shape {x.shape} of {x.dtype}")
    return x


def mixup(
    x: np.ndarray, targets: np.ndarray, *, rng: np.random.Generator, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Blend each clip and its target with those of another clip.

    y_n = λ_n x_n + (1 - λ_n) x_p(n), λ_n ~ Beta(alpha, alpha), p a random permutation; targets likewise.

    Parameters
    ----------
    x : float array (N, frames, mels, 4)
    targets : float array (N, classes), one-hot or soft
    alpha : 1 draws λ uniformly; smaller values change clips less

    Returns
    -------
    x, targets : as given, each clip with its own λ

    Raises
    ------
    ShapeError
        `x` or `targets` has another layout, or their N differ.
    ConfigError
        `alpha` is not positive and finite.

    Source: H. Zhang et al., mixup, 2018.
    """
    _check_mixup(_checked_batch(x), targets, alpha)
    own = rng.beta(alpha, alpha, size=len(x))
    other = rng.permutation(len(x))
    return _blend(x, own, other), _blend(targets, own, other)


def _check_mixup(x: np.ndarray, targets: np.ndarray, alpha: float) -> None:
    if targets.ndim != 2 or len(targets) != len(x) or not np.issubdtype(targets.dtype, np.floating):
        raise ShapeError(
            f"expected float targets ({len(x)}, classes), got shape {targets.shape} of {targets.dtype}; "
            "turn class numbers into one-hot rows"
        )
    if not 0 < alpha < np.inf:
        raise ConfigError(f"alpha must be positive and finite, got {alpha}; leave mixup out to mix nothing")


def _blend(x: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """own·x + (1 - own)·x[other], clip by clip, so that each stays in cache."""
    y = np.empty_like(x)
    for n, (share, m) in enumerate(zip(own.tolist(), other, strict=True)):
        np.multiply(x[n], share, out=y[n])
        y[n] += x[m] * (1 - share)
    return y


def time_shift(x: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Roll each clip along time by its own random number of frames: what leaves at the end enters in front.

    y[n, (t + s_n) mod frames] = x[n, t], s_n uniform in 0 ... frames - 1.

    Raises
    ------
    ShapeError
        `x` has another layout than (N, frames, mels, 4), or no frames.
    """
    if _checked_batch(x).shape[1] == 0:
        raise ShapeError(f"expected at least one frame, got shape {x.shape}")
    y = np.empty_like(x)
    for n, shift in enumerate(rng.integers(x.shape[1], size=len(x))):
        y[n, :shift], y[n, shift:] = x[n, x.shape[1] - shift :], x[n, : x.shape[1] - shift]
    return y
