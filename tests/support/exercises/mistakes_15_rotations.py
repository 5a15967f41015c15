"""Exercise 15: a plain solution, typical mistakes and hints."""

import numpy as np

from quatnet.quaternion import conjugate, hamilton_product

QUATERNIONS = True


def exp(q):
    length = np.sqrt((q[1:] ** 2).sum())
    unit = q[1:] / length if length > 0 else 0 * q[1:]
    return np.exp(q[0]) * np.array([np.cos(length), *(unit * np.sin(length))])


def log(q):
    length = np.sqrt((q[1:] ** 2).sum())
    unit = q[1:] / length if length > 0 else 0 * q[1:]
    return np.array([np.log(np.sqrt((q**2).sum())), *(unit * np.arctan2(length, q[0]))])


def rotate(q, v):
    vector = np.array([0, *v])
    return hamilton_product(hamilton_product(q, vector), conjugate(q))[1:]


def from_axis_angle(direction, angle):
    unit = direction / np.sqrt((direction**2).sum())
    return np.array([np.cos(angle / 2), *(unit * np.sin(angle / 2))])


def to_matrix(q):
    return np.stack([rotate(q, unit) for unit in np.eye(3)], axis=1)


def slerp(p, q, t):
    cosine = p @ q
    if cosine < 0:
        q, cosine = -q, -cosine
    omega = np.arccos(min(cosine, 1))
    return (np.sin((1 - t) * omega) * p + np.sin(t * omega) * q) / np.sin(omega)


MISTAKES = [
    ("this is the exponential of each component", "return np.exp(q[0]) * np.array([np.cos(length), *(unit * np.sin(length))])", "return np.exp(q)"),
    ("the factor e^r is missing", "return np.exp(q[0]) * np.array([np.cos(length),", "return np.array([np.cos(length),"),
    ("the imaginary part is multiplied by v; expected the unit vector v/|v|", "*(unit * np.sin(length))])\n\n\ndef log", "*(q[1:] * np.sin(length))])\n\n\ndef log"),
    ("the angle is halved; expected cos |v| and sin |v|", "[np.cos(length), *(unit * np.sin(length))]", "[np.cos(length / 2), *(unit * np.sin(length / 2))]"),
    ("cos and sin are exchanged in the exponential", "[np.cos(length), *(unit * np.sin(length))]", "[np.sin(length), *(unit * np.cos(length))]"),
    ("the factor e^r is missing in the imaginary part", "return np.exp(q[0]) * np.array([np.cos(length), *(unit * np.sin(length))])", "return np.array([np.exp(q[0]) * np.cos(length), *(unit * np.sin(length))])"),
    ("the real part is ln |q|², not ln |q|", "np.log(np.sqrt((q**2).sum()))", "np.log((q**2).sum())"),
    ("the real part is the logarithm of r; expected ln |q|", "np.log(np.sqrt((q**2).sum()))", "np.log(abs(q[0]))"),
    ("the angle is that of arctan, wrong for a negative real part; use np.arctan2(|v|, r)", "np.arctan2(length, q[0])", "np.arctan(length / q[0])"),
    ("the arguments of arctan2 are exchanged", "np.arctan2(length, q[0])", "np.arctan2(q[0], length)"),
    ("the angle is doubled: this is the angle of the rotation", "np.arctan2(length, q[0])", "2 * np.arctan2(length, q[0])"),
    ("arccos of r needs the division by |q|", "np.arctan2(length, q[0])", "np.arccos(np.clip(q[0], -1, 1))"),
    ("the conjugate is missing: q ⊗ v ⊗ q* has two factors q", "return hamilton_product(hamilton_product(q, vector), conjugate(q))[1:]", "return hamilton_product(q, vector)[1:]"),
    ("this is q* ⊗ v ⊗ q, the rotation in the other direction", "hamilton_product(hamilton_product(q, vector), conjugate(q))", "hamilton_product(hamilton_product(conjugate(q), vector), q)"),
    ("this is q ⊗ v ⊗ q, without the conjugate of the second factor", "vector), conjugate(q))", "vector), q)"),
    ("the angle is not halved; q acts on both sides", "[np.cos(angle / 2), *(unit * np.sin(angle / 2))]", "[np.cos(angle), *(unit * np.sin(angle))]"),
    ("the direction is not divided by its length", "unit = direction / np.sqrt((direction**2).sum())", "unit = direction"),
    ("the direction is divided by the square of its length", "direction / np.sqrt((direction**2).sum())", "direction / (direction**2).sum()"),
    ("cos and sin are exchanged in the quaternion of a rotation", "[np.cos(angle / 2), *(unit * np.sin(angle / 2))]", "[np.sin(angle / 2), *(unit * np.cos(angle / 2))]"),
    ("the matrix is transposed: this is the inverse rotation; the rotated units are columns", "axis=1)", "axis=0)"),
    ("this is linear interpolation, without the sines", "(np.sin((1 - t) * omega) * p + np.sin(t * omega) * q) / np.sin(omega)", "(1 - t) * p + t * q"),
    ("this is normalized linear interpolation; its speed is not constant", "return (np.sin((1 - t) * omega) * p + np.sin(t * omega) * q) / np.sin(omega)", "a = (1 - t) * p + t * q\n    return a / np.sqrt((a**2).sum())"),
    ("the longer path is used: for <p, q> < 0, -q is nearer", "if cosine < 0:", "if False:"),
    ("p and q are exchanged: t = 0 is p", "(np.sin((1 - t) * omega) * p + np.sin(t * omega) * q)", "(np.sin((1 - t) * omega) * q + np.sin(t * omega) * p)"),
    ("the division by sin Ω is missing", " / np.sin(omega)", ""),
]  # fmt: skip

HINTS = {
    "exp": [
        "the length of v = q[1:] is np.sqrt((v**2).sum()); if it is 0, the imaginary part is 0",
        "np.exp(q[0]) times the four numbers cos |v| and sin |v| v/|v|",
    ],
    "log": ["np.log of the norm of q, and np.arctan2(|v|, q[0]) times v/|v|"],
    "rotate": ["the vector is the quaternion (0, x, y, z); leave the real part of the product out"],
    "from_axis_angle": ["divide the direction by its length; use half of the angle in cos and sin"],
    "to_matrix": ["column 0 is the rotated vector (1, 0, 0); np.stack(..., axis=1) makes columns"],
    "slerp": [
        "if p @ q < 0, replace q by -q",
        "omega = np.arccos(p @ q), then the formula",
    ],
}
