"""Tests of corner cases of graphs, compiled networks and files in which results were wrong without an error."""

import csv
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from support.published import published_state_dict

from quatnet import Classifier, Tensor, audio, detection, graph, models, nn, ops, profile, training, weights
from quatnet.errors import CheckpointError, ConfigError
from quatnet.files import write_csv


def image(rng, *shape):
    return Tensor(rng.standard_normal(shape).astype(np.float32))


def assert_equal_outputs(first, second, x):
    np.testing.assert_allclose(first(x).numpy(), second(x).numpy(), atol=1e-5)


def test_compiled_network_is_traced_by_one_thread_at_a_time(rng):
    layers = [layer for _ in range(4) for layer in (nn.Conv2d(4, 4, rng=rng), nn.BatchNorm(4), nn.ReLU())]
    net, x = nn.Sequential(*layers), image(rng, 2, 6, 6, 4)
    before, expected = net.state_dict(), net(x).numpy()
    for _ in range(5):
        compiled, results = graph.compile(net), list[np.ndarray]()
        threads = [threading.Thread(target=lambda c=compiled, r=results: r.append(c(x).numpy())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 4
        for result in results:
            np.testing.assert_allclose(result, expected, atol=1e-5)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_compiled_network_follows_functions_shared_weights_and_shapes(rng):
    def relu(x, **_):
        return ops.relu(x)

    def tanh(x, **_):
        return ops.tanh(x)

    net, x = nn.Sequential(nn.Linear(4, 4, rng=rng), relu, nn.Linear(4, 4, rng=rng)), image(rng, 3, 4)
    compiled = graph.compile(net)
    assert_equal_outputs(compiled, net, x)
    net.layers[1] = tanh
    assert_equal_outputs(compiled, net, x)
    net.layers.append(relu)
    assert_equal_outputs(compiled, net, x)
    net[2].weight = net[0].weight
    assert_equal_outputs(compiled, net, x)
    net[2].weight = Tensor(rng.standard_normal((4, 4)).astype(np.float32), requires_grad=True)
    assert_equal_outputs(compiled, net, x)
    net[0].weight, net[0].bias = image(rng, 4, 6), image(rng, 6)
    net[2].weight = image(rng, 6, 4)
    assert_equal_outputs(compiled, net, x)


def test_argument_that_follows_the_batch_size_is_not_the_training_mode(rng):
    class Net(nn.Module):
        def __init__(self):
            self.norm = nn.BatchNorm(4)

        def __call__(self, x, *, train=False, rng=None):
            return self.norm(x, train=False, relu=x.shape[0] > 1)

    with pytest.raises(ConfigError, match="argument relu: False for a batch of 1, and True for a batch of 3"):
        graph.trace(Net(), np.zeros((1, 4), np.float32))


@pytest.mark.parametrize("quaternion", [False, True])
def test_folded_graph_is_saved_and_counted(quaternion, tmp_path, rng):
    layer = nn.QuaternionConv2d if quaternion else nn.Conv2d
    net = nn.Sequential(layer(4, 8, rng=rng), nn.BatchNorm(8), nn.ReLU(), nn.AvgPool2d(2), layer(8, 4, rng=rng))
    x = image(rng, 2, 6, 6, 4)
    traced = graph.trace(net, x)
    folded = graph.fold(traced)
    graph.save(folded, tmp_path / "folded.npz")
    assert_equal_outputs(graph.load(tmp_path / "folded.npz"), net, x)
    expected, found = graph.count(traced), graph.count(folded)
    assert "fused_conv2d" in [node.op for node in folded.nodes]
    names = ("multiplications_16", "multiplications_8", "activation_bytes")
    assert [getattr(found, name) for name in names] == [getattr(expected, name) for name in names]
    assert len(profile.layer_milliseconds(graph.GraphModule(folded), runs=1)) == 2


def test_stream_of_another_rate_is_refused(tmp_path, rng):
    soundfile.write(tmp_path / "a.wav", rng.uniform(-0.1, 0.1, 8000), 8000)
    frontend = audio.FrontEnd(sample_rate_hz=8000, high_hz=4000.0, mels=16, clip_seconds=0.5)
    network = models.build(models.CNNConfig(2, False, ((4,),), embedding=4, mels=16), rng=rng)
    classifier = Classifier(network, frontend, ["a", "b"])
    for function in (detection.detect, detection.best_classes):
        with pytest.raises(ConfigError, match="expected a stream of 8000 Hz, got 16000"):
            function(classifier, audio.Stream(tmp_path / "a.wav", 16000))


@pytest.mark.parametrize("ratio", [0.29, 0.57, 0.58])
def test_pruned_config_has_the_widths_of_the_pruned_network(ratio, rng):
    config = models.CNNConfig(2, False, ((4,), (100,)), embedding=8, mels=8)
    assert models.pruned_config(config, ratio).widths[1] == (100 - round(100 * ratio),)


def test_frontend_settings_of_copies(rng):
    network = models.build(models.CNNConfig(2, False, ((4,),), embedding=4, mels=16), rng=rng)
    compiled, settings = graph.compile(network), {"class": "FrontEnd"}
    network.frontend_settings = settings
    assert compiled.frontend_settings == settings
    module = graph.GraphModule(graph.trace(network, network.example_input()))
    module.frontend_settings = settings
    assert graph.GraphModule(module).frontend_settings == settings


def test_unknown_arrays_of_known_layers_are_refused(rng):
    _, arrays = published_state_dict(models.CNNConfig(2, False, ((4, 4), (8, 8)), embedding=8, mels=16))
    for name in ("conv_block1.conv1.bias", "bn0.foo", "fc1.weight_g", "conv_block9.conv1.weight"):
        with pytest.raises(CheckpointError, match=f"got also {name}"):
            weights.network_from_state_dict({**arrays, name: np.ones(4, np.float32)})


def test_numbers_of_numpy_in_a_front_end_can_be_saved():
    frontend = audio.FrontEnd(sample_rate_hz=np.int64(8000), high_hz=np.float32(4000), mels=np.int32(16))
    assert {type(value) for value in frontend.settings.values()} == {str, int, float}


def test_csv_with_carriage_returns(tmp_path):
    rows = [["a\rb.wav", "1,0"], ["c", "d"]]
    write_csv(tmp_path / "rows.csv", rows)
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == rows


def test_invalid_arguments_are_refused(tmp_path, rng):
    with pytest.raises(ConfigError, match="quaternion to be True or False, got 'false'"):
        models.CNNConfig(2, "false", ((4,),), embedding=8)
    network = models.build(models.CNNConfig(2, False, ((4,),), embedding=4, mels=16), rng=rng)
    classifier = Classifier(network, audio.FrontEnd(mels=16, clip_seconds=0.5), ["a", "b"], metadata={1: 2, "1": 3})
    with pytest.raises(ConfigError, match="metadata: expected JSON values"):
        classifier.save(tmp_path / "model.npz")
    assert not (tmp_path / "model.npz").exists()
    with pytest.raises(ConfigError, match="expected metadata with epochs = 2, or without epochs, got 3"):
        training.checks.as_json({"epochs": 3}, epochs=2)


def test_two_networks_are_traced_at_once(rng):
    first, second = nn.Linear(4, 4, rng=rng), nn.Linear(4, 4, rng=rng)
    constant = image(rng, 1, 4).data

    def net(x):
        with ThreadPoolExecutor(1) as pool:  # another thread, which traces another network
            other = graph.compile(nn.Sequential(second))
            return first(x) + pool.submit(lambda: other(constant)).result(timeout=60).data

    assert graph.trace(net, np.ones((3, 4), np.float32)).nodes
