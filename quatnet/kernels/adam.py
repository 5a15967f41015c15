"""One step of Adam or AdamW as a CUDA kernel, for the optimizers of `quatnet.optim.optimizers`."""

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
    """Return the parameter `p` after step number `steps`, and update the running means of the gradient in place.

    `exp_avg` is the running mean of grad and `exp_avg_sq` is the running mean of grad². `decay` is the coefficient of
    L2 regularization. `decoupled_decay` is the weight decay of AdamW.
    """
    updated = xp.empty(p.size, dtype=p.dtype)
    corrections = (1 - betas[0] ** steps, 1 - betas[1] ** steps)
    numbers = (lr, *betas, *corrections, eps, decay, decoupled_decay)
    flat = (array.reshape(-1) for array in (p, grad, exp_avg, exp_avg_sq))  # views of contiguous arrays
    launch(("adam", "adam"), grid_1d(p.size), *flat, updated, p.size, *map(float, numbers))
    return updated.reshape(p.shape)
