"""Convolution by rotations.

A quaternion can turn space: x -> w ⊗ x ⊗ w* / |w|² turns the imaginary part of x, a vector, and leaves the real part
alone. Here every tap of a kernel turns what it sees, scales it by a number s, and the results add up. That is no
longer linear in w, and the law of the other layers is gone: a quaternion on the right does not go through. Other
laws take its place, and they are tested here: the real part is an ordinary convolution with s, lengths are kept,
only the direction of w counts, and turning the input is turning the weights.
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

options = options_of("stride", "padding", "dilation")


def rotation_conv2d(x, w, s, **chosen):
    return ops.quaternion_rotation_conv2d(Tensor(x), Tensor(w), Tensor(s), **chosen).data


def opened(x):
    return x.reshape(*x.shape[:-1], 4, -1)


def drawn(seed, *, g=1, n=2, c=2, o=3):
    """An image, weights and scales that fit together."""
    x, w = draw(seed, n, 4, 5, 4 * c * g), draw(seed + 1, 4, 2, 3, c, o * g)
    return x, w, draw(seed + 2, *w.shape[1:])


# By hand


def test_a_quarter_turn():
    # w = 1 + k turns by 90 degrees about k: i -> j, j -> -i. So 5 + 1i + 2j + 3k -> 5 - 2i + 1j + 3k, times s = 10
    x = xp.asarray([5.0, 1, 2, 3]).reshape(1, 1, 1, 4)
    w = xp.asarray([1.0, 0, 0, 1]).reshape(4, 1, 1, 1, 1)
    assert_close(rotation_conv2d(x, w, xp.full((1, 1, 1, 1), 10.0)).ravel(), [50, -20, 10, 30])


def test_two_channels_are_turned_apart_and_added():
    # r r i i j j k k: i about i by 180 degrees stays i; j about k by 180 degrees becomes -j. Scales 1 and 2
    x = xp.asarray([0.0, 0, 1, 0, 0, 1, 0, 0]).reshape(1, 1, 1, 8)
    w = xp.zeros((4, 1, 1, 2, 1))
    w[1, 0, 0, 0, 0], w[3, 0, 0, 1, 0] = 1, 1
    s = xp.asarray([1.0, 2]).reshape(1, 1, 2, 1)
    assert_close(rotation_conv2d(x, w, s).ravel(), [0, 1, -2, 0])


# Against loops, and against the matrix of a rotation


@given(seeds, options, st.integers(1, 2))
def test_the_op_is_a_loop_of_rotations(seed, chosen, g):
    x, w, s = drawn(seed, g=g, n=1, c=3 - g, o=1)
    scaled = np.concatenate([asnumpy(w), asnumpy(s)[None]])  # five numbers a tap: w, then s

    def turn(five, one):
        return five[4] * oracles.rotation(five[:4], one)

    expected = oracles.quaternion_conv2d(asnumpy(x), scaled, **chosen, groups=g, product=turn)
    assert_close(rotation_conv2d(x, w, s, **chosen, groups=g), expected)


@given(seeds)
def test_the_blocks_are_one_and_a_rotation_matrix(seed):
    w = draw(seed, 4, 5)
    w = w / quaternion.norm(w, axis=0)
    blocks = xp.moveaxis(rotation_matrices(Tensor(w)).data, 2, 0)  # (5, 4, 4)
    assert_close(blocks[:, 1:, 1:], to_matrix(w.T))
    assert_close(blocks[:, 0], xp.asarray([[1.0, 0, 0, 0]] * 5))
    assert_close(blocks[:, :, 0], xp.asarray([[1.0, 0, 0, 0]] * 5))


# The laws


@given(seeds, options)
def test_the_real_part_is_a_real_convolution_whatever_the_weights_are(seed, chosen):
    x, w, s = drawn(seed)
    y = rotation_conv2d(x, w, s, **chosen)
    assert_close(opened(y)[..., 0, :], plain.conv2d(opened(x)[..., 0, :], s, **chosen))


@given(seeds)
def test_the_imaginary_part_comes_from_the_imaginary_part_alone(seed):
    x, w, s = drawn(seed)
    other = x.copy()
    opened(other)[..., 0, :] = draw(seed + 3, 2, 4, 5, 2)
    found, expected = (opened(rotation_conv2d(image, w, s)) for image in (other, x))
    assert_close(found[..., 1:, :], expected[..., 1:, :])
    assert float(xp.abs(found - expected)[..., 0, :].max()) > 0.1


@given(seeds)
def test_one_tap_keeps_lengths(seed):
    # a kernel of one tap and one channel: |y| = |s| |x| at every pixel
    x, w, s = draw(seed, 2, 4, 5, 4), draw(seed + 1, 4, 1, 1, 1, 1), draw(seed + 2, 1, 1, 1, 1)
    y = rotation_conv2d(x, w, s)
    assert_close(quaternion.norm(y), quaternion.norm(x) * float(xp.abs(s).ravel()[0]))


@given(seeds, st.sampled_from([-1.0, 0.01, -30.0]))
def test_neither_length_nor_sign_of_the_weights_counts(seed, factor):
    x, w, s = drawn(seed)
    assert_close(rotation_conv2d(x, factor * w, s), rotation_conv2d(x, w, s))


@given(seeds)
def test_so_the_gradient_is_orthogonal_to_the_weights(seed):
    x, w, s = (Tensor(array, requires_grad=True) for array in drawn(seed))
    y = ops.quaternion_rotation_conv2d(x, w, s)
    y.backward(draw(seed + 3, *y.shape))
    assert_close((w.grad * w.data).sum(axis=0), xp.zeros(s.shape), atol=1e-9)
    assert float(xp.abs(w.grad).max()) > 0.01


@given(seeds)
def test_turning_the_input_is_turning_the_weights(seed):
    # w ⊗ (p ⊗ x ⊗ p*) ⊗ w* = (w ⊗ p) ⊗ x ⊗ (w ⊗ p)*
    x, w, s = drawn(seed)
    p = draw(seed + 3, 4)
    p = p / quaternion.norm(p)
    turned = hamilton_product(p[:, None], opened(times(x, conjugate(p))), axis=-2).reshape(x.shape)
    turned_weights = hamilton_product(w, p.reshape(4, 1, 1, 1, 1), axis=0)
    assert_close(rotation_conv2d(turned, w, s), rotation_conv2d(x, turned_weights, s))


def test_a_quaternion_on_the_right_does_not_go_through(rng):
    # so the laws above are needed
    x, w, s = drawn(rng.integers(99))
    q = draw(rng, 4)
    assert float(xp.abs(rotation_conv2d(times(x, q), w, s) - times(rotation_conv2d(x, w, s), q)).max()) > 1


# Gradients


@pytest.mark.parametrize("chosen", [{}, {"stride": (2, 1), "padding": 1, "dilation": (1, 2), "groups": 2}])
def test_gradients_agree_with_difference_quotients(chosen, rng):
    arrays = list(drawn(5, g=chosen.get("groups", 1)))
    gradcheck(lambda *a: ops.quaternion_rotation_conv2d(*a, **chosen), arrays, rng=rng, tolerance=1e-5)


@given(seeds)
def test_the_gradient_of_the_blocks_agrees_with_difference_quotients(seed):
    gradcheck(rotation_matrices, [draw(seed, 4, 2, 3)], rng=np.random.default_rng(seed), tolerance=1e-5)


def test_float32_stays_float32(rng):
    tensors = [Tensor(array.astype(np.float32), requires_grad=True) for array in drawn(3)]
    y = ops.quaternion_rotation_conv2d(*tensors)
    ops.sum(y).backward()
    assert {a.dtype for a in (y.data, *(tensor.grad for tensor in tensors))} == {np.dtype(np.float32)}


@pytest.mark.parity
@pytest.mark.parametrize("chosen", [{}, {"padding": 1, "stride": 2, "dilation": 2}])
def test_values_and_gradients_are_those_of_pytorch_with_a_rotation_matrix_typed_out(chosen, torch, rng):
    def theirs(x, w, s):
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
        return torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), kernel, **chosen).permute(0, 2, 3, 1)

    def ours(*tensors):
        return ops.quaternion_rotation_conv2d(*tensors, **chosen)

    assert_parity(torch, ours, theirs, drawn(7), rng)


# Mistakes


@pytest.mark.parametrize("scale", [(2, 3, 2), (4, 2, 3, 2, 3), (2, 3, 2, 1)])
def test_every_weight_needs_a_scale(scale):
    x, w, _ = drawn(0)
    with pytest.raises(ShapeError, match=r"one float64 scale for each weight, \(2, 3, 2, 3\), got float64 \("):
        rotation_conv2d(x, w, np.ones(scale))
    with pytest.raises(ShapeError, match="got float32"):
        rotation_conv2d(x, w, np.ones((2, 3, 2, 3), np.float32))


def test_an_image_that_does_not_fit_is_an_error_that_shows_both_shapes():
    with pytest.raises(ShapeError, match=r"\(1, 4, 5, 4\) and \(4, 2, 3, 2, 3\)"):
        rotation_conv2d(np.ones((1, 4, 5, 4)), *drawn(0)[1:])


def test_a_weight_without_a_direction_is_nan():
    with np.errstate(all="ignore"):
        y = rotation_conv2d(np.ones((1, 1, 1, 4)), np.zeros((4, 1, 1, 1, 1)), np.ones((1, 1, 1, 1)))
    assert np.isnan(asnumpy(y)).all()
