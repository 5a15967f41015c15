"""Test the arrays of a traced network: copies, buffers, frozen parameters, and networks that change."""

import copy
import pickle

import numpy as np
import pytest
from support.arrays import draw

from quatnet import graph, nn

X = draw(0, 4, 3, dtype=np.float32)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copy_of_a_graph_module_is_independent_and_complete(duplicate, tmp_path):
    original = graph.GraphModule(graph.trace(nn.Sequential(nn.BatchNorm(3)), X))
    before, module = original.state_dict(), duplicate(original)
    module(X, train=True)
    state = module.state_dict()
    assert (state["layers.0.running_mean"] != 0).all()
    assert all((array == before[name]).all() for name, array in original.state_dict().items())
    graph.save(module, tmp_path / "net.npz")
    original.load_state_dict(state)
    expected = module(X).data
    assert (graph.load(tmp_path / "net.npz")(X).data == expected).all()
    assert (original(X).data == expected).all()
    module.load_state_dict(before)
    assert not (module(X).data == expected).all()


def test_frozen_parameters_stay_frozen(tmp_path):
    module = graph.GraphModule(graph.trace(nn.Linear(3, 2, rng=np.random.default_rng(0)), X))
    module.values["weight"].requires_grad = False
    graph.save(module, tmp_path / "net.npz")
    assert [name for name, _ in graph.load(tmp_path / "net.npz").named_parameters()] == ["bias"]
    module.values["weight"].requires_grad = True
    assert len(list(graph.GraphModule(module.current_graph()).parameters())) == 2
