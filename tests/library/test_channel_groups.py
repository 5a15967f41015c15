"""Test that a network without some channels equals the network in which no layer uses these channels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graph_networks import NETWORKS, Net, image
from support.random_networks import networks

from quatnet import Tensor, graph, nn, ops, prune
from quatnet.backend import asnumpy, on_gpu, xp
from quatnet.errors import ConfigError

CRITERIA = [*prune.CRITERIA, "random"]


def to_float64(model):
    """Convert all arrays of a model to float64, so that results can be compared to 1e-10."""
    for _, container, key, item in list(model._entries()):
        if isinstance(item, Tensor):
            item.data = item.data.astype(np.float64)
        else:
            container[key] = item.astype(np.float64)
    return model


def outputs_and_gradients(model, x):
    x = Tensor(x, requires_grad=True)
    outputs = model(x)
    outputs.backward(xp.asarray(np.random.default_rng(2).standard_normal(outputs.shape)))
    return outputs.data, x.grad, {name: tensor.grad for name, tensor in model.named_parameters()}


def check_pruned_equals_masked(model, x, keep):
    model, x = to_float64(model), xp.asarray(x, np.float64)
    traced = graph.trace(model, x)
    groups = graph.channel_groups(traced)
    masked = graph.GraphModule(replace(traced, arrays=graph.mask_graph(groups, keep)))
    pruned = graph.GraphModule(graph.prune_graph(groups, keep))
    (y, grad_x, grads), (z, grad_z, small_grads) = (outputs_and_gradients(m, x) for m in (masked, pruned))
    assert_close(y, z)
    assert_close(grad_x, grad_z)
    arrays = traced.arrays | {name: xp.zeros_like(traced.arrays[name]) if g is None else g for name, g in grads.items()}
    expected = graph.prune_graph(graph.channel_groups(replace(traced, arrays=arrays)), keep).arrays
    for name, grad in small_grads.items():
        assert_close(expected[name], xp.zeros_like(expected[name]) if grad is None else grad)
    again = graph.trace(pruned, x)  # all shapes and arguments of the pruned graph are right
    assert [node.shape for node in again.nodes] == [node.shape for node in pruned.graph.nodes]


def assert_close(a, b):
    a, b = asnumpy(a), asnumpy(b)
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10 * max(1, abs(a).max(initial=0)))


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_with_half_of_the_channels(name, criterion):
    model, x = NETWORKS[name]()
    score = prune.criterion_from_name(criterion, rng=np.random.default_rng(0))
    keep = {}
    for group in graph.channel_groups(graph.trace(model, x)):
        scores = score({key: asnumpy(value) for key, value in model.state_dict().items()}, group)
        assert scores.shape == (group.size,)
        assert np.isfinite(scores).all()
        keep[group.name] = prune.top_k(scores, -(-group.size // 2), group.parts)
    check_pruned_equals_masked(model, x, keep)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_group_alone(name):
    model, x = NETWORKS[name]()
    for group in graph.channel_groups(graph.trace(model, x)):
        keep = prune.top_k(-np.arange(float(group.size)), 1, group.parts)
        check_pruned_equals_masked(model, x, {group.name: keep})


@pytest.mark.skipif(on_gpu(), reason="many small networks")
@settings(max_examples=120, deadline=None)
@given(
    network=networks(), criterion=st.sampled_from(CRITERIA), shares=st.lists(st.floats(0, 1), min_size=12, max_size=12)
)
def test_random_networks(network, criterion, shares):
    model, x = network
    score = prune.criterion_from_name(criterion, rng=np.random.default_rng(0))
    keep = {}
    groups = graph.channel_groups(graph.trace(model, x))
    for group, share in zip(groups, shares, strict=False):
        count = max(1, round(share * group.size))
        keep[group.name] = prune.top_k(score(model.state_dict(), group), count, group.parts)
    try:
        graph.prune_graph(groups, keep)
    except ConfigError:  # a slice of a concatenation, whose parts are in several groups, would be empty
        return
    check_pruned_equals_masked(model, x, keep)


def test_channels_that_cannot_be_pruned_are_listed_with_the_reason():
    rng = np.random.default_rng(0)
    net = Net(
        lambda m, x, train, rng: ops.hamilton_product(
            ops.reshape(m.a(x), (-1, 2, 4)), ops.reshape(m.norm(m.b(x)), (-1, 2, 4))
        ),
        a=nn.Linear(3, 8, rng=rng),
        b=nn.Linear(3, 8, rng=rng),
        norm=nn.LayerNorm(8),
    )
    groups = graph.channel_groups(graph.trace(net, image(2, 3)))
    assert list(groups) == []
    assert groups.fixed == {"a.weight": "hamilton_product (hamilton_product.1)", "b.weight": "layer_norm (norm)"}


# The functions of `quatnet.prune` on networks that are not in `quatnet.models`


def make_custom():
    rng = np.random.default_rng(0)
    layers = [nn.QuaternionConv2d(4, 16, rng=rng), nn.BatchNorm(16), nn.ReLU(), nn.QuaternionConv2d(16, 32, rng=rng)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 20, 3, rng=rng)), image(2, 5, 4, 4)


def test_select_and_prune_a_custom_network():
    model, x = make_custom()
    keep = prune.select(model, 0.5, example=x)
    assert {name: len(indices) for name, indices in keep.items()} == {"layers.0": 2, "layers.3": 4}
    pruned = prune.prune_filters(model, keep)
    np.testing.assert_allclose(pruned(x).numpy(), prune.mask_filters(model, keep)(x).numpy(), atol=1e-5)
    assert model.state_dict()["layers.0.weight"].shape == (4, 3, 3, 1, 4)
    assert pruned.state_dict()["layers.0.weight"].shape == (4, 3, 3, 1, 2)
    again = prune.prune_filters(pruned, prune.select(pruned, 0.5))  # a GraphModule needs no example
    assert again(x, train=True).shape == (2, 3)


def test_prune_with_counts_and_plain_indices():
    model, x = make_custom()
    assert list(prune.select(model, {"layers.3": 3}, example=x)) == ["layers.3"]
    pruned = prune.prune_filters(model, {"layers.3": [0, 5]}, example=x)
    assert pruned.state_dict()["layers.5.weight"].shape == (8 * 20, 3)


def test_prune_uses_the_present_weights():
    model, x = make_custom()
    keep = prune.select(model, 0.5, example=x)
    model.layers[0].weight.data = model.layers[0].weight.data * 2
    expected = model.layers[0].weight.numpy()[..., keep["layers.0"]]
    assert (prune.prune_filters(model, keep).state_dict()["layers.0.weight"] == expected).all()


@pytest.mark.parametrize("limit", [{"multiplications": 20_000}, {"parameters": 1_000}])
def test_budget_of_a_custom_network(limit):
    model, x = make_custom()
    budget = prune.Budget(**limit)
    pruned = prune.prune_filters(model, prune.select(model, budget, example=x))
    cost = graph.count(pruned.graph)
    assert cost.multiplications_8 <= budget.multiplications
    assert cost.parameters <= budget.parameters


def test_budget_in_milliseconds():
    model, x = make_custom()
    keep = prune.select(model, prune.Budget(milliseconds=1e4), example=x)
    assert [len(indices) for indices in keep.values()] == [4, 8]
    with pytest.raises(ConfigError, match=r"still costs .* in \d+\.\d\d ms; allow more than"):
        prune.select(model, prune.Budget(milliseconds=0.0), example=x)


def test_gradual_pruning_of_a_custom_network():
    model, x = make_custom()
    sizes = []
    selectors = prune.ratio_selectors(model, 0.5, 2, example=x)
    pruned = prune.prune_gradually(model, selectors, lambda m: sizes.append(sum(p.size for p in m.parameters())))
    assert sizes == sorted(sizes, reverse=True)
    assert pruned.state_dict()["layers.3.weight"].shape == (4, 3, 3, 2, 4)


def test_counts_and_budget_by_keyword():
    model, x = make_custom()
    assert len(prune.select(model, counts={"layers.3": 3}, example=x)["layers.3"]) == 3
    assert prune.select(model, budget=prune.Budget(parameters=1_000), example=x).keys() == {"layers.0", "layers.3"}
    for options in ({}, {"ratio": 0.5, "counts": {"layers.3": 3}}):
        with pytest.raises(ConfigError, match="expected one of ratio, counts and budget, got "):
            prune.select(model, example=x, **options)


def test_missing_example_raises():
    model, _ = make_custom()
    with pytest.raises(ConfigError, match="expected an example input of the network; pass example="):
        prune.select(model, 0.5)
    with pytest.raises(ConfigError, match="pass example="):
        prune.prune_filters(model, {"layers.0": [0]})
