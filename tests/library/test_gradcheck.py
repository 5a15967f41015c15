"""Does the check of a gradient find a wrong one?

The later files trust `gradcheck`: it pushes the arguments a little way along a random direction and compares what
happens with what the gradient says. A check that never fails proves nothing, so here it is given gradients with
planted faults, among them the ones that people make: a forgotten transpose, a sign, a missing sum after
broadcasting, a parent left out. It must refuse each of them, say which argument it is, and accept the right one.
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
    """An op, by default y = M x, with a gradient of our own."""
    return lambda x: Tensor.from_op(forward(x.data), (x,), backward)


@given(seeds)
def test_the_right_gradient_is_accepted(seed):
    rng = np.random.default_rng(seed)
    gradcheck(with_backward(lambda g: (xp.asarray(MATRIX).T @ g,)), [draw(rng, 3, 3)], rng=rng)


def test_large_and_small_arguments_are_accepted(rng):
    for size in (1e-3, 1, 1e3):
        gradcheck(lambda x: x * x, [size * draw(rng, 5)], rng=rng)


def test_an_argument_without_influence_has_gradient_zero(rng):
    gradcheck(lambda x, y: 2.0 * x, [draw(rng, 3), draw(rng, 3)], rng=rng)


FAULTS = {
    "zero": lambda g: (g * 0,),
    "none at all": lambda g: (None,),
    "not transposed": lambda g: (MATRIX @ g,),
    "from the wrong side": lambda g: (g @ MATRIX,),
    "wrong sign": lambda g: (-(MATRIX.T @ g),),
    "doubled": lambda g: (2 * (MATRIX.T @ g),),
    "a factor of 1.001": lambda g: (1.001 * (MATRIX.T @ g),),
    "right for a g of ones only": lambda g: (MATRIX.T @ np.ones((3, 3)),),
    "right for a g of equal columns only": lambda g: (MATRIX.T @ g[:, [1, 2, 0]],),
    "one entry wrong": lambda g: (MATRIX.T @ g + np.eye(3)[:, :1] * np.eye(3)[:1],),
    "wrong dtype": lambda g: ((MATRIX.T @ g).astype(np.float32),),
    "wrong shape": lambda g: ((MATRIX.T @ g)[None],),
    "not a number": lambda g: (MATRIX.T @ g * np.nan,),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault, rng):
    with pytest.raises(GradientError, match="argument 0"):
        gradcheck(with_backward(lambda g: FAULTS[fault](asnumpy(g))), [asnumpy(draw(rng, 3, 3))], rng=rng)


def test_a_missing_sum_after_broadcasting_is_found(rng):
    forgotten = with_backward(lambda g: (g,), forward=lambda a: a + xp.zeros((2, 3)))
    with pytest.raises(GradientError, match=r"\(3,\) float64, its gradient \(2, 3\)"):
        gradcheck(forgotten, [draw(rng, 3)], rng=rng)


def test_ones_on_both_sides_would_let_a_transposed_gradient_pass(rng):
    # y = x + xᵀ, so gx = g + gᵀ; the fault 2 g has the same sum, and is right for every symmetric g
    fault = with_backward(lambda g: (2.0 * g,), forward=lambda a: a + a.T)
    x = Tensor(draw(rng, 3, 3), requires_grad=True)
    fault(x).backward(xp.ones((3, 3)))
    assert float(x.grad.sum()) == 18  # what differences give: each entry stands twice in y
    with pytest.raises(GradientError):
        gradcheck(fault, [x.data], rng=rng)


PRODUCTS = {
    "0: zero": (0, lambda g, a, b: (0 * g, g * a)),
    "1: zero": (1, lambda g, a, b: (g * b, 0 * g)),
    "0: forgotten": (0, lambda g, a, b: (None, g * a)),
    "1: forgotten": (1, lambda g, a, b: (g * b, None)),
    "1: that of the other": (1, lambda g, a, b: (g * b, g * b)),
    "1: wrong shape": (1, lambda g, a, b: (g * b, (g * a).sum())),
    "0: wrong dtype": (0, lambda g, a, b: ((g * b).astype(np.float32), g * a)),
}


@pytest.mark.parametrize("fault", PRODUCTS)
def test_the_message_says_which_argument_is_wrong(fault, rng):
    position, backward = PRODUCTS[fault]

    def product(a, b):
        return Tensor.from_op(a.data * b.data, (a, b), lambda g: backward(g, a.data, b.data))

    with pytest.raises(GradientError, match=f"argument {position}"):
        gradcheck(product, [draw(rng, 3), draw(rng, 3)], rng=rng)


def test_a_forgotten_parent_is_found(rng):
    def product(a, b):
        return Tensor.from_op(a.data * b.data, (a,), lambda g: (g * b.data,))

    with pytest.raises(GradientError, match="argument 1: gradient gives 0, differences"):
        gradcheck(product, [draw(rng, 3), draw(rng, 3)], rng=rng)


def test_a_gradient_that_is_written_into_is_found(rng):
    # harmless here, but in x + y both sides are given the same array
    def backward(g):
        gx = g * 2.0
        g *= 0.0
        return (gx,)

    with pytest.raises(GradientError, match="wrote into the gradient it was given"):
        gradcheck(with_backward(backward, forward=lambda a: 2.0 * a), [draw(rng, 3)], rng=rng)


def test_a_kink_is_not_differentiable_and_the_check_says_so():
    # at 0, differences of relu give 1/2 of the direction; its gradient there is 0
    with pytest.raises(GradientError):
        gradcheck(ops.relu, [np.zeros(3)], rng=np.random.default_rng(0))


# Mistakes


def test_float64_is_needed(rng):
    with pytest.raises(ShapeError, match="float32"):
        gradcheck(lambda x: x * x, [draw(rng, 3, dtype=np.float32)], rng=rng)


def test_the_function_returns_a_tensor(rng):
    with pytest.raises(ShapeError, match="returns a Tensor, got ndarray"):
        gradcheck(lambda x: x.data, [draw(rng, 3)], rng=rng)
    with pytest.raises(ShapeError, match="depends on nothing"):
        gradcheck(lambda x: Tensor(x.data), [draw(rng, 3)], rng=rng)
