"""Odd input of classifiers, detection, loaders, commands and files: each kind over all functions concerned."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.small_models import FRONTEND, noise, small_classifier

from quatnet import Classifier, Tensor, detection, graph, plots, quaternion
from quatnet.audio.read import open_audio
from quatnet.audio.waveform import checked_waveform
from quatnet.backend import asnumpy, xp
from quatnet.classifier import mean_over_windows
from quatnet.cli.main import main
from quatnet.datasets import annotations, choose_clip_seconds
from quatnet.datasets.splits import fold_numbers, stratified_folds
from quatnet.errors import CheckpointError, DataError, NonFiniteError, QuatnetError
from quatnet.training.recipe import default_epochs

ROOT = Path(__file__).parents[2]
DISTURBING = ["a\nb", "\x1b[31mred", "c\udcffd", "$x$", "$\\frac$", "_hidden"]


def run(capfd, *arguments):
    """Return the exit code, stdout and stderr of a command."""
    code = 0
    try:
        main(list(map(str, arguments)))
    except SystemExit as end:
        code = end.code
    return (code, *capfd.readouterr())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_classifier().save("m.npz")
    soundfile.write("a.wav", noise(1), 8000)
    return tmp_path


# Arguments of Python functions


def classify_blocks(block):
    return list(small_classifier().windows([block]))


def detect(**options):
    soundfile.write("a.wav", noise(1), 8000)
    return detection.detect(small_classifier(), small_classifier().stream("a.wav"), **options)


def best(**options):
    soundfile.write("a.wav", noise(1), 8000)
    return detection.best_classes(small_classifier(), small_classifier().stream("a.wav"), **options)


X = noise(1)
ARGUMENTS = {
    **{f"classes {value!r}": lambda v=value: Classifier(small_classifier().network, FRONTEND, v)
       for value in ("cat", 3, None, [["a"], ["b"], ["c"]], [1, 2, 3], ["a", "", "b"])},
    **{f"background {value!r}": lambda v=value: small_classifier(background=v) for value in ("cat", 5, [["cat"]])},
    **{f"thresholds {value!r}": lambda v=value: small_classifier(thresholds=v)
       for value in (0.5, [0.5], "cat", {"cat": "x"}, {"cat": 2}, {"cat": float("nan")})},
    **{f"metadata {value!r}": lambda v=value: small_classifier(metadata=v) for value in ("x", [1], 3)},
    "padding": lambda: small_classifier(padding=[]),
    "network": lambda: Classifier(5, FRONTEND, ["a"]),
    "trace": lambda: graph.trace(None, X),
    "hop": lambda: small_classifier().predict(X, 8000, hop_seconds=1e308),
    "hop of events": lambda: detect(hop_seconds=1e308),
    **{f"top {value!r}": lambda v=value: best(top=v) for value in (0, -1, "2", 2.5, None)},
    "path in place of a stream": lambda: detection.detect(small_classifier(), "a.wav"),
    "array in place of a stream": lambda: detection.best_classes(small_classifier(), X),
    **{f"channel {value!r:.9}": lambda v=value: small_classifier().predict_file("a.wav", channel=v)
       for value in ("9" * 5000, "²", "٣", 1.0)},
    "ragged waveform": lambda: checked_waveform([[1.0], [1.0, 2.0]]),
    "integers in a waveform": lambda: checked_waveform([1, 2]),
    "waveform in place of blocks": lambda: list(small_classifier().windows(X)),
    "text in place of blocks": lambda: list(small_classifier().windows("abc")),
    "integer blocks": lambda: classify_blocks(np.full(9000, 1000, np.int16)),
    "stereo blocks": lambda: classify_blocks(np.zeros((9000, 2), np.float32)),
    "tensor blocks": lambda: classify_blocks(Tensor(X)),
    "no blocks": lambda: mean_over_windows(small_classifier().windows([])),
    "logits of other classes": lambda: small_classifier().confidences(np.zeros((2, 5))),
    "logits of one window": lambda: small_classifier().confidences(np.zeros(3)),
    "logits as tensor": lambda: small_classifier().confidences(Tensor(np.zeros((2, 3)))),
    **{f"epochs of {value!r} clips": lambda v=value: default_epochs(v) for value in (0, -1, 1.5, "x", None, np.nan)},
    **{f"epochs of batches {value!r}": lambda v=value: default_epochs(9, batch_size=v) for value in (0, -1, 1.5, "x")},
    **{f"clip seconds {value!r}": lambda v=value: choose_clip_seconds(v) for value in ([], [np.nan], ["x"], None)},
    "no vectors": lambda: quaternion.align_vectors(np.zeros((0, 3)), np.zeros((0, 3))),
    "negative weights": lambda: quaternion.align_vectors(np.eye(3), np.eye(3), [1, -1, 1]),
    "infinite time": lambda: quaternion.interpolate(np.eye(4)[:3], [0, 1, np.inf], [0.5]),
    "infinite first time": lambda: quaternion.angular_velocity(np.eye(4)[:3], [-np.inf, 0, 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", ARGUMENTS)
def test_invalid_argument_has_a_library_error(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QuatnetError) as caught:
        ARGUMENTS[name]()
    assert len(str(caught.value)) < 400


def test_containers_of_other_types(tmp_path):
    model = small_classifier(thresholds={"cat": np.float32(0.25)}, background=np.array(["dog"]))
    model.save(tmp_path / "m.npz")
    loaded = Classifier.load(tmp_path / "m.npz")
    assert (loaded.thresholds, loaded.background) == ({"cat": 0.25}, ("dog",))
    assert Classifier(model.network, FRONTEND, (n for n in "abc")).classes == ("a", "b", "c")


@pytest.mark.parametrize("logits", [[np.nan, 0, 0], [np.inf, 0, 0], [-np.inf] * 3])
def test_confidences_are_never_nan(logits):
    with pytest.raises(NonFiniteError, match="check the weights and the temperature"):
        small_classifier().confidences(np.array([logits]))


@pytest.mark.parametrize("temperature", [1e-50, 1e-39, 1e300])
@pytest.mark.parametrize("multi_label", [False, True])
def test_extreme_temperatures(temperature, multi_label):
    model = small_classifier(temperature=temperature, multi_label=multi_label)
    try:
        assert np.isfinite(model.predict(noise(1), 8000)).all()
    except NonFiniteError:
        assert temperature < 1


def test_a_gap_of_any_length_unites_the_events(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert detect(thresholds=0, merge_gap_seconds=1e308).events == detect(thresholds=0, merge_gap_seconds=5).events


@pytest.mark.parametrize("scale", [1e30, 1e-30])
@pytest.mark.parametrize("function", ["unflip", "angular_velocity", "interpolate"])
def test_scale_of_the_quaternions_in_a_series(function, scale):
    q = quaternion.random_rotations(6, rng=np.random.default_rng(0)).astype(np.float32)
    q[1::2] *= -1
    functions = {
        "unflip": lambda q: xp.sign(quaternion.unflip(q)),
        "angular_velocity": lambda q: quaternion.angular_velocity(q, np.arange(6)),
        "interpolate": lambda q: quaternion.interpolate(q, np.arange(6), [0.5, 3.25]),
    }
    results = [asnumpy(functions[function](each)) for each in (q * np.float32(scale), q)]
    np.testing.assert_allclose(*results, atol=1e-5)


def test_folds(tmp_path):
    assert fold_numbers(["-1", "1", "-1"]) == [1, 2, 1]
    assert fold_numbers(["fold-3", "fold 1", "2.0"]) == [3, 1, 2]
    groups, labels = list("abcdef"), [(0,), (0,), (0,), (1,), (1,), (0, 1)]
    for seed in range(5):
        many = stratified_folds(groups, labels, folds=10**15, seed=seed)
        assert many == stratified_folds(groups, labels, folds=50, seed=seed)


# Files


def announce(path, samples):
    """Change the number of samples in the header of a FLAC file."""
    content = bytearray(path.read_bytes())
    place = content.index(b"fLaC") + 18
    rest = int.from_bytes(content[place : place + 8], "big") >> 36 << 36
    content[place : place + 8] = (rest | samples).to_bytes(8, "big")
    path.write_bytes(content)


@pytest.mark.parametrize("samples", [2**36 - 1, 10**9])
def test_a_header_with_more_samples_than_the_file_can_have(tmp_path, samples):
    path = tmp_path / "x.flac"
    soundfile.write(path, np.zeros(800), 8000)
    announce(path, samples)
    with pytest.raises(DataError, match=f"x.flac: the header announces {samples} samples"), open_audio(path):
        pass
    (tmp_path / "x.txt").write_text("0\t1\tdog\n")
    with pytest.raises(DataError, match="the header announces"):
        annotations.load(tmp_path, folds=1)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "wav"])
def test_silence_is_compressed_less_than_the_limit(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, np.zeros(2_000_000, np.float32), 44100)
    with open_audio(path) as file:
        assert file.frames >= 2_000_000


NORM_CHANGES = {
    "number": lambda layer, key: layer.update({key: 1.5}),
    "missing": lambda layer, key: layer.pop(key),
    "list": lambda layer, key: layer.update({key: [1]}),
}


@pytest.mark.parametrize("change", NORM_CHANGES)
@pytest.mark.parametrize("key", ["weight", "bias", "running_mean", "running_var"])
def test_state_of_a_norm_is_checked_when_the_model_is_loaded(tmp_path, change, key):
    small_classifier().save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as file:
        arrays = dict(file)
    header = json.loads(arrays["model"].tobytes())
    node = next(node for node in header["graph"]["nodes"] if node["op"].endswith("BatchNorm"))
    NORM_CHANGES[change](node["arguments"]["dict"]["self"]["dict"], key)
    np.savez(tmp_path / "m.npz", **arrays | {"model": np.frombuffer(json.dumps(header).encode(), np.uint8)})
    with pytest.raises(CheckpointError, match=f", {key}: expected a reference to a "):
        Classifier.load(tmp_path / "m.npz")


@pytest.mark.parametrize("names", [DISTURBING])
def test_names_in_figures(tmp_path, names):
    pytest.importorskip("matplotlib")
    rows = [{"name": name, "history": [{"loss": 1.0, "test_accuracy": 0.5}]} for name in names]
    plots.training_curves(rows, tmp_path / "curves.png")
    plots.confusion(np.eye(6), names, names[0] + names[4], tmp_path / "confusion.png")
    plots.average_precision(np.full(6, 0.5), names, names[4], tmp_path / "precision.png")
    plots.quaternion_input(np.ones((9, 4, 4)), FRONTEND, names[4], tmp_path / "input.png")
    assert len(list(tmp_path.iterdir())) == 4


# Commands


def test_printed_names_have_no_control_characters(folder, capfd):
    names = DISTURBING[:3]
    small_classifier(classes=names).save("odd.npz")
    for name in names:
        os.makedirs(f"c\n/{name}")
        for number in range(2):
            samples = noise(1, seed=number + len(name))
            soundfile.write(os.fsencode(f"c\n/{name}/{number}\n.wav"), samples, 8000, format="WAV")
    commands = {
        "train": (["c\n", "--dry-run"], 4),
        "evaluate": (["odd.npz", "c\n", "--report", "r\n"], 6),
        "info": (["odd.npz"], 9),
        "classify": (["a.wav", "-m", "odd.npz", "--out", "q\n"], 1),
        "embed": (["odd.npz", "a.wav", "--out", "e\n.npz"], 1),
    }
    for command, (arguments, lines) in commands.items():
        code, out, err = run(capfd, command, *arguments)
        assert (code, err) == (0, ""), command
        assert all(line.isprintable() for line in out.splitlines()), command
        assert out.count("\n") >= lines


@pytest.mark.parametrize("text", ["9" * 5000, "²", "٣", "1_0", "1e400", "-1", ""])
@pytest.mark.parametrize("option", ["train --seed", "train --epochs", "train --fold", "classify a.wav --top"])
def test_integers_of_commands(folder, capfd, option, text):
    code, out, err = run(capfd, *option.split(), text)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "expected" in err
    assert len(err) < 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["classify", "a.wav", "-m", "m.npz", "--hop", "1e308"],
        ["classify", "a.wav", "-m", "m.npz", "--channel", "9" * 5000],
        ["profile", "cnn6", "--clip-seconds", "1e300"],
        ["profile", "cnn6", "--classes", "9" * 5000],
        ["profile", "cnn6", "--prune", "x" * 5000],
    ],
)
def test_numbers_of_commands(folder, capfd, arguments):
    code, out, err = run(capfd, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert len(err) < 1200


def test_each_line_of_a_list_is_an_argument(folder, capfd):
    Path("list.txt").write_text("none.wav\na.wav\n@list.txt\n@none.txt\n")
    code, out, err = run(capfd, "classify", "@list.txt", "-m", "m.npz")
    assert (code, out.count("\n")) == (3, 1)
    assert err.splitlines() == [
        "quatnet: none.wav: no such file or folder",
        "quatnet: @list.txt: the list contains itself",
        "quatnet: @none.txt: No such file or directory",
    ]


LOGS = {
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\0"),
    "link": lambda path: path.symlink_to("victim"),
    "broken link": lambda path: path.symlink_to("none"),
    "pipe": lambda path: os.mkfifo(path),
}


@pytest.mark.skipif(os.name == "nt", reason="no pipes")
@pytest.mark.parametrize("resume", [[], ["--resume"]])
@pytest.mark.parametrize("log", LOGS)
def test_odd_file_in_place_of_the_list_of_complete_recordings(folder, capfd, log, resume):
    Path("out").mkdir()
    Path("out/victim").write_text("kept")
    LOGS[log](Path("out/.quatnet-done"))
    command = ["classify", "a.wav", "-m", "m.npz", "--out", "out", *resume]
    assert run(capfd, *command) == (0, "recordings with results in out: 1\n", "")
    assert Path("out/victim").read_text() == "kept"
    assert len(Path("out/.quatnet-done").read_bytes().split()[-1]) >= 64


def test_output_folder_that_is_removed_during_the_run(folder, capfd, monkeypatch):
    soundfile.write("b.wav", noise(1), 8000)
    original = Classifier.stream

    def stream(self, path, **options):
        if path.name == "b.wav":
            os.rename("out", "elsewhere")
        return original(self, path, **options)

    monkeypatch.setattr(Classifier, "stream", stream)
    code, _, err = run(capfd, "classify", "a.wav", "b.wav", "-m", "m.npz", "--out", "out")
    assert (code, err) == (2, "quatnet: out was removed during the run; classify the recordings again\n")


def test_a_long_name_fails_alone(folder, capfd):
    Path("field").mkdir()
    for name in ("b", "x" * 240, "é" * 120):
        Path(f"field/{name}.wav").write_bytes(Path("a.wav").read_bytes())
    code, out, err = run(capfd, "classify", "field", "-m", "m.npz", "--out", "out")
    assert (code, out) == (3, "recordings with results in out: 1\n")
    assert err.count("is too long; rename the recording\n") == err.count("\n") == 2


# Streams and signals of the process

COMMAND = [sys.executable, "-m", "quatnet"]
SHELL = pytest.mark.skipif(os.name == "nt" or not os.path.exists("/dev/full"), reason="no shell, or no /dev/full")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "QUATNET_BACKEND": "numpy"}


@SHELL
@pytest.mark.parametrize(
    ("redirection", "code", "text"),
    [
        (">/dev/full", 2, "quatnet: [Errno 28] No space left on device\n"),
        (">&-", 0, ""),
        ("2>&-", 0, "a.wav: "),
        (">&- 2>&-", 0, ""),
    ],
)
def test_closed_and_full_output(folder, redirection, code, text):
    line = f'"$0" "$1" "$2" classify a.wav -m m.npz {redirection}'
    result = subprocess.run(["bash", "-c", line, *COMMAND], capture_output=True, text=True, env=ENVIRONMENT)
    assert result.returncode == code, result.stderr
    assert (result.stdout + result.stderr).startswith(text)
    assert (result.stdout + result.stderr).count("\n") <= 1
