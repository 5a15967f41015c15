"""Tests that `gradcheck` accepts correct gradients and rejects wrong gradients.

`gradcheck` compares a gradient with finite differences along a random direction. Other test modules use
`gradcheck`. The wrong gradients here have a missing transpose, a wrong sign, a missing sum after broadcasting, or
a missing parent. `gradcheck` must reject each wrong gradient and name the argument.
"""

import numpy as np
import pytest
from hypothesis import given
from support.arrays import draw
from support.strategies import seeds

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.autodiff.gradcheck import GradientError
from quatnet.backend import asnumpy, xp
from quatnet.errors import ShapeError

MATRIX = np.arange(9.0).reshape(3, 3)


def with_backward(backward, forward=lambda a: xp.asarray(MATRIX) @ a):
    """Return an op with the given forward function (by default MATRIX @ x) and the given backward function."""
    return lambda x: Tensor.from_op(forward(x.data), (x,), backward)


@given(seeds)
def test_accepts_correct_gradient(seed):
    rng = np.random.default_rng(seed)
    gradcheck(with_backward(lambda grad: (xp.asarray(MATRIX).T @ grad,)), [draw(rng, 3, 3)], rng=rng)


def test_accepts_large_and_small_arguments(rng):
    for size in (1e-3, 1, 1e3):
        gradcheck(lambda x: x * x, [size * draw(rng, 5)], rng=rng)


def test_gradient_of_unused_argument_is_zero(rng):
    gradcheck(lambda x, y: 2.0 * x, [draw(rng, 3), draw(rng, 3)], rng=rng)


FAULTS = {
    "zero": lambda grad: (grad * 0,),
    "none": lambda grad: (None,),
    "not transposed": lambda grad: (MATRIX @ grad,),
    "product from the wrong side": lambda grad: (grad @ MATRIX,),
    "wrong sign": lambda grad: (-(MATRIX.T @ grad),),
    "doubled": lambda grad: (2 * (MATRIX.T @ grad),),
    "factor of 1.001": lambda grad: (1.001 * (MATRIX.T @ grad),),
    "correct only for a cotangent of ones": lambda grad: (MATRIX.T @ np.ones((3, 3)),),
    "correct only for a cotangent of equal columns": lambda grad: (MATRIX.T @ grad[:, [1, 2, 0]],),
    "one entry wrong": lambda grad: (MATRIX.T @ grad + np.eye(3)[:, :1] * np.eye(3)[:1],),
    "wrong dtype": lambda grad: ((MATRIX.T @ grad).astype(np.float32),),
    "wrong shape": lambda grad: ((MATRIX.T @ grad)[None],),
    "nan": lambda grad: (MATRIX.T @ grad * np.nan,),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_rejects_wrong_gradient(fault, rng):
    with pytest.raises((GradientError, ShapeError), match="argument 0"):
        gradcheck(with_backward(lambda grad: FAULTS[fault](asnumpy(grad))), [asnumpy(draw(rng, 3, 3))], rng=rng)


def test_rejects_missing_sum_after_broadcasting(rng):
    without_sum = with_backward(lambda grad: (grad,), forward=lambda a: a + xp.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"argument 0 of an op: expected a gradient of shape \(3,\), got \(2, 3\)"):
        gradcheck(without_sum, [draw(rng, 3)], rng=rng)


def test_cotangent_of_ones_does_not_detect_a_transposed_gradient(rng):
    # For y = x + xᵀ, the gradient of x is grad + gradᵀ. The wrong gradient 2 grad has the same sum of entries, and is
    # correct if grad is symmetric.
    wrong = with_backward(lambda grad: (2.0 * grad,), forward=lambda a: a + a.T)
    x = Tensor(draw(rng, 3, 3), requires_grad=True)
    wrong(x).backward(xp.ones((3, 3)))
    assert float(x.grad.sum()) == 18  # the sum equals the finite difference, because each entry of x occurs twice in y
    with pytest.raises(GradientError):
        gradcheck(wrong, [x.data], rng=rng)


PRODUCT_FAULTS = {
    "0: zero": (0, lambda grad, a, b: (0 * grad, grad * a)),
    "1: zero": (1, lambda grad, a, b: (grad * b, 0 * grad)),
    "0: none": (0, lambda grad, a, b: (None, grad * a)),
    "1: none": (1, lambda grad, a, b: (grad * b, None)),
    "1: gradient of argument 0": (1, lambda grad, a, b: (grad * b, grad * b)),
    "1: wrong shape": (1, lambda grad, a, b: (grad * b, (grad * a).sum())),
    "0: wrong dtype": (0, lambda grad, a, b: ((grad * b).astype(np.float32), grad * a)),
}


@pytest.mark.parametrize("fault", PRODUCT_FAULTS)
def test_error_names_the_argument(fault, rng):
    position, backward = PRODUCT_FAULTS[fault]

    def product(a, b):
        return Tensor.from_op(a.data * b.data, (a, b), lambda grad: backward(grad, a.data, b.data))

    with pytest.raises((GradientError, ShapeError), match=f"argument {position}"):
        gradcheck(product, [draw(rng, 3), draw(rng, 3)], rng=rng)


def test_rejects_missing_parent(rng):
    def product(a, b):
        return Tensor.from_op(a.data * b.data, (a,), lambda grad: (grad * b.data,))

    with pytest.raises(GradientError, match="argument 1: gradient gives 0, differences"):
        gradcheck(product, [draw(rng, 3), draw(rng, 3)], rng=rng)


def test_rejects_in_place_change_of_the_upstream_gradient(rng):
    # The gradient is correct here, but in x + y both operands receive the same array.
    def backward(grad):
        grad_x = grad * 2.0
        grad *= 0.0
        return (grad_x,)

    with pytest.raises(GradientError, match="modified its argument in place"):
        gradcheck(with_backward(backward, forward=lambda a: 2.0 * a), [draw(rng, 3)], rng=rng)


def test_rejects_relu_at_zero():
    # At 0, the central difference of relu is direction / 2, but the gradient is 0.
    with pytest.raises(GradientError):
        gradcheck(ops.relu, [np.zeros(3)], rng=np.random.default_rng(0))


# Errors


def test_float32_raises(rng):
    with pytest.raises(ShapeError, match="float32"):
        gradcheck(lambda x: x * x, [draw(rng, 3, dtype=np.float32)], rng=rng)


def test_function_without_tensor_result_raises(rng):
    with pytest.raises(ShapeError, match="returns a Tensor, got ndarray"):
        gradcheck(lambda x: x.data, [draw(rng, 3)], rng=rng)
    with pytest.raises(ShapeError, match="depends on a tensor with requires_grad=True"):
        gradcheck(lambda x: Tensor(x.data), [draw(rng, 3)], rng=rng)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3, 1)])
def test_gradient_of_another_shape_than_its_parent_raises(shape):
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    y = Tensor.from_op(x.data, (x,), lambda grad: (xp.ones(shape),))
    with pytest.raises(ShapeError, match=r"expected a gradient of shape \(2, 3\), got"):
        y.backward(np.ones((2, 3)))
    assert x.grad is None
