"""Test that a network without some channels equals the network in which no layer uses these channels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graph_networks import NETWORKS, Net, image, randomize

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


class Builder:
    """Random network of real and quaternion layers, drawn by hypothesis. A step maps the list of values to a value."""

    def __init__(self, draw):
        self.draw, self.layers, self.steps, self.channels = draw, [], [], [4]

    def layer(self, layer):
        self.layers.append(layer)
        return len(self.layers) - 1

    def pick(self):
        return self.draw(st.integers(max(0, len(self.channels) - 3), len(self.channels) - 1))

    def add(self, channels, step):
        self.channels.append(channels)
        self.steps.append(step)

    def convolution(self):
        source, outputs = self.pick(), self.draw(st.sampled_from([4, 8, 12]))
        inputs, rng = self.channels[source], np.random.default_rng(len(self.layers))
        kinds = [nn.Conv2d] + [nn.QuaternionConv2d, nn.QuaternionRotationConv2d] * (inputs % 4 == 0)
        kind, bias = self.draw(st.sampled_from(kinds)), self.draw(st.booleans())
        units = (inputs, outputs) if kind is nn.Conv2d else (inputs // 4, outputs // 4)
        groups = self.draw(st.sampled_from([g for g in (1, 2, 4) if all(n % g == 0 for n in units)]))
        k = self.layer(kind(inputs, outputs, bias=bias, groups=groups, rng=rng))
        self.add(outputs, lambda m, v, t: m.layers[k](v[source]))

    def norm(self):
        source = self.pick()
        kinds = [nn.BatchNorm] + [nn.QuaternionBatchNorm, nn.WhiteningBatchNorm] * (self.channels[source] % 4 == 0)
        k = self.layer(self.draw(st.sampled_from(kinds))(self.channels[source]))
        self.add(self.channels[source], lambda m, v, t: m.layers[k](v[source], train=t))

    def activation(self):
        source = self.pick()
        op = self.draw(st.sampled_from([ops.relu, ops.tanh, ops.sigmoid]))
        self.add(self.channels[source], lambda m, v, t: op(v[source]))

    def residual(self):
        a, b = self.pick(), self.pick()
        if self.channels[a] == self.channels[b]:
            op = self.draw(st.sampled_from([lambda x, y: x + y, lambda x, y: x * y]))
            self.add(self.channels[a], lambda m, v, t: op(v[a], v[b]))

    def concatenation(self):
        a, b = self.pick(), self.pick()
        self.add(self.channels[a] + self.channels[b], lambda m, v, t: ops.concatenate([v[a], v[b]]))

    def slice(self):
        source = self.pick()
        start = self.draw(st.integers(0, self.channels[source] - 1))
        stop = self.draw(st.integers(start + 1, self.channels[source]))
        self.add(stop - start, lambda m, v, t: v[source][..., start:stop])

    def quaternion_channels(self):
        source = self.pick()
        channels, op = self.draw(
            st.sampled_from([(4, ops.repeat_encoder), (4, ops.zero_pad_encoder)] + [(0.25, ops.quaternion_norm)] * 2)
        )
        if channels == 4 or self.channels[source] % 4 == 0:
            self.add(int(self.channels[source] * channels), lambda m, v, t: op(v[source]))


@st.composite
def networks(draw):
    builder = Builder(draw)
    names = ["convolution"] * 3 + ["norm", "activation", "residual", "concatenation", "slice", "quaternion_channels"]
    for name in ["convolution", *draw(st.lists(st.sampled_from(names), min_size=2, max_size=9))]:
        if max(builder.channels) <= 48:
            getattr(builder, name)()
    flat = draw(st.booleans())
    size = builder.channels[-1] * (12 if flat else 1)
    head = builder.layer(nn.Linear(size, 3, rng=np.random.default_rng(9)))

    def forward(m, x, train, rng):
        values = [x]
        for step in builder.steps:
            values.append(step(m, values, train))
        h = values[-1]
        return m.layers[head](ops.reshape(h, (-1, size)) if flat else ops.mean(h, axis=(1, 2)))

    return randomize(Net(forward, layers=builder.layers)), image(2, 4, 3, 4)


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
    np.testing.assert_allclose(pruned(x).data, prune.mask_filters(model, keep)(x).data, atol=1e-5)
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
    expected = model.layers[0].weight.data[..., keep["layers.0"]]
    assert (prune.prune_filters(model, keep).state_dict()["layers.0.weight"] == asnumpy(expected)).all()


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
