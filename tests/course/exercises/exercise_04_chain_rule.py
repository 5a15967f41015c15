"""Exercise 4: the chain rule.

A loss is a number that depends on an array y. The upstream gradient `grad` has the shape of y and contains the partial
derivatives of the loss with respect to y. The backward function of an operation y = f(a, b) returns the gradients with
respect to a and b, each in the shape of its array.

    python -m pytest tests/course/test_04_chain_rule.py --implementation my_tape.py

Chapter 4: docs/04-the-chain-rule.md.
"""

import numpy as np


def unbroadcast(grad, shape):
    """Return `grad`, summed over its broadcast axes, in `shape`.

    NumPy broadcasts an array of `shape` to the shape of `grad`: it adds axes in front and repeats axes of length 1.
    An entry that is used n times receives the sum of n gradients.
    """
    raise NotImplementedError


def multiply_backward(grad, a, b):
    """Return the gradients (grad_a, grad_b) of y = a * b. `a` and `b` may have broadcast."""
    raise NotImplementedError


def divide_backward(grad, a, b):
    """Return the gradients (grad_a, grad_b) of y = a / b. `a` and `b` may have broadcast."""
    raise NotImplementedError


def matmul_backward(grad, a, b):
    """Return the gradients (grad_a, grad_b) of y = a @ b, for matrices (rows, inner) and (inner, columns)."""
    raise NotImplementedError


def backpropagate(tape, grad):
    """Return a list of the gradients of all leaves of a tape, in the order of the tape. All values are numbers.

    `tape` is a list of entries (parents, backward) in the order of the computation. `parents` are the positions of the
    arguments on the tape, which are before the entry. `backward(g)` returns one gradient for each parent, for the
    upstream gradient g of the entry. A leaf has no parents: parents is () and backward is None. `grad` is the upstream
    gradient of the last entry. A leaf that the last entry does not use has the gradient 0.
    """
    raise NotImplementedError
