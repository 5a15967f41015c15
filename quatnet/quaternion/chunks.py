"""One formula, any axis, all cores: quaternions brought to four rows, and large arrays cut into pieces.

A formula on rows takes arrays whose axis 0 holds the components and gives such an array, or its rows one by
one. Small arrays go through it whole. Large ones are cut along their longest axis into pieces that stay in
the cache, with each row in one stretch of memory, and the pieces are shared out over all cores. The cuts depend
on the size alone, so the number of threads changes nothing; where a row ends, NumPy may round the last digit of a
formula differently.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..backend import Array, on_gpu, xp
from ..errors import ShapeError
from ..threads import chunk_slices, parallel_for

MIN_CHUNKED_SIZE = 1 << 17  # quaternions, from which cutting pays (measured, docs/decisions/0007)


def apply_chunked(
    formula: Callable, *arrays: Array, numbers: tuple[Array, ...] = (), axis: int = -1, copies: bool = True
) -> Array:
    """Return formula(*rows, *numbers), rows back on `axis`.

    Each of `arrays` has its components along `axis`; `numbers` have none. All other axes broadcast.
    Pieces are copied to contiguous rows, unless `copies` says that the formula gains less by it than it costs.
    """
    rows = [_first(array, axis) for array in arrays]
    depth = max(*(row.ndim - 1 for row in rows), *(number.ndim for number in numbers), 0)
    rows = [row[(slice(None), *(None,) * (depth - row.ndim + 1))] for row in rows]
    numbers = tuple(number[(None,) * (depth - number.ndim)] for number in numbers)
    if not on_gpu():
        shape = np.broadcast(*(row[0] for row in rows), *numbers).shape
        if math.prod(shape) >= MIN_CHUNKED_SIZE:
            return _in_pieces(formula, rows, numbers, shape, axis, np.ascontiguousarray if copies else np.asarray)
    found = formula(*map(xp.ascontiguousarray, rows), *numbers)
    result = xp.empty((len(found), *found[0].shape), found[0].dtype)
    for component, row in enumerate(found):
        result[component] = row
    return _back(result, axis)


def _first(array: Array, axis: int) -> Array:
    """`axis` moved to the front: xp.moveaxis, in a third of the time, which small arrays notice."""
    place = axis % array.ndim
    return array.transpose(place, *range(place), *range(place + 1, array.ndim))


def _back(rows: Array, axis: int) -> Array:
    """The front axis moved to `axis`."""
    place = axis % rows.ndim
    return rows.transpose(*range(1, place + 1), 0, *range(place + 1, rows.ndim))


def _in_pieces(
    formula: Callable,
    rows: Sequence[Array],
    numbers: Sequence[Array],
    shape: tuple[int, ...],
    axis: int,
    taken: Callable,
) -> Array:
    """The same, a piece of the longest axis at a time, straight into the result."""
    empty = formula(*(row[..., :0] for row in rows), *(number[..., :0] for number in numbers))
    place = axis % (len(shape) + 1)
    result = np.empty((*shape[:place], len(empty), *shape[place:]), empty[0].dtype)
    longest = shape.index(max(shape))
    after = len(shape) - 1 - longest

    def work(piece: slice) -> None:
        mine = (taken(_part(row, piece, after)) for row in rows)
        found = formula(*mine, *(_part(number, piece, after) for number in numbers))
        for target, row in zip(_first(result, place), found, strict=True):
            _part(target, piece, after)[...] = row

    bytes_each = 2 * len(rows[0]) * empty[0].dtype.itemsize * math.prod(shape) // shape[longest]  # two such arrays
    parallel_for(work, chunk_slices(shape[longest], bytes_each))
    return result


def _part(array: Array, piece: slice, after: int) -> Array:
    """The piece of the axis with `after` axes behind it; all of it where it is 1 long and broadcasts."""
    return array if array.shape[-1 - after] == 1 else array[(..., piece, *(slice(None),) * after)]


def checked(q: Array, axis: int) -> Array:
    """Return `q` as an array. Raises ShapeError if `axis` does not exist or does not have length 4."""
    q = xp.asarray(q)
    if not -q.ndim <= axis < q.ndim or q.shape[axis] != 4:
        raise ShapeError(
            f"expected an array of length 4 (r, i, j, k) along axis {axis}, got shape {q.shape}; pass axis=..."
        )
    return q


def checked_vectors(v: Array, axis: int) -> Array:
    """Return `v` as an array. Raises ShapeError if `axis` does not exist or does not have length 3."""
    v = xp.asarray(v)
    if not -v.ndim <= axis < v.ndim or v.shape[axis] != 3:
        raise ShapeError(f"expected length 3 along axis {axis}, got an array of shape {v.shape}; pass axis=...")
    return v
