"""Test the CUDA kernels of a convolution: im2col, col2im, and the transforms of the eight products and of the weight.

On a GPU, the im2col kernel of a convolution writes the patches, cuBLAS multiplies matrices, and the col2im kernel adds
the patches of a gradient. The CUDA kernels are memory-bound, so the transforms are fused with them. The input transform
is computed while the patches are written, and the output transform while the patches are added.

Each kernel is compared with NumPy for random sizes. They include an empty batch, a single pixel, prime numbers, and
more than one thread block. The order of the threads is random too.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.arrays import assert_close, dot, draw
from support.kernels import dtypes, kernels_on_cpu, needs_compiler, orders
from support.strategies import seeds

from quatnet.backend import asnumpy, xp
from quatnet.conv import plain
from quatnet.conv.fast.component_transforms import BLOCK_MATRIX, left_transform, output_transform, right_transform
from quatnet.conv.gpu_winograd import TAPS
from quatnet.errors import ShapeError
from quatnet.kernels import eight_products, load, patches, weight_transform
from quatnet.quaternion import left_matrix

pytestmark = needs_compiler
small = st.integers(1, 3)
pairs = st.tuples(small, small)
MATRICES = {
    "left": left_transform(4),
    "right": right_transform(4),
    "left, conjugate": left_transform(4, conjugate=True),
    "right, conjugate": right_transform(4, conjugate=True),
}


@st.composite
def geometries(draw):
    """Draw the arguments of im2col with compatible sizes.

    They are the image shape (N, H, W, C), kernel size, output size, stride, padding and dilation.
    """
    shape = draw(st.tuples(st.integers(0, 2), st.integers(1, 7), st.integers(1, 11), st.sampled_from((1, 3, 67))))
    kernel, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    free = [n + 2 * p - d * (k - 1) - 1 for n, p, d, k in zip(shape[1:], padding, dilation, kernel, strict=False)]
    assume(min(free) >= 0)
    return shape, kernel, (free[0] // stride[0] + 1, free[1] // stride[1] + 1), stride, padding, dilation


def patch_indices(shape, kernel, size, stride, padding, dilation):
    """Return the row and column indices of the patches in the padded image.

    The index arrays broadcast to shape (output height, output width, kernel height, kernel width).
    """
    rows, columns = (np.arange(size[n])[:, None] * stride[n] + np.arange(kernel[n]) * dilation[n] for n in range(2))
    return rows[:, None, :, None], columns[None, :, None, :]


def patches_of(x, geometry):
    pad_h, pad_w = geometry[4]
    padded = np.pad(x, ((0, 0), (pad_h, pad_h), (pad_w, pad_w), *((0, 0) for _ in x.shape[3:])))
    return padded[
        (slice(None), *patch_indices(*geometry))
    ]  # (N, output height, output width, kernel height, kernel width, ...)


def images_of(rows, geometry):
    """Return the images that are the sums of their patches. The function is the adjoint of `patches_of`."""
    (n, height, width, _), (pad_h, pad_w) = geometry[0], geometry[4]
    padded = np.zeros((n, height + 2 * pad_h, width + 2 * pad_w, *rows.shape[5:]), rows.dtype)
    np.add.at(padded, (slice(None), *patch_indices(*geometry)), rows)
    return padded[:, pad_h : pad_h + height, pad_w : pad_w + width]


# Worked example


def test_im2col_and_col2im_of_two_pixels():
    x = xp.asarray(np.array([1.0, 2]).reshape(1, 1, 2, 1))
    with kernels_on_cpu():
        rows = patches.im2col(x, (1, 2), (1, 3), (1, 1), (0, 1), (1, 1))
        image = patches.col2im(rows, x.shape, (1, 2), (1, 1), (0, 1), (1, 1))
    assert_close(rows, np.array([[[[0.0, 1], [1, 2], [2, 0]]]]))
    assert_close(image, 2 * asnumpy(x))  # each pixel is in two patches


# Patches


@given(geometry=geometries(), dtype=dtypes, order=orders, seed=seeds)
def test_im2col(geometry, dtype, order, seed):
    x = draw(seed, *geometry[0], dtype=dtype)
    with kernels_on_cpu(order):
        rows = patches.im2col(x, *geometry[1:])
    expected = patches_of(asnumpy(x), geometry)
    assert rows.dtype == dtype
    np.testing.assert_array_equal(asnumpy(rows), expected.reshape(rows.shape))


@given(geometry=geometries(), dtype=dtypes, order=orders, seed=seeds)
def test_col2im(geometry, dtype, order, seed):
    shape, kernel, size = geometry[:3]
    rows = draw(seed, shape[0], *size, *kernel, shape[3], dtype=dtype)
    with kernels_on_cpu(order):
        flat = rows.reshape(shape[0], *size, kernel[0] * kernel[1] * shape[3])
        x = patches.col2im(flat, shape, kernel, *geometry[3:])
    assert x.dtype == dtype
    np.testing.assert_allclose(asnumpy(x), images_of(asnumpy(rows), geometry), rtol=1e-5, atol=1e-5)


def test_several_blocks_of_pixels():
    geometry = ((2, 7, 11, 67), (3, 2), (5, 12), (1, 1), (0, 1), (1, 1))
    x = draw(0, *geometry[0])
    with kernels_on_cpu("shuffled"):
        rows = patches.im2col(x, *geometry[1:])
        images = patches.col2im(rows, geometry[0], geometry[1], *geometry[3:])
    expected = patches_of(asnumpy(x), geometry)
    assert_close(rows, expected.reshape(rows.shape))
    assert_close(images, images_of(expected, geometry))


# Transforms of the eight products


@given(
    rows=st.sampled_from((0, 1, 7, 70)),
    channels=st.sampled_from((1, 3, 31, 257)),
    name=st.sampled_from(sorted(MATRICES)),
    dtype=dtypes,
    order=orders,
    seed=seeds,
)
def test_input_transform(rows, channels, name, dtype, order, seed):
    x = draw(seed, rows, 4, channels, dtype=dtype)
    with kernels_on_cpu(order):
        y = eight_products.input_transform(x, MATRICES[name])
    assert_close(y, np.einsum("pk,nkc->pnc", MATRICES[name], asnumpy(x)), rtol=1e-5, atol=1e-5)


@given(
    rows=st.sampled_from((0, 1, 7, 70)), channels=st.sampled_from((1, 3, 257)), dtype=dtypes, order=orders, seed=seeds
)
def test_output_transform_with_and_without_relu(rows, channels, dtype, order, seed):
    products, scale, shift = draw(seed, 8, rows, channels, dtype=dtype), *draw(seed, 2, 4 * channels, dtype=dtype)
    with kernels_on_cpu(order):
        y = eight_products.output_transform(products, output_transform(4))
        rectified = eight_products.output_transform_relu(products, output_transform(4), scale, shift)
    expected = np.einsum("kp,pnc->nkc", output_transform(4), asnumpy(products))
    scaled = asnumpy(scale).reshape(4, -1) * expected + asnumpy(shift).reshape(4, -1)
    assert_close(y, expected, rtol=1e-4, atol=1e-5)
    assert_close(rectified, np.maximum(scaled, 0), rtol=1e-4, atol=1e-5)


@given(geometry=geometries(), name=st.sampled_from(sorted(MATRICES)), dtype=dtypes, order=orders, seed=seeds)
def test_input_transform_im2col(geometry, name, dtype, order, seed):
    n, height, width, channels = geometry[0]
    x = draw(seed, n, height, width, 4, channels, dtype=dtype)
    with kernels_on_cpu(order):
        rows = eight_products.input_transform_im2col(x, MATRICES[name], *geometry[1:])
    transformed = np.einsum("qk,nhwkc->nhwqc", MATRICES[name], asnumpy(x))
    expected = np.moveaxis(patches_of(transformed, geometry), -2, 0)
    assert_close(rows, expected.reshape(rows.shape), rtol=1e-5, atol=1e-5)


@given(geometry=geometries(), dtype=dtypes, order=orders, seed=seeds)
def test_output_transform_col2im(geometry, dtype, order, seed):
    (n, height, width, channels), kernel, size = geometry[:3]
    rows = draw(seed, 8, n, *size, *kernel, channels, dtype=dtype)
    with kernels_on_cpu(order):
        flat = rows.reshape(8, n * size[0] * size[1], kernel[0] * kernel[1] * channels)
        x = eight_products.output_transform_col2im(
            flat, output_transform(4), (n, height, width, 4, channels), *geometry[1:]
        )
    products = images_of(np.moveaxis(asnumpy(rows), 0, -2), geometry)
    expected = np.einsum("kp,nhwpc->nhwkc", output_transform(4), products)
    assert_close(x, expected, rtol=1e-4, atol=1e-4)


@given(geometry=geometries(), order=orders, seed=seeds)
def test_transforms_with_a_transposed_matrix_are_adjoint(geometry, order, seed):
    # <input_transform_im2col(x), grad> = <x, output_transform_col2im(grad)>
    n, height, width, channels = geometry[0]
    x, matrix = draw(seed, n, height, width, 4, channels), right_transform(4)
    with kernels_on_cpu(order):
        rows = eight_products.input_transform_im2col(x, matrix, *geometry[1:])
        grad = draw(seed + 1, *rows.shape)
        grad_x = eight_products.output_transform_col2im(grad, matrix.T, x.shape, *geometry[1:])
    assert dot(rows, grad) == pytest.approx(dot(x, grad_x), rel=1e-9, abs=1e-9)


# Weights


@st.composite
def weights(draw):
    """Draw the shape (P, KH, KW, C, O) of a weight, the matrices of components and taps, and the number of blocks."""
    blocks, components = draw(st.sampled_from(((1, 1), (1, 4), (4, 4))))
    taps = draw(st.sampled_from((np.eye(1), TAPS)))
    kernel = (3, 3) if len(taps) > 1 else draw(pairs)
    channels = draw(st.tuples(st.sampled_from((1, 3, 17)), st.sampled_from((1, 2, 19))))
    matrix = left_transform(components, blocks=blocks, conjugate=draw(st.booleans()))
    return (components, *kernel, *channels), matrix, taps, blocks


def transformed_weight(w, matrix, taps, blocks, flip):
    """Return the result of `weight_transform.transform`, computed with NumPy."""
    w = w[:, ::-1, ::-1].swapaxes(3, 4) if flip else w
    y = np.einsum("kp,pyxco->kyxco", matrix, w)
    if len(taps) > 1:
        y = np.einsum("sy,tx,kyxco->kstco", taps, taps, y)
    y = y.reshape(-1, blocks, blocks, y.shape[1] * y.shape[2], *y.shape[3:])  # (K, output, input, T, C, O)
    return y.transpose(0, 3, 2, 4, 1, 5).reshape(len(y), y.shape[3], blocks * y.shape[4], blocks * y.shape[5])


@given(weight=weights(), flip=st.booleans(), dtype=dtypes, order=orders, seed=seeds)
def test_transform_of_the_weight_and_its_gradient(weight, flip, dtype, order, seed):
    shape, matrix, taps, blocks = weight
    w = draw(seed, *shape, dtype=dtype)
    expected = transformed_weight(asnumpy(w), matrix, taps, blocks, flip)
    with kernels_on_cpu(order):
        y = weight_transform.transform(w, matrix, taps, blocks, flip=flip)
    assert y.dtype == dtype
    assert_close(y, expected, rtol=1e-4, atol=1e-5)
    unflipped, grad = transformed_weight(asnumpy(w), matrix, taps, blocks, False), draw(seed + 1, *y.shape, dtype=dtype)
    grad = grad.reshape(unflipped.shape)
    with kernels_on_cpu(order):
        grad_w = weight_transform.gradient(grad, matrix.T, taps, blocks, shape)
    assert grad_w.dtype == dtype
    total = np.abs(asnumpy(grad) * unflipped).sum()
    assert dot(grad_w, w) == pytest.approx(dot(grad, xp.asarray(unflipped)), abs=1e-5 * total)


def test_blocks_of_one_tap():
    w = draw(0, 4, 1, 1, 3, 2)
    with kernels_on_cpu():
        y = weight_transform.transform(w, BLOCK_MATRIX, np.eye(1), 4)
    assert_close(y[0], plain.quaternion_to_real_kernel(w)[0])


def test_block_matrix_is_the_left_matrix():
    np.testing.assert_array_equal(BLOCK_MATRIX, asnumpy(left_matrix(xp.eye(4), axis=0)).reshape(16, 4))


# Errors


def test_size_beyond_a_c_int():
    with pytest.raises(ShapeError, match=r"sizes up to 2147483647, got 2147483648; make the batch smaller"):
        load.grid_2d(2**31, 1)
    with pytest.raises(ShapeError, match="sizes up to"):
        load.grid_1d(2**40)


def test_numpy_arrays_and_other_dtypes_are_not_supported():
    assert not load.supports(np.zeros(3, np.float32))
    device = type("DeviceArray", (), {"dtype": np.dtype("float16")})
    assert not load.supports(device())
    device.dtype = np.dtype("float32")
    assert load.supports(device())
    assert not load.supports(device(), np.zeros(3))  # two dtypes


@given(rows=st.integers(0, 10**6), width=st.integers(0, 10**5))
def test_grid_covers_every_element(rows, width):
    (grid_x, grid_y), (block_x, block_y) = load.grid_2d(rows, width)
    assert grid_x * block_x >= width
    assert block_x * block_y <= load.THREADS
    assert grid_y <= load.MAX_GRID_Y
    many = grid_x * grid_y >= load.MIN_BLOCKS  # then a thread loops over several rows
    assert grid_y * block_y * (load.ROWS_PER_THREAD if many else 1) >= min(rows, load.MAX_GRID_Y * block_y)
