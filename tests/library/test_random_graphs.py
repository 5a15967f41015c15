"""Test values, gradients and errors of random computation graphs.

Hypothesis adds leaves and operations to a graph in random order, and calls `backward` in between. The operations
include broadcasting, indexing and concatenation. A tensor can be the input of several operations. The reference is a
list of operations, each with the indices of its inputs, which is evaluated with NumPy. The reference computes
derivatives by the complex-step method: f(x + ih) = f(x) + ih f'(x) - ..., so Im f(x + ih) / h is the derivative up to
rounding for h = 1e-30. It uses neither the chain rule nor an order of nodes.
"""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support import oracles
from support.arrays import assert_close
from support.strategies import seeds

from quatnet import Tensor, no_grad, ops
from quatnet.backend import xp
from quatnet.errors import GraphFreedError, ShapeError

STEP = 1e-30
SHAPES = [(), (4,), (2, 1), (2, 2, 4), (2, 4)]


# Reference


def evaluate(operations, replaced):
    """Return the values of all operations. `replaced` maps the indices of some leaves to other values."""
    values = []
    for index, (function, inputs) in enumerate(operations):
        values.append(replaced[index] if index in replaced else function(*(values[i] for i in inputs)))
    return values


def derivative(operations, root, leaf, cotangent):
    """Return the gradient of the inner product of `cotangent` and `root` with respect to `leaf`, entry by entry."""
    value = operations[leaf][0]()
    result = np.zeros(value.shape)
    for index in np.ndindex(value.shape):
        shifted = value.astype(complex)
        shifted[index] += STEP * 1j
        result[index] = (cotangent * evaluate(operations, {leaf: shifted})[root]).sum().imag / STEP
    return result


def hamilton(p, q):
    """Return the Hamilton product of complex arrays (..., 4) as a sum of 16 products."""
    y = np.zeros(np.broadcast_shapes(p.shape, q.shape), dtype=complex)
    for a, b in np.ndindex(4, 4):
        component, sign = oracles.unit_product(a, b)
        y[..., component] += sign * p[..., a] * q[..., b]
    return y


# Operations: (quatnet function, reference function, predicate of valid inputs)


def always(*arrays):
    return True


def has_axes(x):
    return x.ndim > 0 and x.size > 0


def is_differentiable(x):
    """Return whether all entries and their differences are far from 0, so that rounding cannot change their order."""
    return has_axes(x) and np.diff(np.sort(np.append(x, 0))).min() > 1e-6


def can_broadcast(x, y):
    return all(m == n or 1 in (m, n) for m, n in zip(x.shape[::-1], y.shape[::-1], strict=False))


def are_quaternions(x, y):
    return x.shape[-1:] == y.shape[-1:] == (4,) and can_broadcast(x, y)


def are_matrices(x, y):
    return x.ndim == 2 and has_axes(x) and y.size > 0 and y.size % x.shape[1] == 0


def have_equal_rows(x, y):
    return x.ndim > 0 and y.ndim > 0 and x.shape[1:] == y.shape[1:]


