"""Any graph at all: the tape against a twin that has none.

Hypothesis grows graphs step by step: leaves with and without a gradient, tensors that are stretched, cut, joined,
used again and again, walks in between. The twin keeps only recipes: "entry 7 is entry 3 plus entry 5". For a
value it follows the recipes with NumPy. For a derivative it follows them once more for every entry of a leaf,
with 1e-30 i added to that entry: f(x + ih) = f(x) + ih f'(x) - ..., so the imaginary part of the result, divided
by h, is the derivative, to the last digit. There is no chain rule in the twin, no order of nodes and no memory
to free. After every step the two must agree on all values, all gradients, and on what is an error.
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


# The twin


def replay(recipes, moved):
    """Follow all recipes in order; `moved` replaces the values of some leaves."""
    values = []
    for position, (function, inputs) in enumerate(recipes):
        values.append(moved[position] if position in moved else function(*(values[i] for i in inputs)))
    return values


def derivative(recipes, root, leaf, g):
    """d<g, root>/d(leaf), one entry of the leaf at a time."""
    value = recipes[leaf][0]()
    result = np.zeros(value.shape)
    for index in np.ndindex(value.shape):
        moved = value.astype(complex)
        moved[index] += STEP * 1j
        result[index] = (g * replay(recipes, {leaf: moved})[root]).sum().imag / STEP
    return result


def hamilton(p, q):
    """Sixteen products, read off Hamilton's table."""
    y = np.zeros(np.broadcast_shapes(p.shape, q.shape), dtype=complex)
    for a, b in np.ndindex(4, 4):
        component, sign = oracles.unit_product(a, b)
        y[..., component] += sign * p[..., a] * q[..., b]
    return y


# What both can do: the engine's way, the twin's way, and what it fits


def anything(*arrays):
    return True


def has_axes(x):
    return x.ndim > 0 and x.size > 0


def far_from_kinks(x):
    """No entry near 0 and no two near each other, so that rounding cannot change which of them is larger."""
    return has_axes(x) and np.diff(np.sort(np.append(x, 0))).min() > 1e-6


def broadcast(x, y):
    return all(m == n or 1 in (m, n) for m, n in zip(x.shape[::-1], y.shape[::-1], strict=False))


def quaternions(x, y):
    return x.shape[-1:] == y.shape[-1:] == (4,) and broadcast(x, y)


def matrices(x, y):
    return x.ndim == 2 and has_axes(x) and y.size > 0 and y.size % x.shape[1] == 0


def same_rows(x, y):
    return x.ndim > 0 and y.ndim > 0 and x.shape[1:] == y.shape[1:]


ROLLED = (1, 2, 0)  # not its own inverse
COLUMN = np.array([[[0.5]], [[-2.0]]])
ONE = {
    "negative": (lambda x: -x, lambda x: -x, anything),
    "constants": (lambda x: 2.0 - x / 4.0 + 0.5 * x, lambda x: 2 - 0.25 * x + 0.5 * x, anything),
    "array on the left": (lambda x: COLUMN * x, lambda x: COLUMN * x, lambda x: broadcast(x, COLUMN)),
    "times itself": (lambda x: x * x, lambda x: x**2, anything),
    "cube": (lambda x: x**3, lambda x: x * x * x, anything),
    "sigmoid": (ops.sigmoid, lambda x: 1 / (1 + np.exp(-x)), anything),
    "tanh": (ops.tanh, np.tanh, anything),
    "log of exp": (lambda x: ops.log(ops.exp(x) + 1.0), lambda x: np.log(np.exp(x) + 1), anything),
    "flat": (lambda x: ops.reshape(x, (-1,)), np.ravel, anything),
    "sum": (ops.sum, np.sum, anything),
    "mean": (ops.mean, np.mean, lambda x: x.size > 0),
    "sum over the first": (lambda x: ops.sum(x, axis=0), lambda x: x.sum(axis=0), has_axes),
    "mean over the last": (lambda x: ops.mean(x, axis=-1), lambda x: x.mean(axis=-1), has_axes),
    "axes rolled": (lambda x: ops.transpose(x, ROLLED), lambda x: x.transpose(ROLLED), lambda x: x.ndim == 3),
    "the last, twice": (lambda x: ops.getitem(x, [-1, -1]), lambda x: np.stack([x[-1], x[-1]]), has_axes),
    "all but the first": (lambda x: ops.getitem(x, (..., slice(1, None))), lambda x: x[..., 1:], has_axes),
    "relu": (ops.relu, lambda x: x * (x.real > 0), far_from_kinks),
    "max": (
        lambda x: ops.max(x, axis=-1),
        lambda x: np.take_along_axis(x, x.real.argmax(-1)[..., None], -1)[..., 0],
        far_from_kinks,
    ),
}
TWO = {
    "plus": (lambda x, y: x + y, lambda x, y: x + y, broadcast),
    "minus": (lambda x, y: x - y, lambda x, y: x - y, broadcast),
    "times": (lambda x, y: x * y, lambda x, y: x * y, broadcast),
    "over": (lambda x, y: x / (y * y + 1.0), lambda x, y: x * (y**2 + 1) ** -1.0, broadcast),
    "quaternions": (ops.hamilton_product, hamilton, quaternions),
    "matrices": (
        lambda x, y: x @ ops.reshape(y, (x.shape[1], -1)),
        lambda x, y: (x[:, :, None] * y.reshape(x.shape[1], -1)).sum(axis=1),
        matrices,
    ),
    "joined": (
        lambda x, y: ops.concatenate([x, y, y], axis=0),
        lambda x, y: np.concatenate([x, y, y]),
        same_rows,
    ),
}


