"""Tests of chapter 3: eight multiplications.

As a matrix product, p ⊗ q costs 16 real multiplications. Eight multiplications are sufficient, and the order of the
factors is kept. So the components can also be matrices or convolutions, and a quaternion layer costs half.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quatnet.quaternion import hamilton_product

H = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
quaternions = arrays(float, 4, elements=st.floats(-10, 10))
seeds = st.integers(0, 2**32 - 1)


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-9)


class CountedProduct:
    """A product, elementwise or of matrices, that counts its calls."""

    def __init__(self, matrices=False):
        self.matrices, self.count = matrices, 0

    def __call__(self, a, b):
        self.count += 1
        return a @ b if self.matrices else a * b

    def __repr__(self):
        return "multiply"


def check_calls(multiply):
    causes = {16: "this is the number without sharing sums", 20: "compute z once, not for each component"}
    cause = causes.get(multiply.count, "call it once for each pair of entries")
    if multiply.count != 8:
        raise AssertionError(f"multiply was called {multiply.count} times, expected 8: {cause}")


# Worked examples


def test_hadamard_transform_worked_example(hadamard_transform):
    # 1 + 2 + 3 + 5 = 11    1 - 2 + 3 - 5 = -3    1 + 2 - 3 - 5 = -5    1 - 2 - 3 + 5 = 1
    assert_close(hadamard_transform(np.array([1.0, 2, 3, 5])), [11, -3, -5, 1])


def test_hadamard_transform_of_arrays(hadamard_transform):
    # the components may be arrays, here of the shape (2, 3)
    q = np.arange(24.0).reshape(4, 2, 3)
    assert_close(hadamard_transform(q), np.tensordot(H, q, 1))


def test_eight_products_worked_example(eight_products):
    # For p = 1 + 2i + 3j + 4k and q = 5 + 6i + 7j + 8k:
    # H p = (10, -2, -4, 0), H q = (26, -2, -4, 0), the product of equal entries is (260, 4, 16, 0)
    # H (260, 4, 16, 0) = (280, 272, 248, 240), z = ¼ (280, 272, 248, 240) = (70, 68, 62, 60)
    # r = 2·1·5 - 70 = -60   i = 68 - 2·4·7 = 12   j = 62 - 2·2·8 = 30   k = 60 - 2·3·6 = 24
    product = eight_products(np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8]), CountedProduct())
    assert_close(product, [-60, 12, 30, 24])


# Laws


@given(quaternions)
def test_hadamard_transform_equals_the_matrix(hadamard_transform, q):
    assert_close(hadamard_transform(q), H @ q)


@given(quaternions)
def test_hadamard_transform_twice_is_four_times_the_quaternion(hadamard_transform, q):
    assert_close(hadamard_transform(hadamard_transform(q)), 4 * q)


@given(quaternions, quaternions)
def test_z_is_the_product_without_signs(hadamard_transform, p, q):
    # z = ¼ H [(H p) · (H q)] is the product with the table of the units in which all signs are positive: it is
    # commutative. The four remaining products correct the signs.
    z = hadamard_transform(hadamard_transform(p) * hadamard_transform(q)) / 4
    expected = np.zeros(4)
    for a, b in np.ndindex(4, 4):
        expected[a ^ b] += p[a] * q[b]  # the component of the product of two units is the exclusive or of their numbers
    assert_close(z, expected)


# Reference: 16 multiplications


@given(quaternions, quaternions)
def test_eight_products_equal_the_hamilton_product(eight_products, p, q):
    multiply = CountedProduct()
    assert_close(eight_products(p, q, multiply), [float(a) for a in hamilton_product(p, q)])
    check_calls(multiply)


@given(seeds)
def test_eight_products_of_matrices(eight_products, seed):
    # The entries of two quaternion matrices are quaternions. The components are real matrices, which do not commute.
    rng = np.random.default_rng(seed)
    p, q = rng.standard_normal((4, 2, 3)), rng.standard_normal((4, 3, 5))
    multiply = CountedProduct(matrices=True)
    product = eight_products(p, q, multiply)
    for m, n in np.ndindex(2, 5):
        terms = [hamilton_product(p[:, m, k], q[:, k, n]) for k in range(3)]
        assert_close(product[:, m, n], [float(sum(term[c] for term in terms)) for c in range(4)])
    check_calls(multiply)
