"""Tests of traced networks in which pruning, compilation or tracing failed, or was wrong without an error."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import quatnet
from quatnet import Tensor, graph, nn, ops, prune
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError


def parameter(array):
    return Tensor(np.asarray(array, np.float32), requires_grad=True)


@pytest.fixture
def x(rng):
    return rng.standard_normal((3, 4)).astype(np.float32)


def pruned(network, x):
    return prune.prune_filters(network, prune.select(network, 0.5, example=x))


class TwoLayers(nn.Module):
    def __init__(self, middle):
        rng = np.random.default_rng(0)
        self.a, self.b = nn.Linear(4, 8, rng=rng), nn.Linear(8, 2, rng=rng)
        self.bias, self.middle, self.rng = parameter(np.ones(8)), middle, np.random.default_rng(1)

    def __call__(self, x, *, train=False, rng=None):
        return self.b(self.middle(self, self.a(x), train, rng))


def test_list_of_many_parameters(x):
    class Products(nn.Module):
        def __init__(self):
            self.weights = [parameter(np.eye(4)) for _ in range(8)]

        def __call__(self, x):
            for w in self.weights:
                x = ops.relu(x @ w)
            return x

    net = Products()
    np.testing.assert_array_equal(graph.GraphModule(graph.trace(net, x))(x).numpy(), net(x).numpy())


def test_unknown_node(x):
    traced = graph.trace(TwoLayers(lambda net, h, train, rng: h), x)
    with pytest.raises(ConfigError, match="expected a node among a, b, got 'c'"):
        traced.node("c")


@pytest.mark.parametrize("array", [xp.linspace(0, 1, 8), [0.1] * 8])
def test_array_before_a_batch_norm_has_the_dtype_of_the_layer(array, rng):
    class Net(nn.Module):
        def __init__(self):
            self.conv, self.norm = nn.Conv2d(4, 8, rng=rng), nn.BatchNorm(8)
            self.head = nn.Conv2d(8, 2, rng=rng)

        def __call__(self, x, *, train=False, rng=None):
            return self.head(self.norm(self.conv(x) + array, train=train))

    net, image = Net(), rng.standard_normal((2, 5, 5, 4)).astype(np.float32)
    y = quatnet.compile(net, image)(image)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), net(image).numpy(), atol=1e-5)


def transposed_dropout(net, h, train, rng):
    h = ops.transpose(ops.relu(h), (1, 0))
    return ops.transpose(ops.dropout(h, 0.3, rng=rng, train=True) if train else h, (1, 0))


def dropout_of_a_parameter(net, h, train, rng):
    return h * (ops.dropout(net.bias, 0.3, rng=rng, train=True) if train else net.bias)


def reshaped_bias(net, h, train, rng):
    return ops.relu(h + ops.reshape(net.bias, 8))


@pytest.mark.parametrize("middle", [transposed_dropout, dropout_of_a_parameter, reshaped_bias])
def test_shapes_after_pruning(middle, x):
    small = pruned(TwoLayers(middle), x)
    keep = prune.select(TwoLayers(middle), 0.5, example=x)
    masked = prune.mask_filters(TwoLayers(middle), keep, example=x)
    np.testing.assert_allclose(small(x).numpy(), masked(x).numpy(), atol=1e-6)
    assert small(x, train=True, rng=np.random.default_rng(0)).shape == (3, 2)


def test_shape_of_a_dropout_that_is_called_in_training_only(x):
    traced = graph.trace(TwoLayers(transposed_dropout), x)
    assert [node.shape for node in traced.nodes if node.op == "dropout"] == [(8, graph.Batch())]


def test_rotation_with_computed_scale_is_not_pruned(rng):
    class Net(nn.Module):
        def __init__(self):
            self.conv, self.head = nn.QuaternionRotationConv2d(4, 8, rng=rng), nn.Linear(8, 2, rng=rng)
            self.log_scale = parameter(np.zeros((3, 3, 1, 2)))

        def __call__(self, x):
            h = ops.quaternion_rotation_conv2d(x, self.conv.weight, ops.exp(self.log_scale), padding=1)
            return self.head(ops.mean(h, axis=(1, 2)))

    image = np.ones((2, 5, 5, 4), np.float32)
    groups = graph.channel_groups(graph.trace(Net(), image))
    assert not list(groups)
    assert groups.fixed["conv.weight"].startswith("weight that is a result")


def test_module_that_is_a_dataclass(x, rng):
    @dataclass
    class Net(nn.Module):
        layer: Any

        def __call__(self, x, *, train=False, rng=None):
            return self.layer(x)

    net = Net(nn.Linear(4, 2, rng=rng))
    np.testing.assert_array_equal(quatnet.compile(net, x)(x).numpy(), net(x).numpy())


def test_inputs_of_different_batch_sizes():
    arrays = np.ones((4, 8), np.float32), np.ones((1, 8), np.float32)
    with pytest.raises(ShapeError, match=r"one batch size, got \(4, 8\) and \(1, 8\)"):
        graph.trace(lambda a, b: ops.relu(a) + b, arrays)


def test_generator_of_a_network(x):
    net = TwoLayers(lambda net, h, train, rng: ops.dropout(h, 0.5, rng=net.rng, train=train))
    state = net.rng.bit_generator.state
    with pytest.warns(UserWarning, match="generator of the network"):
        traced = graph.trace(net, x)
    assert net.rng.bit_generator.state == state
    assert len(traced.notes) == 1


@pytest.mark.filterwarnings("ignore:A part of the network runs in no_grad")
def test_compiled_network_can_be_traced(x, rng):
    net = nn.Linear(4, 2, rng=rng)
    traced = graph.GraphModule(graph.trace(quatnet.compile(net, x), x))
    np.testing.assert_array_equal(asnumpy(traced(x).data), asnumpy(net(x).data))


def test_default_generator_in_evaluation_gives_no_note(x):
    middle = lambda net, h, train, rng: ops.dropout(h, 0.5, rng=np.random.default_rng(rng), train=train)  # noqa: E731
    assert graph.trace(TwoLayers(middle), x).notes == []


def test_nested_lists_of_filters(x):
    net = TwoLayers(lambda net, h, train, rng: ops.relu(h))
    with pytest.raises(ConfigError, match="a: expected a list of filters"):
        prune.prune_filters(net, {"a": [[0], [1, 2]]}, example=x)
