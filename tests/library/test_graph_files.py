"""Test that a saved network is loaded without its class, and that damaged files are refused."""

import copy
import io
import json
import random
import subprocess
import sys
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from support.damaged_checkpoints import VALUES, places
from support.graph_networks import NETWORKS

from quatnet import graph, nn, ops, optim, prune
from quatnet.backend import asnumpy, on_gpu
from quatnet.errors import CheckpointError, QuatnetError
from quatnet.training import checkpoint


@pytest.mark.parametrize("name", NETWORKS)
def test_loaded_network_equals_the_saved_network(name, tmp_path):
    model, x = NETWORKS[name]()
    graph.save(graph.trace(model, x), tmp_path / "net.npz")
    loaded = graph.load(tmp_path / "net.npz")
    for train in (False, True):
        expected = model(x, train=train, rng=np.random.default_rng(1))
        assert (asnumpy(loaded(x, train=train, rng=np.random.default_rng(1)).data) == asnumpy(expected.data)).all()
    state = model.state_dict()
    assert all((state[key] == array).all() for key, array in loaded.state_dict().items())


def make():
    layers = [nn.QuaternionConv2d(4, 8, rng=np.random.default_rng(0)), nn.BatchNorm(8), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(8 * 6, 2, rng=np.random.default_rng(1))), np.ones((2, 3, 2, 4), np.float32)


def test_loaded_network_is_trained_pruned_and_saved_again(tmp_path):
    model, x = make()
    graph.save(graph.trace(model, x), tmp_path / "net.npz")
    loaded = graph.load(str(tmp_path / "net.npz"))
    optimizer = optim.AdamW(loaded.parameters())
    ops.cross_entropy(loaded(x, train=True), np.eye(2)).backward()
    optimizer.step()
    graph.save(loaded, tmp_path / "trained.npz")
    trained = graph.load(tmp_path / "trained.npz")
    assert (trained(x).data == loaded(x).data).all()
    assert not (trained(x).data == model(x).data).all()
    pruned = prune.prune_filters(trained, prune.select(trained, 0.5))
    assert pruned(x).shape == (2, 2)


@pytest.mark.skipif(on_gpu(), reason="the subprocess has another backend")
def test_network_is_loaded_in_another_process(tmp_path):
    model, x = make()
    graph.save(graph.trace(model, x), tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", x)
    code = "import numpy as np; from quatnet import graph; y = graph.load('net.npz')(np.load('x.npy'))"
    code += "; np.save('y.npy', y.data)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), asnumpy(model(x).data))


# Damaged files


@pytest.fixture
def saved(tmp_path):
    model, x = make()
    graph.save(graph.trace(model, x), tmp_path / "net.npz")
    return tmp_path / "net.npz"


def header_of(path):
    with np.load(path) as file:
        return json.loads(str(file["graph"]))


def rewrite(path, change):
    """Apply `change` to the JSON of a file."""
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays["graph"]))
    text = change(header)
    arrays["graph"] = np.array(text if isinstance(text, str) else json.dumps(header))
    np.savez(path, **arrays)


