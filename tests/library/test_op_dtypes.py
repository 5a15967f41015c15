"""Test that all ops keep the dtype in the forward and backward pass.

A NumPy or CuPy float64 scalar, such as the result of `np.sqrt`, converts float32 arrays to float64 without an error.
Training would then need twice the memory and time. Python floats do not change the dtype. All ops are called with both
dtypes, with and without CUDA kernels.
"""

import numpy as np
import pytest
from support.arrays import draw
from support.kernels import DTYPES, kernels_enabled, needs_compiler
from support.op_arguments import OP_ARGUMENTS

from quatnet import Tensor, ops, paper_code


def check_dtype(name, dtype, module=ops):
    shapes, options = OP_ARGUMENTS[name]
    tensors = [Tensor(abs(draw(n, *shape, dtype=dtype)), requires_grad=True) for n, shape in enumerate(shapes)]
    y = getattr(module, name)(*([tensors] if name == "concatenate" else tensors), **options)
    y.backward(draw(9, *y.shape, dtype=dtype))
    assert {str(a.dtype) for a in (y.data, *(tensor.grad for tensor in tensors))} == {np.dtype(dtype).name}


def test_all_ops_are_tested():
    assert set(OP_ARGUMENTS) == set(ops.__all__)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OP_ARGUMENTS)
def test_dtype_is_kept(name, dtype):
    check_dtype(name, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_is_kept_by_the_released_loss(dtype):
    check_dtype("distillation_loss", dtype, paper_code)


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OP_ARGUMENTS)
def test_dtype_is_kept_with_kernels(name, dtype):
    with kernels_enabled():
        check_dtype(name, dtype)


ARITHMETIC = {
    "x + 2.0": lambda x: x + 2.0,
    "2 - x": lambda x: 2 - x,
    "x / 3": lambda x: x / 3,
    "x ** 2": lambda x: x**2,
    "-x * x": lambda x: -x * x,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_dtype_is_kept_with_python_numbers(name, dtype):
    x = Tensor(draw(0, 3, dtype=dtype), requires_grad=True)
    y = ARITHMETIC[name](x)
    y.backward(draw(9, 3, dtype=dtype))
    assert y.data.dtype == x.grad.dtype == dtype


def test_dtype_of_arrays_next_to_booleans():
    x, weight = Tensor(draw(0, 2, 3, dtype=np.float32)), Tensor(draw(1, 3, 2, dtype=np.float32))
    assert ops.linear(x > 0, weight, draw(2, 2, dtype=np.float64)).dtype == np.float32
