"""Exercise 8: a plain solution, typical mistakes and hints."""

import numpy as np


def fans(shape):
    *taps, c, o = shape[1:]
    return int(np.prod(taps)) * c, int(np.prod(taps)) * o


def glorot_scale(shape):
    return 1 / np.sqrt(2 * sum(fans(shape)))


def he_scale(shape):
    return 1 / np.sqrt(2 * fans(shape)[0])


def polar_weights(modulus, angle, axis):
    unit = axis / np.sqrt((axis**2).sum(axis=0))
    return np.concatenate([(modulus * np.cos(angle))[None], modulus * np.sin(angle) * unit])


def output_variance(fan_in, mean_square_norm, input_variance):
    return fan_in * mean_square_norm * input_variance


MISTAKES = [
    ("the numbers of input and output channels are exchanged", "*taps, c, o = shape[1:]", "*taps, o, c = shape[1:]"),
    ("the kernel taps are missing: every tap adds one product per channel", "return int(np.prod(taps)) * c, int(np.prod(taps)) * o", "return c, o"),
    ("the four components are counted; a fan counts quaternions", "return int(np.prod(taps)) * c, int(np.prod(taps)) * o", "return 4 * int(np.prod(taps)) * c, 4 * int(np.prod(taps)) * o"),
    ("the kernel taps are counted in fan_in only", "c, int(np.prod(taps)) * o", "c, o"),
    ("the factor 2 is missing in s = 1 / sqrt(2 (fan_in + fan_out))", "1 / np.sqrt(2 * sum(fans(shape)))", "1 / np.sqrt(sum(fans(shape)))"),
    ("this is sqrt(2 / (fan_in + fan_out)), the scale of a real layer", "1 / np.sqrt(2 * sum(fans(shape)))", "np.sqrt(2 / sum(fans(shape)))"),
    ("the square root is missing: this is s²", "1 / np.sqrt(2 * sum(fans(shape)))", "1 / (2 * sum(fans(shape)))"),
    ("the He scale uses fan_in, not fan_out", "fans(shape)[0])", "fans(shape)[1])"),
    ("the factor 2 is missing in s = 1 / sqrt(2 fan_in)", "1 / np.sqrt(2 * fans(shape)[0])", "1 / np.sqrt(fans(shape)[0])"),
    ("this is sqrt(2 / fan_in), the He scale of a real layer", "1 / np.sqrt(2 * fans(shape)[0])", "np.sqrt(2 / fans(shape)[0])"),
    ("the axis is not divided by its length", "unit = axis / np.sqrt((axis**2).sum(axis=0))", "unit = axis"),
    ("the axis is divided by the square of its length", "axis / np.sqrt((axis**2).sum(axis=0))", "axis / (axis**2).sum(axis=0)"),
    ("the axis is divided by the norm over all weights; expected the length of each vector", "axis / np.sqrt((axis**2).sum(axis=0))", "axis / np.sqrt((axis**2).sum())"),
    ("cos and sin are exchanged: the real part is m cos θ", "[(modulus * np.cos(angle))[None], modulus * np.sin(angle) * unit]", "[(modulus * np.sin(angle))[None], modulus * np.cos(angle) * unit]"),
    ("the angle is halved, as for a rotation; expected cos θ and sin θ", "[(modulus * np.cos(angle))[None], modulus * np.sin(angle) * unit]", "[(modulus * np.cos(angle / 2))[None], modulus * np.sin(angle / 2) * unit]"),
    ("the modulus is missing in the imaginary part", "modulus * np.sin(angle) * unit", "np.sin(angle) * unit"),
    ("a component of w ⊗ x has four products, but |w|² already is the sum of four squares", "fan_in * mean_square_norm * input_variance", "4 * fan_in * mean_square_norm * input_variance"),
    ("the variance is that of one component of w; |w|² is the sum over four components", "fan_in * mean_square_norm * input_variance", "fan_in * mean_square_norm / 4 * input_variance"),
    ("the variance of a sum of independent terms is the sum, not the mean, of the variances", "fan_in * mean_square_norm * input_variance", "mean_square_norm * input_variance"),
]  # fmt: skip

HINTS = {
    "fans": ["*kernel_size, C, O = shape[1:]; the number of taps is the product of kernel_size, 1 for a linear layer"],
    "glorot_scale": ["1 / np.sqrt(2 * (fan_in + fan_out))"],
    "he_scale": ["1 / np.sqrt(2 * fan_in)"],
    "polar_weights": [
        "the length of the vectors is np.sqrt((axis**2).sum(axis=0))",
        "the real part is m cos θ, the imaginary part is m sin θ times the unit vectors; join them along axis 0",
    ],
    "output_variance": [
        "the r component of w ⊗ x is wr xr - wi xi - wj xj - wk xk; its variance is (wr² + wi² + wj² + wk²) Var(x)",
        "so one product has the variance E|w|² Var(x); add fan_in of them",
    ],
}
