"""Tests of networks compiled for inference.

In evaluation mode, a batch norm is a scale and a shift per channel. `compile` transforms the convolution kernels once.
Convolution, batch norm, relu and average pool are then applied to one tile at a time while the tile is in cache. The
outputs are compared with those of the uncompiled network, also after a training step.
"""

from importlib import import_module

import numpy as np
import pytest
from support.arrays import assert_close, draw
from support.graph_networks import NETWORKS, Net, randomize

import quatnet
from quatnet import Tensor, graph, nn, no_grad, ops
from quatnet.backend import on_gpu
from quatnet.conv.fast import algorithms, fused
from quatnet.models import CNN, CNNConfig, compile, small_cnn
from quatnet.optim import Adam

pytestmark = pytest.mark.skipif(on_gpu(), reason="fused layers run on the CPU; GPUs have test_networks_on_kernels")


def make_network(*, quaternion, seed=0, classes=3):
    """Return a network with random batch norm parameters and running statistics."""
    rng = np.random.default_rng(seed)
    model = CNN(CNNConfig(classes, quaternion, ((16,), (32, 32), (48,)), 16), rng=rng)
    for array in model.state_dict().values():
        assert array.dtype == np.float32
    model.load_state_dict({name: perturb(name, array, rng) for name, array in model.state_dict().items()})
    return model


def perturb(name, array, rng):
    noise = rng.uniform(0.5, 1.5, array.shape).astype(np.float32)
    return array * noise if "weight" in name else array + noise - np.float32(0.9)


def assert_same_logits(model, compiled_model, x):
    with no_grad():
        expected = model(x).data
    logits = compiled_model(x).data
    assert logits.dtype == expected.dtype
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()


# Worked example


def test_fused_layer_by_hand():
    # The kernel is 1, the scale is 2 and the shift is -3. For x = [[1, -1], [3, 5]]:
    # 2x - 3 = [[-1, -5], [3, 7]], relu(2x - 3) = [[0, 0], [3, 7]], and the mean is 2.5.
    weight = np.zeros((1, 3, 3, 1, 1))
    weight[0, 1, 1] = 1
    x = np.array([[1.0, -1], [3, 5]]).reshape(1, 2, 2, 1, 1)
    layer = fused.make_layer(weight, np.array([2.0]), np.array([-3.0]), pool=True)
    assert_close(fused.fused_conv2d(x, layer), np.full((1, 1, 1, 1, 1), 2.5))


# Comparison with the separate ops


@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("components", [1, 4])
@pytest.mark.parametrize("shape", [(1, 5, 4), (2, 37, 31), (3, 64, 9), (9, 7, 5), (0, 40, 40)])
@pytest.mark.parametrize("direct", [False, True])
def test_fused_layer_equals_the_separate_ops(direct, shape, components, pool, rng, monkeypatch):
    if direct:  # the direct algorithm is selected for large kernels and small feature maps
        monkeypatch.setattr(algorithms, "uses_winograd", lambda *_, **__: False)
        monkeypatch.setattr(algorithms, "uses_im2col", lambda *_: False)
    x, weight = draw(rng, *shape, components * 16), draw(rng, components, 3, 3, 16, 18)
    scale, shift = draw(rng, components * 18), draw(rng, components * 18)
    conv = ops.quaternion_conv2d if components == 4 else ops.conv2d
    y = conv(Tensor(x), Tensor(weight if components == 4 else weight[0]), padding=1)
    y = ops.relu(y * scale + shift)
    expected = (ops.avg_pool2d(y) if pool else y).data
    y = fused.fused_conv2d(x[:, :, :, None], fused.make_layer(weight, scale, shift, pool=pool))
    assert_close(y.reshape(expected.shape), expected, rtol=1e-9, atol=1e-9)


def test_algorithm_for_a_large_kernel():
    kernel, same = (4, 3, 3, 128, 256), ((1, 1), (1, 1))
    assert algorithms.uses_winograd((1, 15, 8), kernel, *same, transformed=True)
    assert algorithms.uses_im2col((1, 7, 4), kernel)
    assert not algorithms.uses_winograd((1, 40, 2), kernel, *same, transformed=True)
    assert not algorithms.uses_im2col((1, 40, 2), kernel)


# Networks


@pytest.mark.parametrize("quaternion", [True, False])
@pytest.mark.parametrize("clips", [1, 5])
def test_compiled_network_equals_the_network(quaternion, clips, rng):
    model = make_network(quaternion=quaternion)
    assert_same_logits(model, compile(model), draw(rng, clips, 75, 64, 4, dtype=np.float32))


def test_compiled_small_cnn_equals_the_network(rng):
    model = CNN(small_cnn(classes=10), rng=rng)
    assert_same_logits(model, compile(model), draw(rng, 2, 101, 64, 4, dtype=np.float32))


def test_compiled_network_follows_changes_of_the_weights(rng):
    model, x = make_network(quaternion=True), draw(rng, 4, 64, 64, 4, dtype=np.float32)
    compiled_model = compile(model)
    assert_same_logits(model, compiled_model, x)
    before = compiled_model(x).data
    loss = ops.cross_entropy(model(x, train=True, rng=rng), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]])
    loss.backward()
    Adam(model.parameters()).step(lr=0.1)
    assert_same_logits(model, compiled_model, x)
    assert np.abs(compiled_model(x).data - before).max() > 1e-3
    model.load_state_dict(make_network(quaternion=True, seed=1).state_dict())
    assert_same_logits(model, compiled_model, x)


