"""Exercise 3: a plain solution, typical mistakes and hints."""

import numpy as np

QUATERNIONS = True
ANY_NUMBERS = True  # examples of wrong calls have small integers


def hadamard_transform(q):
    a, b, c, d = q
    even, odd, even_difference, odd_difference = a + c, b + d, a - c, b - d
    return np.stack([even + odd, even - odd, even_difference + odd_difference, even_difference - odd_difference])


def eight_products(p, q, multiply):
    pairs = zip(hadamard_transform(p), hadamard_transform(q))
    z = hadamard_transform([multiply(a, b) for a, b in pairs]) / 4
    r = 2 * multiply(p[0], q[0]) - z[0]
    i = z[1] - 2 * multiply(p[3], q[2])
    j = z[2] - 2 * multiply(p[1], q[3])
    k = z[3] - 2 * multiply(p[2], q[1])
    return np.stack([r, i, j, k])


MISTAKES = [
    ("the rows 1 and 2 of H are exchanged", "even - odd, even_difference + odd_difference,", "even_difference + odd_difference, even - odd,"),
    ("the last row of H must be 1 -1 -1 1", "even_difference - odd_difference]", "odd_difference - even_difference]"),
    ("all rows of H are the sum of all components; the signs are missing", "[even + odd, even - odd, even_difference + odd_difference, even_difference - odd_difference]", "[even + odd] * 4"),
    ("the rows of H are divided by 2; the factor ¼ belongs to z only", "return np.stack([even + odd, even - odd, even_difference + odd_difference, even_difference - odd_difference])", "return np.stack([even + odd, even - odd, even_difference + odd_difference, even_difference - odd_difference]) / 2"),
    ("the factor ¼ of z is missing", ") for a, b in pairs]) / 4", ") for a, b in pairs])"),
    ("the second transform is missing: z = ¼ H [(H p) · (H q)]", "z = hadamard_transform([multiply(a, b) for a, b in pairs]) / 4", "z = np.stack([multiply(a, b) for a, b in pairs]) / 4"),
    ("the sign of r is wrong: r = 2 p_r q_r - z_r", "r = 2 * multiply(p[0], q[0]) - z[0]", "r = z[0] - 2 * multiply(p[0], q[0])"),
    ("the factor 2 of the correction of i is missing", "z[1] - 2 * multiply(p[3], q[2])", "z[1] - multiply(p[3], q[2])"),
    ("the correction of i uses p_j q_k; this gives the product q ⊗ p in the component i", "multiply(p[3], q[2])", "multiply(p[2], q[3])"),
    ("the indices of all corrections are exchanged, this is q ⊗ p", "    i = z[1] - 2 * multiply(p[3], q[2])\n    j = z[2] - 2 * multiply(p[1], q[3])\n    k = z[3] - 2 * multiply(p[2], q[1])", "    i = z[1] - 2 * multiply(p[2], q[3])\n    j = z[2] - 2 * multiply(p[3], q[1])\n    k = z[3] - 2 * multiply(p[1], q[2])"),
    ("the correction of j uses p_k q_i; this gives the product q ⊗ p in the component j", "multiply(p[1], q[3])", "multiply(p[3], q[1])"),
    ("the correction of k uses p_i q_j; this gives the product q ⊗ p in the component k", "multiply(p[2], q[1])", "multiply(p[1], q[2])"),
    ("the components may be arrays, so H @ q does not work; add and subtract q[0], q[1], q[2] and q[3]", "    return np.stack([even + odd", "    return np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) @ q\n    return np.stack([even + odd"),
    ("the corrections of j and k are exchanged", "j = z[2] - 2 * multiply(p[1], q[3])\n    k = z[3] - 2 * multiply(p[2], q[1])", "j = z[2] - 2 * multiply(p[2], q[1])\n    k = z[3] - 2 * multiply(p[1], q[3])"),
    ("the correction of k is added; all four corrections of i, j and k are subtracted", "z[3] - 2 *", "z[3] + 2 *"),
    ("`multiply` receives the component of q first; the component of p is the left factor", "multiply(a, b)", "multiply(b, a)"),
    ("the corrections are missing: z is only the sum of all products with positive signs", "return np.stack([r, i, j, k])", "return np.stack(z)"),
]  # fmt: skip


def _fails_for_arrays(function):
    """Return an explanation if the function is right for numbers and raises an error for arrays."""
    q = np.array([1.0, 2, 3, 5])
    if not np.allclose(function(q), hadamard_transform(q)):
        return None
    try:
        function(np.ones((4, 2, 3)))
    except Exception:
        return "the components may be arrays, so H @ q does not work; add and subtract q[0], q[1], q[2] and q[3]"
    return None


DIAGNOSES = {"hadamard_transform": _fails_for_arrays}

HINTS = {
    "hadamard_transform": [
        "row 0 of H is (q_r + q_j) + (q_i + q_k), row 1 is (q_r + q_j) - (q_i + q_k)",
        "row 2 is (q_r - q_j) + (q_i - q_k), row 3 is (q_r - q_j) - (q_i - q_k); join them with np.stack",
    ],
    "eight_products": [
        "four products are multiply(a, b) for the entries a of H p and b of H q",
        "z = hadamard_transform of these four products, divided by 4",
        "the other four products are multiply(p[0], q[0]), multiply(p[3], q[2]), multiply(p[1], q[3]) and "
        "multiply(p[2], q[1])",
    ],
}
