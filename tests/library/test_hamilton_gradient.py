"""Tests of the op hamilton_product: broadcasting, component axes, dtypes, parity with PyTorch and errors.

The derivation of the gradient is in tests/course/test_05_hamilton_gradient.py.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_close, dot, draw
from support.parity import assert_parity
from support.strategies import quaternions, seeds

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.backend import xp
from quatnet.errors import ShapeError
from quatnet.quaternion import hamilton_product, left_matrix, right_matrix


def gradients(p, q, g, axis=-1):
    p, q = Tensor(p, requires_grad=True), Tensor(q, requires_grad=True)
    ops.hamilton_product(p, q, axis=axis).backward(xp.asarray(g))
    return p.grad, q.grad


@given(quaternions(), quaternions(), quaternions())
def test_step_3_transposed_matrix(p, q, g):
    grad_p, grad_q = gradients(p, q, g)
    g = xp.asarray(g)
    assert_close(grad_p, right_matrix(q).T @ g, atol=1e-9)
    assert_close(grad_q, left_matrix(p).T @ g, atol=1e-9)


# Properties


@given(quaternions(), quaternions(), quaternions())
def test_adjoint_identities(p, q, g):
    # the identities are <p ⊗ q, g> = <p, g ⊗ q*> = <q, p* ⊗ g>
    grad_p, grad_q = gradients(p, q, g)
    loss = dot(hamilton_product(p, q), xp.asarray(g))
    assert loss == pytest.approx(dot(xp.asarray(p), grad_p), abs=1e-8)
    assert loss == pytest.approx(dot(xp.asarray(q), grad_q), abs=1e-8)


# Arrays

BROADCAST = [((4,), (4,)), ((3, 4), (4,)), ((2, 1, 4), (3, 4)), ((1, 4), (5, 4))]


@pytest.mark.parametrize(("p", "q"), BROADCAST)
def test_gradcheck_with_broadcasting(p, q, rng):
    gradcheck(ops.hamilton_product, [draw(rng, *p), draw(rng, *q)], rng=rng)


@given(seeds, st.integers(-3, -1), st.booleans())
def test_component_axis(seed, axis, broadcast):
    rng = np.random.default_rng(seed)
    shape = [2, 3]
    shape.insert(3 + axis, 4)
    p, q = draw(rng, *shape), draw(rng, *([1, *shape] if broadcast else shape[axis:]))
    product = ops.hamilton_product(Tensor(p), Tensor(q), axis=axis).data
    assert_close(product, hamilton_product(p, q, axis=axis))
    gradcheck(lambda p, q: ops.hamilton_product(p, q, axis=axis), [p, q], rng=rng, num_directions=1)


def test_gradient_of_square(rng):
    # both factors of q² are q, so their gradients are added
    gradcheck(lambda q: ops.hamilton_product(q, q, axis=-2), [draw(rng, 3, 4, 2)], rng=rng)


def test_gradient_of_commutator(rng):
    # The commutator is [p, q] = p ⊗ q - q ⊗ p, so [i, j] = k - (-k) = 2k and [q, q] = 0.
    def commutator(p, q):
        return ops.hamilton_product(p, q) - ops.hamilton_product(q, p)

    _, i, j, k = (Tensor(unit) for unit in np.eye(4))
    assert_close(commutator(i, j).data, 2 * k.data)
    assert_close(commutator(j, j).data, np.zeros(4))
    gradcheck(commutator, [draw(rng, 3, 4), draw(rng, 4)], rng=rng)


def test_no_gradient_without_upstream_gradient(rng):
    p, q = (Tensor(draw(rng, 4), requires_grad=True) for _ in range(2))
    product = ops.hamilton_product(p, q)
    Tensor.from_op(product.data, (product,), lambda grad: (None,)).backward(xp.ones(4))
    assert p.grad is None
    assert q.grad is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype, rng):
    q = draw(rng, 3, 4, dtype=dtype)
    grad_p, grad_q = gradients(q, q[0], xp.ones((3, 4), dtype=dtype))
    assert ops.hamilton_product(Tensor(q), Tensor(q)).data.dtype == grad_p.dtype == grad_q.dtype == dtype


@given(seeds, st.integers(0, 2))
def test_non_negative_axis_with_equal_ndim(seed, axis):
    rng, shape = np.random.default_rng(seed), [2, 3]
    shape.insert(axis, 4)
    broadcast = [length if length == 4 else 1 for length in shape]
    gradcheck(
        lambda p, q: ops.hamilton_product(p, q, axis=axis),
        [draw(rng, *shape), draw(rng, *broadcast)],
        rng=rng,
        num_directions=1,
    )


# Errors


@pytest.mark.parametrize("axis", [-1, -2])
def test_wrong_axis_length_raises(axis):
    with pytest.raises(ShapeError, match="length 4"):
        ops.hamilton_product(Tensor(np.ones((3, 5))), Tensor(np.ones((3, 5))), axis=axis)


def test_non_negative_axis_with_different_ndim_raises():
    # Axis 0 of q (4,) holds the components, but broadcasting aligns this axis with the last axis of p (4, 4).
    with pytest.raises(ShapeError, match=r"expected axis < 0 for shapes \(4, 4\) and \(4,\)"):
        ops.hamilton_product(Tensor(np.ones((4, 4))), Tensor(np.ones(4)), axis=0)


def test_incompatible_shapes_raise():
    with pytest.raises(ShapeError, match=r"shapes \(3, 4\) and \(2, 4\) do not broadcast"):
        ops.hamilton_product(Tensor(np.ones((3, 4))), Tensor(np.ones((2, 4))))


@pytest.mark.parity
@pytest.mark.parametrize(("p", "q"), BROADCAST)
def test_equals_pytorch(p, q, torch, rng):
    def reference(p, q):
        a, b, c, d = p.unbind(-1)
        e, f, g, h = q.unbind(-1)
        r = a * e - b * f - c * g - d * h
        i = a * f + b * e + c * h - d * g
        j = a * g - b * h + c * e + d * f
        k = a * h + b * g - c * f + d * e
        return torch.stack([r, i, j, k], dim=-1)

    assert_parity(torch, ops.hamilton_product, reference, [draw(rng, *p), draw(rng, *q)], rng)
