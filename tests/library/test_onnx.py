"""Test that exported networks compute the same outputs in ONNX Runtime."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.graph_networks import NETWORKS, image, randomize

from quatnet import Tensor, graph, ops, prune
from quatnet.audio import FrontEnd
from quatnet.backend import asnumpy
from quatnet.errors import ConfigError, MissingPackageError
from quatnet.models import CNN, CNNConfig

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")


def session(path, optimize=True):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(path, x, optimize=True):
    loaded = session(path, optimize)
    return loaded.run(None, {loaded.get_inputs()[0].name: asnumpy(x)})


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_exported_network_equals_the_network(name, optimize, tmp_path):
    model, x = NETWORKS[name]()
    graph.to_onnx(graph.trace(model, x), tmp_path / "net.onnx")
    onnx.checker.check_model(str(tmp_path / "net.onnx"), full_check=True)
    for batch in (x, x[:1]):
        expected = asnumpy(model(batch).data)
        (found,) = run(tmp_path / "net.onnx", batch, optimize)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["qcnn", "qresnet", "quaternion u-net", "groups"])
def test_exported_pruned_network(name, tmp_path):
    model, x = NETWORKS[name]()
    keep = prune.select(model, 0.5, example=x)
    pruned = prune.prune_filters(model, keep)
    graph.to_onnx(graph.trace(pruned, x), tmp_path / "net.onnx")
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x)[0], asnumpy(pruned(x).data), rtol=1e-4, atol=1e-5)


def test_file_of_a_quaternion_network_is_as_small_as_its_parameters(tmp_path):
    model = CNN(CNNConfig(10, True, ((64,), (128, 128)), 128), rng=np.random.default_rng(0))
    g = graph.trace(model, model.example_input(16))
    graph.to_onnx(g, tmp_path / "net.onnx")
    parameters = sum(array.nbytes for array in g.arrays.values())
    assert (tmp_path / "net.onnx").stat().st_size <= 1.05 * parameters + 10_000
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    ort.InferenceSession(str(tmp_path / "net.onnx"), options, providers=["CPUExecutionProvider"])
    ops_left = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert "Neg" not in ops_left  # ONNX Runtime has computed the block matrices


OPERATIONS = {
    "index": lambda x: x[:, 1:, None, ::2] * 2.0 - x[:, 0:1, None, 1:2],
    "integer index": lambda x: x[:, 2, ::-1] / (ops.exp(x[:, 1]) + 1.0),
    "list": lambda x: x[:, [0, 2]],
    "sum": lambda x: ops.sum(x, axis=(1, 2)) ** 2,
    "mean of all but N": lambda x: ops.mean(x * x, axis=2),
    "logarithm": lambda x: ops.log(ops.sigmoid(x)) - ops.tanh(ops.transpose(x, (0, 2, 1))[:, :3, :1]),
    "product": lambda x: x @ ops.transpose(x, (0, 2, 1)),
    "hamilton product": lambda x: ops.hamilton_product(x, x[:, ::-1]),
    "norm": lambda x: ops.quaternion_norm(x),
    "reshape": lambda x: ops.reshape(x, (2 * x.shape[0], 6)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_exported_operations(name, tmp_path):
    function, x = OPERATIONS[name], image(2, 3, 4)
    graph.to_onnx(graph.trace(function, x), tmp_path / "net.onnx")
    module = graph.GraphModule(graph.trace(function, x))
    for batch in (x, image(5, 3, 4)):
        expected = asnumpy(module(batch).data)
        np.testing.assert_allclose(run(tmp_path / "net.onnx", batch)[0], expected, rtol=1e-4, atol=1e-6)


def test_several_inputs_and_outputs(tmp_path):
    g = graph.trace(lambda a, b: {"sum": a + b, "product": [a * b]}, (image(2, 3), image(2, 3)))
    graph.to_onnx(g, tmp_path / "net.onnx")
    a, b = image(4, 3), image(4, 3)
    found = session(tmp_path / "net.onnx").run(None, {"a": asnumpy(a), "b": asnumpy(b)})
    np.testing.assert_allclose(found, [asnumpy(a + b), asnumpy(a * b)])


# Front end


def make_classifier(frontend, quaternion=True):
    config = CNNConfig(5, quaternion, ((8,), (16,)), 8, mels=frontend.mels, input_norm="cell")
    return randomize(CNN(config, rng=np.random.default_rng(0)))


@pytest.mark.parametrize(
    "frontend",
    [
        FrontEnd(clip_seconds=1.0, mels=32),
        FrontEnd(clip_seconds=0.7, mels=16, window=400, hop=160, sample_rate_hz=16000, high_hz=8000.0, floor_db=-60.0),
        FrontEnd(clip_seconds=1.0, mels=32, variant="repeat"),
    ],
    ids=["default", "16 kHz", "repeat"],
)
@pytest.mark.parametrize("quaternion", [True, False])
def test_waveform_to_probabilities(frontend, quaternion, tmp_path):
    model = make_classifier(frontend, quaternion)
    rng = np.random.default_rng(0)
    seconds = np.arange(frontend.samples) / frontend.sample_rate_hz
    clips = [np.sin(2 * np.pi * 440 * seconds), rng.standard_normal(frontend.samples) * 0.1, np.zeros(frontend.samples)]
    clips = np.stack(clips).astype(np.float32)
    features = np.stack([frontend(clip, frontend.sample_rate_hz) for clip in clips])
    classes = ("cat", "dog", "rain", "sea", "wind")
    graph.to_onnx(graph.trace(model, features[:1]), tmp_path / "net.onnx", frontend=frontend, classes=classes)
    (found,) = run(tmp_path / "net.onnx", clips)
    logits = asnumpy(model(features).data)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(found - expected).max() < 1e-4
    metadata = session(tmp_path / "net.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(metadata["classes"]) == list(classes)
    assert float(metadata["clip_seconds"]) == frontend.clip_seconds
    assert int(metadata["sample_rate_hz"]) == frontend.sample_rate_hz


def test_sigmoid_for_several_labels(tmp_path):
    g = graph.trace(ops.relu, image(2, 3))
    graph.to_onnx(g, tmp_path / "net.onnx", activation="sigmoid")
    x = image(2, 3)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x)[0], asnumpy(ops.sigmoid(ops.relu(x)).data), rtol=1e-5)


# Errors


def test_front_end_of_another_size_raises(tmp_path):
    frontend = FrontEnd(clip_seconds=1.0, mels=32)
    model = make_classifier(frontend)
    with pytest.raises(ConfigError, match=r"expected a FrontEnd whose features have the input shape"):
        graph.to_onnx(
            graph.trace(model, model.example_input(64)), tmp_path / "net.onnx", frontend=replace(frontend, hop=640)
        )
    assert not list(tmp_path.iterdir())


def test_unknown_operation_is_refused_by_name(tmp_path):
    g = graph.trace(lambda x: ops.batch_norm(x, np.ones(3), np.zeros(3)), image(2, 3))
    with pytest.raises(ConfigError, match=r"no ONNX export of the operation batch_norm \(batch_norm\.1\)"):
        graph.to_onnx(g, tmp_path / "net.onnx")


def test_active_dropout_is_refused(tmp_path):
    g = graph.trace(lambda x: ops.dropout(x, 0.5, rng=np.random.default_rng(0), train=True), image(2, 3))
    with pytest.raises(ConfigError, match="no ONNX export of the operation dropout"):
        graph.to_onnx(g, tmp_path / "net.onnx")


def test_unknown_activation(tmp_path):
    with pytest.raises(ConfigError, match="expected activation softmax, sigmoid or None, got 'relu'"):
        graph.to_onnx(graph.trace(ops.relu, image(2, 3)), tmp_path / "net.onnx", activation="relu")


def test_missing_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"pip install quatnet-numpy\[onnx\]"):
        graph.to_onnx(graph.trace(ops.relu, image(2, 3)), tmp_path / "net.onnx")


@pytest.mark.parametrize(
    "network",
    [
        lambda x: ops.sum(x, axis=1) / x.shape[0],
        lambda x: x * x.shape[0],
        lambda x: x.detach() / len(x),
        lambda x: ops.mean(x, axis=1) + 3 * x.shape[0],
    ],
)
def test_batch_size_as_a_number_in_arithmetic(network, tmp_path):
    graph.to_onnx(graph.trace(lambda x: network(Tensor(x)), np.ones((2, 8), np.float32)), tmp_path / "net.onnx")
    for batch in (1, 2, 5):
        x = np.arange(8 * batch, dtype=np.float32).reshape(batch, 8)
        np.testing.assert_allclose(run(tmp_path / "net.onnx", x)[0], asnumpy(network(Tensor(x)).data), rtol=1e-5)


@pytest.mark.parametrize("height", [4, 6])
def test_convolution_and_pooling_of_a_constant_image(height, tmp_path):
    rng = np.random.default_rng(0)
    kernel, constant = (Tensor(rng.standard_normal(s).astype(np.float32)) for s in ((3, 3, 4, 4), (1, height, 4, 4)))
    x = rng.standard_normal((2, height // 2, 2, 4)).astype(np.float32)

    def network(x):
        return x + ops.avg_pool2d(ops.conv2d(constant, kernel, padding=1)) * ops.avg_pool2d(constant)

    graph.to_onnx(graph.trace(network, x), tmp_path / "net.onnx")
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x)[0], asnumpy(network(Tensor(x)).data), rtol=1e-4, atol=1e-5)


def test_nested_index_is_refused(tmp_path):
    traced = graph.trace(lambda x: Tensor(x)[:, [[0, 1], [2, 0]]], np.ones((2, 8), np.float32))
    with pytest.raises(ConfigError, match="no ONNX export of this index"):
        graph.to_onnx(traced, tmp_path / "net.onnx")


def test_batch_size_as_another_argument_is_refused(tmp_path):
    g = graph.trace(lambda x: Tensor(x)[: x.shape[0]], np.ones((2, 8), np.float32))
    with pytest.raises(ConfigError, match=r"batch size as an argument \(getitem.1\)"):
        graph.to_onnx(g, tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("network", "inputs", "outputs"),
    [
        (lambda x: x * 2.0, ["input"], ["logits"]),
        (lambda c0, v0_0: (c0 + 2.0, c0 * v0_0), ["c0", "v0_0"], ["output_0", "output_1"]),
        (lambda left, right: {"sum": left + right, "left": [left * 2.0]}, ["left", "right"], ["sum", "left_0"]),
        (lambda x, *more: {"x": x * more[0], "input_0": x}, ["input_0", "input_1"], ["x", "output_input_0"]),
    ],
)
def test_names_of_inputs_and_outputs(network, inputs, outputs, tmp_path):
    x = np.ones((2, 3), np.float32)
    graph.to_onnx(graph.trace(network, (x,) * len(inputs)), tmp_path / "net.onnx")
    loaded = session(tmp_path / "net.onnx")
    assert [value.name for value in loaded.get_inputs()] == inputs
    assert [value.name for value in loaded.get_outputs()] == outputs
    loaded.run(None, dict.fromkeys(inputs, x))


def test_number_of_classes_is_checked(tmp_path):
    g = graph.trace(lambda x: x * 2.0, np.ones((2, 3), np.float32))
    graph.to_onnx(g, tmp_path / "net.onnx", classes="abc")
    with pytest.raises(ConfigError, match="got 2 classes"):
        graph.to_onnx(g, tmp_path / "other.onnx", classes=["a", "b"])
    assert not (tmp_path / "other.onnx").exists()
