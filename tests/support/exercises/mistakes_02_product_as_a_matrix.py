"""Exercise 2: a plain solution, typical mistakes and hints."""

import numpy as np

QUATERNIONS = True
ANY_NUMBERS = True  # examples of wrong calls have small integers


def left_matrix(p):
    r, i, j, k = p
    return np.array([[r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r]])


def right_matrix(q):
    r, i, j, k = q
    return np.array([[r, -i, -j, -k], [i, r, k, -j], [j, -k, r, i], [k, j, -i, r]])


def left_matrix_adjoint(matrix):
    entries = [left_matrix(unit) for unit in np.eye(4)]
    return np.array([(entry * matrix).sum() for entry in entries])


MISTAKES = [
    ("the matrix is transposed: this is L(p*), the products must be columns", "[[r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r]]", "[[r, i, j, k], [-i, r, k, -j], [-j, -k, r, i], [-k, j, -i, r]]"),
    ("this is R(p), the matrix of the product with p on the right", "[[r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r]]", "[[r, -i, -j, -k], [i, r, k, -j], [j, -k, r, i], [k, j, -i, r]]"),
    ("all entries of L(p) are positive, the signs are missing", "[[r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r]]", "[[r, i, j, k], [i, r, k, j], [j, k, r, i], [k, j, i, r]]"),
    ("the first row of L(p) has positive signs, but i·i = j·j = k·k = -1", "[[r, -i, -j, -k], [i, r, -k, j]", "[[r, i, j, k], [i, r, -k, j]"),
    ("L(p) has p on the diagonal; this is a product of equal components", "return np.array([[r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r]])", "return np.diag([r, i, j, k])"),
    ("the columns 2 and 3 of L(p) are exchanged; the order is r, i, j, k", "[[r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r]]", "[[r, -i, -k, -j], [i, r, j, -k], [j, k, -i, r], [k, -j, r, i]]"),
    ("the matrix is transposed: this is R(q*), the products must be columns", "[[r, -i, -j, -k], [i, r, k, -j], [j, -k, r, i], [k, j, -i, r]]", "[[r, i, j, k], [-i, r, -k, j], [-j, k, r, -i], [-k, -j, i, r]]"),
    ("this is L(q), the matrix of the product with q on the left", "[[r, -i, -j, -k], [i, r, k, -j], [j, -k, r, i], [k, j, -i, r]]", "[[r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r]]"),
    ("this is the first column only; all four entries of a component must be added", "(entry * matrix).sum()", "(entry * matrix)[:, 0].sum()"),
    ("the signs of the entries are missing in the sum", "(entry * matrix).sum()", "(abs(entry) * matrix).sum()"),
    ("the sum is divided by 4; the adjoint is a sum, not a mean", "(entry * matrix).sum()", "(entry * matrix).mean() * 4"),
    ("this is the adjoint of the transposed matrix, the conjugate of the result", "(entry * matrix).sum()", "(entry.T * matrix).sum()"),
    ("this is the sum of each column; add the four entries of each component of p, with their signs", "return np.array([(entry * matrix).sum() for entry in entries])", "return matrix.sum(axis=0)"),
    ("this is the sum of each row; add the four entries of each component of p, with their signs", "return np.array([(entry * matrix).sum() for entry in entries])", "return matrix.sum(axis=1)"),
    ("this is the adjoint of R, not of L", "left_matrix(unit)", "right_matrix(unit)"),
]  # fmt: skip

HINTS = {
    "left_matrix": [
        "column b is the product of p and the unit number b, which is row b of np.eye(4)",
        "np.stack(..., axis=1) joins four products as columns; axis=0, the default, makes rows",
        "np.stack([hamilton_product(p, unit) for unit in np.eye(4)], axis=1); axis=1 makes the products columns",
    ],
    "right_matrix": ["as left_matrix, with the factors exchanged: the unit is on the left"],
    "left_matrix_adjoint": [
        "component a of p is in L(p) with the entries of left_matrix(np.eye(4)[a]): 1, -1 or 0",
        "for a = 1, the entries of left_matrix(i) are -1 in [0, 1], 1 in [1, 0], -1 in [2, 3] and 1 in [3, 2]: "
        "component 1 is -m[0, 1] + m[1, 0] - m[2, 3] + m[3, 2]",
        "component a of the result is (left_matrix(np.eye(4)[a]) * matrix).sum()",
    ],
}
