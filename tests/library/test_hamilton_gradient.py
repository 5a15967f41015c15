"""Tests of the gradient of the Hamilton product, derived in five steps.

1. Write out y = p ⊗ q with i² = j² = k² = -1, ij = k, jk = i, ki = j (test_01_quaternions):

       y_r = p_r q_r - p_i q_i - p_j q_j - p_k q_k
       y_i = p_i q_r + p_r q_i - p_k q_j + p_j q_k
       y_j = p_j q_r + p_k q_i + p_r q_j - p_i q_k
       y_k = p_k q_r - p_j q_i + p_i q_j + p_r q_k

2. Every component of y is a sum of products of components of p and q, so each partial derivative is one component with
   a sign. The partial derivatives of y with respect to q_i are (-p_i, p_r, p_k, -p_j), the factors of q_i in step 1.
3. By the chain rule, the gradient of q_i is the sum of the upstream gradient g times these partial derivatives:

       grad_q_i = -p_i g_r + p_r g_i + p_k g_j - p_j g_k

   Let L(p) be the matrix of the equations in step 1. Then y = L(p) q and grad_q = L(p)ᵀ g.
4. The gradient of q_i in step 3 is the equation of y_i in step 1 with g in place of q and with p_i, p_j, p_k negated.
   So the transposed matrix of p is the matrix of the conjugate p* = p_r - p_i i - p_j j - p_k k. The matrix R(q) with
   y = R(q) p has the same property. The gradients are Hamilton products:

       grad_q = p* ⊗ g        and        grad_p = g ⊗ q*

5. If a quaternion is a factor of several products, its gradients are added.

The backward pass of a Hamilton product is two Hamilton products, so a faster product also makes the backward pass
faster.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.arrays import assert_close, dot, draw
from support.parity import assert_parity
from support.strategies import quaternions, seeds

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp
from quatnet.errors import ShapeError
from quatnet.quaternion import conjugate, hamilton_product, left_matrix, right_matrix


def gradients(p, q, g, axis=-1):
    p, q = Tensor(p, requires_grad=True), Tensor(q, requires_grad=True)
    ops.hamilton_product(p, q, axis=axis).backward(xp.asarray(g))
    return p.grad, q.grad


# Worked examples


def test_gradient_of_i_times_j():
    # The product is y = i ⊗ j = k. The loss is the component k of y, so the upstream gradient is g = k.
    # grad_p = g ⊗ q* = k ⊗ (-j) = -(kj) = -(-i) = i
    # grad_q = p* ⊗ g = (-i) ⊗ k = -(ik) = -(-j) = j
    _, i, j, k = np.eye(4)
    grad_p, grad_q = gradients(i, j, k)
    assert_close(grad_p, i)
    assert_close(grad_q, j)


def test_gradient_of_j_times_i():
    # The product is y = j ⊗ i = -k, and g = k.
    # grad_p = k ⊗ (-i) = -(ki) = -j, grad_q = (-j) ⊗ k = -(jk) = -i
    _, i, j, k = np.eye(4)
    grad_p, grad_q = gradients(j, i, k)
    assert_close(grad_p, -j)
    assert_close(grad_q, -i)


P, Q = np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])


def test_gradient_worked_example():
    # The loss is y_r, so g = 1. Step 1 gives grad_p = (q_r, -q_i, -q_j, -q_k) = q* and grad_q = p*.
    grad_p, grad_q = gradients(P, Q, [1.0, 0, 0, 0])
    assert_close(grad_p, [5, -6, -7, -8])
    assert_close(grad_q, [1, -2, -3, -4])


# The five steps


def product_equations(p, q):
    """Return p ⊗ q, computed with the equations of step 1."""
    (pr, pi, pj, pk), (qr, qi, qj, qk) = p, q
    return np.array(
        [
            pr * qr - pi * qi - pj * qj - pk * qk,
            pi * qr + pr * qi - pk * qj + pj * qk,
            pj * qr + pk * qi + pr * qj - pi * qk,
            pk * qr - pj * qi + pi * qj + pr * qk,
        ]
    )


@given(quaternions(), quaternions())
def test_step_1_product_equations(p, q):
    assert_close(ops.hamilton_product(Tensor(p), Tensor(q)).data, product_equations(p, q))


def test_step_2_partial_derivatives():
    # y is linear in q, so the partial derivative with respect to q_i is the change of y when q_i increases by 1
    pr, pi, pj, pk = P
    assert_close(product_equations(P, Q + np.eye(4)[1]) - product_equations(P, Q), [-pi, pr, pk, -pj])
    # If unit a times unit b is ± unit c, then dy_c / dp_a = ± q_b and dy_c / dq_b = ± p_a.
    for c in range(4):
        grad_p, grad_q = gradients(P, Q, np.eye(4)[c])
        for a, b in np.ndindex(4, 4):
            component, sign = oracles.unit_product(a, b)
            if component == c:
                assert (asnumpy(grad_p)[a], asnumpy(grad_q)[b]) == (sign * Q[b], sign * P[a])


@given(quaternions(), quaternions(), quaternions())
def test_step_3_chain_rule(p, q, g):
    expected_p, expected_q = np.zeros(4), np.zeros(4)
    for a, b in np.ndindex(4, 4):
        c, sign = oracles.unit_product(a, b)  # y_c contains the term ± p_a q_b
        expected_p[a] += g[c] * sign * q[b]
        expected_q[b] += g[c] * sign * p[a]
    grad_p, grad_q = gradients(p, q, g)
    assert_close(grad_p, expected_p)
    assert_close(grad_q, expected_q)


@given(quaternions(), quaternions(), quaternions())
def test_step_3_transposed_matrix(p, q, g):
    grad_p, grad_q = gradients(p, q, g)
    g = xp.asarray(g)
    assert_close(grad_p, right_matrix(q).T @ g, atol=1e-9)
    assert_close(grad_q, left_matrix(p).T @ g, atol=1e-9)


@given(quaternions())
def test_step_4_transposed_matrix_is_matrix_of_conjugate(p):
    assert_close(left_matrix(p).T, left_matrix(conjugate(p)))
    assert_close(right_matrix(p).T, right_matrix(conjugate(p)))


@given(quaternions(), quaternions(), quaternions())
def test_step_4_gradients_are_products_with_conjugates(p, q, g):
    grad_p, grad_q = gradients(p, q, g)
    assert_close(grad_p, oracles.hamilton(g, asnumpy(conjugate(q))), atol=1e-9)
    assert_close(grad_q, oracles.hamilton(asnumpy(conjugate(p)), g), atol=1e-9)


def test_step_5_gradients_are_added():
    # The factors of p are i and j, and both products have the upstream gradient 1.
    # grad_p = 1 ⊗ i* + 1 ⊗ j* = -i - j. The gradients of i and j are p*.
    one, i, j, _ = np.eye(4)
    grad_p, grad_q = gradients(P, np.stack([i, j]), np.stack([one, one]))
    assert_close(grad_p, -i - j)
    assert_close(grad_q, [[1, -2, -3, -4]] * 2)


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
