"""Tests of chapter 16: the network as data.

The list can be executed without the class that built the network. A pass over the list finds the users of a value,
removes nodes that the output does not need, counts parameters, and merges two nodes into one: a batch norm in
evaluation is linear and is folded into the layer before it.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import given
from support.strategies import seeds

from quatnet import graph, nn
from quatnet.backend import asnumpy

# h = relu(x @ w + b), dead = h @ w, y = h + h · s, with a residual sum and a node that the output does not need
NODES = [
    ("product", "matmul", ("x", "w")),
    ("sum", "add", ("product", "b")),
    ("h", "relu", ("sum",)),
    ("unused", "matmul", ("h", "w")),
    ("dead", "relu", ("unused",)),
    ("scaled", "multiply", ("h", "s")),
    ("y", "add", ("h", "scaled")),
]
ARRAYS = {"w": np.array([[1.0, 2], [3, 4]]), "b": np.array([-5.0, 1]), "s": np.array([10.0, 1]), "other": np.ones(7)}
X = np.array([[1.0, 1], [2, 0]])


def assert_close(actual, expected, atol=1e-9):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=atol)


# Execution


def test_run_worked_example(run):
    # x @ w = (4, 6) and (2, 4); with b, (-1, 7) and (-3, 5); relu gives (0, 7) and (0, 5); h · s + h doubles channel 1
    assert_close(run(NODES[:2], ARRAYS, X), [[-1, 7], [-3, 5]])
    assert_close(run(NODES, ARRAYS, X), [[0, 14], [0, 10]])


def test_order_of_the_inputs_matters(run):
    assert_close(run([("y", "matmul", ("w", "x"))], ARRAYS, X), ARRAYS["w"] @ X)
    assert_close(run([("y", "matmul", ("x", "w"))], ARRAYS, X), X @ ARRAYS["w"])


@given(seeds)
def test_run_equals_the_expression(run, seed):
    rng = np.random.default_rng(seed)
    arrays = {"w": rng.standard_normal((2, 2)), "b": rng.standard_normal(2), "s": rng.standard_normal(2)}
    x = rng.standard_normal((3, 2))
    h = np.maximum(x @ arrays["w"] + arrays["b"], 0)
    assert_close(run(NODES, arrays, x), h * arrays["s"] + h)


# Passes over the nodes


def test_consumers_worked_example(consumers):
    users = consumers(NODES)
    assert users["h"] == ["unused", "scaled", "y"]
    assert users["w"] == ["product", "unused"]
    assert "y" not in users
    assert consumers([("square", "multiply", ("x", "x"))]) == {"x": ["square", "square"]}


def test_live_nodes_worked_example(live_nodes):
    live = [tuple(node) for node in live_nodes(NODES)]
    assert live == [node for node in NODES if node[0] not in ("unused", "dead")]


def test_live_nodes_give_the_same_output(run, live_nodes):
    assert_close(run(live_nodes(NODES), ARRAYS, X), run(NODES, ARRAYS, X))
    assert live_nodes(live_nodes(NODES)) == live_nodes(NODES)


def test_count_parameters_worked_example(count_parameters):
    # w has 4 entries and is used twice, b and s have 2 entries, and `other` is not used
    assert count_parameters(NODES, ARRAYS) == 4 + 2 + 2
    assert count_parameters(NODES[:1], ARRAYS) == 4


# Folding


def test_fold_worked_example(fold_batch_norm):
    # With gamma / sqrt(variance + eps) = 6 / sqrt(3 + 1) = 3, the result is 3 (2x + 7 - 5) + 1 = 6x + 7.
    one = np.ones(1)
    weight, bias = fold_batch_norm(np.array([[2.0]]), 7 * one, 6 * one, one, 5 * one, 3 * one, 1.0)
    assert_close(weight, [[6]])
    assert_close(bias, [7])


@given(seeds)
def test_folded_layer_equals_layer_and_batch_norm(fold_batch_norm, seed):
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((5, 3)), rng.standard_normal((3, 2))
    bias, gamma, beta, mean = rng.standard_normal((4, 2))
    variance = rng.uniform(0.1, 2, 2)
    folded, new_bias = fold_batch_norm(weight, bias, gamma, beta, mean, variance, 1e-2)
    expected = gamma * (x @ weight + bias - mean) / np.sqrt(variance + 1e-2) + beta
    assert_close(x @ folded + new_bias, expected)


# The same with quatnet


def test_graph_of_a_layer_of_quatnet(count_parameters, fold_batch_norm, rng):
    model = nn.Sequential(nn.Linear(3, 2, rng=rng), nn.BatchNorm(2))
    statistics = {"layers.1.running_mean": np.float32([0.5, -1]), "layers.1.running_var": np.float32([4, 0.25])}
    model.load_state_dict(model.state_dict() | statistics)
    x = rng.standard_normal((4, 3)).astype(np.float32)
    traced = graph.trace(model, x)
    assert [node.op for node in traced.nodes] == ["linear", "BatchNorm"]
    parameters = {name: traced.arrays[name] for name, kind in traced.kinds.items() if kind == "parameter"}
    nodes = [(node.name, node.op, tuple(node.refs())) for node in traced.nodes]
    assert count_parameters(nodes, parameters) == graph.count(traced).parameters == 3 * 2 + 2 + 2 + 2
    state = {name: asnumpy(array).astype(float) for name, array in traced.arrays.items()}
    names = ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var")
    weight, bias = fold_batch_norm(*(state[f"layers.{name}"] for name in names), 1e-5)
    assert_close(x @ weight + bias, asnumpy(model(x).data), atol=1e-4)