AXES = (1, 2, 0)  # a permutation that differs from its inverse
COLUMN = np.array([[[0.5]], [[-2.0]]])
UNARY = {
    "negate": (lambda x: -x, lambda x: -x, always),
    "constants": (lambda x: 2.0 - x / 4.0 + 0.5 * x, lambda x: 2 - 0.25 * x + 0.5 * x, always),
    "array on the left": (lambda x: COLUMN * x, lambda x: COLUMN * x, lambda x: can_broadcast(x, COLUMN)),
    "square": (lambda x: x * x, lambda x: x**2, always),
    "cube": (lambda x: x**3, lambda x: x * x * x, always),
    "sigmoid": (ops.sigmoid, lambda x: 1 / (1 + np.exp(-x)), always),
    "tanh": (ops.tanh, np.tanh, always),
    "log of exp": (lambda x: ops.log(ops.exp(x) + 1.0), lambda x: np.log(np.exp(x) + 1), always),
    "flatten": (lambda x: ops.reshape(x, (-1,)), np.ravel, always),
    "sum": (ops.sum, np.sum, always),
    "mean": (ops.mean, np.mean, lambda x: x.size > 0),
    "sum over the first axis": (lambda x: ops.sum(x, axis=0), lambda x: x.sum(axis=0), has_axes),
    "mean over the last axis": (lambda x: ops.mean(x, axis=-1), lambda x: x.mean(axis=-1), has_axes),
    "transpose": (lambda x: ops.transpose(x, AXES), lambda x: x.transpose(AXES), lambda x: x.ndim == 3),
    "index with repetition": (lambda x: ops.getitem(x, [-1, -1]), lambda x: np.stack([x[-1], x[-1]]), has_axes),
    "slice": (lambda x: ops.getitem(x, (..., slice(1, None))), lambda x: x[..., 1:], has_axes),
    "relu": (ops.relu, lambda x: x * (x.real > 0), is_differentiable),
    "max": (
        lambda x: ops.max(x, axis=-1),
        lambda x: np.take_along_axis(x, x.real.argmax(-1)[..., None], -1)[..., 0],
        is_differentiable,
    ),
}
BINARY = {
    "add": (lambda x, y: x + y, lambda x, y: x + y, can_broadcast),
    "subtract": (lambda x, y: x - y, lambda x, y: x - y, can_broadcast),
    "multiply": (lambda x, y: x * y, lambda x, y: x * y, can_broadcast),
    "divide": (lambda x, y: x / (y * y + 1.0), lambda x, y: x * (y**2 + 1) ** -1.0, can_broadcast),
    "hamilton product": (ops.hamilton_product, hamilton, are_quaternions),
    "matmul": (
        lambda x, y: x @ ops.reshape(y, (x.shape[1], -1)),
        lambda x, y: (x[:, :, None] * y.reshape(x.shape[1], -1)).sum(axis=1),
        are_matrices,
    ),
    "concatenate": (
        lambda x, y: ops.concatenate([x, y, y], axis=0),
        lambda x, y: np.concatenate([x, y, y]),
        have_equal_rows,
    ),
}


def weights(x):
    """Return different weights in the shape of `x`."""
    return np.cos(np.arange(x.size)).reshape(x.shape)


def add_to_loss(x, loss):
    return ops.sum(x * weights(x.data)) + ops.sum(loss)


