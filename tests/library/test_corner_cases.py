"""Tests of corner cases of ops, pruning and optimizers in which results were wrong without an error."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from quatnet import Tensor, audio, datasets, distill, graph, nn, ops, optim, prune, training
from quatnet.backend import asnumpy, xp
from quatnet.datasets.annotations import read_events
from quatnet.datasets.splits import guess_groups, stratified_folds
from quatnet.datasets.table import table_format
from quatnet.errors import CheckpointError, ConfigError, DataError, ShapeError
from quatnet.files import write_json
from quatnet.quaternion import align_vectors, mean_rotation, random_rotations

ROWS = 1 << 18  # the relative error of a float32 sum of so many equal rows was 2.4e-3


@pytest.mark.parametrize("name", ["sum", "mean", "bias", "layer_norm", "layer_norm weight", "mod_relu"])
def test_float32_sums_of_many_rows(name, rng):
    column = Tensor(np.full((ROWS, 8), 0.1, np.float32))
    if name == "layer_norm weight":
        x, weight = Tensor(rng.standard_normal((ROWS, 8)).astype(np.float32)), Tensor(np.ones(8, np.float32))
        weight.requires_grad = True
        ops.layer_norm(x, weight, Tensor(np.zeros(8, np.float32))).backward(x.data)
        exact = Tensor(np.ones(8), requires_grad=True)
        ops.layer_norm(Tensor(x.data.astype(np.float64)), exact, Tensor(np.zeros(8))).backward(x.data)
        np.testing.assert_allclose(asnumpy(weight.grad), asnumpy(exact.grad), rtol=2e-6)
        return
    if name in ("sum", "mean"):
        result = getattr(ops, name)(column, axis=0).numpy() / (ROWS if name == "sum" else 1)
        expected = 0.1
    else:
        bias = Tensor(np.zeros(2 if name == "mod_relu" else 8, np.float32), requires_grad=True)
        layers = {
            "bias": lambda: column + bias,
            "layer_norm": lambda: ops.layer_norm(column, Tensor(np.ones(8, np.float32)), bias),
            "mod_relu": lambda: ops.mod_relu(column, bias),
        }
        layers[name]().backward(column.data)
        result, expected = (
            asnumpy(bias.grad) / ROWS,
            0.2 if name == "mod_relu" else 0.1,
        )  # the direction is (1, 1, 1, 1) / 2
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["relu", "max_pool2d", "norm_max_pool2d"])
def test_infinite_gradient_of_an_entry_without_influence_is_zero(name):
    images = {"relu": [-1.0, 4.0], "max_pool2d": [0.0, 4.0], "norm_max_pool2d": [0.0, 4.0]}[name]
    x = Tensor(np.repeat(np.float64(images), 4).reshape(1, 2, 1, 4).repeat(2, axis=2), requires_grad=True)
    y = ops.relu(x) if name == "relu" else getattr(ops, name)(x, kernel_size=2)
    y.backward(np.full(y.shape, np.inf))
    grad = asnumpy(x.grad)[0]
    assert not np.isnan(grad).any()
    np.testing.assert_array_equal(grad[0], 0)
    assert np.isinf(grad[1]).any()


@pytest.mark.parametrize("criterion", ["l1", "l2", "geometric_median", "operator_norm", "batch_norm"])
def test_filters_of_a_rotation_are_ranked_by_their_scales(criterion, rng):
    net = nn.Sequential(nn.QuaternionRotationConv2d(16, 16, rng=rng), nn.ReLU(), nn.QuaternionConv2d(16, 4, rng=rng))
    layer, x = net[0], Tensor(rng.standard_normal((2, 6, 6, 16)).astype(np.float32))
    layer.weight.data = layer.weight.data * xp.asarray([9, 1, 1, 1], np.float32)  # the norm of the weight has no effect
    layer.scale.data = layer.scale.data * xp.asarray([0, 1, 1, 1], np.float32)
    keep = prune.select(net, counts={"layers.0": 3}, example=x, criterion=criterion)
    np.testing.assert_array_equal(keep["layers.0"], [1, 2, 3])
    np.testing.assert_allclose(prune.prune_filters(net, keep, example=x)(x).numpy(), net(x).numpy(), atol=1e-5)


def test_batch_norm_whose_weight_is_a_result_is_pruned(rng):
    class Net(nn.Module):
        def __init__(self):
            self.first, self.last = nn.Conv2d(2, 6, rng=rng), nn.Conv2d(6, 2, rng=rng)
            self.log_weight = Tensor(np.linspace(-1, 1, 6, dtype=np.float32), requires_grad=True)
            self.bias = Tensor(np.ones(6, np.float32), requires_grad=True)
            self.running = xp.zeros(6, np.float32), xp.ones(6, np.float32)

        def __call__(self, x, *, train=False, rng=None):
            return self.last(ops.batch_norm(self.first(x), ops.exp(self.log_weight), self.bias, self.running))

    net, x = Net(), Tensor(rng.standard_normal((2, 5, 5, 2)).astype(np.float32))
    keep = {"first": np.array([0, 2, 3])}
    expected = prune.mask_filters(net, keep, example=x)(x).numpy()
    np.testing.assert_allclose(prune.prune_filters(net, keep, example=x)(x).numpy(), expected, atol=1e-6)


def test_reshape_of_batch_and_channels_is_not_pruned(rng):
    first, last = nn.Linear(3, 8, rng=rng), nn.Linear(8, 2, rng=rng)

    def net(x):
        return last(ops.reshape(ops.reshape(first(x), (-1, 1)) * 2.0, (-1, 8)))

    traced = graph.trace(net, np.ones((3, 3), np.float32))
    assert not graph.channel_groups(traced)


def test_relu_pool_of_tall_images(rng):
    x = rng.standard_normal((1, 9000, 2, 4)).astype(np.float32)
    layer, reference = nn.BatchNorm(4), nn.BatchNorm(4)
    y = layer.relu_pool(Tensor(x), train=True)
    expected = ops.avg_pool2d(reference(Tensor(x), train=True, relu=True))
    np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-6)


def test_constant_column_of_a_linear_probe_is_not_scaled(rng):
    x = rng.standard_normal((30, 3))
    x[:, 1] = 0.1  # the standard deviation of thirty of these numbers is 2.8e-17
    predict = distill.linear_probe(x, np.arange(30) % 3, 3)
    changed = x + [0, 1e-6, 0]
    np.testing.assert_allclose(predict(changed), predict(x), atol=1e-5)


@pytest.mark.parametrize(("ratio", "size", "removed"), [(0.29, 100, 29), (0.57, 100, 57), (0.58, 50, 29), (0.5, 5, 2)])
def test_number_of_pruned_filters_is_not_rounded_down_by_floating_point(ratio, size, removed, rng):
    net = nn.Sequential(nn.Linear(2, size, rng=rng), nn.Linear(size, 2, rng=rng))
    groups = graph.channel_groups(graph.trace(net, np.ones((1, 2), np.float32)))
    assert prune.filter_counts(groups, ratio) == {"layers.0": size - removed}


@pytest.mark.parametrize("name", ["relu", "exp", "log", "sigmoid", "tanh"])
def test_elementwise_ops_of_booleans(name):
    x = Tensor(np.float32([-1.0, 2.0])) > 0
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(getattr(ops, name)(x).numpy(), getattr(ops, name)(Tensor([0.0, 1.0])).numpy())
    dropped = ops.dropout(x, 0.5, rng=np.random.default_rng(0), train=True)
    assert set(dropped.numpy().tolist()) <= {0.0, 2.0}


def test_running_statistics_keep_their_dtype(rng):
    for layer in (nn.BatchNorm(4), nn.QuaternionBatchNorm(4)):
        layer(Tensor(rng.standard_normal((8, 4))), train=True)
        assert layer.running_mean.dtype == layer.running_var.dtype == np.float32


def test_slice_of_no_channels_of_a_pruned_result(rng):
    first, last = nn.Linear(3, 8, rng=rng), nn.Linear(8, 2, rng=rng)

    def net(x):
        y = first(x)
        return last(y), y[:, 4:4]

    groups = graph.channel_groups(graph.trace(net, np.ones((2, 3), np.float32)))
    pruned = graph.GraphModule(graph.prune_graph(groups, {groups[0].name: np.arange(3)}))
    assert pruned(np.ones((2, 3), np.float32))[1].shape == (2, 0)


def test_invalid_arguments_are_refused(rng):
    with pytest.raises(ShapeError, match="at least one rotation"):
        mean_rotation(np.eye(4), np.zeros(4))
    with pytest.raises(ShapeError, match="at least one vector"):
        align_vectors(np.eye(3), np.eye(3), np.zeros(3))
    with pytest.raises(ConfigError, match=r"floor_db in \[-370, inf\)"):
        audio.log_mel(np.ones((2, 3)), np.ones((3, 2)), floor_db=-460.0)
    with pytest.raises(ConfigError, match="odd kernel_size, got 2"):
        nn.LearnedEncoder(4, kernel_size=2, rng=rng)
    ones, x = Tensor(np.ones(4, np.float32)), Tensor(np.ones((2, 4), np.float32))
    with pytest.raises(ShapeError, match=r"running statistics \(C,\)"):
        ops.batch_norm(x, ones, ones, (xp.zeros(3, np.float32), xp.ones(3, np.float32)))
    layer = nn.Linear(2, 2, rng=rng)
    with pytest.raises(CheckpointError, match=r"expected \(2, 2\) float32, got \(\) list"):
        layer.load_state_dict({"weight": [[1.0, 2.0]] * 2, "bias": [0.0, 0.0]})
    optimizer = optim.SGD(layer.named_parameters())
    with pytest.raises(CheckpointError, match="expected the state of SGD"):
        optimizer.load_state_dict({key: value.tolist() for key, value in optimizer.state_dict().items()})
    empty = Tensor(np.ones((2, 0, 4), np.float32))
    assert nn.BatchNorm(4)(empty, train=False).shape == (2, 0, 4)
    with pytest.raises(ConfigError, match="each length of shape"):
        random_rotations(2.5, rng=rng)
    with pytest.raises(ConfigError, match="clips_per_class"):
        datasets.synthetic.load(clips_per_class=7.5)


def test_test_clips_are_added_to_a_resumed_training(tmp_path, rng):
    x, labels = rng.standard_normal((8, 3)).astype(np.float32), np.arange(8) % 2
    loader = training.DataLoader(x, datasets.one_hot(labels, 2))
    options = {"epochs": 2, "checkpoint": tmp_path / "net.npz", "resume": True}

    class Stop(Exception):
        pass

    def stop_in_the_second_epoch(logits, targets, _x):
        calls.append(1)
        if len(calls) == 2:
            raise Stop
        return ops.cross_entropy(logits, targets)

    calls = list[int]()
    with pytest.raises(Stop):
        training.fit(nn.Linear(3, 2, rng=np.random.default_rng(0)), loader, loss=stop_in_the_second_epoch, **options)
    history = training.fit(nn.Linear(3, 2, rng=rng), loader, test=(x, labels), **options).history
    assert ["test_accuracy" in epoch for epoch in history] == [False, True]


@pytest.mark.parametrize(("line", "delimiter"), [("sep=", ";"), ("SEP=,", ","), ("sep=;", ";"), ("a,b;c;d", ";")])
def test_delimiter_line(line, delimiter, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(f"{line}\npath;label\n")
    assert table_format(path)[1] == delimiter


def test_delimiter_line_of_annotations(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("sep=;\nstart;end;label\n0;1;dog\n")
    assert [event.label for event in read_events(path)] == ["dog"]


def test_smallest_group_of_a_rare_class_is_tested():
    groups = ["a"] * 18 + ["b"] * 2 + ["c"] * 17 + ["d"] * 3
    folds = stratified_folds(groups, [[0]] * 20 + [[1]] * 20)
    assert [groups[n] for n in (0, 18, 20, 38)] == ["a", "b", "c", "d"]
    assert [folds[n] for n in (0, 18, 20, 38)] == [2, 1, 2, 1]


@pytest.mark.parametrize("classes", [1, 2])
def test_a_large_group_is_not_the_test_fold(classes):
    groups = [name for label in range(classes) for name in [f"{label}-0"] * 100 + [f"{label}-{n}" for n in range(1, 5)]]
    labels = [[label] for label in range(classes) for _ in range(104)]
    folds = stratified_folds(groups, labels)
    assert folds.count(1) <= 1.5 * len(folds) / 5
    for label in range(classes):
        assert {fold == 1 for fold, (each,) in zip(folds, labels, strict=True) if each == label} == {True, False}


def test_classes_with_common_groups_are_on_both_sides():
    classes = {"g3": [0, 2], "g4": [0], "g0": [1], "g5": [1, 2]}
    groups = list(classes)
    for seed in range(20):
        folds = stratified_folds(groups, list(classes.values()), seed=seed)
        sides = {(label, fold == 1) for group, fold in zip(groups, folds, strict=True) for label in classes[group]}
        assert len(sides) == 6


def test_formats_and_numbers_of_one_recording_are_one_group():
    names = ["a.wav", "a.flac", "bark.wav", "bark_1.wav", "bark_2.wav", *(f"{x}{x}.wav" for x in "cdefgh")]
    groups, _, _ = guess_groups([Path("dog") / name for name in names], [[0]] * len(names))
    assert groups[0] == groups[1] != groups[2] == groups[3] == groups[4] != groups[5] != groups[6]


def test_features_of_a_changed_front_end_are_computed_again(tmp_path):
    data = datasets.synthetic.load(clips_per_class=5, clip_seconds=0.2)
    found = []
    for factor in (1, 2):

        class Own(audio.FrontEnd):
            def components(self, power):
                return super().components(power) * factor  # noqa: B023

        Own.__qualname__ = Own.__name__ = "Own"
        frontend = Own(sample_rate_hz=8000, high_hz=4000.0, mels=16, clip_seconds=0.2)
        found.append(np.array(datasets.features(data.clips[:2], frontend, cache=tmp_path)))
    np.testing.assert_allclose(found[1], 2 * found[0])


@pytest.mark.parametrize("options", [{}, {"group": "speaker"}])
def test_contradictory_rows_of_one_recording_are_refused(options, tmp_path):
    (tmp_path / "table.csv").write_text("path,labels,fold,speaker\nx.wav,dog,1,a\nx.wav,cat,2,b\n")
    soundfile.write(tmp_path / "x.wav", np.zeros(800), 8000)
    with pytest.raises(DataError, match=r"line 3: x\.wav has the (fold '2', but '1'|speaker)|group 'b', but 'a'"):
        datasets.table.load(tmp_path / "table.csv", **options)


def test_average_precision_of_equal_infinite_scores():
    scores = np.full((3, 1), -np.inf)
    for position in range(3):
        targets = np.arange(3)[:, None] == position
        np.testing.assert_allclose(training.metrics.average_precision(scores, targets), 1 / 3)


def test_json_without_nan(tmp_path):
    write_json(tmp_path / "x.json", {"a": [np.nan, 1.5], "b": (np.inf, "c")})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [None, 1.5], "b": [None, "c"]}


def test_cached_outputs_of_two_clips_with_one_name_are_refused():
    cached = distill.CachedOutputs(Path("x.npz"), {"1": 0, "2": 1}, np.eye(2, dtype=np.float32), "logits")
    np.testing.assert_array_equal(cached.select(["dog/2.wav", "cat/1.wav", "dog/2.wav"]), [[0, 1], [1, 0], [0, 1]])
    with pytest.raises(DataError, match="two clips have the same file name"):
        cached.select(["dog/1.wav", "cat/1.wav"])
