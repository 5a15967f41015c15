"""Tests of corner cases of graphs, compiled networks and files in which results were wrong without an error."""

import copy
import csv
import dataclasses
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from support.published import published_state_dict

from quatnet import (
    Classifier,
    Tensor,
    audio,
    detection,
    graph,
    models,
    nn,
    no_grad,
    ops,
    optim,
    profile,
    prune,
    training,
    weights,
)
from quatnet.autodiff import op
from quatnet.errors import CheckpointError, ConfigError, ShapeError
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


def test_copies_of_a_compiled_network_follow_their_own_network(rng):
    compiled, x = graph.compile(nn.Sequential(nn.Linear(4, 4, rng=rng), nn.BatchNorm(4))), image(rng, 8, 4)
    compiled(x)
    for duplicate in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        duplicate(x)
        duplicate.model(x * 3 + 5, train=True)
        assert_equal_outputs(duplicate, duplicate.model, x)
        assert_equal_outputs(compiled, compiled.model, x)


def test_compiled_network_while_another_thread_traces_its_network(rng):
    net = nn.Sequential(*[layer for _ in range(6) for layer in (nn.Linear(4, 4, rng=rng), nn.BatchNorm(4))])
    x, compiled = image(rng, 2, 4), graph.compile(net)
    expected = compiled(x).numpy()
    thread = threading.Thread(target=lambda: [graph.compile(net)(x) for _ in range(20)])
    thread.start()
    while thread.is_alive():
        np.testing.assert_allclose(compiled(x).numpy(), expected, atol=1e-5)


def test_numbers_that_equal_the_batch_size_by_chance():
    def depends_on_training(x, train=False):
        return ops.relu(x) * (3 if train else 1)

    x = np.ones((5, 4), np.float32)
    with pytest.warns(UserWarning, match="depend on training mode"):
        compiled = graph.compile(depends_on_training, x[:1])
    np.testing.assert_array_equal(compiled(x).numpy(), 1)
    with pytest.raises(ConfigError, match="expected a constant or a multiple of the batch size"):
        graph.trace(lambda x: ops.relu(x)[:, : min(len(x), 4)], np.ones((1, 8), np.float32))
    net = graph.GraphModule(graph.trace(lambda x: ops.relu(x).reshape(len(x) * 2, -1), x[:1]))
    assert net(x).shape == (10, 2)


def test_operands_and_indices_that_are_lists(rng, tmp_path):
    x = image(rng, 2, 4)
    net = graph.trace(lambda x: (ops.relu(x) @ [[1.0, 2], [3, 4], [5, 6], [7, 8]] + [0.5, 1])[:, [True, False]], x)
    assert "matmul" in repr(net)
    assert_equal_outputs(graph.GraphModule(net), lambda x: ops.relu(x) @ [[1.0], [3], [5], [7]] + [0.5], x)
    network = nn.Sequential(nn.Linear(4, 4, rng=rng), lambda h, **_: h + [1, 2, 3, 4], nn.Linear(4, 2, rng=rng))
    keep = prune.select(network, 0.5, example=x)
    assert_equal_outputs(prune.prune_filters(network, keep), prune.mask_filters(network, keep), x)