def weights(x):
    """Numbers without a pattern, one for each entry."""
    return np.cos(np.arange(x.size)).reshape(x.shape)


def add_up(x, y):
    return ops.sum(x * weights(x.data)) + ops.sum(y)


class RandomGraphs(RuleBasedStateMachine):
    """The engine's tensors, the twin's recipes under the same numbers, and what the gradients must be by now."""

    def __init__(self):
        super().__init__()
        self.tensors, self.recipes, self.values = [], [], []
        self.parents = {}  # of each recorded result; a leaf has none
        self.gradients = {}  # of each leaf that was reached
        self.freed = set()

    def add(self, tensor, function, inputs=()):
        """The next number, for the engine and for the twin; their values must be the same."""
        value = function(*(self.values[i] for i in inputs)).real
        assert_close(tensor.data, value, rtol=1e-9, atol=1e-9)
        self.tensors.append(tensor)
        self.recipes.append((function, inputs))
        self.values.append(value)

    def apply(self, ours, theirs, *inputs):
        self.add(ours(*(self.tensors[i] for i in inputs)), theirs, inputs)
        if recorded := any(self.tensors[i].requires_grad for i in inputs):
            self.parents[len(self.tensors) - 1] = inputs
        assert self.tensors[-1].requires_grad == recorded

    def apply_without_a_record(self, ours, theirs, *inputs):
        with no_grad():
            tensor = ours(*(self.tensors[i] for i in inputs))
        value = theirs(*(self.values[i] for i in inputs)).real
        self.add(tensor, lambda: value)  # a constant from here on
        assert not tensor.requires_grad

    def choose(self, data, fits):
        """One of the last few tensors that fit, if they are small enough to go on with."""
        good = [i for i, v in enumerate(self.values) if v.size <= 32 and np.abs(v).max(initial=0) < 20 and fits(v)]
        return data.draw(st.sampled_from(good[-5:])) if good else None

    def below(self, root):
        """All that `root` was made from, itself included: a set that grows until it stops."""
        found = {root}
        while more := {p for i in found for p in self.parents.get(i, ())} - found:
            found |= more
        return found

    # Growing

    @initialize(seed=seeds, wanted=st.sets(st.sampled_from(SHAPES), min_size=1))
    def plant(self, seed, wanted):
        """A leaf of each shape; some want a gradient."""
        for shape in SHAPES:
            array = np.random.default_rng(seed).standard_normal(shape)
            self.add(Tensor(xp.asarray(array), requires_grad=shape in wanted), lambda array=array: array)

    @rule(data=st.data(), name=st.sampled_from(sorted(ONE | TWO)), record=st.sampled_from([True, True, True, False]))
    def grow(self, data, name, record):
        ours, theirs, fits = (ONE | TWO)[name]
        inputs = [self.choose(data, fits if name in ONE else anything)]
        if name in TWO:
            inputs.append(self.choose(data, lambda v: fits(self.values[inputs[0]], v)))
        if None not in inputs:
            (self.apply if record else self.apply_without_a_record)(ours, theirs, *inputs)

    # Walking

    @precondition(lambda self: len(self.parents) > len(self.freed) + 3)
    @rule(data=st.data(), seed=seeds)
    def walk(self, data, seed):
        self.backward(data.draw(st.sampled_from(sorted(self.parents))), seed)

    def backward(self, root, seed):
        g = np.random.default_rng(seed).standard_normal(self.values[root].shape)
        if not self.tensors[root].requires_grad:
            with pytest.raises(ShapeError):
                self.tensors[root].backward(xp.asarray(g))
        elif self.freed & self.below(root):
            with pytest.raises(GraphFreedError):
                self.tensors[root].backward(xp.asarray(g))
        else:
            self.tensors[root].backward(xp.asarray(g))
            self.expect(root, g)

    def expect(self, root, g):
        """Every leaf below `root` that wants it has one more derivative; every result below it is used up."""
        for i in self.below(root):
            if i in self.parents:
                self.freed.add(i)
            elif self.tensors[i].requires_grad:
                self.gradients[i] = self.gradients.get(i, 0) + derivative(self.recipes, root, i, g)

    @invariant()
    def the_gradients_are_those_of_the_twin(self):
        for i, tensor in enumerate(self.tensors):
            assert (tensor.grad is None) == (i not in self.gradients)
            if i in self.gradients:
                largest = np.abs(self.gradients[i]).max(initial=1)
                assert_close(tensor.grad, self.gradients[i], rtol=1e-9, atol=1e-9 * largest)

    def teardown(self):
        """One loss of all that can still be walked. After that, nothing can."""
        total = 0  # the first leaf
        for i in [i for i in self.parents if not self.freed & self.below(i)]:
            self.apply(add_up, lambda x, y: (x * weights(x)).sum() + y.sum(), i, total)
            total = len(self.tensors) - 1
        for root in reversed(range(len(self.tensors))):
            self.backward(root, seed=root)
            self.the_gradients_are_those_of_the_twin()


RandomGraphs.TestCase.settings = settings(max_examples=100, stateful_step_count=20)
TestRandomGraphs = RandomGraphs.TestCase
