"""Tests that the memory of a graph is freed by reference counting, without the garbage collector.

CPython frees an object when its last reference is deleted. Objects in a reference cycle are freed only by the garbage
collector. A graph must not contain a cycle, because the graph of a training step can hold gigabytes. These tests
disable the garbage collector and check with weak references that tensors and arrays are freed.
"""

import gc
import weakref

import numpy as np
import pytest
from support.arrays import draw

from quatnet import Tensor, ops, paper_code
from quatnet.backend import xp


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


ALL_OPS = {
    "arithmetic": lambda x: (x * x + 1.0) / 2.0 - x**2,
    "matmul": lambda x: ops.reshape(x, (8, 8)) @ ops.reshape(x, (8, 8)),
    "shape": lambda x: ops.concatenate([ops.getitem(x, 0), ops.transpose(ops.getitem(x, 0), (1, 0, 2))]),
    "reduce": lambda x: ops.max(ops.mean(x, axis=1), axis=0),
    "activations": lambda x: ops.log(ops.exp(ops.sigmoid(ops.relu(x)))),
    "hamilton": lambda x: ops.hamilton_product(x, x),
    "conv": lambda x: ops.conv2d(x, Tensor(np.ones((3, 3, 4, 2))), padding=1),
    "quaternion conv": lambda x: ops.quaternion_conv2d(x, Tensor(np.ones((4, 3, 3, 1, 1))), padding=1),
    "pooling": lambda x: ops.max_pool2d(ops.avg_pool2d(x)),
    "batch norm": lambda x: ops.batch_norm(x, Tensor(np.ones(4)), Tensor(np.zeros(4)), relu=True),
    "dropout": lambda x: ops.dropout(x, 0.5, rng=np.random.default_rng(0), train=True),
    "softmax loss": lambda x: ops.cross_entropy(ops.reshape(x, (16, 4)), np.ones((16, 4)) / 4),
    "binary loss": lambda x: ops.binary_cross_entropy_with_logits(ops.reshape(x, (16, 4)), np.ones((16, 4)) / 4),
    "distillation loss": lambda x: ops.distillation_loss(ops.reshape(x, (16, 4)), np.ones((16, 4))),
    "binary distillation loss": lambda x: ops.binary_distillation_loss(ops.reshape(x, (16, 4)), np.ones((16, 4))),
    "distillation loss of the paper code": lambda x: paper_code.distillation_loss(
        ops.reshape(x, (16, 4)), np.ones((16, 4))
    ),
    "mse loss": lambda x: ops.mse_loss(ops.reshape(x, (16, 4)), np.ones((16, 4))),
}


@pytest.fixture
def no_garbage_collector():
    """Disable the garbage collector, so that objects in a reference cycle are not freed."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", ALL_OPS)
def test_deleting_the_result_frees_the_graph(name, rng, no_garbage_collector):
    x = leaf(draw(rng, 1, 4, 4, 4))
    hidden = x * 2.0
    result = ALL_OPS[name](hidden)
    refs = [weakref.ref(thing) for thing in (hidden, hidden.data, result, result.data)]
    del hidden, result
    assert [ref() for ref in refs] == [None] * 4


@pytest.mark.parametrize("name", ALL_OPS)
def test_backward_frees_the_graph_of_a_live_loss(name, rng, no_garbage_collector):
    x = leaf(draw(rng, 1, 4, 4, 4))
    hidden = x * 2.0
    result = ops.sum(ALL_OPS[name](hidden))
    refs = [weakref.ref(hidden), weakref.ref(hidden.data)]
    del hidden
    result.backward()
    assert [ref() for ref in refs] == [None] * 2
    assert x.grad.shape == x.shape


def test_backward_frees_nodes_before_it_ends(no_garbage_collector):
    # With middle = x, last = 2 middle and loss = sum(last), the backward function of `middle` runs after `last` is
    # freed.
    alive = []

    def backward(grad):
        alive.extend(ref() for ref in refs)
        return (grad,)

    x = leaf([1, 2])
    middle = Tensor.from_op(x.data, (x,), backward)
    last = middle * 2.0
    refs = [weakref.ref(last), weakref.ref(last.data)]
    loss = ops.sum(last)
    del last
    loss.backward()
    assert alive == [None, None]


def test_error_in_backward_leaves_no_cycle(no_garbage_collector):
    def fail(grad):
        raise RuntimeError("failed")

    x = leaf([1, 2])
    result = ops.sum(Tensor.from_op(x.data * 2.0, (x,), fail))
    ref = weakref.ref(result)
    with pytest.raises(RuntimeError, match="failed"):
        result.backward()
    del result
    assert ref() is None


# Long chains, as in a recurrent network or a loss that is summed over an epoch

CHAIN_OPS = {
    "add one": lambda y: y + 1.0,
    "reshape": lambda y: ops.reshape(y, ()),
    "add to itself": lambda y: (y + y) * 0.5,
}


def chain(x, op, length=50_000):
    for _ in range(length):
        x = op(x)
    return x


def test_backward_of_a_long_chain_does_not_recurse(no_garbage_collector):
    x = leaf(1.0)
    y = chain(x, CHAIN_OPS["add one"])
    y.backward()
    assert (float(y.data), float(x.grad)) == (50_001, 1)


@pytest.mark.parametrize("name", CHAIN_OPS)
def test_deleting_a_long_chain_does_not_recurse(name, no_garbage_collector):
    # Each node references its parent. Nested deallocation must not overflow the stack.
    first = CHAIN_OPS[name](leaf(1.0))
    ref = weakref.ref(first)
    y = chain(first, CHAIN_OPS[name])
    del first
    assert ref() is not None
    del y
    assert ref() is None
