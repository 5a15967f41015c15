"""Test that a traced network computes the same results and gradients as the network, and is counted exactly."""

import warnings
from dataclasses import fields

import numpy as np
import pytest
from support.arrays import draw
from support.graph_networks import NETWORKS

from quatnet import Tensor, graph, nn, no_grad, ops
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError
from quatnet.models import build, from_name
from quatnet.profile import network_cost


def gradients(model, x, train):
    outputs = model(x, train=train, rng=np.random.default_rng(5))
    outputs.backward(draw(9, *outputs.shape, dtype=np.float32))
    return outputs.data, {name: tensor.grad for name, tensor in model.named_parameters()}


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_graph_module_equals_the_network_bit_for_bit(name, train):
    model, x = NETWORKS[name]()
    before = model.state_dict()
    copy = graph.GraphModule(graph.trace(model, x))
    assert all((array == before[key]).all() for key, array in model.state_dict().items())
    for batch in (x, xp.concatenate([x, x[:1]])):
        (expected, grads), (found, found_grads) = (gradients(m, batch, train) for m in (model, copy))
        assert (asnumpy(expected) == asnumpy(found)).all()
        assert grads.keys() == found_grads.keys()
        assert all((asnumpy(grads[key]) == asnumpy(found_grads[key])).all() for key in grads)
    state, found_state = model.state_dict(), copy.state_dict()
    assert all((state[key] == array).all() for key, array in found_state.items())
    assert {id(tensor) for tensor in copy.parameters()}.isdisjoint(id(tensor) for tensor in model.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_graph_module_is_traced_to_an_equal_graph(name):
    model, x = NETWORKS[name]()
    first = graph.trace(model, x)
    module = graph.GraphModule(first)
    second = graph.trace(module, x)
    for name, array in module.state_dict().items():  # tracing does not change the running statistics
        assert (array == asnumpy(first.arrays[name])).all()
        assert (array == asnumpy(second.arrays[name])).all()
    assert [(n.op, n.arguments, n.shape) for n in first.nodes] == [(n.op, n.arguments, n.shape) for n in second.nodes]
    assert {k: v for k, v in first.kinds.items() if v != "constant"} == {
        k: v for k, v in second.kinds.items() if v != "constant"
    }


def test_traced_function_does_not_change_running_statistics():
    norm = nn.BatchNorm(3)
    module = graph.GraphModule(graph.trace(nn.Sequential(norm), np.ones((4, 3), np.float32)))
    for layer in (norm, module):
        g = graph.trace(lambda x, train=False, layer=layer: ops.relu(layer(x, train=train)), draw(0, 4, 3))
        assert (layer.state_dict()[next(k for k in layer.state_dict() if "running_mean" in k)] == 0).all()
        assert sorted(g.kinds.values()) == ["buffer", "buffer", "parameter", "parameter"]
        copy = graph.GraphModule(g)
        copy(draw(1, 4, 3), train=True)
        assert (copy.state_dict()[next(k for k in g.kinds if g.kinds[k] == "buffer")] != 0).any()


def test_function_of_tensors():
    w = Tensor(np.eye(3), requires_grad=True)
    g = graph.trace(
        lambda a, b: {"y": [ops.relu(a @ w + 1.0), b], "z": (a[:, :2] * b,)}, (np.ones((2, 3)), np.ones((2, 1)))
    )
    assert [node.op for node in g.nodes] == ["matmul", "add", "relu", "getitem", "mul"]
    module = graph.GraphModule(g)
    a, b = np.arange(12.0).reshape(4, 3), np.full((4, 1), 2.0)
    result = module(a, b)
    np.testing.assert_array_equal(result["y"][0].numpy(), a + 1)
    np.testing.assert_array_equal(result["y"][1].numpy(), b)
    np.testing.assert_array_equal(result["z"][0].numpy(), 2 * a[:, :2])
    assert [tensor.shape for tensor in module.parameters()] == [(3, 3)]


def test_batch_size_as_a_number():
    g = graph.trace(lambda x: ops.reshape(x, (2 * x.shape[0], 3)), np.ones((5, 6)))
    assert graph.GraphModule(g)(np.ones((1, 6))).shape == (2, 3)


def test_dropout_that_is_called_in_training_only():
    def network(x, *, train=False, rng=None):
        x = ops.relu(x)
        return (ops.dropout(x, 0.5, rng=rng, train=True) if train else x) * 2.0

    with warnings.catch_warnings(action="error"):
        module = graph.GraphModule(graph.trace(network, np.ones((2, 3))))
    x = draw(0, 4, 50)[:, :3]
    assert (module(x).data == network(Tensor(x)).data).all()
    seeds = [np.random.default_rng(1) for _ in range(2)]
    assert (module(x, train=True, rng=seeds[0]).data == network(Tensor(x), train=True, rng=seeds[1]).data).all()


def branch(x):
    return ops.relu(x) if x.mean().item() > 0 else ops.tanh(x)


@pytest.mark.parametrize(("sign", "op"), [(1.0, "relu"), (-1.0, "tanh")])
def test_branch_on_values_is_recorded_as_it_ran_with_a_warning(sign, op):
    with pytest.warns(UserWarning, match="recorded: evaluation with the example input"):
        g = graph.trace(branch, sign * np.ones((2, 3)))
    assert [node.op for node in g.nodes] == ["mean", op]
    assert len(g.notes) == 2
    assert "note: " in str(g)


def test_values_outside_the_ops_are_refused():
    def network(x):
        return ops.relu(x) * x.data.mean(axis=0)

    with pytest.raises(ConfigError, match=r"computed from the input outside the ops"):
        graph.trace(network, draw(0, 4, 3))


def test_unknown_op_is_refused_by_name():
    def softplus(x):
        def backward(grad):
            return (grad,)

        return Tensor.from_op(np.log1p(np.exp(x.data)), (x,), backward)

    with pytest.raises(ConfigError, match=r"softplus calls Tensor\.from_op but is no op"):
        graph.trace(lambda x: softplus(ops.relu(x)), np.ones((2, 3)))


def test_network_that_returns_no_tensor_raises():
    with pytest.raises(ConfigError, match="expected a network that returns tensors, got None"):
        graph.trace(lambda x: None, np.ones((2, 3)))


@pytest.mark.parametrize("example", [np.float64(1), np.ones((0, 3)), ()], ids=["scalar", "empty", "no input"])
def test_example_without_batch_raises(example):
    with pytest.raises(ShapeError, match="batch axis"):
        graph.trace(ops.relu, example)


def test_input_of_another_shape_raises():
    module = graph.GraphModule(graph.trace(ops.relu, np.ones((2, 3))))
    with pytest.raises(ShapeError, match=r"expected inputs of shape \(N, 3\), got \[\(2, 4\)\]"):
        module(np.ones((2, 4)))


def test_table_of_a_graph():
    net = nn.Sequential(nn.QuaternionConv2d(4, 8, rng=np.random.default_rng(0)), nn.BatchNorm(8), nn.ReLU())
    lines = str(graph.trace(net, np.zeros((1, 10, 8, 4), np.float32))).splitlines()
    assert lines[1].split() == ["layers.0", "quaternion_conv2d", "(N,", "10,", "8,", "8)", "72", "23,040", "11,520"]
    assert lines[-1].split() == ["sum", "88", "23,040", "11,520"]


def test_published_counts_of_qcnn14():
    model = build(from_name("qcnn14", 527), rng=np.random.default_rng(0))
    cost = graph.count(graph.trace(model, model.example_input(1001)))
    expected = (21_012_431, 20_152_629_248, 10_076_854_272)
    assert (cost.parameters, cost.multiplications_16, cost.multiplications_8) == expected
    assert cost.additions_8 == 10_113_600_000


@pytest.mark.parametrize("name", ["cnn6", "qcnn10", "qresnet38", "small_cnn"])
def test_counts_agree_with_the_counts_of_the_config(name):
    config = from_name(name, 10)
    model = build(config, rng=np.random.default_rng(0))
    cost, expected = graph.count(graph.trace(model, model.example_input(64))), network_cost(config, 64)
    for field in fields(graph.Cost)[1:]:
        assert getattr(cost, field.name) == getattr(expected, field.name)


@pytest.mark.parametrize(
    ("layer", "options", "shape", "sixteen", "eight", "parameters"),
    [
        (nn.Conv2d, {"dilation": 2, "bias": True}, (10, 8, 4), 23_040, 23_040, 296),  # 80 · 9 · 4 · 8 products
        (nn.Conv2d, {"groups": 2}, (10, 8, 4), 11_520, 11_520, 144),  # each filter has 2 of the 4 input channels
        (nn.Conv1d, {}, (10, 4), 960, 960, 96),  # 10 · 3 · 4 · 8 products
        (nn.ConvTranspose2d, {"stride": 2}, (5, 4, 4), 5_760, 5_760, 288),  # 20 input pixels, 9 · 4 · 8 products each
        (nn.Linear, {}, (4,), 32, 32, 40),
        (nn.QuaternionConv2d, {}, (10, 8, 4), 23_040, 11_520, 72),
        (nn.QuaternionConv1d, {"kernel_size": 5}, (10, 4), 1_600, 800, 40),  # 10 · 5 · 32 products
        (nn.QuaternionConvTranspose2d, {"stride": 2}, (5, 4, 4), 5_760, 2_880, 72),
        (nn.QuaternionLinear, {"bias": False}, (4,), 32, 16, 8),
        (nn.QuaternionRotationConv2d, {}, (10, 8, 4), 23_040, 23_040, 90),  # 72 weights and 2 · 9 scales
    ],
)
def test_counts_of_layers_by_hand(layer, options, shape, sixteen, eight, parameters):
    cost = graph.count(
        graph.trace(layer(4, 8, rng=np.random.default_rng(0), **options), np.ones((3, *shape), np.float32))
    )
    assert (cost.multiplications_16, cost.multiplications_8, cost.parameters) == (sixteen, eight, parameters)


def test_count_of_a_matrix_product_and_a_hamilton_product():
    cost = graph.count(graph.trace(lambda x: x @ ops.transpose(x, (0, 2, 1)), np.ones((2, 3, 5))))
    assert cost.multiplications_16 == 3 * 3 * 5
    cost = graph.count(graph.trace(lambda x: ops.hamilton_product(x, x), np.ones((2, 3, 4))))
    assert (cost.multiplications_16, cost.multiplications_8) == (3 * 16, 3 * 8)


@pytest.mark.parametrize(
    ("network", "place"),
    [
        (lambda x: Tensor(x)[: x.shape[0] // 2], "getitem, argument index"),
        (lambda x: Tensor(x)[: (x.shape[0] + 1) // 2], "getitem, argument index"),
        (lambda x: Tensor(x) * (1 / x.shape[0]), "mul, argument other"),
        (lambda x: Tensor(x) * x.shape[0] ** 2, "mul, argument other"),
        (lambda x: Tensor(x) * float(ops.mean(x)), "mul, argument other"),
    ],
)
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_number_that_is_no_multiple_of_the_batch_size_is_refused(network, place, batch):
    with pytest.raises(ConfigError, match=place):
        graph.trace(network, draw(0, batch, 8))


def in_no_grad(x):
    with no_grad():
        x = ops.relu(x)
    return x * 2.0


@pytest.mark.parametrize(
    ("network", "note"),
    [
        (lambda x: Tensor(x) * (2.0 if Tensor(x).numpy().max() > 0 else 1.0), "read values"),
        (lambda x: Tensor(x) * (2.0 if ops.sum(x * x) > 0 else 1.0), "read values"),
        (in_no_grad, "no_grad"),
    ],
)
def test_read_values_and_no_grad_are_noted_with_a_warning(network, note):
    with pytest.warns(UserWarning, match=note), no_grad():
        g = graph.trace(network, np.ones((2, 3)))
    assert len(g.notes) == 1
    assert note in str(g)


@pytest.mark.parametrize(
    "network",
    [
        lambda x: x * (x > 0),
        lambda x: x * (x >= 0.5) * (x < 1.5) * (x <= 2) * (x != 1) + (x == 0),
        lambda x: x * x.detach(),
    ],
)
def test_comparisons_and_detach_are_operations(network):
    module = graph.GraphModule(graph.trace(network, draw(0, 2, 3)))
    x, y = (Tensor(draw(1, 4, 3), requires_grad=True) for _ in range(2))
    a, b = network(x), module(y)
    a.backward(draw(2, 4, 3))
    b.backward(draw(2, 4, 3))
    assert (a.data == b.data).all()
    assert (x.grad == y.grad).all()


def test_frozen_weights_are_not_counted_as_trained_parameters():
    layer = nn.Linear(4, 2, rng=np.random.default_rng(0))
    layer.weight.requires_grad = False
    g = graph.trace(layer, np.ones((2, 4)))
    assert graph.count(g).parameters == 2
    assert "trained parameters" in str(g)
