"""Test Winograd's algorithm with CUDA kernels: results of the plain convolution, use, and batched products.

The algorithm is exact in real arithmetic. In float64 it agrees with the plain convolution up to rounding. In float32,
the rounding error is a few times that of the plain convolution.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.arrays import draw
from support.device import use_backend
from support.kernels import kernels_enabled, kernels_on_cpu, needs_compiler
from support.strategies import seeds

from quatnet.backend import asnumpy, use_tf32, uses_tf32, xp
from quatnet.conv import gpu, gpu_winograd, plain
from quatnet.conv.fast import gpu_products
from quatnet.conv.fast.gpu_layout import make_shape
from quatnet.quaternion import left_matrix_adjoint

pytestmark = needs_compiler
pads = st.tuples(st.integers(0, 2), st.integers(0, 2))


def relative_error(actual, expected) -> float:
    actual, expected = asnumpy(actual), asnumpy(expected)
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-30))


@given(
    size=st.tuples(st.integers(3, 11), st.integers(3, 11)),
    padding=pads,
    form=st.sampled_from(("real", "eight products", "blocks")),
    seed=seeds,
)
@pytest.mark.parametrize(("dtype", "limit"), [(np.float64, 1e-13), (np.float32, 1e-5)])
@settings(max_examples=20)
def test_results_of_the_plain_convolution(dtype, limit, size, padding, form, seed):
    components = 1 if form == "real" else 4
    x, w = draw(seed, 2, *size, 3 * components), draw(seed + 1, components, 3, 3, 3, 5)
    real = w[0] if components == 1 else plain.quaternion_to_real_kernel(w)
    y = plain.conv2d(x, real, padding=padding)
    grad = draw(seed + 2, *y.shape)
    grad_x = plain.conv2d_input_gradient(grad, real, x.shape, padding=padding)
    grad_w = plain.conv2d_weight_gradient(x, grad, (3, 3), padding=padding)
    expected = grad_w[None] if components == 1 else left_matrix_adjoint(plain.split_blocks(grad_w), axis=0)
    kernel = real[None].shape if form == "blocks" else w.shape
    conv = make_shape(x.shape, kernel, (1, 1), padding, (1, 1), 1)
    with kernels_on_cpu():
        x, w, grad = (array.astype(dtype) for array in (x, w, grad))
        assert relative_error(gpu_winograd.convolve(x, w, conv), y) < limit
        assert relative_error(gpu_winograd.input_gradient(grad, w, conv), grad_x) < limit
        assert relative_error(gpu_winograd.weight_gradient(x, grad, w.shape, conv), expected) < limit


@pytest.mark.parametrize("components", [1, 4])
def test_batch_slices_do_not_change_the_result(components, monkeypatch):
    x, w = draw(0, 3, 5, 6, 2 * components), draw(1, components, 3, 3, 2, 2)
    grad = draw(2, 3, 5, 6, 2 * components)

    def results():
        conv = make_shape(x.shape, w.shape, (1, 1), (1, 1), (1, 1), 1)
        return gpu_winograd.convolve(x, w, conv), gpu_winograd.weight_gradient(x, grad, w.shape, conv)

    with kernels_on_cpu():
        expected = results()
        monkeypatch.setattr(gpu_winograd, "TILE_BYTES", 1)
        assert all(relative_error(a, b) < 1e-13 for a, b in zip(results(), expected, strict=True))


@pytest.mark.parametrize("components", [1, 4])
def test_empty_batch(components):
    x, w = draw(0, 0, 5, 6, 2 * components), draw(1, components, 3, 3, 2, 3)
    grad = draw(2, 0, 5, 6, 3 * components)
    conv = make_shape(x.shape, w.shape, (1, 1), (1, 1), (1, 1), 1)
    with kernels_on_cpu():
        assert gpu_winograd.convolve(x, w, conv).shape == grad.shape
        assert gpu_winograd.input_gradient(grad, w, conv).shape == x.shape
        assert not asnumpy(gpu_winograd.weight_gradient(x, grad, w.shape, conv)).any()


def shape_of(channels=16, kernel=(3, 3), stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1):
    return make_shape((1, 9, 9, channels), (1, *kernel, channels // groups, 8), stride, padding, dilation, groups)


@pytest.mark.parametrize(
    "options",
    [
        {"channels": 15},
        {"kernel": (3, 5)},
        {"kernel": (1, 1)},
        {"stride": (1, 2)},
        {"dilation": (2, 1)},
        {"padding": (3, 1)},
        {"groups": 2},
    ],
    ids=str,
)
def test_layers_that_use_im2col(options):
    x = xp.zeros((1, 9, 9, 16), dtype=np.float32)
    assert gpu_winograd.supports(shape_of(), x)
    assert not gpu_winograd.supports(shape_of(**options), x)
    assert not gpu_winograd.supports(shape_of(), x.astype(np.float64))


def test_wide_layers_use_the_tiles(monkeypatch):
    called = []
    monkeypatch.setattr(gpu_winograd, "convolve", lambda *arguments: called.append("tiles"))
    x, w = (draw(0, *shape, dtype=np.float32) for shape in ((1, 5, 5, 16), (1, 3, 3, 16, 2)))
    with kernels_enabled():
        gpu.convolve(x, w, (1, 1), (1, 1))
    assert called == ["tiles"]


def test_tf32_uses_no_tiles():
    with use_backend("cupy"):
        x = xp.zeros((1, 9, 9, 16), dtype=np.float32)
        try:
            use_tf32(True)
            assert uses_tf32()
            assert not gpu_winograd.supports(shape_of(), x)
        finally:
            use_tf32(False)
        assert not uses_tf32()
        assert gpu_winograd.supports(shape_of(), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("stack", "rows", "columns"),
    [((2,), 7, (5, 3)), ((2, 3), 4096, (5, 7)), ((1, 1), 32032, (9, 64)), ((1,), 0, (2, 3))],
)
def test_transposed_product(stack, rows, columns, dtype):
    a, b = (np.random.default_rng(n).standard_normal((*stack, rows, columns[n])).astype(dtype) for n in range(2))
    with use_backend("cupy"):
        product = gpu_products.transposed_product(xp.asarray(a), xp.asarray(b))
        assert product.dtype == dtype
        expected = a.astype(float).swapaxes(-1, -2) @ b.astype(float)
        np.testing.assert_allclose(asnumpy(product), expected, rtol=1e-4, atol=2e-3 if dtype == np.float32 else 1e-11)
