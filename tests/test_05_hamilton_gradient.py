"""How a gradient passes through a Hamilton product.

For y = p ⊗ q with gradient g of y, the gradients of the factors are Hamilton products themselves:

    gp = g ⊗ q*        gq = p* ⊗ g

The reason takes one line: the product is linear in q, y = L(p) q, so gq = L(p)ᵀ g, and the transposed matrix of
p is the matrix of its conjugate (test_02). The same on the other side with R(q).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.arrays import assert_close, dot, draw
from support.parity import assert_parity
from support.strategies import quaternions, seeds

from quatnet import Tensor, gradcheck, ops
from quatnet.backend import asnumpy, xp
from quatnet.errors import ShapeError
from quatnet.quaternion import conjugate, hamilton_product, left_matrix, right_matrix


def gradients(p, q, g, axis=-1):
    p, q = Tensor(p, requires_grad=True), Tensor(q, requires_grad=True)
    ops.hamilton_product(p, q, axis=axis).backward(xp.asarray(g))
    return p.grad, q.grad


# By hand


def test_the_gradient_of_i_times_j_by_hand():
    # y = i ⊗ j = k. Let the loss be the k component: g = k.
    # gp = g ⊗ q* = k ⊗ (-j) = -(kj) = -(-i) = i: more of i in p is more of k in y
    # gq = p* ⊗ g = (-i) ⊗ k = -(ik) = -(-j) = j: more of j in q is more of k in y
    _, i, j, k = np.eye(4)
    gp, gq = gradients(i, j, k)
    assert_close(gp, i)
    assert_close(gq, j)


def test_a_gradient_worked_with_a_pencil():
    # y_r = p_r q_r - p_i q_i - p_j q_j - p_k q_k, and the loss is y_r: g = 1
    # gp = (q_r, -q_i, -q_j, -q_k) = q*,  gq = p*
    gp, gq = gradients(np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8]), [1.0, 0, 0, 0])
    assert_close(gp, [5, -6, -7, -8])
    assert_close(gq, [1, -2, -3, -4])


def test_every_partial_derivative_stands_in_the_table():
    # dy_c / dp_a = ± q_b where unit a times unit b is ± unit c
    p, q = np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])
    for c in range(4):
        gp, gq = gradients(p, q, np.eye(4)[c])
        for a, b in np.ndindex(4, 4):
            component, sign = oracles.unit_product(a, b)
            if component == c:
                assert (asnumpy(gp)[a], asnumpy(gq)[b]) == (sign * q[b], sign * p[a])


# The laws


@given(quaternions(), quaternions(), quaternions())
def test_the_gradients_are_products_with_the_conjugates(p, q, g):
    gp, gq = gradients(p, q, g)
    assert_close(gp, oracles.hamilton(g, asnumpy(conjugate(q))), atol=1e-9)
    assert_close(gq, oracles.hamilton(asnumpy(conjugate(p)), g), atol=1e-9)


@given(quaternions(), quaternions(), quaternions())
def test_the_gradients_are_the_transposed_matrices_times_g(p, q, g):
    gp, gq = gradients(p, q, g)
    g = xp.asarray(g)
    assert_close(gp, right_matrix(q).T @ g, atol=1e-9)
    assert_close(gq, left_matrix(p).T @ g, atol=1e-9)


@given(quaternions(), quaternions(), quaternions())
def test_the_three_ways_to_move_a_factor_agree(p, q, g):
    # <p ⊗ q, g> = <p, g ⊗ q*> = <q, p* ⊗ g>
    gp, gq = gradients(p, q, g)
    loss = dot(hamilton_product(p, q), xp.asarray(g))
    assert loss == pytest.approx(dot(xp.asarray(p), gp), abs=1e-8)
    assert loss == pytest.approx(dot(xp.asarray(q), gq), abs=1e-8)


# Arrays

BROADCAST = [((4,), (4,)), ((3, 4), (4,)), ((2, 1, 4), (3, 4)), ((1, 4), (5, 4))]


@pytest.mark.parametrize(("p", "q"), BROADCAST)
def test_gradients_with_broadcasting_agree_with_difference_quotients(p, q, rng):
    gradcheck(ops.hamilton_product, [draw(rng, *p), draw(rng, *q)], rng=rng)


@given(seeds, st.integers(-3, -1), st.booleans())
def test_any_axis_may_hold_the_components(seed, axis, stretched):
    rng = np.random.default_rng(seed)
    shape = [2, 3]
    shape.insert(3 + axis, 4)
    p, q = draw(rng, *shape), draw(rng, *([1, *shape] if stretched else shape[axis:]))
    product = ops.hamilton_product(Tensor(p), Tensor(q), axis=axis).data
    assert_close(product, hamilton_product(p, q, axis=axis))
    gradcheck(lambda p, q: ops.hamilton_product(p, q, axis=axis), [p, q], rng=rng, directions=1)


def test_the_same_tensor_on_both_sides(rng):
    # d(q²): both gradients of one tensor add up
    gradcheck(lambda q: ops.hamilton_product(q, q, axis=-2), [draw(rng, 3, 4, 2)], rng=rng)


def test_the_commutator_worked_with_a_pencil(rng):
    # [p, q] = p ⊗ q - q ⊗ p is what the order of the factors changes: [i, j] = k - (-k) = 2k, and [q, q] = 0
    def commutator(p, q):
        return ops.hamilton_product(p, q) - ops.hamilton_product(q, p)

    _, i, j, k = (Tensor(unit) for unit in np.eye(4))
    assert_close(commutator(i, j).data, 2 * k.data)
    assert_close(commutator(j, j).data, np.zeros(4))
    gradcheck(commutator, [draw(rng, 3, 4), draw(rng, 4)], rng=rng)


def test_a_gradient_that_ends_above_a_product_reaches_neither_factor(rng):
    p, q = (Tensor(draw(rng, 4), requires_grad=True) for _ in range(2))
    product = ops.hamilton_product(p, q)
    Tensor.from_op(product.data, (product,), lambda g: (None,)).backward(xp.ones(4))
    assert p.grad is None
    assert q.grad is None


def test_float32_stays_float32(rng):
    q = draw(rng, 3, 4, dtype=np.float32)
    gp, gq = gradients(q, q[0], xp.ones((3, 4), dtype=np.float32))
    assert gp.dtype == gq.dtype == np.float32


@pytest.mark.parametrize("axis", [-1, -2])
def test_an_axis_of_another_length_is_an_error(axis):
    with pytest.raises(ShapeError, match="length 4"):
        ops.hamilton_product(Tensor(np.ones((3, 5))), Tensor(np.ones((3, 5))), axis=axis)


@pytest.mark.parity
@pytest.mark.parametrize(("p", "q"), BROADCAST)
def test_values_and_gradients_are_those_of_pytorch(p, q, torch, rng):
    def typed_out(p, q):
        a, b, c, d = p.unbind(-1)
        e, f, g, h = q.unbind(-1)
        r = a * e - b * f - c * g - d * h
        i = a * f + b * e + c * h - d * g
        j = a * g - b * h + c * e + d * f
        k = a * h + b * g - c * f + d * e
        return torch.stack([r, i, j, k], dim=-1)

    assert_parity(torch, ops.hamilton_product, typed_out, [draw(rng, *p), draw(rng, *q)], rng)
