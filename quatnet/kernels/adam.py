"""One step of Adam as a kernel; the optimizer is in `quatnet.optim.optimizers`."""

from ..backend import Array, xp
from .load import grid_1d, launch


def step(
    p: Array,
    grad: Array,
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
    """Return the parameter `p` after step number `steps`, and update the running means of grad and grad² in place.

    `decay` is the coefficient of L2 regularization, added to the gradient; `decoupled_decay` is that of AdamW.
    """
    updated = xp.empty(p.size, dtype=p.dtype)
    corrections = (1 - betas[0] ** steps, 1 - betas[1] ** steps)
    numbers = (lr, *betas, *corrections, eps, decay, decoupled_decay)
    flat = (array.reshape(-1) for array in (p, grad, exp_avg, exp_avg_sq))  # views, because all are contiguous
    launch(("adam", "adam"), grid_1d(p.size), *flat, updated, p.size, *map(float, numbers))
    return updated.reshape(p.shape)
