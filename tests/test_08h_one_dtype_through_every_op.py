"""What comes in as float32 goes out as float32, from every op and on the way back.

One float64 number among float32 arrays, say the result of `np.sqrt`, makes float64 of all that follows, and nothing
fails: training takes twice the memory and time, and on a GPU far more. Python's own floats adapt to the array they
meet; NumPy's and CuPy's do not. So this lesson calls every op in both dtypes, with the kernels of a GPU and without.
"""

import numpy as np
import pytest
from support.arrays import draw
from support.kernels import DTYPES, kernels_everywhere, need_a_compiler

from quatnet import Tensor, ops

NOISE = {"rate": 0.3, "rng": np.random.default_rng(0), "train": True}
# The shapes of the tensors of an op, and its other arguments
CALLS = {
    "average_pool": (((2, 4, 4, 3),), {}),
    "batch_norm": (((5, 3), (3,), (3,)), {"relu": True}),
    "bernoulli_distillation_loss": (((5, 3),), {"teacher_logits": np.eye(5, 3)}),
    "binary_cross_entropy": (((5, 3),), {"targets": np.eye(5, 3)}),
    "concatenate": (((5, 3), (5, 2)), {}),
    "conv1d": (((2, 7, 3), (3, 3, 4)), {}),
    "conv2d": (((2, 7, 6, 3), (3, 3, 3, 4)), {}),
    "conv_transpose2d": (((2, 7, 6, 3), (3, 3, 3, 4)), {}),
    "distillation_loss": (((5, 3),), {"teacher_logits": np.eye(5, 3)}),
    "dropout": (((5, 3),), NOISE),
    "exp": (((5, 3),), {}),
    "feature_loss": (((5, 3),), {"teacher_features": np.eye(5, 3)}),
    "getitem": (((5, 3),), {"index": 2}),
    "hamilton_product": (((5, 4), (5, 4)), {}),
    "layer_norm": (((5, 3), (3,), (3,)), {}),
    "linear": (((5, 3), (3, 2), (2,)), {}),
    "log": (((5, 3),), {}),
    "max": (((5, 3),), {"axis": 0}),
    "max_pool": (((2, 4, 4, 3),), {}),
    "mean": (((5, 3),), {}),
    "mod_relu": (((5, 8), (2,)), {}),
    "norm_max_pool": (((2, 4, 4, 8),), {}),
    "quaternion_batch_norm": (((5, 8), (2,), (8,)), {}),
    "quaternion_conv1d": (((2, 7, 8), (4, 3, 2, 3)), {}),
    "quaternion_conv2d": (((2, 7, 6, 8), (4, 3, 3, 2, 3)), {}),
    "quaternion_conv_transpose2d": (((2, 7, 6, 8), (4, 3, 3, 2, 3)), {}),
    "quaternion_dropout": (((5, 8),), NOISE),
    "quaternion_linear": (((5, 8), (4, 2, 3), (12,)), {}),
    "quaternion_norm": (((5, 8),), {}),
    "quaternion_rotation_conv2d": (((2, 7, 6, 8), (4, 3, 3, 2, 3), (3, 3, 2, 3)), {}),
    "released_distillation_loss": (((5, 3),), {"teacher_logits": np.eye(5, 3)}),
    "relu": (((5, 3),), {}),
    "repeat_encoder": (((5, 3),), {}),
    "reshape": (((5, 3),), {"shape": (3, 5)}),
    "sigmoid": (((5, 3),), {}),
    "softmax_cross_entropy": (((5, 3),), {"targets": np.eye(5, 3)}),
    "sum": (((5, 3),), {}),
    "tanh": (((5, 3),), {}),
    "transpose": (((5, 3),), {"axes": (1, 0)}),
    "whitening_batch_norm": (((9, 8), (10, 2), (8,)), {}),
    "zero_pad_encoder": (((5, 3),), {}),
}


def assert_kept(name, dtype):
    shapes, options = CALLS[name]
    tensors = [Tensor(abs(draw(n, *shape, dtype=dtype)), requires_grad=True) for n, shape in enumerate(shapes)]
    y = getattr(ops, name)(*([tensors] if name == "concatenate" else tensors), **options)
    y.backward(draw(9, *y.shape, dtype=dtype))
    assert {str(a.dtype) for a in (y.data, *(tensor.grad for tensor in tensors))} == {np.dtype(dtype).name}


def test_every_op_is_here():
    assert set(CALLS) == set(ops.__all__)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CALLS)
def test_a_dtype_goes_through_an_op_and_back(name, dtype):
    assert_kept(name, dtype)


@need_a_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CALLS)
def test_with_kernels_too(name, dtype):
    with kernels_everywhere():
        assert_kept(name, dtype)


ARITHMETIC = {
    "x + 2.0": lambda x: x + 2.0,
    "2 - x": lambda x: 2 - x,
    "x / 3": lambda x: x / 3,
    "x ** 2": lambda x: x**2,
    "-x * x": lambda x: -x * x,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_numbers_of_python_adapt(name, dtype):
    x = Tensor(draw(0, 3, dtype=dtype), requires_grad=True)
    y = ARITHMETIC[name](x)
    y.backward(draw(9, 3, dtype=dtype))
    assert y.data.dtype == x.grad.dtype == dtype
