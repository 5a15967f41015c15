"""Learning-rate schedules: functions of the step."""

import math


def one_cycle(step: int, total_steps: int, *, max_lr: float, pct_start: float = 0.3, div_factor: float = 25.0) -> float:
    """Return the learning rate of `step` in range(total_steps): it rises to `max_lr` and then falls to about 0.

    Both phases are half a cosine. The first learning rate is max_lr / div_factor, and the rise takes the fraction
    `pct_start` of the steps.

    Source: L. Smith, N. Topin, Super-convergence, 2018; two cosine phases as in OneCycleLR of PyTorch.
    """
    peak = max(1.0, pct_start * total_steps - 1)
    if step <= peak:
        return _cosine(max_lr / div_factor, max_lr, step / peak)
    return _cosine(max_lr, max_lr / div_factor / 1e4, (step - peak) / max(1.0, total_steps - 1 - peak))


def cosine(step: int, total_steps: int, *, max_lr: float) -> float:
    """Return max_lr · (1 + cos(π step / total_steps)) / 2, which falls from `max_lr` to about 0."""
    return _cosine(max_lr, 0.0, step / total_steps)


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
