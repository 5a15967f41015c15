"""Learning-rate schedules: functions of the step."""

import math


def one_cycle(step: int, total: int, *, peak: float, warm_up: float = 0.3, start: float = 25.0) -> float:
    """Return the rate of `step` in range(total): from peak/start up to `peak`, then down to about 0, by cosines.

    Source: L. Smith, N. Topin, Super-convergence, 2018; two cosine phases as in PyTorch's OneCycleLR.
    """
    top = max(1.0, warm_up * total - 1)
    if step <= top:
        return _cosine(peak / start, peak, step / top)
    return _cosine(peak, peak / start / 1e4, (step - top) / max(1.0, total - 1 - top))


def cosine(step: int, total: int, *, peak: float) -> float:
    """Return peak · (1 + cos(π step / total)) / 2: from `peak` down to about 0."""
    return _cosine(peak, 0.0, step / total)


def _cosine(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * min(1.0, share))) / 2
