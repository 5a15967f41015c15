"""Example arguments of every function of the algebra. All arguments are 0 or 1, so that every dtype contains them."""

import numpy as np

from quatnet import quaternion

Q = np.array([[1, 1, 0, 0], [1, 0, 1, 1], [0, 1, 1, 0]])
P = np.array([[0, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 1]])
V = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 1]])
T = np.array([0, 1, 1])
TIMES = np.array([0, 1])
MATRICES = np.array([np.eye(3), [[0, 1, 0], [0, 0, 1], [1, 0, 0]]])
GRADIENTS = np.stack([np.eye(4), np.ones((4, 4))])
QUATERNION_MATRICES = np.array([[[1, 0], [1, 1]], [[0, 1], [1, 1]], [[1, 1], [0, 1]], [[1, 0], [0, 1]]])

# name of the function: array arguments, other arguments
ALGEBRA_ARGUMENTS = {
    "align_vectors": ((V, V[::-1], T), {}),
    "angular_velocity": ((Q[:2], TIMES), {}),
    "conjugate": ((Q,), {}),
    "divide": ((P, Q), {}),
    "eight_products": ((Q.T[:, :1], P.T[:, :1]), {"multiply": np.multiply}),
    "exp": ((Q,), {}),
    "from_axis_angle": ((V, T), {}),
    "from_euler": ((V,), {"convention": "ZYX"}),
    "from_matrix": ((MATRICES,), {}),
    "from_rotation_vector": ((V,), {}),
    "geodesic_distance": ((P, Q), {}),
    "hamilton_product": ((P, Q), {}),
    "imaginary_part": ((Q,), {}),
    "inner_product": ((P, Q), {}),
    "integrate_angular_velocity": ((V[:1], TIMES, Q[0]), {}),
    "interpolate": ((Q[:2], TIMES, T), {}),
    "inverse": ((Q,), {}),
    "isclose": ((P, Q), {}),
    "left_matrix": ((Q,), {}),
    "left_matrix_adjoint": ((GRADIENTS,), {}),
    "log": ((Q,), {}),
    "matrix_product": ((QUATERNION_MATRICES, QUATERNION_MATRICES), {}),
    "mean_rotation": ((Q, T), {}),
    "minimal_rotation": ((V, V[::-1]), {}),
    "nearest_rotation": ((MATRICES,), {}),
    "norm": ((Q,), {}),
    "normalize": ((Q,), {}),
    "power": ((Q, T), {}),
    "quaternion_power": ((Q, P), {}),
    "real_part": ((Q,), {}),
    "right_matrix": ((Q,), {}),
    "right_matrix_adjoint": ((GRADIENTS,), {}),
    "rotate": ((Q, V), {}),
    "slerp": ((P, Q, T), {}),
    "sqrt": ((Q,), {}),
    "squad": ((P, Q, Q, P, T), {}),
    "squad_control": ((P, Q, P), {}),
    "squared_norm": ((Q,), {}),
    "to_axis_angle": ((Q,), {}),
    "to_euler": ((Q,), {"convention": "xyz"}),
    "to_matrix": ((Q,), {}),
    "to_rotation_vector": ((Q,), {}),
    "unflip": ((Q,), {}),
}


def call_algebra(name: str, convert) -> list[np.ndarray]:
    """Return the results of a function of the algebra; `convert` is applied to every array argument."""
    arrays, options = ALGEBRA_ARGUMENTS[name]
    result = getattr(quaternion, name)(*map(convert, arrays), **options)
    return list(result) if isinstance(result, tuple) else [result]
