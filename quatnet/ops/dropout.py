"""Dropout, with random numbers of a counter-based generator.

The generator of the caller draws a key only. The mask is drawn from `numpy.random.Philox` with this key. Any part of
the numbers of Philox can be computed without the numbers before it. Therefore several threads, the threads of a GPU,
and several processes draw the same mask. The CUDA kernel draws the mask again in the backward pass and stores no mask.
"""

import numpy as np

from .. import kernels
from ..autodiff import Tensor, op
from ..backend import Array, xp
from ..checks import as_array, checked_number, checked_rng
from ..threads import chunk_slices, parallel_for

NUMBERS_PER_COUNT = 8  # 32-bit numbers for each value of the counter of Philox
CHUNK = 1 << 18  # numbers per chunk, a multiple of NUMBERS_PER_COUNT


@op
def dropout(x: Tensor, p: float, *, rng: np.random.Generator | None, train: bool) -> Tensor:
    """Return `x` with each entry set to 0 with probability `p`, and the other entries divided by 1 - p.

    If `train` is false, return `x`. If `rng` has an attribute `share`, a slice of the clips of a batch, the mask is
    this part of the mask of the batch. The first axis of `x` then consists of an equal number of rows for each of these
    clips. Raises ConfigError if `p` is not in [0, 1), or if `rng` is no generator in training.
    """
    if not checked_number("p", p, "[0, 1)") or not train:
        return x
    rng, a = checked_rng(rng), as_array(x.data)
    share = getattr(rng, "share", slice(0, 1))
    key, first = rng.integers(2**64, size=2, dtype=np.uint64), x.size // (share.stop - share.start) * share.start
    if kernels.supports(a):
        y = kernels.dropout.dropout(a, key, p, first)
        return Tensor.from_op(y, (x,), lambda grad: (kernels.dropout.dropout(grad, key, p, first),))
    mask = xp.asarray(draw_mask(x.shape, key, p, first) * a.dtype.type(1 / (1 - p)))
    return Tensor.from_op(_multiply(a, mask), (x,), lambda grad: (_multiply(grad, mask),))


def draw_mask(shape: tuple[int, ...], key: np.ndarray, p: float, first: int = 0) -> np.ndarray:
    """Return a mask of `shape` that is False with probability `p`, from the numbers `first`, ... of Philox."""
    skipped = first % NUMBERS_PER_COUNT  # numbers that are drawn before the first entry
    mask = np.empty(skipped + int(np.prod(shape)), dtype=bool)

    def work(start: int) -> None:
        part, counter = mask[start : start + CHUNK], (first + start) // NUMBERS_PER_COUNT
        generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
        np.greater_equal(generator.random(len(part), dtype=np.float32), p, out=part)

    parallel_for(work, range(0, len(mask), CHUNK))
    return mask[skipped:].reshape(shape)


def _multiply(a: Array, b: Array) -> Array:
    """Return a · b for arrays of equal shape and dtype, computed on all cores."""
    if not a.ndim:
        return a * b
    y = xp.empty(a.shape, dtype=a.dtype)
    parallel_for(lambda part: xp.multiply(a[part], b[part], out=y[part]), chunk_slices(len(a), 3 * a[:1].nbytes))
    return y
