"""The kernels of a convolution: patches of an image, and the sums around the eight products.

A convolution on a GPU is three steps: a kernel writes patches, cuBLAS multiplies matrices, a kernel adds up. What a
kernel costs is the bytes it moves, so each does all that can be done while a number is at hand: it mixes the four
components as it writes patches of them, and brings eight products back to four components as it adds patches up.

Each kernel is compared with a twin of a few NumPy lines, for sizes that do not divide: no image at all, one pixel, odd
and prime numbers, more than one block of threads. The order of the threads is drawn as well.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.arrays import assert_close, dot, draw
from support.kernels import dtypes, kernels_on_cpu, needs_compiler, orders
from support.strategies import seeds

from quatnet.backend import asnumpy, xp
from quatnet.conv.fast import component_transforms
from quatnet.errors import ShapeError
from quatnet.kernels import eight_products, load, patches

pytestmark = needs_compiler
small = st.integers(1, 3)
pairs = st.tuples(small, small)
MATRICES = {
    "left": component_transforms.left_transform(4),
    "right": component_transforms.right_transform(4),
    "left, conjugate": component_transforms.left_transform(4, conjugate=True),
    "right, conjugate": component_transforms.right_transform(4, conjugate=True),
}


@st.composite
def geometries(draw):
    """An image (N, H, W, C), kernel, output size, stride, padding and dilation that fit together."""
    shape = draw(st.tuples(st.integers(0, 2), st.integers(1, 7), st.integers(1, 11), st.sampled_from((1, 3, 67))))
    kernel, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    free = [n + 2 * p - d * (k - 1) - 1 for n, p, d, k in zip(shape[1:], padding, dilation, kernel, strict=False)]
    assume(min(free) >= 0)
    return shape, kernel, (free[0] // stride[0] + 1, free[1] // stride[1] + 1), stride, padding, dilation


def places(shape, kernel, size, stride, padding, dilation):
    """The rows and columns of the padded image that each patch holds: index arrays of shape (OH, OW, KH, KW)."""
    rows, columns = (np.arange(size[n])[:, None] * stride[n] + np.arange(kernel[n]) * dilation[n] for n in range(2))
    return rows[:, None, :, None], columns[None, :, None, :]


def patches_of(x, geometry):
    above, left = geometry[4]
    padded = np.pad(x, ((0, 0), (above, above), (left, left), *((0, 0) for _ in x.shape[3:])))
    return padded[(slice(None), *places(*geometry))]  # (N, OH, OW, KH, KW, ...)


def image_of(rows, geometry):
    """The adjoint of `patches_of`."""
    (n, height, width, _), (above, left) = geometry[0], geometry[4]
    padded = np.zeros((n, height + 2 * above, width + 2 * left, *rows.shape[5:]), rows.dtype)
    np.add.at(padded, (slice(None), *places(*geometry)), rows)
    return padded[:, above : above + height, left : left + width]


# One image, by hand


def test_patches_of_two_pixels_by_hand():
    x = xp.asarray(np.array([1.0, 2]).reshape(1, 1, 2, 1))
    with kernels_on_cpu():
        rows = patches.im2col(x, (1, 2), (1, 3), (1, 1), (0, 1), (1, 1))
        back = patches.col2im(rows, x.shape, (1, 2), (1, 1), (0, 1), (1, 1))
    assert_close(rows, np.array([[[[0.0, 1], [1, 2], [2, 0]]]]))
    assert_close(back, 2 * asnumpy(x))  # each pixel lies in two patches


# Patches


@given(geometry=geometries(), dtype=dtypes, order=orders, seed=seeds)
def test_im2col_copies_what_its_twin_copies(geometry, dtype, order, seed):
    x = draw(seed, *geometry[0], dtype=dtype)
    with kernels_on_cpu(order):
        rows = patches.im2col(x, *geometry[1:])
    expected = patches_of(asnumpy(x), geometry)
    assert rows.dtype == dtype
    np.testing.assert_array_equal(asnumpy(rows), expected.reshape(rows.shape))


@given(geometry=geometries(), dtype=dtypes, order=orders, seed=seeds)
def test_col2im_adds_what_its_twin_adds(geometry, dtype, order, seed):
    shape, kernel, size = geometry[:3]
    rows = draw(seed, shape[0], *size, *kernel, shape[3], dtype=dtype)
    with kernels_on_cpu(order):
        flat = rows.reshape(shape[0], *size, kernel[0] * kernel[1] * shape[3])
        x = patches.col2im(flat, shape, kernel, *geometry[3:])
    assert x.dtype == dtype
    np.testing.assert_allclose(asnumpy(x), image_of(asnumpy(rows), geometry), rtol=1e-5, atol=1e-5)


def test_more_than_one_block_of_pixels():
    geometry = ((2, 7, 11, 67), (3, 2), (5, 12), (1, 1), (0, 1), (1, 1))
    x = draw(0, *geometry[0])
    with kernels_on_cpu("shuffled"):
        rows = patches.im2col(x, *geometry[1:])
        back = patches.col2im(rows, geometry[0], geometry[1], *geometry[3:])
    expected = patches_of(asnumpy(x), geometry)
    assert_close(rows, expected.reshape(rows.shape))
    assert_close(back, image_of(expected, geometry))


# Sums around the eight products


@given(
    rows=st.sampled_from((0, 1, 7, 70)),
    channels=st.sampled_from((1, 3, 31, 257)),
    name=st.sampled_from(sorted(MATRICES)),
    dtype=dtypes,
    order=orders,
    seed=seeds,
)
def test_components_are_mixed_by_the_matrices_of_the_eight_products(rows, channels, name, dtype, order, seed):
    x = draw(seed, rows, 4, channels, dtype=dtype)
    with kernels_on_cpu(order):
        planes = eight_products.input_transform(x, MATRICES[name])
    assert_close(planes, np.einsum("pk,nkc->pnc", MATRICES[name], asnumpy(x)), rtol=1e-5, atol=1e-5)


@given(
    rows=st.sampled_from((0, 1, 7, 70)), channels=st.sampled_from((1, 3, 257)), dtype=dtypes, order=orders, seed=seeds
)
def test_products_become_components_with_scale_shift_and_relu_on_the_way(rows, channels, dtype, order, seed):
    planes, scale, shift = draw(seed, 8, rows, channels, dtype=dtype), *draw(seed, 2, 4 * channels, dtype=dtype)
    with kernels_on_cpu(order):
        y = eight_products.output_transform(planes, component_transforms.output_transform(4))
        rectified = eight_products.output_transform_relu(planes, component_transforms.output_transform(4), scale, shift)
    expected = np.einsum("kp,pnc->nkc", component_transforms.output_transform(4), asnumpy(planes))
    scaled = asnumpy(scale).reshape(4, -1) * expected + asnumpy(shift).reshape(4, -1)
    assert_close(y, expected, rtol=1e-4, atol=1e-5)
    assert_close(rectified, np.maximum(scaled, 0), rtol=1e-4, atol=1e-5)


@given(geometry=geometries(), name=st.sampled_from(sorted(MATRICES)), dtype=dtypes, order=orders, seed=seeds)
def test_patches_of_planes_come_from_the_image_in_one_step(geometry, name, dtype, order, seed):
    n, height, width, channels = geometry[0]
    x = draw(seed, n, height, width, 4, channels, dtype=dtype)
    with kernels_on_cpu(order):
        rows = eight_products.input_transform_im2col(x, MATRICES[name], *geometry[1:])
    planes = np.einsum("qk,nhwkc->nhwqc", MATRICES[name], asnumpy(x))
    expected = np.moveaxis(patches_of(planes, geometry), -2, 0)
    assert_close(rows, expected.reshape(rows.shape), rtol=1e-5, atol=1e-5)


@given(geometry=geometries(), dtype=dtypes, order=orders, seed=seeds)
def test_patches_of_products_go_back_to_the_image_in_one_step(geometry, dtype, order, seed):
    (n, height, width, channels), kernel, size = geometry[:3]
    rows = draw(seed, 8, n, *size, *kernel, channels, dtype=dtype)
    with kernels_on_cpu(order):
        flat = rows.reshape(8, n * size[0] * size[1], kernel[0] * kernel[1] * channels)
        x = eight_products.output_transform_col2im(
            flat, component_transforms.output_transform(4), (n, height, width, 4, channels), *geometry[1:]
        )
    planes = image_of(np.moveaxis(asnumpy(rows), 0, -2), geometry)
    expected = np.einsum("kp,nhwpc->nhwkc", component_transforms.output_transform(4), planes)
    assert_close(x, expected, rtol=1e-4, atol=1e-4)


@given(geometry=geometries(), order=orders, seed=seeds)
def test_with_a_transposed_matrix_one_is_the_adjoint_of_the_other(geometry, order, seed):
    # <mix_patches(x), g> = <x, unmix_patches(g)>
    n, height, width, channels = geometry[0]
    x, matrix = draw(seed, n, height, width, 4, channels), component_transforms.right_transform(4)
    with kernels_on_cpu(order):
        rows = eight_products.input_transform_im2col(x, matrix, *geometry[1:])
        g = draw(seed + 1, *rows.shape)
        back = eight_products.output_transform_col2im(g, matrix.T, x.shape, *geometry[1:])
    assert dot(rows, g) == pytest.approx(dot(x, back), rel=1e-9, abs=1e-9)


# What is refused


def test_a_size_beyond_a_c_int_is_refused():
    with pytest.raises(ShapeError, match=r"sizes up to 2147483647, got 2147483648; make the batch smaller"):
        load.grid_2d(2**31, 1)
    with pytest.raises(ShapeError, match="sizes up to"):
        load.grid_1d(2**40)


def test_numpy_arrays_and_other_dtypes_take_no_kernel():
    assert not load.supports(np.zeros(3, np.float32))
    device = type("DeviceArray", (), {"dtype": np.dtype("float16")})
    assert not load.supports(device())
    device.dtype = np.dtype("float32")
    assert load.supports(device())
    assert not load.supports(device(), np.zeros(3))  # two dtypes


@given(rows=st.integers(0, 10**6), width=st.integers(0, 10**5))
def test_a_grid_reaches_every_element(rows, width):
    (across, down), (x, y) = load.grid_2d(rows, width)
    assert across * x >= width
    assert x * y <= load.THREADS
    assert down * y >= min(rows, load.MAX_GRID_Y * y)  # the rest in further steps
