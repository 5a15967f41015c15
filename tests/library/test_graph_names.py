"""Test the names and signatures of `quatnet.graph`, `quatnet.compile` and `quatnet.prune` that other code relies on."""

import numpy as np
import pytest
from support.arrays import assert_close, draw

import quatnet
from quatnet import Tensor, graph, nn, prune
from quatnet.backend import asnumpy
from quatnet.errors import ConfigError


class Custom(nn.Module):
    def __init__(self):
        rng = np.random.default_rng(0)
        self.conv, self.norm = nn.QuaternionConv2d(4, 16, rng=rng), nn.BatchNorm(16)
        self.head = nn.Linear(16 * 6, 3, rng=rng)

    def __call__(self, x, *, train=False, rng=None):
        h = self.norm(self.conv(Tensor(x)), train=train, relu=True)
        return self.head(h.reshape(len(h), -1))


def test_fixed_names(tmp_path):
    from quatnet import graph

    model, example = Custom(), draw(0, 2, 3, 2, 4, dtype=np.float32)
    g = graph.trace(model, example)
    module = graph.GraphModule(g)
    assert (asnumpy(module(example).data) == asnumpy(model(example).data)).all()
    cost = graph.count(g)
    assert (cost.parameters, cost.multiplications_16, cost.multiplications_8) == (
        4 * 9 * 4 + 32 + 96 * 3 + 3,
        6 * 9 * 4 * 16 + 96 * 3,
        6 * 9 * 4 * 8 + 96 * 3,
    )
    assert len(graph.channel_groups(g)) == 1
    graph.save(g, tmp_path / "net.npz")
    loaded = graph.load(tmp_path / "net.npz")
    assert (asnumpy(loaded(example).data) == asnumpy(model(example).data)).all()
    assert_close(quatnet.compile(model, example)(example).data, model(example).data, rtol=1e-5, atol=1e-6)
    keep = prune.select(model, 0.5, example=example)
    pruned = prune.prune_filters(model, keep)
    assert pruned(example).shape == (2, 3)
    assert sum(p.size for p in pruned.parameters()) < cost.parameters
    assert "graph" in dir(quatnet)
    assert "compile" in dir(quatnet)


def test_to_onnx(tmp_path):
    pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    from quatnet import graph

    model, example = Custom(), draw(0, 2, 3, 2, 4, dtype=np.float32)
    graph.to_onnx(graph.trace(model, example), tmp_path / "net.onnx")
    (found,) = ort.InferenceSession(tmp_path / "net.onnx").run(None, {"input": asnumpy(example)})
    assert_close(found, asnumpy(model(example).data), rtol=1e-4, atol=1e-5)


def test_list_as_example():
    assert quatnet.graph.trace(quatnet.ops.relu, [[1.0, -1.0]]).nodes[0].op == "relu"


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", ["count", "channel_groups", "GraphModule", "fold", "save", "to_onnx"])
def test_functions_of_graphs_take_modules_of_graphs_and_refuse_other_networks(name, compiled, tmp_path):
    if name == "to_onnx":
        pytest.importorskip("onnx")
    model, x = nn.Linear(4, 2, rng=np.random.default_rng(0)), np.ones((2, 4), np.float32)
    paths = [tmp_path / "net"] if name in ("save", "to_onnx") else []
    function = getattr(graph, name)
    function(graph.GraphModule(graph.trace(model, x)), *paths)
    with pytest.raises(ConfigError, match=r"call graph\.trace\(model, example\) first"):
        function(graph.compile(model, x) if compiled else model, *paths)
