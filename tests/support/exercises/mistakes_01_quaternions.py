"""Exercise 1: a plain solution, typical mistakes and hints."""

import itertools
import re

import numpy as np

from support.exercises.formatting import format_quaternion

QUATERNIONS = True
ANY_NUMBERS = True  # examples of wrong calls have small integers


def hamilton_product(p, q):
    pr, pi, pj, pk = p
    qr, qi, qj, qk = q
    r = pr * qr - pi * qi - pj * qj - pk * qk
    i = pr * qi + pi * qr + pj * qk - pk * qj
    j = pr * qj - pi * qk + pj * qr + pk * qi
    k = pr * qk + pi * qj - pj * qi + pk * qr
    return np.array([r, i, j, k])


def conjugate(q):
    return np.asarray(q) * [1, -1, -1, -1]


def norm(q):
    return np.sqrt(sum(a * a for a in q))


def inverse(q):
    return conjugate(q) / norm(q) ** 2


MISTAKES = [
    ("the factors are exchanged, this is q ⊗ p", "pr, pi, pj, pk = p\n    qr, qi, qj, qk = q", "pr, pi, pj, pk = q\n    qr, qi, qj, qk = p"),
    ("this is the product of equal components, without the terms of two different units", "return np.array([r, i, j, k])", "return np.asarray(p) * q"),
    ("the components are in the order i, j, k, r; expected r, i, j, k", "return np.array([r, i, j, k])", "return np.array([i, j, k, r])"),
    ("the cross terms of two imaginary units are missing in i, j and k", "return np.array([r, i, j, k])", "return np.array([r, pr * qi + pi * qr, pr * qj + pj * qr, pr * qk + pk * qr])"),
    ("the conjugate negates the real part; only i, j and k change their signs", "[1, -1, -1, -1]", "[-1, 1, 1, 1]"),
    ("all four signs are changed; the real part keeps its sign", "[1, -1, -1, -1]", "[-1, -1, -1, -1]"),
    ("the signs of i, j and k are not changed", "[1, -1, -1, -1]", "[1, 1, 1, 1]"),
    ("only the sign of i is changed, as for complex numbers; j and k change too", "[1, -1, -1, -1]", "[1, -1, 1, 1]"),
    ("the square root is missing, this is |q|²", "np.sqrt(sum(a * a for a in q))", "sum(a * a for a in q)"),
    ("the norm is the sum of the absolute values; expected the root of the sum of squares", "np.sqrt(sum(a * a for a in q))", "sum(abs(a) for a in q)"),
    ("the squares are missing in the norm", "sum(a * a for a in q)", "sum(q)"),
    ("the real part is missing in the norm", "sum(a * a for a in q)", "sum(a * a for a in q[1:])"),
    ("the conjugate is missing, this is q / |q|²", "conjugate(q) / norm", "np.asarray(q) / norm"),
    ("the conjugate is divided by |q|, not by |q|²", "norm(q) ** 2", "norm(q)"),
    ("this is the inverse of each component, 1 / q in NumPy", "conjugate(q) / norm(q) ** 2", "1 / np.asarray(q)"),
    ("this is the conjugate, without the division by |q|²", "conjugate(q) / norm(q) ** 2", "conjugate(q)"),
]  # fmt: skip

UNITS = {"r": "1", "i": "i", "j": "j", "k": "k"}


def _sign_mistakes():
    """Yield one mistake for each sign in the formula of the product."""
    from pathlib import Path

    for line in re.findall(r"^    [rijk] = .*$", Path(__file__).read_text(encoding="utf-8"), re.M)[:4]:
        for sign, a, b in re.findall(r"([+-]) p([rijk]) \* q([rijk])", line):
            wrong, unit = {"+": "-", "-": "+"}[sign], line.strip()[0].replace("r", "1")
            result = f"{UNITS[a]}·{UNITS[b]} = {'-' if sign == '-' else ''}{unit}"
            component = "the real part" if unit == "1" else f"the coefficient of {unit}"
            message = f"{component} in {UNITS[a]}·{UNITS[b]} has the wrong sign ({result}): see the table in chapter 1"
            yield message, line, line.replace(f"{sign} p{a} * q{b}", f"{wrong} p{a} * q{b}")


MISTAKES = [*_sign_mistakes(), *MISTAKES]


def _wrong_unit_products(function):
    """Return the products of two units that `function` computes wrongly, or None."""
    wrong = []
    for (a, p), (b, q) in itertools.product(zip("rijk", np.eye(4)), repeat=2):
        right, got = format_quaternion(hamilton_product(p, q)), format_quaternion(np.asarray(function(p, q), float))
        if right != got:
            wrong.append(f"{UNITS[a]}·{UNITS[b]} is {got}, expected {right}")
    return f"{len(wrong)} of 16 products of units are wrong: {'; '.join(wrong)}" if wrong else None


DIAGNOSES = {"hamilton_product": _wrong_unit_products}

HINTS = {
    "hamilton_product": [
        "each component has four terms. Compare the terms of the wrong components of the message with the table: the term "
        "p_a q_b has the sign of the product of the units a and b",
        "the terms of i are pr qi, pi qr, pj qk (since jk = i) and pk qj (since kj = -i)",
        "r = pr qr - pi qi - pj qj - pk qk; i = pr qi + pi qr + pj qk - pk qj; for j and k, exchange the letters "
        "in the cycle i → j → k → i",
    ],
    "conjugate": ["keep the first number and negate the other three", "np.array([q[0], -q[1], -q[2], -q[3]])"],
    "norm": ["add the squares of the four numbers, then use np.sqrt"],
    "inverse": ["conjugate(q) has the right direction; divide it by the square of norm(q)"],
}
