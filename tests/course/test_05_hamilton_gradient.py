"""How a gradient passes through a Hamilton product: a derivation in five steps, each with its test.

1. Write out y = p ⊗ q with i² = j² = k² = -1, ij = k, jk = i, ki = j (test_01_quaternions):

       y_r = p_r q_r - p_i q_i - p_j q_j - p_k q_k
       y_i = p_i q_r + p_r q_i - p_k q_j + p_j q_k
       y_j = p_j q_r + p_k q_i + p_r q_j - p_i q_k
       y_k = p_k q_r - p_j q_i + p_i q_j + p_r q_k

2. Every y is a sum of p times q, so a partial derivative is one component of p with its sign. Those by q stand in
   the columns above: by q_i they are (-p_i, p_r, p_k, -p_j).
3. The gradient of q_i is the chain rule: each output's gradient g times its derivative, added up.

       gq_i = -p_i g_r + p_r g_i + p_k g_j - p_j g_k

   Rows gave y from q; columns give gq from g. So with the matrix L(p) of the signs above, y = L(p) q and
   gq = L(p)ᵀ g.
4. Compare with the row of y_i in step 1: the same letters with p_i, p_j, p_k negated, and g for q. The transposed
   matrix of p is the matrix of its conjugate p* = p_r - p_i i - p_j j - p_k k, and a matrix is a product again:

       gq = p* ⊗ g        and on the other side, with y = R(q) p,        gp = g ⊗ q*

5. Where a quaternion met several others, its gradients add up.

So the backward of a Hamilton product is two Hamilton products: whatever makes one fast makes the other fast.
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


# One product, by hand


def test_the_gradient_of_i_times_j_by_hand():
    # y = i ⊗ j = k. Let the loss be the k component: g = k.
    # gp = g ⊗ q* = k ⊗ (-j) = -(kj) = -(-i) = i: more of i in p is more of k in y
    # gq = p* ⊗ g = (-i) ⊗ k = -(ik) = -(-j) = j: more of j in q is more of k in y
    _, i, j, k = np.eye(4)
    gp, gq = gradients(i, j, k)
    assert_close(gp, i)
    assert_close(gq, j)


def test_the_order_of_the_factors_matters_in_the_gradient_too():
    # y = j ⊗ i = -k, again with g = k: gp = k ⊗ (-i) = -(ki) = -j, less of j is more of k; gq = (-j) ⊗ k = -(jk) = -i
    _, i, j, k = np.eye(4)
    gp, gq = gradients(j, i, k)
    assert_close(gp, -j)
    assert_close(gq, -i)


P, Q = np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])


def test_a_gradient_worked_with_a_pencil():
    # the loss is y_r: g = 1. The row of y_r in step 1 gives gp = (q_r, -q_i, -q_j, -q_k) = q* and gq = p*
    gp, gq = gradients(P, Q, [1.0, 0, 0, 0])
    assert_close(gp, [5, -6, -7, -8])
    assert_close(gq, [1, -2, -3, -4])


# The five steps


def written_out(p, q):
    """Step 1, line by line."""
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
def test_step_1_the_product_written_out(p, q):
    assert_close(ops.hamilton_product(Tensor(p), Tensor(q)).data, written_out(p, q))


def test_step_2_the_partial_derivatives_are_components_with_a_sign():
    # y is linear in q: what one unit of q_i does to y is the derivative by q_i
    pr, pi, pj, pk = P
    assert_close(written_out(P, Q + np.eye(4)[1]) - written_out(P, Q), [-pi, pr, pk, -pj])
    # and all thirty-two: dy_c / dp_a = ± q_b and dy_c / dq_b = ± p_a, where unit a times unit b is ± unit c
    for c in range(4):
        gp, gq = gradients(P, Q, np.eye(4)[c])
        for a, b in np.ndindex(4, 4):
            component, sign = oracles.unit_product(a, b)
            if component == c:
                assert (asnumpy(gp)[a], asnumpy(gq)[b]) == (sign * Q[b], sign * P[a])


@given(quaternions(), quaternions(), quaternions())
def test_step_3_the_gradient_is_the_sum_over_the_outputs(p, q, g):
    expected_p, expected_q = np.zeros(4), np.zeros(4)
    for a, b in np.ndindex(4, 4):
        c, sign = oracles.unit_product(a, b)  # y_c has the term ± p_a q_b
        expected_p[a] += g[c] * sign * q[b]
        expected_q[b] += g[c] * sign * p[a]
    gp, gq = gradients(p, q, g)
    assert_close(gp, expected_p)
    assert_close(gq, expected_q)


@given(quaternions(), quaternions(), quaternions())
def test_step_3_again_as_the_transposed_matrix(p, q, g):
    gp, gq = gradients(p, q, g)
    g = xp.asarray(g)
    assert_close(gp, right_matrix(q).T @ g, atol=1e-9)
    assert_close(gq, left_matrix(p).T @ g, atol=1e-9)


@given(quaternions())
def test_step_4_the_transposed_matrix_is_that_of_the_conjugate(p):
    assert_close(left_matrix(p).T, left_matrix(conjugate(p)))
    assert_close(right_matrix(p).T, right_matrix(conjugate(p)))


@given(quaternions(), quaternions(), quaternions())
def test_step_4_the_gradients_are_products_with_the_conjugates(p, q, g):
    gp, gq = gradients(p, q, g)
    assert_close(gp, oracles.hamilton(g, asnumpy(conjugate(q))), atol=1e-9)
    assert_close(gq, oracles.hamilton(asnumpy(conjugate(p)), g), atol=1e-9)


def test_step_5_a_quaternion_that_met_several_receives_the_sum():
    # p meets i and j, g = 1 for both: gp = 1 ⊗ i* + 1 ⊗ j* = -i - j; each q receives p* of its own
    one, i, j, _ = np.eye(4)
    gp, gq = gradients(P, np.stack([i, j]), np.stack([one, one]))
    assert_close(gp, -i - j)
    assert_close(gq, [[1, -2, -3, -4]] * 2)


# The laws


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_in_is_dtype_out(dtype, rng):
    q = draw(rng, 3, 4, dtype=dtype)
    gp, gq = gradients(q, q[0], xp.ones((3, 4), dtype=dtype))
    assert ops.hamilton_product(Tensor(q), Tensor(q)).data.dtype == gp.dtype == gq.dtype == dtype


@given(seeds, st.integers(0, 2))
def test_an_axis_may_be_counted_from_the_front_where_both_have_as_many(seed, axis):
    rng, shape = np.random.default_rng(seed), [2, 3]
    shape.insert(axis, 4)
    stretched = [length if length == 4 else 1 for length in shape]
    gradcheck(
        lambda p, q: ops.hamilton_product(p, q, axis=axis),
        [draw(rng, *shape), draw(rng, *stretched)],
        rng=rng,
        directions=1,
    )


# Mistakes


@pytest.mark.parametrize("axis", [-1, -2])
def test_an_axis_of_another_length_is_an_error(axis):
    with pytest.raises(ShapeError, match="length 4"):
        ops.hamilton_product(Tensor(np.ones((3, 5))), Tensor(np.ones((3, 5))), axis=axis)


def test_an_axis_counted_from_the_front_is_another_axis_in_the_other_shape():
    # axis 0 holds the components of q (4,) and of p (4, 4), but they stand under the last axis of p
    with pytest.raises(ShapeError, match=r"expected axis < 0 for shapes \(4, 4\) and \(4,\)"):
        ops.hamilton_product(Tensor(np.ones((4, 4))), Tensor(np.ones(4)), axis=0)


def test_the_other_axes_must_broadcast():
    with pytest.raises(ShapeError, match=r"shapes \(3, 4\) and \(2, 4\) do not fit together"):
        ops.hamilton_product(Tensor(np.ones((3, 4))), Tensor(np.ones((2, 4))))


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
