"""One step of Adam as a kernel; `quatnet.optim.optimizers` has the optimiser."""

from ..backend import Array, xp
from .load import along, launch


def step(
    p: Array,
    g: Array,
    mean: Array,
    square: Array,
    *,
    rate: float,
    betas: tuple[float, float],
    steps: int,
    epsilon: float,
    decay: float,
    decay_beside: float,
) -> Array:
    """Return the parameter `p` after step number `steps`, and move the running means of g and g² in place.

    `decay` times p is added to g, `decay_beside` times p to the adapted direction.
    """
    moved = xp.empty(p.size, dtype=p.dtype)
    corrections = (1 - betas[0] ** steps, 1 - betas[1] ** steps)
    numbers = (rate, *betas, *corrections, epsilon, decay, decay_beside)
    flat = (array.reshape(-1) for array in (p, g, mean, square))  # the means are contiguous, so these are views
    launch(("adam", "adam"), along(p.size), *flat, moved, p.size, *map(float, numbers))
    return moved.reshape(p.shape)
