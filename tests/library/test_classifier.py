"""Tests of classifiers: windows of a recording, model files, and refused files."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import soundfile
from support.small_models import CLASSES, FRONTEND, noise, small_classifier

from quatnet import Classifier, Tensor, graph, nn, training
from quatnet.audio import FrontEnd, Stream, read, resample
from quatnet.audio.stream import sliding_windows
from quatnet.audio.waveform import resample_blocks
from quatnet.errors import CheckpointError, ConfigError, DataError
from quatnet.model_file import model_path

# Streams

RATES = [(44100, 32000), (8000, 32000), (96000, 32000), (44099, 8000), (22050, 16000), (8000, 8000)]


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("samples", [1, 100, 5000, 200_003])
@pytest.mark.parametrize("block", [999, 65_536])
def test_resampled_blocks_equal_the_resampled_recording(from_hz, to_hz, samples, block):
    x = noise(samples / 8000)
    blocks = [x[start : start + block] for start in range(0, samples, block)]
    parts = list(resample_blocks(blocks, from_hz, to_hz))
    np.testing.assert_array_equal(np.concatenate(parts), resample(x, from_hz, to_hz))


@pytest.mark.parametrize("samples", range(1, 40))
@pytest.mark.parametrize("hop", [1, 3, 7])
@pytest.mark.parametrize("block", [2, 11, 100])
def test_sliding_windows_of_blocks(samples, hop, block):
    x, window = np.arange(samples), 7
    found = list(sliding_windows([x[n : n + block] for n in range(0, samples, block)], window, hop))
    last = max(0, samples - window)
    assert [start for start, _ in found] == sorted({*range(0, last + 1, hop), last})
    for start, part in found:
        np.testing.assert_array_equal(part, x[start : start + window])


def write(path, x, rate_hz=8000, **options):
    soundfile.write(path, x, rate_hz, subtype="FLOAT", **options)
    return path


def test_stream_equals_read(tmp_path):
    path = write(tmp_path / "x.wav", np.stack([noise(70, 16000), noise(70, 16000, seed=1)], axis=1), 16000)
    stream = Stream(path, 8000)
    np.testing.assert_array_equal(np.concatenate(list(stream)), resample(*read(path), 8000))
    assert (stream.seconds, stream.channels, stream.is_silent) == (70.0, 2, False)


# Predictions


def test_prediction_of_one_window_is_the_softmax_of_the_logits():
    classifier, x = small_classifier(temperature=2.0), noise(1)
    logits = classifier.network(FRONTEND(x, 8000)[None]).numpy()[0] / 2
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(classifier.predict(x, 8000), expected, rtol=1e-4)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize(("seconds", "starts"), [(2.5, [0, 8000, 12000]), (2, [0, 8000]), (0.6, [0]), (0.001, [0])])
def test_prediction_is_the_mean_over_windows(tmp_path, multi_label, seconds, starts):
    classifier, x = small_classifier(multi_label=multi_label), noise(seconds)
    features = np.stack([FRONTEND(x[start : start + 8000], 8000) for start in starts])
    expected = classifier.confidences(classifier.logits(features)).mean(axis=0)
    np.testing.assert_allclose(classifier.predict(x, 8000), expected, rtol=1e-4)
    np.testing.assert_allclose(classifier.predict_file(write(tmp_path / "x.wav", x)), expected, rtol=1e-4)


def test_repeated_short_recording_equals_the_long_one():
    x = noise(0.5)
    repeated = small_classifier(padding="repeat").predict(x, 8000)
    np.testing.assert_allclose(repeated, small_classifier().predict(np.tile(x, 2), 8000), rtol=1e-5)


def test_embedding_is_the_input_of_the_last_layer():
    classifier, x = small_classifier(), noise(1)
    weight, bias = (np.asarray(classifier.network.state_dict()[f"classifier.{key}"]) for key in ("weight", "bias"))
    logits = classifier.embed(x, 8000) @ weight + bias
    np.testing.assert_allclose(logits, classifier.logits(FRONTEND(x, 8000)[None])[0], rtol=1e-4)


def test_network_of_one_layer_has_no_embedding():
    def network(x):
        return x.reshape(len(x), -1) @ Tensor(np.zeros((FRONTEND.frames * 16 * 4, 2), np.float32))

    classifier = Classifier(network, FRONTEND, ["a", "b"])
    assert classifier.embed(noise(1), 8000).shape == (FRONTEND.frames * 64,)

    class Bare(nn.Module):
        def __init__(self):
            self.conv = nn.Conv2d(4, 2, rng=np.random.default_rng(0))

        def __call__(self, x):
            return self.conv(x).mean(axis=(1, 2))

    with pytest.raises(ConfigError, match="a layer before its last layer"):
        Classifier(Bare(), FRONTEND, ["a", "b"]).embed(noise(1), 8000)


# Model files


@pytest.fixture
def saved(tmp_path):
    metadata = {"license": "CC BY-NC", "data_sources": ["a", "b"]}
    options = {"temperature": 1.5, "thresholds": {"dog": 0.8}, "background": ["cat"], "padding": "repeat"}
    classifier = small_classifier(multi_label=True, metadata=metadata, **options)
    classifier.save(tmp_path / "model.npz")
    return classifier, tmp_path / "model.npz"


def test_loaded_classifier_equals_the_saved_one(saved):
    classifier, path = saved
    loaded = Classifier.load(path, check=True)
    for key in ("classes", "multi_label", "temperature", "thresholds", "background", "padding", "frontend"):
        assert getattr(loaded, key) == getattr(classifier, key)
    assert loaded.metadata.items() >= classifier.metadata.items()
    assert loaded.metadata["versions"].keys() == {"quatnet", "numpy", "python"}
    np.testing.assert_array_equal(loaded.predict(noise(2), 8000), classifier.predict(noise(2), 8000))
    assert graph.GraphModule is type(loaded.network)


def test_half_precision(saved):
    classifier, path = saved
    classifier.save(path.with_name("half.npz"), float16=True)
    loaded = Classifier.load(path.with_name("half.npz"), check=True)
    arrays = np.load(path.with_name("half.npz"))
    assert {str(arrays[key].dtype) for key in arrays if key.startswith("array/") and "running" not in key} == {
        "float16"
    }
    np.testing.assert_allclose(loaded.predict(noise(2), 8000), classifier.predict(noise(2), 8000), atol=0.01)


def test_model_is_loaded_in_another_process(saved):
    classifier, path = saved
    np.save(path.with_name("x.npy"), noise(2))
    code = "import numpy as np, quatnet as qn; c = qn.Classifier.load('model.npz')"
    code += "; np.save('y.npy', c.predict(np.load('x.npy'), 8000))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=path.parent)
    np.testing.assert_allclose(np.load(path.with_name("y.npy")), classifier.predict(noise(2), 8000), rtol=1e-4)


def test_existing_file_is_not_replaced(saved):
    classifier, path = saved
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="exists"):
        classifier.save(path)
    assert path.read_bytes() == before
    classifier.save(path, overwrite=True)
    assert path.read_bytes() == before


def test_unwritable_place(saved):
    classifier, path = saved
    with pytest.raises(DataError, match=r"cannot be written .*give another path"):
        classifier.save(path / "below" / "model.npz")


@pytest.mark.parametrize("value", [np.float32(0.5), float("nan"), {1, 2}])
def test_metadata_that_json_does_not_have(tmp_path, value):
    with pytest.raises(ConfigError, match="metadata: expected JSON values"):
        small_classifier(metadata={"accuracy": value}).save(tmp_path / "m.npz")
    assert not list(tmp_path.iterdir())


def test_metadata_that_is_no_dict(tmp_path):
    classifier = small_classifier()
    classifier.metadata = None
    with pytest.raises(ConfigError, match="metadata: expected JSON values"):
        classifier.save(tmp_path / "m.npz")


def rewrite(path, change):
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["model"].tobytes())
    change(header, arrays)
    if "model" in arrays:
        arrays["model"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, **arrays)


DAMAGED = {
    "newer": (lambda h, a: h.update(format="quatnet model 2"), "has version 2, expected up to 1; install a newer"),
    "other format": (lambda h, a: h.update(format="other 1"), "is not a model file"),
    "no format": (lambda h, a: h.pop("format"), "is not a model file"),
    "no header": (lambda h, a: a.pop("model"), "is not a model file"),
    "no front end": (lambda h, a: h.pop("frontend"), "is damaged"),
    "front end": (lambda h, a: h["frontend"].update(mels=-1), "mels must be an integer"),
    "class": (lambda h, a: h["frontend"].update({"class": "Other"}), "expected the front end FrontEnd, got 'Other'"),
    "other front end": (lambda h, a: h["frontend"].update(mels=8), "expected a network for features"),
    "classes": (lambda h, a: h["classes"].pop(), r"expected logits \(N, 2\)"),
    "equal classes": (lambda h, a: h["classes"].__setitem__(0, "dog"), "different, nonempty names"),
    "classes of numbers": (lambda h, a: h.update(classes=3), "is damaged"),
    "threshold": (lambda h, a: h["thresholds"].update(dog=2), "the threshold of dog"),
    "background": (lambda h, a: h["background"].append("bird"), "'bird' is not a class"),
    "temperature": (lambda h, a: h.update(temperature=0), "temperature"),
    "padding": (lambda h, a: h.update(padding="x"), "padding"),
    "unknown key": (lambda h, a: h.update(x=1), "is damaged"),
    "metadata": (lambda h, a: h.update(metadata=3), "is damaged"),
    "weight": (lambda h, a: a.pop("array/classifier.weight"), "expected the arrays"),
    "node": (lambda h, a: h["graph"]["nodes"][0].update(op="system"), "unknown op"),
    "test": (lambda h, a: a.pop("test/logits"), "is damaged"),
    "logits": (lambda h, a: a.update({"test/logits": a["test/logits"] + 1}), "the logits of the test waveform differ"),
    "changed weight": (lambda h, a: a.update({"array/classifier.bias": a["array/classifier.bias"] + 1}), "differ"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_model_file(saved, name):
    change, message = DAMAGED[name]
    rewrite(saved[1], change)
    with pytest.raises(CheckpointError, match=message) as caught:
        Classifier.load(saved[1], check=True)
    assert str(saved[1]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_bytes(saved):
    data = saved[1].read_bytes()
    for end in range(0, len(data), 997):
        saved[1].write_bytes(data[:end])
        with pytest.raises(CheckpointError):
            Classifier.load(saved[1])


def test_other_files(tmp_path):
    classifier = small_classifier()
    graph.save(classifier.network, tmp_path / "graph.npz")
    with pytest.raises(CheckpointError, match="a network without front end and classes; expected a model file"):
        Classifier.load(tmp_path / "graph.npz")
    training.checkpoint.write(tmp_path / "checkpoint.npz", classifier.network, {})
    with pytest.raises(CheckpointError, match="a checkpoint of training; expected a model file"):
        Classifier.load(tmp_path / "checkpoint.npz")
    np.savez(tmp_path / "arrays.npz", x=np.zeros(3))
    with pytest.raises(CheckpointError, match="is not a model file"):
        Classifier.load(tmp_path / "arrays.npz")
    with pytest.raises(
        CheckpointError, match=r"there is no file .*missing.npz; expected a model file .*, or esc50, esc50-"
    ):
        Classifier.load(tmp_path / "missing.npz")
    with pytest.raises(CheckpointError, match="there is no file"):
        Classifier.load("a" * 300)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "text")
    (tmp_path / "zip.npz").write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError):
        Classifier.load(tmp_path / "zip.npz")


class OtherFrontEnd(FrontEnd):
    pass


ARGUMENTS = {
    "front end": (lambda: small_classifier(OtherFrontEnd(**vars(FRONTEND))), "expected a FrontEnd"),
    "no classes": (lambda: Classifier(small_classifier().network, FRONTEND, []), "names of classes"),
    "hop": (lambda: small_classifier().predict(noise(1), 8000, hop_seconds=1.5), "a hop up to the window of 1.0 s"),
    "hop 0": (lambda: small_classifier().predict(noise(1), 8000, hop_seconds=0), "hop_seconds"),
    "channel": (lambda: small_classifier().predict_file("x.wav", channel="left"), "the channel mean, 0, 1"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_invalid_arguments(name):
    function, message = ARGUMENTS[name]
    with pytest.raises(ConfigError, match=message):
        function()


def test_class_names_are_kept(tmp_path):
    names = ['a,"b"', "tab\there", "Ünïcode_é", " "]
    small_classifier(classes=names).save(tmp_path / "m.npz")
    assert Classifier.load(tmp_path / "m.npz").classes == tuple(names)


def test_default_classes():
    assert small_classifier().classes == CLASSES


@pytest.mark.parametrize(("name", "megabytes"), [(None, 2), ("esc50-small", 0.4), ("esc50-pruned", 0.1)])
def test_models_of_the_package(name, megabytes):
    path = model_path(name)
    assert path.stat().st_size <= 1e6 * megabytes
    classifier = Classifier.load(name, check=True)
    assert len(classifier.classes) == 50
    assert "dog" in classifier.classes
    assert "%" in classifier.metadata["accuracy"]