class RandomGraphs(RuleBasedStateMachine):
    """A state machine with lists of tensors, reference operations and values, and a dict of expected gradients."""

    def __init__(self):
        super().__init__()
        self.tensors, self.operations, self.values = [], [], []
        self.parents = {}  # index of a recorded result -> indices of its inputs; leaves are not included
        self.gradients = {}  # index of a leaf -> expected gradient
        self.freed = set()

    def append(self, tensor, function, inputs=()):
        """Append a tensor and its reference operation, and compare their values."""
        value = function(*(self.values[i] for i in inputs)).real
        assert_close(tensor.data, value, rtol=1e-9, atol=1e-9)
        self.tensors.append(tensor)
        self.operations.append((function, inputs))
        self.values.append(value)

    def apply(self, function, reference, *inputs):
        self.append(function(*(self.tensors[i] for i in inputs)), reference, inputs)
        if requires_grad := any(self.tensors[i].requires_grad for i in inputs):
            self.parents[len(self.tensors) - 1] = inputs
        assert self.tensors[-1].requires_grad == requires_grad

    def apply_no_grad(self, function, reference, *inputs):
        with no_grad():
            tensor = function(*(self.tensors[i] for i in inputs))
        value = reference(*(self.values[i] for i in inputs)).real
        self.append(tensor, lambda: value)  # later operations use the result as a constant
        assert not tensor.requires_grad

    def draw_input(self, data, is_valid):
        """Draw the index of one of the last five valid tensors with few and small entries. Return None without any."""
        indices = [
            i for i, v in enumerate(self.values) if v.size <= 32 and np.abs(v).max(initial=0) < 20 and is_valid(v)
        ]
        return data.draw(st.sampled_from(indices[-5:])) if indices else None

    def ancestors(self, root):
        """Return the set of the index `root` and the indices of all tensors from which `root` was computed."""
        result = {root}
        while new := {p for i in result for p in self.parents.get(i, ())} - result:
            result |= new
        return result

    # Construction of the graph

    @initialize(seed=seeds, grad_shapes=st.sets(st.sampled_from(SHAPES), min_size=1))
    def create_leaves(self, seed, grad_shapes):
        """Create a leaf of each shape. Leaves with shapes in `grad_shapes` require a gradient."""
        for shape in SHAPES:
            array = np.random.default_rng(seed).standard_normal(shape)
            self.append(Tensor(xp.asarray(array), requires_grad=shape in grad_shapes), lambda array=array: array)

    @rule(
        data=st.data(),
        name=st.sampled_from(sorted(UNARY | BINARY)),
        record=st.sampled_from([True, True, True, False]),
    )
    def apply_operation(self, data, name, record):
        function, reference, is_valid = (UNARY | BINARY)[name]
        inputs = [self.draw_input(data, is_valid if name in UNARY else always)]
        if name in BINARY:
            inputs.append(self.draw_input(data, lambda v: is_valid(self.values[inputs[0]], v)))
        if None not in inputs:
            (self.apply if record else self.apply_no_grad)(function, reference, *inputs)

    # Backpropagation

    @precondition(lambda self: len(self.parents) > len(self.freed) + 3)
    @rule(data=st.data(), seed=seeds)
    def backward_from_any_result(self, data, seed):
        self.backward(data.draw(st.sampled_from(sorted(self.parents))), seed)

    def backward(self, root, seed):
        cotangent = np.random.default_rng(seed).standard_normal(self.values[root].shape)
        if not self.tensors[root].requires_grad:
            with pytest.raises(ShapeError):
                self.tensors[root].backward(xp.asarray(cotangent))
        elif self.freed & self.ancestors(root):
            with pytest.raises(GraphFreedError):
                self.tensors[root].backward(xp.asarray(cotangent))
        else:
            self.tensors[root].backward(xp.asarray(cotangent))
            self.update_expected(root, cotangent)

    def update_expected(self, root, cotangent):
        """Add the derivatives of `root` to the expected gradients of its leaves. Mark the other ancestors as freed."""
        for i in self.ancestors(root):
            if i in self.parents:
                self.freed.add(i)
            elif self.tensors[i].requires_grad:
                self.gradients[i] = self.gradients.get(i, 0) + derivative(self.operations, root, i, cotangent)

    @invariant()
    def gradients_equal_reference(self):
        for i, tensor in enumerate(self.tensors):
            assert (tensor.grad is None) == (i not in self.gradients)
            if i in self.gradients:
                largest = np.abs(self.gradients[i]).max(initial=1)
                assert_close(tensor.grad, self.gradients[i], rtol=1e-9, atol=1e-9 * largest)

    def teardown(self):
        """Backpropagate a loss of all results that are not freed. Afterwards `backward` of every tensor must raise."""
        loss = 0  # index of the first leaf
        for i in [i for i in self.parents if not self.freed & self.ancestors(i)]:
            self.apply(add_to_loss, lambda x, y: (x * weights(x)).sum() + y.sum(), i, loss)
            loss = len(self.tensors) - 1
        for root in reversed(range(len(self.tensors))):
            self.backward(root, seed=root)
            self.gradients_equal_reference()


RandomGraphs.TestCase.settings = settings(max_examples=100, stateful_step_count=20)
TestRandomGraphs = RandomGraphs.TestCase
