"""Memory is given back at once.

Python frees an object when its last reference goes; only objects that refer to each other in a circle wait for
the garbage collector. A graph must have no such circle: a training step holds gigabytes. So these tests turn the
collector off and watch whether what should be gone is gone.
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
    "coins": lambda x: ops.binary_distillation_loss(ops.reshape(x, (16, 4)), np.ones((16, 4))),
    "released": lambda x: paper_code.distillation_loss(ops.reshape(x, (16, 4)), np.ones((16, 4))),
    "features": lambda x: ops.mse_loss(ops.reshape(x, (16, 4)), np.ones((16, 4))),
}


@pytest.fixture
def no_garbage_collector():
    """Leave memory to reference counting alone: what is part of a cycle then stays for ever."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", ALL_OPS)
def test_a_graph_dies_with_its_last_name(name, rng, no_garbage_collector):
    x = leaf(draw(rng, 1, 4, 4, 4))
    hidden = x * 2.0
    result = ALL_OPS[name](hidden)
    watched = [weakref.ref(thing) for thing in (hidden, hidden.data, result, result.data)]
    del hidden, result
    assert [ref() for ref in watched] == [None] * 4


@pytest.mark.parametrize("name", ALL_OPS)
def test_backward_frees_the_graph_while_the_loss_still_lives(name, rng, no_garbage_collector):
    x = leaf(draw(rng, 1, 4, 4, 4))
    hidden = x * 2.0
    result = ops.sum(ALL_OPS[name](hidden))
    watched = [weakref.ref(hidden), weakref.ref(hidden.data)]
    del hidden
    result.backward()
    assert [ref() for ref in watched] == [None] * 2
    assert x.grad.shape == x.shape


def test_backward_frees_on_its_way_and_not_only_at_the_end(no_garbage_collector):
    # loss = sum(late), late = 2 middle, middle = x: when the walk comes to middle, late is gone
    alive = []

    def backward(g):
        alive.extend(ref() for ref in watched)
        return (g,)

    x = leaf([1, 2])
    middle = Tensor.from_op(x.data, (x,), backward)
    late = middle * 2.0
    watched = [weakref.ref(late), weakref.ref(late.data)]
    loss = ops.sum(late)
    del late
    loss.backward()
    assert alive == [None, None]


def test_an_error_in_the_middle_of_a_walk_keeps_nothing(no_garbage_collector):
    def broken(g):
        raise RuntimeError("broken")

    x = leaf([1, 2])
    result = ops.sum(Tensor.from_op(x.data * 2.0, (x,), broken))
    watched = weakref.ref(result)
    with pytest.raises(RuntimeError, match="broken"):
        result.backward()
    del result
    assert watched() is None


# Long chains: a recurrent network, or a loss that is added up over an epoch

LINKS = {
    "plus one": lambda y: y + 1.0,
    "reshape": lambda y: ops.reshape(y, ()),
    "plus itself": lambda y: (y + y) * 0.5,
}


def chain(x, link, length=50_000):
    for _ in range(length):
        x = link(x)
    return x


def test_fifty_thousand_nodes_in_a_row_need_no_recursion(no_garbage_collector):
    x = leaf(1.0)
    y = chain(x, LINKS["plus one"])
    y.backward()
    assert (float(y.data), float(x.grad)) == (50_001, 1)


@pytest.mark.parametrize("name", LINKS)
def test_fifty_thousand_nodes_can_be_dropped_without_a_walk(name, no_garbage_collector):
    # each node holds the next: freeing them one inside the other must not overflow the stack
    first = LINKS[name](leaf(1.0))
    watched = weakref.ref(first)
    y = chain(first, LINKS[name])
    del first
    assert watched() is not None
    del y
    assert watched() is None
