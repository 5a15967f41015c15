"""Test the convolution by rotations.

The map x -> w ⊗ x ⊗ w* / |w|² rotates the imaginary part of a quaternion x and keeps the real part. In this convolution
each tap has a quaternion weight w and a real scale s. It rotates its pixel by w and multiplies the result by s. The
results of all taps are added. The op is not linear in w, and it does not commute with right multiplication by a
quaternion. The op has the following properties:

- the real part of the result is a real convolution with the scales;
- a kernel of one tap keeps norms up to the scale;
- the result depends on the direction of w only;
- a rotation of the input is equivalent to a rotation of the weights.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.arrays import assert_close, draw
from support.parity import assert_parity
from support.right_multiplication import times
from support.strategies import options_of, seeds

from quatnet import Tensor, ops, quaternion
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp
from quatnet.conv import plain
from quatnet.errors import ShapeError
from quatnet.ops.rotation_conv import rotation_matrices
from quatnet.quaternion import conjugate, hamilton_product, to_matrix

any_options = options_of("stride", "padding", "dilation")


def rotation_conv2d(x, w, s, **options):
    return ops.quaternion_rotation_conv2d(Tensor(x), Tensor(w), Tensor(s), **options).data


def split_components(x):
    return x.reshape(*x.shape[:-1], 4, -1)


def draw_arguments(seed, *, g=1, n=2, c=2, o=3):
    """Draw an image, weights and scales that fit together."""
    x, w = draw(seed, n, 4, 5, 4 * c * g), draw(seed + 1, 4, 2, 3, c, o * g)
    return x, w, draw(seed + 2, *w.shape[1:])


# Worked examples


def test_rotation_by_90_degrees():
    # w = 1 + k rotates by 90 degrees about k: i to j, j to -i, and therefore 5 + i + 2j + 3k to 5 - 2i + j + 3k
    # the scale is 10
    x = xp.asarray([5.0, 1, 2, 3]).reshape(1, 1, 1, 4)
    w = xp.asarray([1.0, 0, 0, 1]).reshape(4, 1, 1, 1, 1)
    assert_close(rotation_conv2d(x, w, xp.full((1, 1, 1, 1), 10.0)).ravel(), [50, -20, 10, 30])


def test_two_channels_are_rotated_separately_and_added():
    # the first channel, i, is rotated by 180 degrees about i to i; its scale is 1
    # the second channel, j, is rotated by 180 degrees about k to -j; its scale is 2
    x = xp.asarray([0.0, 0, 1, 0, 0, 1, 0, 0]).reshape(1, 1, 1, 8)
    w = xp.zeros((4, 1, 1, 2, 1))
    w[1, 0, 0, 0, 0], w[3, 0, 0, 1, 0] = 1, 1
    s = xp.asarray([1.0, 2]).reshape(1, 1, 2, 1)
    assert_close(rotation_conv2d(x, w, s).ravel(), [0, 1, -2, 0])


# Comparison with loops and with rotation matrices


@given(seeds, any_options, st.integers(1, 2))
def test_op_is_a_loop_of_rotations(seed, options, g):
    x, w, s = draw_arguments(seed, g=g, n=1, c=3 - g, o=1)
    scaled = np.concatenate([asnumpy(w), asnumpy(s)[None]])  # five numbers per tap: four components of w, and s

    def rotate(weight, pixel):
        return weight[4] * oracles.rotation(weight[:4], pixel)

    expected = oracles.quaternion_conv2d(asnumpy(x), scaled, **options, groups=g, product=rotate)
    assert_close(rotation_conv2d(x, w, s, **options, groups=g), expected)


@given(seeds)
def test_blocks_are_one_and_a_rotation_matrix(seed):
    w = draw(seed, 4, 5)
    w = w / quaternion.norm(w, axis=0)
    blocks = xp.moveaxis(rotation_matrices(Tensor(w)).data, 2, 0)  # five matrices of shape (4, 4)
    assert_close(blocks[:, 1:, 1:], to_matrix(w.T))
    assert_close(blocks[:, 0], xp.asarray([[1.0, 0, 0, 0]] * 5))
    assert_close(blocks[:, :, 0], xp.asarray([[1.0, 0, 0, 0]] * 5))


# Properties


@given(seeds, any_options)
def test_real_part_is_a_real_convolution(seed, options):
    x, w, s = draw_arguments(seed)
    y = rotation_conv2d(x, w, s, **options)
    assert_close(split_components(y)[..., 0, :], plain.conv2d(split_components(x)[..., 0, :], s, **options))


@given(seeds)
def test_imaginary_part_depends_on_the_imaginary_part_only(seed):
    x, w, s = draw_arguments(seed)
    other = x.copy()
    split_components(other)[..., 0, :] = draw(seed + 3, 2, 4, 5, 2)
    result, expected = (split_components(rotation_conv2d(image, w, s)) for image in (other, x))
    assert_close(result[..., 1:, :], expected[..., 1:, :])
    assert float(xp.abs(result - expected)[..., 0, :].max()) > 0.1


@given(seeds)
def test_one_tap_keeps_norms(seed):
    # with one tap and one channel, the norm of every pixel is multiplied by |s|
    x, w, s = draw(seed, 2, 4, 5, 4), draw(seed + 1, 4, 1, 1, 1, 1), draw(seed + 2, 1, 1, 1, 1)
    y = rotation_conv2d(x, w, s)
    assert_close(quaternion.norm(y), quaternion.norm(x) * float(xp.abs(s).ravel()[0]))


@given(seeds, st.sampled_from([-1.0, 0.01, -30.0]))
def test_invariance_to_norm_and_sign_of_the_weights(seed, factor):
    x, w, s = draw_arguments(seed)
    assert_close(rotation_conv2d(x, factor * w, s), rotation_conv2d(x, w, s))


@given(seeds)
def test_gradient_is_orthogonal_to_the_weights(seed):
    x, w, s = (Tensor(array, requires_grad=True) for array in draw_arguments(seed))
    y = ops.quaternion_rotation_conv2d(x, w, s)
    y.backward(draw(seed + 3, *y.shape))
    assert_close((w.grad * w.data).sum(axis=0), xp.zeros(s.shape), atol=1e-9)
    assert float(xp.abs(w.grad).max()) > 0.01


@given(seeds)
def test_rotation_of_the_input_is_a_rotation_of_the_weights(seed):
    # for a rotation p of the input, w ⊗ (p ⊗ x ⊗ p*) ⊗ w* = (w ⊗ p) ⊗ x ⊗ (w ⊗ p)*
    x, w, s = draw_arguments(seed)
    p = draw(seed + 3, 4)
    p = p / quaternion.norm(p)
    rotated = hamilton_product(p[:, None], split_components(times(x, conjugate(p))), axis=-2).reshape(x.shape)
    rotated_weights = hamilton_product(w, p.reshape(4, 1, 1, 1, 1), axis=0)
    assert_close(rotation_conv2d(rotated, w, s), rotation_conv2d(x, rotated_weights, s))


def test_no_equivariance_to_right_multiplication(rng):
    x, w, s = draw_arguments(rng.integers(99))
    q = draw(rng, 4)
    assert float(xp.abs(rotation_conv2d(times(x, q), w, s) - times(rotation_conv2d(x, w, s), q)).max()) > 1


# Gradients


@pytest.mark.parametrize("options", [{}, {"stride": (2, 1), "padding": 1, "dilation": (1, 2), "groups": 2}])
def test_gradients(options, rng):
    arrays = list(draw_arguments(5, g=options.get("groups", 1)))
    gradcheck(lambda *a: ops.quaternion_rotation_conv2d(*a, **options), arrays, rng=rng, tolerance=1e-5)


@given(seeds)
def test_gradient_of_the_blocks(seed):
    gradcheck(rotation_matrices, [draw(seed, 4, 2, 3)], rng=np.random.default_rng(seed), tolerance=1e-5)


def test_float32_stays_float32(rng):
    tensors = [Tensor(array.astype(np.float32), requires_grad=True) for array in draw_arguments(3)]
    y = ops.quaternion_rotation_conv2d(*tensors)
    ops.sum(y).backward()
    assert {a.dtype for a in (y.data, *(tensor.grad for tensor in tensors))} == {np.dtype(np.float32)}


@pytest.mark.parity
@pytest.mark.parametrize("options", [{}, {"padding": 1, "stride": 2, "dilation": 2}])
def test_agrees_with_a_rotation_matrix_in_pytorch(options, torch, rng):
    def torch_op(x, w, s):
        r, i, j, k = (part.permute(3, 2, 0, 1) for part in w / torch.linalg.vector_norm(w, dim=0))
        one, zero = torch.ones_like(r), torch.zeros_like(r)
        rows = [
            [one, zero, zero, zero],
            [zero, 1 - 2 * (j * j + k * k), 2 * (i * j - k * r), 2 * (i * k + j * r)],
            [zero, 2 * (i * j + k * r), 1 - 2 * (i * i + k * k), 2 * (j * k - i * r)],
            [zero, 2 * (i * k - j * r), 2 * (j * k + i * r), 1 - 2 * (i * i + j * j)],
        ]
        scale = s.permute(3, 2, 0, 1)
        kernel = torch.cat([torch.cat([scale * entry for entry in row], dim=1) for row in rows], dim=0)
        return torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), kernel, **options).permute(0, 2, 3, 1)

    def op(*tensors):
        return ops.quaternion_rotation_conv2d(*tensors, **options)

    assert_parity(torch, op, torch_op, draw_arguments(7), rng)


# Errors


@pytest.mark.parametrize("scale", [(2, 3, 2), (4, 2, 3, 2, 3), (2, 3, 2, 1)])
def test_shape_of_the_scale(scale):
    x, w, _ = draw_arguments(0)
    with pytest.raises(ShapeError, match=r"expected scale of dtype float64 and shape \(2, 3, 2, 3\), got float64 \("):
        rotation_conv2d(x, w, np.ones(scale))
    with pytest.raises(ShapeError, match="got float32"):
        rotation_conv2d(x, w, np.ones((2, 3, 2, 3), np.float32))


def test_shape_of_the_image():
    with pytest.raises(ShapeError, match=r"\(1, 4, 5, 4\) and \(4, 2, 3, 2, 3\)"):
        rotation_conv2d(np.ones((1, 4, 5, 4)), *draw_arguments(0)[1:])


def test_zero_weight_gives_nan():
    with np.errstate(all="ignore"):
        y = rotation_conv2d(np.ones((1, 1, 1, 4)), np.zeros((4, 1, 1, 1, 1)), np.ones((1, 1, 1, 1)))
    assert np.isnan(asnumpy(y)).all()


@pytest.mark.parametrize("size", [1e-36, 1e-20, 1.0, 1e20, 3e38])
def test_norm_of_rotation_weights_has_no_effect(size, rng):
    x, scale = (xp.asarray(rng.standard_normal(shape), dtype=np.float32) for shape in ((1, 1, 1, 4), (1, 1, 1, 1)))
    w = xp.asarray([1, -0.5, 0.25, 1], dtype=np.float32).reshape(4, 1, 1, 1, 1)
    expected, found = (ops.quaternion_rotation_conv2d(x, w * np.float32(s), scale).numpy() for s in (1, size))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
