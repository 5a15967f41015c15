"""Learning rate schedules as functions of the step."""

import math

from ..checks import checked_count, checked_number


def one_cycle(step: int, total_steps: int, *, max_lr: float, pct_start: float = 0.3, div_factor: float = 25.0) -> float:
    """Return the learning rate of `step` in range(total_steps) for the one-cycle schedule.

    The learning rate increases from max_lr / div_factor to `max_lr` in the fraction `pct_start` of the steps, and then
    decreases to about 0. Both phases follow half a period of a cosine. The first phase has at least one step.

    Source: L. Smith, N. Topin, Super-convergence, 2018. The two cosine phases are those of OneCycleLR of PyTorch.
    """
    step, total_steps = checked_count("step", step, 0), checked_count("total_steps", total_steps)
    max_lr, pct_start = checked_number("max_lr", max_lr, "[0, inf)"), checked_number("pct_start", pct_start, "[0, 1]")
    div_factor = checked_number("div_factor", div_factor, "[1, inf)")
    peak = max(1.0, pct_start * total_steps - 1)
    if step <= peak:
        return _cosine(max_lr / div_factor, max_lr, step / peak)
    rest = total_steps - 1 - peak
    return _cosine(max_lr, max_lr / div_factor / 1e4, (step - peak) / rest if rest > 0 else 1.0)


def cosine(step: int, total_steps: int, *, max_lr: float) -> float:
    """Return the learning rate max_lr · (1 + cos(π step / total_steps)) / 2 of `step`.

    The learning rate decreases from `max_lr` to about 0.
    """
    progress = checked_count("step", step, 0) / checked_count("total_steps", total_steps)
    return _cosine(checked_number("max_lr", max_lr, "[0, inf)"), 0.0, progress)


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
