"""One step of Adam as a kernel; `quatnet.optim.optimizers` has the optimizer."""

from ..backend import Array, xp
from .load import along, launch


def step(
    p: Array,
    g: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    *,
    lr: float,
    betas: tuple[float, float],
    steps: int,
    eps: float,
    decay: float,
    decoupled_decay: float,
) -> Array:
    """Return the parameter `p` after step number `steps`, and update the running means of g and g² in place.

    `decay` times p is added to g, `decoupled_decay` times p to the adapted direction.
    """
    updated = xp.empty(p.size, dtype=p.dtype)
    corrections = (1 - betas[0] ** steps, 1 - betas[1] ** steps)
    numbers = (lr, *betas, *corrections, eps, decay, decoupled_decay)
    flat = (array.reshape(-1) for array in (p, g, exp_avg, exp_avg_sq))  # both are contiguous, so these are views
    launch(("adam", "adam"), along(p.size), *flat, updated, p.size, *map(float, numbers))
    return updated.reshape(p.shape)
