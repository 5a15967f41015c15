"""How a convolution becomes fast: fewer multiplications, and pieces that stay in cache.

Two identities save multiplications and leave the result as it was. Winograd's makes four neighboring outputs of three
taps from six products instead of twelve; that of the eight products makes a quaternion product from eight real ones
instead of sixteen. Both first add, then multiply, then add, so one can run inside the other: a quaternion convolution
is left with a quarter of its multiplications. The sums are done on whole planes of an image, the products by the
matrix library, tile by tile. Every form is compared with the plain one of `quatnet.conv.plain`.
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
from quatnet.conv.fast import convolution, direct, direct_gradients, forms, mixing, patched, tiles, transforms, winograd
from quatnet.quaternion import hamilton_product, left_matrix_adjoint

components = st.sampled_from([1, 4])
pytestmark = pytest.mark.skipif(on_gpu(), reason="the fast forms are NumPy's; a GPU takes the plain ones")

# Four outputs from six products


def test_one_output_shows_what_the_six_products_stand_for():
    # taps (1, 0, 0) copy: y = (d0, d1, d2, d3). Taps (0, 0, 1) look two ahead: y = (d2, d3, d4, d5)
    inputs, taps, outputs = winograd.matrices()
    d = np.array([3.0, 1, 4, 1, 5, 9])
    for tap, expected in (([1, 0, 0], [3, 1, 4, 1]), ([0, 1, 0], [1, 4, 1, 5]), ([0, 0, 1], [4, 1, 5, 9])):
        assert_close(outputs @ ((taps @ tap) * (inputs @ d)), expected)


def test_the_identity_is_exact_in_fractions():
    inputs, taps, outputs = (np.vectorize(exact)(matrix) for matrix in winograd.matrices())
    d, w = np.array([Fraction(n) for n in (3, -1, 4, 1, -5, 9)]), np.array([Fraction(n) for n in (2, 7, -1)])
    y = outputs.dot(taps.dot(w) * inputs.dot(d))
    assert list(y) == [sum(w[i] * d[r + i] for i in range(3)) for r in range(4)]


def exact(number: float) -> Fraction:
    """The fraction that a rounded matrix entry stands for; denominators divide 405."""
    return Fraction(number).limit_denominator(5000)


# Eight planes


@given(seeds)
def test_eight_planes_multiplied_one_by_one_are_a_hamilton_product(seed):
    p, q = draw(seed, 4, 3), draw(seed + 1, 4, 3)
    products = (mixing.left(4) @ p) * (mixing.right(4) @ q)
    assert_close(mixing.back(4) @ products, hamilton_product(p, q, axis=0))


@given(seeds)
def test_a_conjugate_is_a_matter_of_the_matrix(seed):
    p, q = draw(seed, 4, 3), draw(seed + 1, 4, 3)
    products = (mixing.left(4, conjugated=True) @ p) * (mixing.right(4, conjugated=True) @ q)
    assert_close(mixing.back(4, conjugated=True) @ products, hamilton_product(q, p, axis=0))


def test_a_real_number_is_one_plane():
    assert mixing.left(1) == mixing.right(1) == mixing.back(1) == [[1]]


# Both together, as one matrix


@given(seeds)
def test_six_rows_of_quaternions_become_four_through_three_matrices(seed):
    # by hand: y[r] = Σ_i w[i] ⊗ x[r + i], rows along axis 0, components along axis 1
    x, w, kind = draw(seed, 6, 4), draw(seed + 1, 3, 4), np.dtype(np.float64)
    y = [sum(hamilton_product(w[i], x[r + i]) for i in range(3)) for r in range(4)]
    images = transforms.of_image(4, kind) @ x.ravel()
    kernel = transforms.of_kernel(4, kind) @ w.T.ravel()
    assert_close((transforms.of_products(4, kind) @ (kernel * images)).reshape(4, 4), y)


@given(seeds, components)
def test_the_matrices_of_the_gradients_are_adjoint_to_those_of_the_product(seed, parts):
    # <w ⊗ x, g> = <w, g ⊗ x*> = <x, w* ⊗ g>, for one strip; the rows of x lie as far ahead of g as the kernel reaches
    kind = np.dtype(np.float64)
    x, w, g = draw(seed, 6, parts), draw(seed + 1, parts, 3), draw(seed + 2, 4, parts)
    images, kernel = transforms.of_image(parts, kind) @ x.ravel(), transforms.of_kernel(parts, kind) @ w.ravel()
    y = transforms.of_products(parts, kind) @ (kernel * images)
    conjugates = transforms.of_image(parts, kind, conjugated=True) @ x.ravel()
    gw = transforms.to_kernel(parts, kind) @ (transforms.of_cotangent(parts, kind) @ g.ravel() * conjugates)
    assert_close(dot(w.ravel(), gw), dot(y, g.ravel()))
    padded = np.concatenate([np.zeros((2, parts)), g, np.zeros((2, parts))])
    back = [
        transforms.of_products(parts, kind)
        @ (transforms.of_kernel(parts, kind, turned=True) @ w.ravel() * (transforms.of_image(parts, kind) @ rows))
        for rows in (padded[:6].ravel(), padded[2:].ravel())
    ]
    gx = np.concatenate([back[0].reshape(4, parts)[:2], back[1].reshape(4, parts)])
    assert_close(dot(x, gx), dot(y, g.ravel()))


# Tiles


@given(st.integers(0, 5), st.integers(1, 70), st.integers(1, 70), st.integers(1, 300), st.sampled_from([1, 4]))
def test_tiles_cover_every_output_once(clips, height, width, outputs, components):
    plan = tiles.Plan(components, clips, height, width, 3, 40, outputs, (1, 1), True)
    seen = np.zeros((clips, plan.strips, outputs), int)
    for tile in tiles.tiles(plan, 4):
        seen[tile.clips, tile.strips, tile.outputs] += 1
        assert tile.shape[0] == 1 or tile.shape[1] == plan.strips
    assert (seen == 1).all()


@given(st.integers(0, 100), st.integers(1, 30))
def test_slices_are_nearly_equal_and_never_too_long(length, most):
    lengths = [part.stop - part.start for part in tiles.slices(length, most)]
    assert sum(lengths) == length
    assert max(lengths, default=0) <= most
    assert max(lengths, default=0) - min(lengths, default=0) <= 1


# Every form against the plain one

FORMS = {
    "strips": (
        lambda x, w, stride, padding: convolution.convolve(x, w, padding),
        lambda g, w, shape, stride, padding: convolution.input_gradient(g, w, padding),
        lambda x, g, kernel, stride, padding: convolution.kernel_gradient(x, g, kernel, padding),
    ),
    "direct": (direct.convolve, direct_gradients.input_gradient, direct_gradients.kernel_gradient),
    "patched": (
        patched.convolve,
        lambda g, w, shape, stride, padding: patched.input_gradient(g, w, padding),
        patched.kernel_gradient,
    ),
    "by the rule": (forms.convolve, forms.input_gradient, forms.kernel_gradient),
}


def real_form(x, w, g, stride, padding):
    """The result and both gradients as one real convolution."""
    real = plain.block_weight(w) if len(w) == 4 else w[0]
    options = {"stride": stride, "padding": padding}
    y = plain.conv2d(x, real, **options)
    gx = plain.conv2d_input_gradient(g, real, x.shape, **options)
    gw = plain.conv2d_weight_gradient(x, g, real.shape[:2], **options)
    return y, gx, left_matrix_adjoint(plain.blocks_of_weight(gw), axis=0) if len(w) == 4 else gw[None]


def cotangent(x, w, stride, padding, rng):
    size = direct.Window(w.shape[1:3], stride, padding).output(x.shape)
    return draw(rng, len(x), *size, len(w) * w.shape[4]).astype(x.dtype)


def assert_same(form, x, w, stride, padding, rng, *, tolerance=1e-11):
    g = cotangent(x, w, stride, padding, rng)
    forward, to_image, to_kernel = FORMS[form]
    found = (
        forward(x, w, stride, padding),
        to_image(g, w, x.shape, stride, padding),
        to_kernel(x, g, w.shape, stride, padding),
    )
    for ours, theirs in zip(found, real_form(x, w, g, stride, padding), strict=True):
        largest = np.abs(theirs).max(initial=1)
        assert ours.dtype == x.dtype
        assert_close(ours / largest, theirs / largest, rtol=0, atol=tolerance)


sizes = st.tuples(st.integers(0, 3), st.integers(1, 14), st.integers(1, 20))
channels = st.tuples(st.integers(1, 3), st.integers(1, 5))


@given(seeds, components, sizes, channels, st.integers(1, 4), st.integers(0, 2), st.integers(0, 2))
def test_strips_of_any_image_are_the_plain_convolution(seed, parts, size, channels, taps, top, left):
    size = (size[0], max(size[1], 3 - 2 * top), max(size[2], taps - 2 * min(left, taps - 1)))
    rng = np.random.default_rng(seed)
    x, w = draw(rng, *size, parts * channels[0]), draw(rng, parts, 3, taps, *channels)
    assert_same("strips", x, w, (1, 1), (top, min(left, taps - 1)), rng)


steps = st.tuples(st.integers(1, 3), st.integers(1, 3))
zeros = st.tuples(st.integers(0, 2), st.integers(0, 2))


@given(seeds, components, sizes, channels, steps, steps, zeros)
def test_the_direct_form_takes_any_kernel_stride_and_padding(seed, parts, size, channels, kernel, stride, padding):
    size = (size[0], max(size[1], kernel[0]), max(size[2], kernel[1]))
    rng = np.random.default_rng(seed)
    x, w = draw(rng, *size, parts * channels[0]), draw(rng, parts, *kernel, *channels)
    assert_same("direct", x, w, stride, padding, rng)


@given(seeds, components, sizes, channels, steps, steps, zeros)
def test_the_patched_form_takes_them_too_and_goes_back_where_the_stride_is_one(
    seed, parts, size, channels, kernel, stride, padding
):
    size, padding = (size[0], *map(max, size[1:], kernel)), tuple(map(min, padding, [tap - 1 for tap in kernel]))
    rng = np.random.default_rng(seed)
    x, w = draw(rng, *size, parts * channels[0]), draw(rng, parts, *kernel, *channels)
    assert_same("patched", x, w, (1, 1), padding, rng)
    g = cotangent(x, w, stride, padding, rng)
    y, _, gw = real_form(x, w, g, stride, padding)
    assert_close(patched.convolve(x, w, stride, padding), y, atol=1e-11)
    assert_close(patched.kernel_gradient(x, g, w.shape, stride, padding), gw, atol=1e-10)


CASES = {
    "several tiles of one clip": ((1, 200, 64, 32), (4, 3, 3, 8, 8)),
    "several clips in a tile": ((9, 15, 2, 64), (4, 3, 3, 16, 16)),
    "several slices of the kernel": ((5, 16, 13, 64), (1, 3, 3, 64, 1100)),
    "several slices of the quaternion kernel": ((9, 16, 8, 512), (4, 3, 3, 128, 150)),
    "few pixels and a large kernel": ((2, 15, 2, 512), (4, 3, 3, 128, 150)),
    "few pixels and a small kernel": ((3, 7, 4, 64), (4, 3, 3, 16, 17)),
    "fewer channels than pay": ((2, 40, 30, 4), (4, 3, 3, 1, 16)),
    "fewer channels and few pixels": ((2, 5, 6, 60), (4, 3, 3, 15, 16)),
    "no clip": ((0, 40, 30, 16), (4, 3, 3, 4, 4)),
}


RULES = {  # a map and a kernel, real -> the forms of the result and of both gradients
    "many pixels": ((16, 31, 16, 64), (1, 3, 3, 64, 64), (1, 1), "strips strips strips"),
    "too few for a large kernel": ((4, 31, 4, 1024), (1, 3, 3, 1024, 64), (1, 1), "direct direct direct"),
    "enough for a small one": ((4, 31, 4, 64), (1, 3, 3, 64, 64), (1, 1), "strips strips strips"),
    "too few for a small one": ((1, 15, 8, 64), (1, 3, 3, 64, 64), (1, 1), "patched patched patched"),
    "five taps": ((16, 31, 16, 64), (1, 5, 5, 64, 64), (1, 1), "patched patched patched"),
    "every second pixel": ((16, 31, 16, 64), (1, 3, 3, 64, 64), (2, 2), "patched direct patched"),
}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_looks_at_shapes_alone(name, monkeypatch):
    image, kernel, stride, expected = RULES[name]
    taken, modules = [], {"strips": [convolution], "patched": [patched], "direct": [direct, direct_gradients]}
    for form, places in modules.items():
        for module in places:
            for function in {"convolve", "input_gradient", "kernel_gradient"} & set(vars(module)):
                monkeypatch.setattr(module, function, lambda *_, form=form: taken.append(form))
    x, w = np.empty(image), np.empty(kernel)
    forms.convolve(x, w, stride, (1, 1))
    forms.input_gradient(x, w, image, stride, (1, 1))
    forms.kernel_gradient(x, x, kernel, stride, (1, 1))
    assert taken == expected.split()


@pytest.mark.parametrize("name", CASES)
def test_the_rule_changes_the_way_but_not_the_result(name, rng):
    image, kernel = CASES[name]
    assert_same("by the rule", draw(rng, *image), draw(rng, *kernel), (1, 1), (1, 1), rng)


@pytest.mark.parametrize("form", ["strips", "patched", "direct"])
@pytest.mark.parametrize("view", [lambda x: x[:, ::2], lambda x: x[:, ::-1, ::-1], lambda x: x.swapaxes(1, 2)])
def test_views_that_are_not_in_memory_order_are_read_rightly(form, view, rng):
    x = view(draw(rng, 2, 12, 14, 8))
    assert_same(form, x, draw(rng, 4, 3, 3, 3, 2).swapaxes(3, 4), (1, 1), (1, 1), rng)


@pytest.mark.parametrize("form", ["strips", "patched", "direct"])
@pytest.mark.parametrize("parts", [1, 4])
def test_float32_keeps_five_digits_in_every_form(form, parts, rng):
    x = draw(rng, 2, 62, 8, parts * 64, dtype=np.float32)
    w = draw(rng, parts, 3, 3, 64, 64, dtype=np.float32)
    assert_same(form, x, w, (1, 1), (1, 1), rng, tolerance=1e-5)


@pytest.mark.parametrize("form", ["strips", "patched", "direct"])
def test_the_gradients_are_adjoint_to_the_convolution(form, rng):
    x, w = draw(rng, 2, 9, 11, 12), draw(rng, 4, 3, 3, 3, 2)
    forward, to_image, to_kernel = FORMS[form]
    g, options = cotangent(x, w, (1, 1), (1, 1), rng), ((1, 1), (1, 1))
    total = dot(forward(x, w, *options), g)
    assert_close(dot(x, to_image(g, w, x.shape, *options)), total)
    assert_close(dot(w, to_kernel(x, g, w.shape, *options)), total)


@pytest.mark.parametrize("form", ["strips", "patched", "direct"])
@pytest.mark.parametrize("case", [((5, 8, 4, 512), (4, 3, 3, 128, 600)), ((5, 40, 30, 64), (1, 3, 3, 64, 130))])
def test_the_form_is_the_same_to_the_last_bit_for_any_number_of_threads(form, case, with_threads, monkeypatch, rng):
    # a thread once returned its scratch, and its next piece overwrote the gradient before it was added
    monkeypatch.setattr(direct, "KERNEL_BYTES", 1 << 18)  # many pieces for every thread
    monkeypatch.setattr(direct, "IMAGE_BYTES", 1 << 18)
    monkeypatch.setattr(patched, "PATCHES_BYTES", 1 << 18)
    x, w = (draw(rng, *shape, dtype=np.float32) for shape in case)
    g = cotangent(x, w, (1, 1), (1, 1), rng)
    results = []
    for count in (1, 2, 5):
        with_threads(count)
        forward, to_image, to_kernel = FORMS[form]
        y, gx = forward(x, w, (1, 1), (1, 1)), to_image(g, w, x.shape, (1, 1), (1, 1))
        results.append([y, gx, to_kernel(x, g, w.shape, (1, 1), (1, 1))])
    for other in results[1:]:
        for ours, theirs in zip(results[0], other, strict=True):
            assert (ours == theirs).all()
    for ours, theirs in zip(results[0], real_form(x, w, g, (1, 1), (1, 1)), strict=True):
        assert_close(ours / np.abs(theirs).max(), theirs / np.abs(theirs).max(), rtol=0, atol=1e-5)
