"""Quaternion algebra on plain arrays of float32, float64 or longdouble.

Results have the dtype of the arguments. Integers are converted to float64 and float16 to float32 first.

The components r, i, j, k lie along any axis of length 4. The signs of the Hamilton product are written once, in
`product.py`. All other functions are derived from this product.
"""

from .alignment import align_vectors, from_rotation_vector, minimal_rotation, nearest_rotation, to_rotation_vector
from .arithmetic import divide, imaginary_part, inner_product, isclose, normalize, real_part, squared_norm
from .eight_multiplications import HADAMARD, eight_products
from .euler import from_euler, to_euler
from .functions import exp, log, power, quaternion_power, sqrt
from .interpolation import geodesic_distance, slerp, squad, squad_control
from .matmul import matrix_product
from .product import conjugate, hamilton_product, inverse, norm
from .real_matrices import left_matrix, left_matrix_adjoint, right_matrix, right_matrix_adjoint
from .rotation import from_axis_angle, from_matrix, rotate, to_axis_angle, to_matrix
from .statistics import mean_rotation, random_rotations
from .time_series import angular_velocity, integrate_angular_velocity, interpolate, unflip

__all__ = [
    "HADAMARD", "align_vectors", "angular_velocity", "conjugate", "divide", "eight_products", "exp", "from_axis_angle",
    "from_euler", "from_matrix", "from_rotation_vector", "geodesic_distance", "hamilton_product", "imaginary_part",
    "inner_product", "integrate_angular_velocity", "interpolate", "inverse", "isclose", "left_matrix",
    "left_matrix_adjoint", "log", "matrix_product", "mean_rotation", "minimal_rotation", "nearest_rotation", "norm",
    "normalize", "power", "quaternion_power", "random_rotations", "real_part", "right_matrix", "right_matrix_adjoint",
    "rotate", "slerp", "sqrt", "squad", "squad_control", "squared_norm", "to_axis_angle", "to_euler", "to_matrix",
    "to_rotation_vector", "unflip",
]  # fmt: skip
