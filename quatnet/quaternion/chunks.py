"""Application of a formula to quaternion components along any axis, with threads for large arrays.

A formula is a function of arrays with the components along axis 0. The result of a formula is an array with the
components along axis 0, or a tuple of components. For small arrays, the formula is called once. Large arrays are split
along their longest axis into chunks that fit the cache, and the chunks are distributed over the threads.

The chunks depend on the array sizes only, so the number of threads does not change the result. NumPy may round the
last digit differently at the end of a chunk.
"""

import math
from collections.abc import Callable
from numbers import Integral

import numpy as np

from ..backend import Array, on_gpu, xp
from ..checks import as_array
from ..errors import ShapeError
from ..threads import chunk_slices, parallel_for

MIN_CHUNKED_SIZE = 1 << 17  # number of quaternions above which chunks are faster (measured, docs/decisions/0007)


def apply_chunked(
    formula: Callable, *arrays: Array, scalars: tuple[Array, ...] = (), axis: int = -1, contiguous: bool = True
) -> Array:
    """Return formula(*arrays, *scalars) with the components of the result along `axis`.

    Parameters
    ----------
    formula : function of arrays with the components along axis 0
    *arrays : arrays with the components along `axis`; the other axes broadcast
    scalars : arrays without a component axis, which broadcast against the other axes of `arrays`
    contiguous : whether each chunk is first copied to contiguous memory
    """
    arrays = tuple(_components_first(array, axis) for array in arrays)
    shape = broadcast_shape(*(array.shape[1:] for array in arrays), *(scalar.shape for scalar in scalars))
    ndim = len(shape)
    arrays = tuple(array[(slice(None), *(None,) * (ndim - array.ndim + 1))] for array in arrays)
    scalars = tuple(scalar[(None,) * (ndim - scalar.ndim)] for scalar in scalars)
    if not on_gpu() and math.prod(shape) >= MIN_CHUNKED_SIZE:
        return _in_chunks(formula, arrays, scalars, shape, axis, np.ascontiguousarray if contiguous else np.asarray)
    components = formula(*map(xp.ascontiguousarray, arrays), *scalars)
    result = xp.empty((len(components), *components[0].shape), components[0].dtype)
    for index, component in enumerate(components):
        result[index] = component
    return _components_to(result, axis)


def apply_to_quaternions(formula: Callable, *arrays: Array, scalars: tuple[Array, ...] = (), axis: int = -1) -> Array:
    """Return the result of `apply_chunked`. Raises ShapeError unless `axis` has length 4 in all `arrays`."""
    return apply_chunked(formula, *(as_quaternion_array(q, axis) for q in arrays), scalars=scalars, axis=axis)


def reduce_quaternions(formula: Callable, *arrays: Array, axis: int) -> Array:
    """Return the result, without `axis`, of a formula for one number per quaternion. Raises ShapeError as above."""
    return apply_to_quaternions(lambda *arrays: formula(*arrays)[None], *arrays, axis=axis).squeeze(axis)


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape to which `shapes` broadcast. Raises ShapeError if they do not."""
    try:
        return shapes[0] if len(set(shapes)) == 1 else np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"expected shapes that broadcast, apart from the component axis, got {shapes}") from None


def _components_first(array: Array, axis: int) -> Array:
    """Return `array` with `axis` moved to the front. This transposition is three times as fast as xp.moveaxis."""
    position = axis % array.ndim
    return array.transpose(position, *range(position), *range(position + 1, array.ndim))


def _components_to(array: Array, axis: int) -> Array:
    """Return `array` with its first axis moved to `axis`."""
    position = axis % array.ndim
    return array.transpose(*range(1, position + 1), 0, *range(position + 1, array.ndim))


def _in_chunks(
    formula: Callable, arrays: tuple, scalars: tuple, shape: tuple[int, ...], axis: int, prepare: Callable
) -> Array:
    """Return the result of the formula, computed for chunks of the longest axis."""
    empty = formula(*(array[..., :0] for array in arrays), *(scalar[..., :0] for scalar in scalars))
    position = axis % (len(shape) + 1)
    result = np.empty((*shape[:position], len(empty), *shape[position:]), empty[0].dtype)
    longest = shape.index(max(shape))
    axes_after = len(shape) - 1 - longest

    def work(chunk: slice) -> None:
        chunks = (prepare(_select(array, chunk, axes_after)) for array in arrays)
        components = formula(*chunks, *(_select(scalar, chunk, axes_after) for scalar in scalars))
        for target, component in zip(_components_first(result, position), components, strict=True):
            _select(target, chunk, axes_after)[...] = component

    itemsize = empty[0].dtype.itemsize
    # The memory of an item consists of one input and the result.
    bytes_per_item = 2 * len(arrays[0]) * itemsize * math.prod(shape) // shape[longest]
    parallel_for(work, chunk_slices(shape[longest], bytes_per_item))
    return result


def _select(array: Array, chunk: slice, axes_after: int) -> Array:
    """Return a chunk of the axis of `array` that is followed by `axes_after` axes.

    If this axis has length 1, it broadcasts, and `array` is returned.
    """
    return array if array.shape[-1 - axes_after] == 1 else array[(..., chunk, *(slice(None),) * axes_after)]


def as_quaternion_array(q: Array, axis: int) -> Array:
    """Return `q` as a float array. Raises ShapeError if `axis` does not exist or does not have length 4."""
    q = as_array(q)
    if not has_axis(q, axis) or q.shape[axis] != 4:
        raise ShapeError(
            f"expected an array of length 4 (r, i, j, k) along axis {axis}, got shape {q.shape}; pass axis=..."
        )
    return q


def as_vector_array(v: Array, axis: int) -> Array:
    """Return `v` as a float array. Raises ShapeError if `axis` does not exist or does not have length 3."""
    v = as_array(v)
    if not has_axis(v, axis) or v.shape[axis] != 3:
        raise ShapeError(f"expected length 3 along axis {axis}, got an array of shape {v.shape}; pass axis=...")
    return v


def as_matrix_array(matrix: Array, axis: int, size: int) -> Array:
    """Return square float matrices along `axis` and the next axis, with these axes moved to the end.

    Raises ShapeError if `axis` does not exist or the matrices are not `size` x `size`.
    """
    matrix = as_array(matrix)
    position = axis % matrix.ndim if has_axis(matrix, axis) else matrix.ndim
    if matrix.shape[position : position + 2] != (size, size):
        raise ShapeError(
            f"expected {size}x{size} matrices along axis {axis} and the next axis, got shape {matrix.shape}; "
            "pass axis=..."
        )
    return xp.moveaxis(matrix, (position, position + 1), (-2, -1))


def has_axis(array: Array, axis: int) -> bool:
    """Return whether `axis` is an axis of `array`."""
    return isinstance(axis, Integral) and -array.ndim <= axis < array.ndim
