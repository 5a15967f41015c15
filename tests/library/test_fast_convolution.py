"""Tests of the fast convolution algorithms.

Two identities reduce the number of multiplications. Winograd's F(4, 3) computes four neighboring outputs of three taps
with six multiplications instead of twelve. The product with eight multiplications replaces the 16 multiplications of a
Hamilton product. Each identity transforms its operands by sums, multiplies, and transforms the products by sums. Both
identities can be combined, so that a quaternion convolution needs a quarter of the multiplications. The algorithms
process tiles that fit into the cache. Each algorithm is compared with `quatnet.conv.plain`.
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_close, dot, draw
from support.strategies import seeds

from quatnet.backend import on_gpu
from quatnet.conv import plain
from quatnet.conv.fast import (
    algorithms,
    direct,
    direct_gradients,
    im2col_conv,
    small_products,
    tiles,
    transforms,
    winograd,
    winograd_conv,
)
from quatnet.conv.fast.component_transforms import left_transform, output_transform, right_transform
from quatnet.quaternion import hamilton_product, left_matrix_adjoint

components = st.sampled_from([1, 4])
pytestmark = pytest.mark.skipif(on_gpu(), reason="the fast algorithms need NumPy")

# Four outputs from six products


def test_winograd_for_taps_that_copy_one_input():
    # The taps (1, 0, 0) give y = (d0, d1, d2, d3). The taps (0, 0, 1) give y = (d2, d3, d4, d5).
    inputs, taps, outputs = winograd.matrices()
    d = np.array([3.0, 1, 4, 1, 5, 9])
    for tap, expected in (([1, 0, 0], [3, 1, 4, 1]), ([0, 1, 0], [1, 4, 1, 5]), ([0, 0, 1], [4, 1, 5, 9])):
        assert_close(outputs @ ((taps @ tap) * (inputs @ d)), expected)


def test_winograd_is_exact_in_fractions():
    inputs, taps, outputs = (np.vectorize(exact)(matrix) for matrix in winograd.matrices())
    d, w = np.array([Fraction(n) for n in (3, -1, 4, 1, -5, 9)]), np.array([Fraction(n) for n in (2, 7, -1)])
    y = outputs.dot(taps.dot(w) * inputs.dot(d))
    assert list(y) == [sum(w[i] * d[r + i] for i in range(3)) for r in range(4)]


def exact(number: float) -> Fraction:
    """Return the fraction that `number` approximates, for denominators that divide 405."""
    return Fraction(number).limit_denominator(5000)


# Eight transformed components


@given(seeds)
def test_eight_elementwise_products_equal_hamilton_product(seed):
    p, q = draw(seed, 4, 3), draw(seed + 1, 4, 3)
    products = (left_transform(4) @ p) * (right_transform(4) @ q)
    assert_close(output_transform(4) @ products, hamilton_product(p, q, axis=0))


@given(seeds)
def test_transforms_of_the_conjugate(seed):
    p, q = draw(seed, 4, 3), draw(seed + 1, 4, 3)
    left, right = left_transform(4, conjugate=True), right_transform(4, conjugate=True)
    products = (left @ p) * (right @ q)
    assert_close(output_transform(4, conjugate=True) @ products, hamilton_product(q, p, axis=0))


def test_real_number_has_one_transformed_component():
    assert left_transform(1) == right_transform(1) == output_transform(1) == [[1]]


# Both identities combined in one matrix


@given(seeds)
def test_combined_transforms_of_six_rows_of_quaternions(seed):
    # The expected result is y[r] = Σ_i w[i] ⊗ x[r + i]. Axis 0 has the rows and axis 1 has the components.
    x, w, dtype = draw(seed, 6, 4), draw(seed + 1, 3, 4), np.dtype(np.float64)
    y = [sum(hamilton_product(w[i], x[r + i]) for i in range(3)) for r in range(4)]
    images = transforms.input_transform(4, dtype) @ x.ravel()
    kernel = transforms.kernel_transform(4, dtype) @ w.T.ravel()
    assert_close((transforms.output_transform(4, dtype) @ (kernel * images)).reshape(4, 4), y)


@given(seeds, components)
def test_gradient_transforms_are_adjoint_to_the_product(seed, parts):
    # One row tile has 6 rows of x and 4 rows of grad: <w ⊗ x, grad> = <w, grad ⊗ x*> = <x, w* ⊗ grad>.
    dtype = np.dtype(np.float64)
    x, w, grad = draw(seed, 6, parts), draw(seed + 1, parts, 3), draw(seed + 2, 4, parts)
    images = transforms.input_transform(parts, dtype) @ x.ravel()
    kernel = transforms.kernel_transform(parts, dtype) @ w.ravel()
    y = transforms.output_transform(parts, dtype) @ (kernel * images)
    conjugates = transforms.input_transform(parts, dtype, conjugate=True) @ x.ravel()
    products = transforms.grad_transform(parts, dtype) @ grad.ravel() * conjugates
    grad_w = transforms.weight_gradient_transform(parts, dtype) @ products
    assert_close(dot(w.ravel(), grad_w), dot(y, grad.ravel()))
    padded = np.concatenate([np.zeros((2, parts)), grad, np.zeros((2, parts))])
    flipped = transforms.kernel_transform(parts, dtype, for_input_gradient=True) @ w.ravel()
    tiles_of_x = [
        transforms.output_transform(parts, dtype) @ (flipped * (transforms.input_transform(parts, dtype) @ rows))
        for rows in (padded[:6].ravel(), padded[2:].ravel())
    ]
    grad_x = np.concatenate([tiles_of_x[0].reshape(4, parts)[:2], tiles_of_x[1].reshape(4, parts)])
    assert_close(dot(x, grad_x), dot(y, grad.ravel()))


# Tiles


@given(st.integers(0, 5), st.integers(1, 70), st.integers(1, 70), st.integers(1, 300), st.sampled_from([1, 4]))
def test_tiles_cover_every_output_once(batch, height, width, outputs, components):
    plan = tiles.WinogradShape(components, batch, height, width, 3, 40, outputs, (1, 1), True)
    counts = np.zeros((batch, plan.row_tiles, outputs), int)
    for tile in tiles.make_tiles(plan, 4):
        counts[tile.images, tile.row_tiles, tile.out_channels] += 1
        assert tile.shape[0] == 1 or tile.shape[1] == plan.row_tiles
    assert (counts == 1).all()


@given(st.integers(0, 100), st.integers(1, 30))
def test_even_slices_have_nearly_equal_lengths(length, max_length):
    lengths = [part.stop - part.start for part in tiles.even_slices(length, max_length)]
    assert sum(lengths) == length
    assert max(lengths, default=0) <= max_length
    assert max(lengths, default=0) - min(lengths, default=0) <= 1


# Each algorithm and the plain convolution

ALGORITHMS = {
    "winograd": (
        lambda x, w, stride, padding: winograd_conv.convolve(x, w, padding),
        lambda grad, w, shape, stride, padding: winograd_conv.input_gradient(grad, w, padding),
        lambda x, grad, kernel, stride, padding: winograd_conv.weight_gradient(x, grad, kernel, padding),
    ),
    "direct": (direct.convolve, direct_gradients.input_gradient, direct_gradients.weight_gradient),
    "im2col": (
        im2col_conv.convolve,
        lambda grad, w, shape, stride, padding: im2col_conv.input_gradient(grad, w, padding),
        im2col_conv.weight_gradient,
    ),
    "selected": (algorithms.convolve, algorithms.input_gradient, algorithms.weight_gradient),
}


def real_convolution(x, w, grad, stride, padding):
    """Return the result and both gradients, computed as one real convolution."""
    real = plain.quaternion_to_real_kernel(w) if len(w) == 4 else w[0]
    options = {"stride": stride, "padding": padding}
    y = plain.conv2d(x, real, **options)
    grad_x = plain.conv2d_input_gradient(grad, real, x.shape, **options)
    grad_w = plain.conv2d_weight_gradient(x, grad, real.shape[:2], **options)
    return y, grad_x, left_matrix_adjoint(plain.split_blocks(grad_w), axis=0) if len(w) == 4 else grad_w[None]


def draw_grad(x, w, stride, padding, rng):
    size = direct.ConvOptions(w.shape[1:3], stride, padding).output(x.shape)
    return draw(rng, len(x), *size, len(w) * w.shape[4]).astype(x.dtype)


def assert_same(algorithm, x, w, stride, padding, rng, *, tolerance=1e-11):
    grad = draw_grad(x, w, stride, padding, rng)
    forward, input_gradient, weight_gradient = ALGORITHMS[algorithm]
    results = (
        forward(x, w, stride, padding),
        input_gradient(grad, w, x.shape, stride, padding),
        weight_gradient(x, grad, w.shape, stride, padding),
    )
    for result, expected in zip(results, real_convolution(x, w, grad, stride, padding), strict=True):
        largest = np.abs(expected).max(initial=1)
        assert result.dtype == x.dtype
        assert_close(result / largest, expected / largest, rtol=0, atol=tolerance)


sizes = st.tuples(st.integers(0, 3), st.integers(1, 14), st.integers(1, 20))
channels = st.tuples(st.integers(1, 3), st.integers(1, 5))


@given(seeds, components, sizes, channels, st.integers(1, 4), st.integers(0, 2), st.integers(0, 2))
def test_winograd_on_images_of_any_size(seed, parts, size, channels, taps, top, left):
    size = (size[0], max(size[1], 3 - 2 * top), max(size[2], taps - 2 * min(left, taps - 1)))
    rng = np.random.default_rng(seed)
    x, w = draw(rng, *size, parts * channels[0]), draw(rng, parts, 3, taps, *channels)
    assert_same("winograd", x, w, (1, 1), (top, min(left, taps - 1)), rng)


small_pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.tuples(st.integers(0, 2), st.integers(0, 2))


@given(seeds, components, sizes, channels, small_pairs, small_pairs, paddings)
def test_direct_with_any_kernel_stride_and_padding(seed, parts, size, channels, kernel, stride, padding):
    size = (size[0], max(size[1], kernel[0]), max(size[2], kernel[1]))
    rng = np.random.default_rng(seed)
    x, w = draw(rng, *size, parts * channels[0]), draw(rng, parts, *kernel, *channels)
    assert_same("direct", x, w, stride, padding, rng)


@given(seeds, components, sizes, channels, small_pairs, small_pairs, paddings)
def test_im2col_with_any_kernel_stride_and_padding(seed, parts, size, channels, kernel, stride, padding):
    size, padding = (size[0], *map(max, size[1:], kernel)), tuple(map(min, padding, [tap - 1 for tap in kernel]))
    rng = np.random.default_rng(seed)
    x, w = draw(rng, *size, parts * channels[0]), draw(rng, parts, *kernel, *channels)
    assert_same("im2col", x, w, (1, 1), padding, rng)  # the input gradient needs stride 1
    grad = draw_grad(x, w, stride, padding, rng)
    y, _, grad_w = real_convolution(x, w, grad, stride, padding)
    assert_close(im2col_conv.convolve(x, w, stride, padding), y, atol=1e-11)
    assert_close(im2col_conv.weight_gradient(x, grad, w.shape, stride, padding), grad_w, atol=1e-10)


CASES = {
    "several tiles per image": ((1, 200, 64, 32), (4, 3, 3, 8, 8)),
    "several images per tile": ((9, 15, 2, 64), (4, 3, 3, 16, 16)),
    "several slices of a real kernel": ((5, 16, 13, 64), (1, 3, 3, 64, 1100)),
    "several slices of a quaternion kernel": ((9, 16, 8, 512), (4, 3, 3, 128, 150)),
    "few pixels and a large kernel": ((2, 15, 2, 512), (4, 3, 3, 128, 150)),
    "few pixels and a small kernel": ((3, 7, 4, 64), (4, 3, 3, 16, 17)),
    "few channels, expanded to real": ((2, 40, 30, 4), (4, 3, 3, 1, 16)),
    "few channels and few pixels": ((2, 5, 6, 60), (4, 3, 3, 15, 16)),
    "empty batch": ((0, 40, 30, 16), (4, 3, 3, 4, 4)),
}


# The values are the shape of the image, the shape of the kernel, the stride, and the algorithms that are selected for
# the result, the input gradient and the weight gradient.
SELECTED = {
    "many pixels": ((16, 31, 16, 64), (1, 3, 3, 64, 64), (1, 1), "winograd winograd winograd"),
    "few pixels, large kernel": ((4, 31, 4, 1024), (1, 3, 3, 1024, 64), (1, 1), "direct direct direct"),
    "few pixels, small kernel": ((4, 31, 4, 64), (1, 3, 3, 64, 64), (1, 1), "winograd winograd winograd"),
    "very few pixels, small kernel": ((1, 15, 8, 64), (1, 3, 3, 64, 64), (1, 1), "im2col im2col im2col"),
    "five taps": ((16, 31, 16, 64), (1, 5, 5, 64, 64), (1, 1), "im2col im2col im2col"),
    "stride 2": ((16, 31, 16, 64), (1, 3, 3, 64, 64), (2, 2), "im2col direct im2col"),
}


@pytest.mark.parametrize("name", SELECTED)
def test_algorithm_depends_on_shapes_only(name, monkeypatch):
    image, kernel, stride, expected = SELECTED[name]
    modules = {"winograd": [winograd_conv], "im2col": [im2col_conv], "direct": [direct, direct_gradients]}
    called = []
    for algorithm in modules:
        for module in modules[algorithm]:
            for function in {"convolve", "input_gradient", "weight_gradient"} & set(vars(module)):
                monkeypatch.setattr(module, function, lambda *_, name=algorithm: called.append(name))
    x, w = np.empty(image), np.empty(kernel)
    algorithms.convolve(x, w, stride, (1, 1))
    algorithms.input_gradient(x, w, image, stride, (1, 1))
    algorithms.weight_gradient(x, x, kernel, stride, (1, 1))
    assert called == expected.split()


@pytest.mark.parametrize("name", CASES)
def test_selected_algorithm_equals_plain_convolution(name, rng):
    image, kernel = CASES[name]
    assert_same("selected", draw(rng, *image), draw(rng, *kernel), (1, 1), (1, 1), rng)


@pytest.mark.parametrize("algorithm", ["winograd", "im2col", "direct"])
@pytest.mark.parametrize("view", [lambda x: x[:, ::2], lambda x: x[:, ::-1, ::-1], lambda x: x.swapaxes(1, 2)])
def test_views_that_are_not_contiguous(algorithm, view, rng):
    x = view(draw(rng, 2, 12, 14, 8))
    assert_same(algorithm, x, draw(rng, 4, 3, 3, 3, 2).swapaxes(3, 4), (1, 1), (1, 1), rng)


@pytest.mark.parametrize("algorithm", ["winograd", "im2col", "direct"])
@pytest.mark.parametrize("parts", [1, 4])
def test_float32_accuracy(algorithm, parts, rng):
    x = draw(rng, 2, 62, 8, parts * 64, dtype=np.float32)
    w = draw(rng, parts, 3, 3, 64, 64, dtype=np.float32)
    assert_same(algorithm, x, w, (1, 1), (1, 1), rng, tolerance=1e-5)


@pytest.mark.parametrize("algorithm", ["winograd", "im2col", "direct"])
def test_gradients_are_adjoint_to_the_convolution(algorithm, rng):
    x, w = draw(rng, 2, 9, 11, 12), draw(rng, 4, 3, 3, 3, 2)
    forward, input_gradient, weight_gradient = ALGORITHMS[algorithm]
    grad, options = draw_grad(x, w, (1, 1), (1, 1), rng), ((1, 1), (1, 1))
    total = dot(forward(x, w, *options), grad)
    assert_close(dot(x, input_gradient(grad, w, x.shape, *options)), total)
    assert_close(dot(w, weight_gradient(x, grad, w.shape, *options)), total)


@pytest.mark.parametrize("algorithm", ["winograd", "im2col", "direct"])
@pytest.mark.parametrize("case", [((5, 8, 4, 512), (4, 3, 3, 128, 600)), ((5, 40, 30, 64), (1, 3, 3, 64, 130))])
def test_results_are_bit_identical_for_any_number_of_threads(algorithm, case, with_threads, monkeypatch, rng):
    # Regression test: the workspace of a thread was reused for the next tile before the gradient in it was added.
    monkeypatch.setattr(direct, "KERNEL_BYTES", 1 << 18)  # small limits give each thread many tiles
    monkeypatch.setattr(direct, "IMAGE_BYTES", 1 << 18)
    monkeypatch.setattr(im2col_conv, "PATCHES_BYTES", 1 << 18)
    x, w = (draw(rng, *shape, dtype=np.float32) for shape in case)
    grad = draw_grad(x, w, (1, 1), (1, 1), rng)
    forward, input_gradient, weight_gradient = ALGORITHMS[algorithm]
    results = []
    for count in (1, 2, 5):
        with_threads(count)
        y, grad_x = forward(x, w, (1, 1), (1, 1)), input_gradient(grad, w, x.shape, (1, 1), (1, 1))
        results.append([y, grad_x, weight_gradient(x, grad, w.shape, (1, 1), (1, 1))])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert (a == b).all()
    for result, expected in zip(results[0], real_convolution(x, w, grad, (1, 1), (1, 1)), strict=True):
        assert_close(result / np.abs(expected).max(), expected / np.abs(expected).max(), rtol=0, atol=1e-5)


# Matrix products in pieces


@pytest.mark.parametrize(("rows", "inner", "columns"), [(705, 4, 3), (3, 4, 705), (64, 4, 65), (6499, 1, 2), (5, 9, 7)])
def test_product_in_pieces(rows: int, inner: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes, matmul = [], np.matmul

    def counted(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
        shapes.append((*a.shape[-2:], b.shape[-1]))
        return matmul(a, b, out=out)

    rng = np.random.default_rng(0)
    a = rng.standard_normal((2, 1, inner, rows)).swapaxes(-1, -2)
    b, memory = rng.standard_normal((3, inner, columns)), np.full((rows, 3, 2, columns), np.nan)
    out = memory.transpose(2, 1, 0, 3)  # a view, as in a Winograd convolution
    limit = 64 * inner * min(rows, columns)
    monkeypatch.setattr(small_products, "MAX_MULTIPLICATIONS", limit)
    monkeypatch.setattr(np, "matmul", counted)
    assert small_products.blocked_matmul(a, b, out) is out
    assert_close(memory.transpose(2, 1, 0, 3), matmul(a, b))
    assert all(m * k * n <= limit for m, k, n in shapes)


def test_product_is_not_split_in_short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = np.ones((100, 8)), np.ones((8, 50))
    monkeypatch.setattr(small_products, "MAX_MULTIPLICATIONS", 63 * 8 * 50)
    monkeypatch.setattr(small_products, "_multiply_pieces", None)  # a call would raise TypeError
    assert_close(small_products.blocked_matmul(a, b, np.empty((100, 50))), np.full((100, 50), 8.0))
