"""Tests of chapter 5: the gradient of a Hamilton product.

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

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.strategies import quaternions, seeds

BROADCAST = [((4,), (4,)), ((3, 4), (4,)), ((2, 1, 4), (3, 4)), ((1, 4), (5, 4))]
ONE, UNIT_I, UNIT_J, UNIT_K = np.eye(4)
P, Q = np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])
CONJUGATE = np.array([1, -1, -1, -1])


def assert_close(actual, expected):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-8)


# Worked examples


def test_gradients_of_i_times_j(left_factor_gradient, right_factor_gradient):
    # The product is y = i ⊗ j = k. The loss is the component k of y, so the upstream gradient is g = k.
    # grad_p = g ⊗ q* = k ⊗ (-j) = -(kj) = -(-i) = i
    # grad_q = p* ⊗ g = (-i) ⊗ k = -(ik) = -(-j) = j
    assert_close(left_factor_gradient(UNIT_K, UNIT_J), UNIT_I)
    assert_close(right_factor_gradient(UNIT_K, UNIT_I), UNIT_J)


def test_gradients_of_j_times_i(left_factor_gradient, right_factor_gradient):
    # The product is y = j ⊗ i = -k, and g = k.
    # grad_p = k ⊗ (-i) = -(ki) = -j, grad_q = (-j) ⊗ k = -(jk) = -i
    assert_close(left_factor_gradient(UNIT_K, UNIT_I), -UNIT_J)
    assert_close(right_factor_gradient(UNIT_K, UNIT_J), -UNIT_I)


def test_gradients_worked_example(left_factor_gradient, right_factor_gradient):
    # The loss is y_r, so g = 1. Step 1 gives grad_p = (q_r, -q_i, -q_j, -q_k) = q* and grad_q = p*.
    assert_close(left_factor_gradient(ONE, Q), [5, -6, -7, -8])
    assert_close(right_factor_gradient(ONE, P), [1, -2, -3, -4])


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
    assert_close(product_equations(p, q), oracles.hamilton(p, q))


def test_step_2_partial_derivatives(left_factor_gradient, right_factor_gradient):
    # y is linear in q, so the partial derivative with respect to q_i is the change of y when q_i increases by 1
    pr, pi, pj, pk = P
    assert_close(product_equations(P, Q + UNIT_I) - product_equations(P, Q), [-pi, pr, pk, -pj])
    # If unit a times unit b is ± unit c, then dy_c / dp_a = ± q_b and dy_c / dq_b = ± p_a.
    for a, b in np.ndindex(4, 4):
        c, sign = oracles.unit_product(a, b)
        assert_close(left_factor_gradient(np.eye(4)[c], Q)[a], sign * Q[b])
        assert_close(right_factor_gradient(np.eye(4)[c], P)[b], sign * P[a])


@given(quaternions(), quaternions(), quaternions())
def test_step_3_chain_rule(left_factor_gradient, right_factor_gradient, p, q, g):
    expected_p, expected_q = np.zeros(4), np.zeros(4)
    for a, b in np.ndindex(4, 4):
        c, sign = oracles.unit_product(a, b)  # y_c contains the term ± p_a q_b
        expected_p[a] += g[c] * sign * q[b]
        expected_q[b] += g[c] * sign * p[a]
    assert_close(left_factor_gradient(g, q), expected_p)
    assert_close(right_factor_gradient(g, p), expected_q)


@given(quaternions(), quaternions(), quaternions())
def test_step_4_gradients_are_products_with_conjugates(left_factor_gradient, right_factor_gradient, p, q, g):
    assert_close(left_factor_gradient(g, q), oracles.hamilton(g, q * CONJUGATE))
    assert_close(right_factor_gradient(g, p), oracles.hamilton(p * CONJUGATE, g))


def test_step_5_gradients_are_added(hamilton_product_backward):
    # The left factor P is multiplied by i and by j, and both products have the upstream gradient 1.
    # grad_p = 1 ⊗ i* + 1 ⊗ j* = -i - j. The gradients of i and j are p*.
    grad_p, grad_q = hamilton_product_backward(np.stack([ONE, ONE]), P, np.stack([UNIT_I, UNIT_J]))
    assert_close(grad_p, -UNIT_I - UNIT_J)
    assert_close(grad_q, [[1, -2, -3, -4]] * 2)


# Laws


@given(quaternions(), quaternions(), quaternions())
def test_adjoint_identities(left_factor_gradient, right_factor_gradient, p, q, g):
    # the identities are <p ⊗ q, g> = <p, g ⊗ q*> = <q, p* ⊗ g>
    product = oracles.hamilton(p, q) @ g
    assert_close(product, p @ left_factor_gradient(g, q))
    assert_close(product, q @ right_factor_gradient(g, p))


@given(st.sampled_from(BROADCAST), seeds)
def test_gradients_of_arrays_equal_sums_over_the_pairs(hamilton_product_backward, shapes, seed):
    rng = np.random.default_rng(seed)
    p, q = (rng.standard_normal(shape) for shape in shapes)
    grad = rng.standard_normal(np.broadcast_shapes(*shapes))
    expected_p, expected_q = np.zeros(p.shape), np.zeros(q.shape)
    rows_p, rows_q = (np.broadcast_to(np.arange(a.size // 4).reshape(a.shape[:-1]), grad.shape[:-1]) for a in (p, q))
    for index in np.ndindex(grad.shape[:-1]):
        a, b, g = p.reshape(-1, 4)[rows_p[index]], q.reshape(-1, 4)[rows_q[index]], grad[index]
        expected_p.reshape(-1, 4)[rows_p[index]] += oracles.hamilton(g, b * CONJUGATE)
        expected_q.reshape(-1, 4)[rows_q[index]] += oracles.hamilton(a * CONJUGATE, g)
    grad_p, grad_q = hamilton_product_backward(grad, p, q)
    assert_close(grad_p, expected_p)
    assert_close(grad_q, expected_q)