@pytest.mark.parametrize("index", [[True] * 4, [True, False, True, True]])
def test_onnx_index_of_booleans(index, rng, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    x = image(rng, 2, 4)
    graph.to_onnx(graph.trace(lambda x: ops.relu(x)[:, index], x), tmp_path / "n.onnx")
    (found,) = onnxruntime.InferenceSession(tmp_path / "n.onnx").run(None, {"input": x.numpy()})
    np.testing.assert_array_equal(found, np.maximum(x.numpy(), 0)[:, index])


def test_onnx_reductions_of_no_axes(rng, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    x = image(rng, 2, 4)
    for name in ("sum", "mean"):
        graph.to_onnx(graph.trace(lambda x, name=name: getattr(ops, name)(x, axis=()), x), tmp_path / "n.onnx")
        (found,) = onnxruntime.InferenceSession(tmp_path / "n.onnx").run(None, {"input": x.numpy()})
        np.testing.assert_array_equal(found, x.numpy())
    with pytest.raises(ConfigError, match="several multiples of the batch size"):
        graph.to_onnx(graph.trace(lambda x: (x @ x.T).reshape(1, len(x), len(x)), x), tmp_path / "m.onnx")


def test_present_weights_of_a_function_are_pruned(rng):
    a, b, x = nn.Linear(4, 4, rng=rng), nn.Linear(4, 2, rng=rng), image(rng, 2, 4)
    net = nn.Sequential(a, nn.ReLU(), b)
    for function in (lambda x: b(ops.relu(a(x))), net.__call__):
        keep = prune.select(function, 0.5, example=x)
        a.weight.data = a.weight.data * 10
        assert_equal_outputs(prune.prune_filters(function, keep), prune.prune_filters(function, keep, example=x), x)


def test_layers_with_common_running_statistics_have_their_own_weights(rng):
    a, b, x = nn.BatchNorm(4), nn.BatchNorm(4), image(rng, 2, 4)
    b.bias.data, b.running_mean, b.running_var = b.bias.data + 3, a.running_mean, a.running_var
    net = nn.Sequential(a, b)
    assert_equal_outputs(graph.GraphModule(graph.trace(net, x)), net, x)


def test_dropout_in_training_only_before_another_dropout(rng):
    def net(x, *, train=False, rng=None):
        hidden = ops.dropout(x, 0.1, rng=rng, train=True) if train else x
        return ops.dropout(hidden, 0.5, rng=rng, train=train) * 2

    nodes = graph.trace(net, image(rng, 2, 4)).nodes
    assert [node.arguments.get("p") for node in nodes] == [0.1, 0.5, None]


def test_scale_of_a_batch_norm_that_is_computed(rng):
    class Net(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(4, 4, rng=rng), nn.Linear(4, 2, rng=rng)
            self.log_scale, self.shift = (Tensor(np.zeros(4, np.float32), requires_grad=True) for _ in range(2))

        def __call__(self, x):
            return self.b(ops.batch_norm(self.a(x), ops.exp(self.log_scale), self.shift))

    assert len(prune.select(Net(), 0.5, example=image(rng, 2, 4), criterion="batch_norm")["a"]) == 2


def test_slice_across_two_groups_keeps_a_channel(rng):
    a, b, head = nn.Linear(4, 8, rng=rng), nn.Linear(4, 8, rng=rng), nn.Linear(4, 2, rng=rng)
    a.weight.data[:, 6:] *= 1e-3
    b.weight.data[:, :2] *= 1e-3
    x, net = image(rng, 2, 4), lambda x: head(ops.concatenate([a(x), b(x)])[:, 6:10])
    for target in (0.5, prune.Budget(parameters=70)):
        keep = prune.select(net, target, example=x)
        assert prune.prune_filters(net, keep)(x).shape == (2, 2)


def test_unknown_op_of_a_graph(rng):
    module = graph.GraphModule(graph.trace(ops.relu, x := image(rng, 2, 4)))
    module.graph.nodes[0] = dataclasses.replace(module.graph.nodes[0], op="unknown")
    with pytest.raises(ConfigError, match="the op 'unknown' is not known; import the module"):
        module(x)


def test_names_of_folded_nodes_are_new(rng):
    class Layer(nn.Module):
        def __init__(self):
            self.weight, self.product = nn.module.parameter(np.ones((4, 4), np.float32)), nn.Linear(4, 4, rng=rng)

        def __call__(self, x):
            return ops.linear(self.product(x), self.weight)

    class Net(nn.Module):
        def __init__(self):
            self.fc, self.norm = Layer(), nn.BatchNorm(4)

        def __call__(self, x, *, train=False):
            return self.norm(self.fc(x), train=train)

    net = Net()
    assert_equal_outputs(graph.compile(net), net, image(rng, 2, 4))


def test_parameter_that_changes_in_the_call_is_not_traced():
    class Net(nn.Module):
        def __init__(self):
            self.weight = nn.module.parameter(np.full(4, 8, np.float32))

        def __call__(self, x):
            with no_grad():
                self.weight *= 0.5
            return ops.relu(x) * self.weight

    net = Net()
    with pytest.raises(ConfigError, match="changes a parameter in its call"):
        graph.trace(net, np.ones((2, 4), np.float32))
    np.testing.assert_array_equal(net.weight.numpy(), 8)


def test_argument_of_an_own_op_that_is_called_other():
    @op
    def permute_axes(x: Tensor, other: tuple) -> Tensor:
        return Tensor.from_op(x.data.transpose(other), (x,), lambda grad: (grad.transpose(np.argsort(other)),))

    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    net = graph.GraphModule(graph.trace(lambda x: permute_axes(x, (0, 2, 1)) * 2, x))
    np.testing.assert_array_equal(net(x).numpy(), 2 * x.transpose(0, 2, 1))


def test_booleans_in_a_compiled_network(rng):
    conv, norm, x = nn.Conv2d(4, 4, kernel_size=3, rng=rng), nn.BatchNorm(4), image(rng, 2, 6, 6, 4)

    def net(x, train=False):
        return ops.relu(norm(conv(x > 0.2), train=train))

    assert_equal_outputs(graph.compile(net), net, x)


# Corner cases of pruning, tracing and export of graphs


def small_cnn(rng):
    return models.CNN(models.CNNConfig(3, False, ((4,), (8,)), embedding=8, mels=8), rng=rng)


def test_frozen_parameters_stay_frozen(rng):
    model = small_cnn(rng)
    for name, tensor in model.named_parameters():
        tensor.requires_grad = not name.startswith(("blocks.0", "classifier"))
    pruned = prune.prune_filters(model, prune.select(model, 0.5, blocks=[1]))
    assert [name for name, _ in pruned.named_parameters()] == [name for name, _ in model.named_parameters()]
    trained = {name for name, _ in training.with_new_head(model, 2, rng=rng).named_parameters()}
    assert trained == {name for name, _ in model.named_parameters()} | {"classifier.weight", "classifier.bias"}
    module = graph.GraphModule(graph.trace(model, model.example_input()))
    assert {name for name, _ in training.with_new_head(module, 2, rng=rng).named_parameters()} == trained


def test_layers_that_are_no_attributes_of_a_module_are_not_masked(rng):
    class Plain:
        a, b = nn.Linear(8, 8, rng=rng), nn.Linear(8, 2, rng=rng)

    class Net(nn.Module):
        def __init__(self):
            self.plain, self.out = Plain(), nn.Linear(2, 2, rng=rng)

        def __call__(self, x):
            return self.out(self.plain.b(ops.relu(self.plain.a(x))))

    net, x = Net(), np.zeros((2, 8), np.float32)
    keep = prune.select(net, 0.5, example=x)
    assert prune.prune_filters(net, keep, example=x)(x).shape == (2, 2)
    with pytest.raises(ConfigError, match="is no parameter of the network, and cannot be masked; use prune_filters"):
        prune.mask_filters(net, keep, example=x)


def test_probabilities_of_several_outputs(rng, tmp_path):
    pytest.importorskip("onnx")
    net, x = nn.Sequential(nn.Linear(8, 8, rng=rng), nn.ReLU(), nn.Linear(8, 2, rng=rng)), np.zeros((1, 8), np.float32)
    module = graph.GraphModule(graph.trace(net, x)).with_features("layers.0")
    with pytest.raises(ConfigError, match="expected one output for activation='softmax', got output_0, output_1"):
        graph.to_onnx(module, tmp_path / "net.onnx", activation="softmax")
    graph.to_onnx(module, tmp_path / "net.onnx")


def test_random_numbers_drawn_in_python(rng):
    layer = nn.Linear(8, 8, rng=rng)

    class Net(nn.Module):
        def __call__(self, x, *, train=False, rng=None):
            scale = 0.5 if train and rng.random() > 2 else 1.0
            return ops.dropout(layer(x), 0.1, train=train, rng=rng) * scale

    with pytest.warns(UserWarning, match="Python code has drawn random numbers"):
        assert graph.trace(Net(), np.zeros((2, 8), np.float32)).notes
    assert not graph.trace(nn.Sequential(layer, nn.Dropout(0.1)), np.zeros((2, 8), np.float32)).notes


def chain(rng, custom):
    a, b, c = nn.Linear(8, 8, rng=rng), nn.Linear(8, 8, rng=rng), nn.Linear(8, 2, rng=rng)
    gamma = Tensor(np.ones(8, np.float32), requires_grad=True)
    return lambda x: c(ops.relu(b(custom(a(x), gamma))))


@op
def corner_group_norm(x: Tensor, w1: Tensor, *, groups: int = 2) -> Tensor:
    return Tensor.from_op(x.data * w1.data, (x, w1), lambda grad: (grad, grad.sum(0)))


@op
def corner_batch_norm(x: Tensor, gamma: Tensor) -> Tensor:
    return Tensor.from_op(x.data * gamma.data, (x, gamma), lambda grad: (grad, grad.sum(0)))


@op
def CornerGELU(x: Tensor, gamma: Tensor) -> Tensor:
    return Tensor.from_op(x.data * gamma.data, (x, gamma), lambda grad: (grad, grad.sum(0)))


@op
def corner_self(self: Tensor, gamma: Tensor) -> Tensor:
    return Tensor.from_op(self.data * gamma.data, (self, gamma), lambda grad: (grad, grad.sum(0)))


@pytest.mark.parametrize("custom", [corner_group_norm, corner_batch_norm, CornerGELU, corner_self])
def test_names_of_own_ops_have_no_meaning(custom, rng, tmp_path):
    net, x = chain(rng, custom), rng.standard_normal((3, 8)).astype(np.float32)
    traced = graph.trace(net, x)
    assert len(graph.channel_groups(traced)) == 1
    graph.save(traced, tmp_path / "net.npz")
    np.testing.assert_array_equal(graph.load(tmp_path / "net.npz")(x).numpy(), net(Tensor(x)).numpy())
    pruned = prune.prune_filters(net, prune.select(net, 0.5, example=x), example=x)
    assert sorted(array.shape for array in pruned.state_dict().values())[-1] == (8, 8)


class corner_scale(nn.Module):
    def __init__(self):
        self.weight = Tensor(np.full(8, 2, np.float32), requires_grad=True)

    @op
    def __call__(self, x: Tensor, *, train: bool = False, rng: object = None) -> Tensor:
        w = self.weight
        return Tensor.from_op(x.data * w.data, (x, w), lambda grad: (grad * w.data, (grad * x.data).sum(0)))


def test_layer_ops_with_lowercase_names(tmp_path, rng):
    net, x = nn.Sequential(corner_scale(), nn.Linear(8, 2, rng=rng)), rng.standard_normal((3, 8)).astype(np.float32)
    graph.save(graph.trace(net, x), tmp_path / "net.npz")
    np.testing.assert_array_equal(graph.load(tmp_path / "net.npz")(x).numpy(), net(Tensor(x)).numpy())


def test_differences_of_numbers_and_comparisons(rng):
    x = rng.standard_normal((3, 4)).astype(np.float32)
    module = graph.GraphModule(graph.trace(lambda x: x - (x > 0), x))
    np.testing.assert_array_equal(module(-x).numpy(), -x - (-x > 0))
    np.testing.assert_array_equal((Tensor(x) - (Tensor(x) > 0)).numpy(), x - (x > 0))


def test_files_of_norms_without_epsilon(tmp_path, rng):
    w, x = Tensor(np.ones(8, np.float32), requires_grad=True), rng.standard_normal((3, 8)).astype(np.float32)
    graph.save(graph.trace(lambda x: ops.layer_norm(x, w, w, eps=0.0), x), tmp_path / "net.npz")
    assert graph.load(tmp_path / "net.npz")(x).shape == (3, 8)


def test_gradual_pruning_of_slices_with_steps(rng):
    class Net(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(8, 16, rng=rng), nn.Linear(8, 2, rng=rng)

        def __call__(self, x):
            h = ops.relu(self.a(x))
            return self.b(h[:, ::2] * h[:, [*range(1, 16, 2)]])

    net, x = Net(), rng.standard_normal((3, 8)).astype(np.float32)
    pruned = prune.prune_gradually(net, prune.ratio_selectors(net, 0.5, 2, example=x), lambda model: None)
    assert pruned.state_dict()["b.weight"].shape == (4, 2)
    keep = prune.select(net, 0.5, example=x)
    np.testing.assert_allclose(
        prune.prune_filters(net, keep, example=x)(x).numpy(),
        prune.mask_filters(net, keep, example=x)(x).numpy(),
        atol=1e-5,
    )


def test_dropout_in_evaluation_is_not_compiled(rng):
    layer = nn.Linear(8, 8, rng=rng)
    x = np.zeros((2, 8), np.float32)
    for train in (True, 1):
        with pytest.raises(ConfigError, match=r"dropout \(.*\) is active in evaluation; call the network itself"):
            graph.compile(lambda x, flag=train: ops.dropout(layer(x), 0.5, rng=rng, train=flag))(x)
    graph.compile(lambda x: ops.dropout(layer(x), 0.0, rng=rng, train=True))(x)


def test_state_dicts_of_another_type(rng):
    layer = nn.Linear(8, 2, rng=rng)
    adam = optim.Adam(layer.parameters())
    for owner in (layer, adam, training.WeightAverage(adam)):
        for wrong in ("weights.npz", None, [1]):
            with pytest.raises(ConfigError, match="expected a state dict of type Mapping"):
                owner.load_state_dict(wrong)


def test_slices_of_a_sequential(rng):
    net = nn.Sequential(nn.Linear(8, 4, rng=rng), nn.ReLU(), nn.Linear(4, 2, rng=rng))
    x = rng.standard_normal((3, 8)).astype(np.float32)
    assert isinstance(net[:2], nn.Sequential)
    np.testing.assert_array_equal(net[2](net[:2](Tensor(x))).numpy(), net(Tensor(x)).numpy())
    assert net[-1] is net[2]


def test_channels_of_a_network_that_reshapes_an_array_without_entries(rng):
    layer = nn.Linear(4, 3, rng=rng)
    x = np.ones((2, 4), np.float32)
    traced = graph.trace(lambda x: layer(x) + ops.reshape(layer(x)[:, :0], (0, 5)).sum(), x)
    assert "layer.weight" not in {name for group in graph.channel_groups(traced) for name in group.producers}


class ComputedWeight(nn.Module):
    """A batch norm whose weight is the result of an operation."""

    def __init__(self):
        self.norm, self.factor = nn.BatchNorm(4), Tensor(np.full(4, 3, np.float32), requires_grad=True)

    def __call__(self, x, *, train=False, rng=None):
        self.norm.weight = self.factor * 2.0
        return self.norm(x, train=train)


def test_batch_norm_whose_weight_is_a_result(rng):
    x = rng.standard_normal((2, 4)).astype(np.float32)
    traced = graph.trace(ComputedWeight(), x)
    for function in (graph.GraphModule, graph.compile(ComputedWeight())):
        with pytest.raises(ConfigError, match=r"has the result mul\.1 as a parameter; call the op"):
            function(traced if function is graph.GraphModule else x)


def test_onnx_of_a_batch_norm_whose_weight_is_a_result():
    pytest.importorskip("onnx")
    traced = graph.trace(ComputedWeight(), np.ones((2, 4), np.float32))
    with pytest.raises(ConfigError, match="no ONNX export of an operation whose weight is the result"):
        graph.to_onnx(traced, "unused.onnx")


def test_groups_that_do_not_divide_quaternion_channels(rng):
    with pytest.raises(ShapeError, match=r"expected numbers of quaternion channels .* groups=8, got \(2, 4\)"):
        nn.QuaternionConv2d(8, 16, groups=8, rng=rng)