CHANGES = {
    "format": (lambda h: h.update(format="x"), "expected the format 'quatnet graph 1', got 'x'"),
    "unknown op": (
        lambda h: h["nodes"][0].update(op="os.system"),
        "import the module that defines 'os.system' before load",
    ),
    "name twice": (lambda h: h["nodes"][1].update(name=h["nodes"][0]["name"]), "is used twice"),
    "later node": (
        lambda h: h["nodes"][0]["arguments"]["dict"].update(x={"ref": ["layers.4", True]}),
        "layers.4 is not an input, an array or an earlier node",
    ),
    "argument": (lambda h: h["nodes"][0]["arguments"]["dict"].pop("stride"), "expected the arguments"),
    "eps": (
        lambda h: h["nodes"][1]["arguments"]["dict"]["self"]["dict"].update(eps=-1),
        "expected eps in .0, inf., got -1",
    ),
    **{
        f"{key} {value!r:.9}": (
            lambda h, key=key, value=value: h["nodes"][1]["arguments"]["dict"]["self"]["dict"].update({key: value}),
            rf"layers\.1.*{key}",
        )
        for key, values in {
            "eps": ["x", None, [1], 10**400, {"tuple": []}, True],
            "momentum": ["x", None, [[]], -1, 2, 1e300, {"batch": 1}],
            "synchronized": [None, 1, "x"],
            "running_mean": [None, 3, {"ref": ["layers.1.running_mean", True]}, {"ref": ["layers.1.weight", False]}],
            "weight": [1.5, {"ref": ["layers.4.weight", True]}, {"ref": ["layers.1.running_var", True]}],
        }.items()
        for value in values
    },
    "no eps": (lambda h: h["nodes"][1]["arguments"]["dict"]["self"]["dict"].pop("eps"), r"layers\.1.*eps"),
    "shape": (
        lambda h: h["nodes"][0].update(shape={"tuple": [{"batch": 1}, "x"]}),
        r"layers\.0, shape: expected a tuple of lengths",
    ),
    "shape list": (lambda h: h["nodes"][0].update(shape=[1, 2]), r"layers\.0, shape: expected a tuple of lengths"),
    "huge shape": (
        lambda h: h["inputs"]["dict"].update(input={"tuple": [{"batch": 1}, 1 << 40]}),
        "input, shape: expected a tuple of lengths",
    ),
    "runtime": (
        lambda h: h["nodes"][1]["arguments"]["dict"].update(train={"runtime": "os"}),
        r"layers\.1, train: expected the runtime argument train or rng",
    ),
    "tensor": (lambda h: h["nodes"][0]["arguments"]["dict"].update(x=3), r"layers\.0, x: expected a reference, got 3"),
    "no tensor": (lambda h: h["nodes"][0]["arguments"]["dict"].update(w=None), r"layers\.0, w: expected a reference"),
    "layer": (lambda h: h["nodes"][1]["arguments"]["dict"].update(self=3), r"layers\.1, self: expected a dict, got 3"),
    "array": (lambda h: h["kinds"]["dict"].clear(), "expected the arrays"),
    "kind": (lambda h: h["kinds"]["dict"].update({"layers.4.bias": "x"}), "expected the arrays"),
    "marker": (lambda h: h["nodes"][0]["arguments"]["dict"].update(x={"pickle": 1}), "expected one type among"),
    "type": (lambda h: h["nodes"][0]["arguments"]["dict"].update(x={"ref": [1, 2]}), "expected .'str', 'bool'."),
    "output": (lambda h: h.update(outputs={"ref": ["y", True]}), "outputs: expected results of nodes"),
    "equal keys": (lambda h: '{"format": 1, "format": 2}', "expected different keys"),
    "nan": (lambda h: '{"format": NaN}', "expected finite numbers, got .NaN"),
    "nesting": (lambda h: "[" * 100_000, "too many nested values"),
    "no JSON": (lambda h: "{", "JSONDecodeError"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_invalid_graph_is_refused(name, saved):
    change, message = CHANGES[name]
    rewrite(saved, change)
    with pytest.raises(CheckpointError, match=message):
        graph.load(saved)


def test_edited_graph_is_refused_or_raises_a_library_error(saved):
    text, x = json.dumps(header_of(saved)), make()[1]
    for seed in range(600):
        rng = random.Random(seed)
        header = json.loads(text)
        (container, key), (other, other_key) = (rng.choice(list(places(header))) for _ in range(2))
        container[key] = rng.choice(VALUES) if rng.random() < 0.6 else copy.deepcopy(other[other_key])
        with suppress(QuatnetError):
            rewrite(saved, lambda old, new=header: old.update(new))
            for train in (False, True):
                graph.load(saved)(x, train=train, rng=np.random.default_rng(0))


def test_negative_variance_is_refused(saved):
    with np.load(saved) as file:
        arrays = dict(file)
    arrays["array/layers.1.running_var"][0] = -1
    np.savez(saved, **arrays)
    with pytest.raises(CheckpointError, match=r"node layers\.1: running_var has negative entries"):
        graph.load(saved)


def write_member(path, shape, dtype="<f4", compression=zipfile.ZIP_STORED, data=b"", copies=1):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", compression) as archive:
        for _ in range(copies):
            archive.writestr("array/w.npy", header.getvalue() + data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "options",
    [
        {"shape": (5, 5_000_000_000)},  # 100 GB in a file of less than 1 kB
        {"shape": (1 << 40, 1 << 40)},
        {"shape": (1000,), "data": bytes(4000), "compression": zipfile.ZIP_DEFLATED},
        {"shape": (1,), "dtype": "|O", "data": bytes(8)},
        {"shape": (2,), "data": bytes(4)},
        {"shape": (1,), "data": bytes(4), "copies": 2},
    ],
)
def test_arrays_of_another_size_are_refused(options, tmp_path):
    write_member(tmp_path / "net.npz", **options)
    with pytest.raises(CheckpointError, match=r"net\.npz"):
        graph.load(tmp_path / "net.npz")


@pytest.mark.parametrize("cut", [0, 100, -1])
def test_truncated_file_is_refused(cut, saved):
    saved.write_bytes(saved.read_bytes()[:cut])
    with pytest.raises(CheckpointError):
        graph.load(saved)


def test_missing_file():
    with pytest.raises(CheckpointError, match="there is no file"):
        graph.load("missing.npz")


def test_failed_save_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(np.lib.format, "write_array", lambda file, array, **options: file.write(b"x") / 0)
    with pytest.raises(ZeroDivisionError):
        graph.save(graph.load(saved), saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["net.npz"]


def test_checkpoint_of_training_is_refused_with_the_function_that_reads_the_checkpoint(tmp_path):
    checkpoint.write(tmp_path / "run.npz", make()[0], {})
    with pytest.raises(CheckpointError, match=r"run\.npz is a checkpoint of training; use training\.load_model"):
        graph.load(tmp_path / "run.npz")
