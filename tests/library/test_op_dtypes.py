"""What comes in as float32 goes out as float32, from every op and on the way back.

One float64 number among float32 arrays, say the result of `np.sqrt`, makes float64 of all that follows, and nothing
fails: training takes twice the memory and time, and on a GPU far more. Python's own floats adapt to the array they
meet; NumPy's and CuPy's do not. So this lesson calls every op in both dtypes, with the kernels of a GPU and without.
"""

import numpy as np
import pytest
from support.arrays import draw
from support.kernels import DTYPES, kernels_enabled, needs_compiler
from support.op_arguments import OP_ARGUMENTS

from quatnet import Tensor, ops


def assert_kept(name, dtype):
    shapes, options = OP_ARGUMENTS[name]
    tensors = [Tensor(abs(draw(n, *shape, dtype=dtype)), requires_grad=True) for n, shape in enumerate(shapes)]
    y = getattr(ops, name)(*([tensors] if name == "concatenate" else tensors), **options)
    y.backward(draw(9, *y.shape, dtype=dtype))
    assert {str(a.dtype) for a in (y.data, *(tensor.grad for tensor in tensors))} == {np.dtype(dtype).name}


def test_every_op_is_here():
    assert set(OP_ARGUMENTS) == set(ops.__all__)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OP_ARGUMENTS)
def test_a_dtype_goes_through_an_op_and_back(name, dtype):
    assert_kept(name, dtype)


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OP_ARGUMENTS)
def test_with_kernels_too(name, dtype):
    with kernels_enabled():
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