def test_kernels_are_prepared_once(rng, monkeypatch):
    model, x = make_network(quaternion=True), draw(rng, 2, 64, 64, 4, dtype=np.float32)
    compiled_model = compile(model)
    compiled_model(x)
    monkeypatch.setattr(fused.winograd_conv, "transform_kernel", None)
    monkeypatch.setattr(import_module("quatnet.graph.fold"), "quaternion_to_real_kernel", None)
    monkeypatch.setattr(fused.direct, "hadamard_sums", None)
    monkeypatch.setattr(fused.im2col_conv, "transform_kernel", None)
    compiled_model(x)


def test_compiled_output_requires_no_grad(rng):
    model = make_network(quaternion=True)
    assert not compile(model)(draw(rng, 1, 64, 64, 4, dtype=np.float32)).requires_grad


# Networks that are not in `quatnet.models`


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_and_compiled_networks_equal_the_network(name):
    model, x = NETWORKS[name]()
    compiled_model = quatnet.compile(model, x)
    folded = graph.GraphModule(graph.fold(graph.trace(model, x)))
    for batch in (x, x[:1]):
        expected = model(batch).data
        for found in (compiled_model(batch).data, folded(batch).data):
            assert found.shape == expected.shape
            assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def fold_ops(*layers, size=6, channels=4):
    network = randomize(nn.Sequential(*layers))
    x = draw(0, 2, size, size, channels, dtype=np.float32)
    folded = graph.fold(graph.trace(network, x))
    expected, found = network(x).data, quatnet.compile(network, x)(x).data
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    return [node.op for node in folded.nodes]


def conv(kind=nn.Conv2d, **options):
    return kind(4, 8, rng=np.random.default_rng(0), **options)


def test_patterns_that_are_folded():
    assert fold_ops(conv(bias=True), nn.BatchNorm(8), nn.ReLU(), nn.AvgPool2d(2), nn.Dropout(0.5)) == ["fused_conv2d"]
    assert fold_ops(conv(nn.QuaternionConv2d), nn.QuaternionBatchNorm(8), nn.ReLU()) == ["fused_conv2d"]
    assert fold_ops(conv(bias=True), nn.ReLU()) == ["fused_conv2d"]
    assert fold_ops(conv(kernel_size=5), nn.ReLU(), nn.AvgPool2d(3)) == ["fused_conv2d", "avg_pool2d"]
    assert fold_ops(conv(stride=2), nn.BatchNorm(8), nn.ReLU()) == ["conv2d", "add", "relu"]
    assert fold_ops(conv(), nn.BatchNorm(8), nn.ReLU(), nn.MaxPool2d()) == ["fused_conv2d", "max_pool2d"]
    layers = nn.Linear(144, 8, rng=np.random.default_rng(0)), nn.BatchNorm(8)
    assert fold_ops(nn.Flatten(), *layers) == ["reshape", "linear", "add"]


def test_patterns_that_are_not_folded():
    assert fold_ops(conv(), nn.AvgPool2d(2), nn.ReLU()) == ["conv2d", "avg_pool2d", "relu"]
    assert fold_ops(conv(nn.QuaternionConv2d), nn.BatchNorm(8)) == ["quaternion_conv2d", "BatchNorm"]
    assert fold_ops(conv(nn.QuaternionConv2d, stride=2), nn.ReLU()) == ["quaternion_conv2d", "relu"]
    assert fold_ops(conv(kernel_size=2, padding=0), nn.ReLU()) == ["conv2d", "relu"]


def test_value_with_two_consumers_is_not_folded():
    layer, norm = conv(), nn.BatchNorm(8)
    x = draw(0, 2, 6, 6, 4, dtype=np.float32)

    def network(x):
        h = layer(x)
        return ops.relu(norm(h, train=False)) + h

    traced = graph.trace(network, x)
    assert [node.op for node in graph.fold(traced).nodes] == ["conv2d", "BatchNorm", "relu", "add"]
    assert_close(quatnet.compile(network, x)(x).data, network(Tensor(x)).data, rtol=1e-5, atol=1e-6)


def test_layer_named_output_is_not_taken_for_the_output():
    layers = {"output": nn.BatchNorm(8), "convolution": conv()}
    network = Net(lambda m, x, train, rng: (m.convolution(x), ops.relu(m.output(x, train=train))), **layers)
    x = draw(0, 2, 6, 6, 8, dtype=np.float32)
    network.convolution = nn.Conv2d(8, 8, rng=np.random.default_rng(0))
    for found, expected in zip(quatnet.compile(network, x)(x), network(x), strict=True):
        assert_close(found.data, expected.data, rtol=1e-5, atol=1e-6)


def test_network_is_compiled_for_each_size_of_the_input():
    model = CNN(small_cnn(classes=3), rng=np.random.default_rng(0))
    compiled_model = quatnet.compile(model)
    for frames in (64, 80):
        assert_same_logits(model, compiled_model, draw(frames, 2, frames, 64, 4, dtype=np.float32))
