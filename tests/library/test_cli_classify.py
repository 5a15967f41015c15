"""Tests of the commands classify, evaluate, embed, export and info on model files and recordings."""

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.small_models import CLASSES, FRONTEND, noise, small_classifier

from quatnet import Classifier, model_file
from quatnet.backend import on_gpu
from quatnet.cli.main import main
from quatnet.datasets import annotations


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the working directory, with a model and recordings."""
    monkeypatch.chdir(tmp_path)
    small_classifier(temperature=3.0, metadata={"license": "CC0"}).save("m.npz")
    (tmp_path / "field" / "sub").mkdir(parents=True)
    write("field/a.wav", noise(5))
    write("field/sub/b c.WAV", noise(2.3, 44100, seed=1), 44100)
    (tmp_path / "field" / ".hidden.wav").write_text("x")
    (tmp_path / "field" / "notes.txt").write_text("x")
    return tmp_path


def write(path, samples, rate=8000, **options):
    soundfile.write(path, samples, rate, **{"format": "WAV", "subtype": "PCM_16"} | options)


def run(capfd, *arguments):
    """Return the exit code, the lines of stdout and the lines of stderr of a command."""
    try:
        main(list(map(str, arguments)))
        code = 0
    except SystemExit as end:
        code = end.code
    out, err = capfd.readouterr()
    return code, out.splitlines(), err.splitlines()


# Whole recordings


def test_best_classes_one_line_a_file(folder, capfd):
    code, out, err = run(capfd, "classify", "field", "-m", "m.npz")
    assert (code, err) == (0, [])
    confidences = Classifier.load("m.npz").predict_file("field/a.wav")
    assert [line.partition(":")[0] for line in out] == ["field/a.wav", "field/sub/b c.WAV"]
    expected = ", ".join(f"{CLASSES[n]} {confidences[n]:.3f}" for n in np.argsort(-confidences))
    assert out[0] == f"field/a.wav: {expected}"


def test_json_and_csv(folder, capfd):
    code, out, _ = run(capfd, "classify", "field/a.wav", "-m", "m.npz", "--json", "--top", 2)
    first, *rest = map(json.loads, out)
    assert code == 0
    assert first == {"type": "file", "path": "field/a.wav", "duration_s": 5.0, "status": "ok"}
    assert [row["type"] for row in rest] == ["prediction"] * 2
    code, out, _ = run(capfd, "classify", "field/a.wav", "-m", "m.npz", "--csv")
    rows = list(csv.DictReader(out))
    assert [row["label"] for row in rows][:2] == [row["label"] for row in rest]
    assert {row["label"] for row in rows} == set(CLASSES)
    assert rows[0]["windows"] == "5"


def test_inputs(folder, capfd):
    (folder / "list.txt").write_text("\ufefffield/a.wav\n\nfield/sub\n")
    (folder / "@x.wav").write_bytes((folder / "field/a.wav").read_bytes())
    (folder / "a[1].wav").write_bytes((folder / "field/a.wav").read_bytes())
    for arguments, names in [
        (["field/**/*.WAV"], ["field/sub/b c.WAV"]),
        (["@list.txt"], ["field/a.wav", "field/sub/b c.WAV"]),
        (["@x.wav", "a[1].wav", "field/a.wav", "field/a.wav"], ["@x.wav", "a[1].wav", "field/a.wav"]),
    ]:
        code, out, err = run(capfd, "classify", *arguments, "-m", "m.npz")
        assert (code, err) == (0, [])
        assert [line.partition(":")[0] for line in out] == names


# Events


def test_events_in_four_formats_mirror_the_input(folder, capfd):
    formats = ["audacity", "raven", "csv", "jsonl"]
    options = ["--hop", 0.5, "--threshold", 0.4, "--format", *formats, "--out", "out"]
    assert run(capfd, "classify", "field", "-m", "m.npz", *options) == (0, ["recordings with results in out: 2"], [])
    names = {os.path.relpath(os.path.join(place, name), "out") for place, _, found in os.walk("out") for name in found}
    suffixes = [".audacity.txt", ".raven.txt", ".csv", ".jsonl"]
    expected = {f"{name}{suffix}" for name in ("a.wav", "sub/b c.WAV") for suffix in suffixes}
    assert names == expected | {"errors.csv", ".quatnet-done"}
    detections = list(map(json.loads, (folder / "out/a.wav.jsonl").read_text().splitlines()))[1:]
    assert detections
    rows = list(csv.DictReader((folder / "out/a.wav.csv").open(newline="")))
    labels = (folder / "out/a.wav.audacity.txt").read_text().splitlines()
    table = (folder / "out/a.wav.raven.txt").read_text().splitlines()
    assert len(rows) == len(labels) == len(table) - 1 == len(detections)
    for d, row, label in zip(detections, rows, labels, strict=True):
        times = f"{d['start_s']:.3f}", f"{d['end_s']:.3f}", d["label"], f"{d['confidence']:.4f}"
        assert (row["start_s"], row["end_s"], row["label"], row["confidence"]) == times
        assert label == f"{d['start_s']:.6f}\t{d['end_s']:.6f}\t{d['label']} {d['confidence']:.4f}"
        assert 0 <= d["start_s"] < d["end_s"] <= 5


@pytest.mark.parametrize("kind", ["audacity", "raven", "csv"])
def test_events_are_annotations(folder, capfd, kind):
    (folder / "field/empty.wav").touch()
    options = ["--hop", 0.5, "--threshold", 0.2, "--format", kind, "jsonl", "--out", "out"]
    assert run(capfd, "classify", "field", "-m", "m.npz", *options)[0] == 3
    files = [folder / f"out/{name}.jsonl" for name in ("a.wav", "sub/b c.WAV")]
    detections = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    labels = sorted({row["label"] for row in detections if row["type"] == "detection"})
    data = annotations.load("out", audio="field", folds=1, strict=True)
    assert data.classes == tuple(labels)
    assert len(labels) > 1
    assert f"{len(detections) - 2} events" in data.note
    assert "not found" not in data.note
    assert {clip.source.args[0] for clip in data.clips} <= {Path("field/a.wav"), Path("field/sub/b c.WAV")}


def test_thresholds_of_classes(folder, capfd):
    def labels(*thresholds):
        options = [part for text in thresholds for part in ("--threshold", text)]
        code, out, err = run(capfd, "classify", "field/a.wav", "-m", "m.npz", "--json", *options)
        assert (code, err) == (0, [])
        return {row["label"] for row in map(json.loads, out) if row["type"] == "detection"}

    assert labels("0") == set(CLASSES)
    assert labels("rain, heavy=0", "1") == labels("1", "rain, heavy=0") == {"rain, heavy"}
    assert labels("0", "dog=1") == {"cat", "rain, heavy"}


def test_channels(folder, capfd):
    write("st.wav", np.stack([noise(1), -noise(1), noise(1, seed=2)], axis=1))
    code, out, _ = run(capfd, "classify", "st.wav", "-m", "m.npz", "--channel", "each", "--csv")
    rows = list(csv.DictReader(out))
    assert (code, [row["channel"] for row in rows]) == (0, [c for c in "012" for _ in CLASSES])
    code, out, err = run(capfd, "classify", "st.wav", "-m", "m.npz", "--channel", 3)
    assert (code, out, err) == (4, [], ["quatnet: st.wav: expected a channel from 0 to 2, got 3"])


def test_resume(folder, capfd):
    command = ["classify", "field", "-m", "m.npz", "--format", "csv", "--out", "out"]
    run(capfd, *command)
    os.utime("out/a.wav.csv", (1, 1))
    run(capfd, *command, "--resume")
    assert os.stat("out/a.wav.csv").st_mtime == 1
    write("field/a.wav", noise(4))  # a changed recording
    run(capfd, *command, "--resume")
    assert os.stat("out/a.wav.csv").st_mtime > 1
    for change in (["--threshold", 0.9], ["--format", "csv", "jsonl"], ["--channel", 0]):
        os.utime("out/a.wav.csv", (1, 1))
        run(capfd, *command, *change, "--resume")
        assert os.stat("out/a.wav.csv").st_mtime > 1
        os.utime("out/a.wav.csv", (1, 1))
        run(capfd, *command, "--resume")  # the first settings again
        assert os.stat("out/a.wav.csv").st_mtime > 1
    os.unlink("out/a.wav.csv")  # a removed result
    run(capfd, *command, "--resume")
    assert os.path.exists("out/a.wav.csv")


# Difficult recordings

BAD = {
    "text.wav": lambda path: path.write_text("x"),
    "empty.wav": lambda path: path.write_bytes(b""),
    "no samples.wav": lambda path: write(path, np.zeros(0)),
    "nan.wav": lambda path: write(path, np.full(8000, np.nan), subtype="FLOAT"),
    "huge.wav": lambda path: write(path, np.full(8000, 1e30), subtype="FLOAT"),
    "cut.wav": lambda path: (write(path, noise(1)), path.write_bytes(path.read_bytes()[:5000])),
}


@pytest.mark.parametrize("name", BAD)
def test_unreadable_recording_is_reported_and_the_others_are_classified(folder, capfd, name):
    BAD[name](folder / "field" / name)
    code, out, err = run(capfd, "classify", "field", "-m", "m.npz")
    assert (code, len(out), len(err)) == (3, 2, 1)
    assert err[0].startswith(f"quatnet: field/{name}: ")
    code, out, err = run(capfd, "classify", f"field/{name}", "-m", "m.npz", "--format", "csv", "--out", "out")
    assert (code, out, len(err)) == (4, ["recordings with results in out: 0"], 1)
    ((path, reason),) = list(csv.reader((folder / "out/errors.csv").open()))[1:]
    assert path == f"field/{name}"
    assert err[0] == f"quatnet: {reason}"


OK = {
    "silent": (np.zeros(8000), 8000, "silent"),
    "short": (noise(0.05), 8000, "too_short"),
    "one sample": (np.ones(1) * 0.5, 8000, "too_short"),
    "96 kHz": (noise(1, 96000), 96000, "ok"),
    "odd rate": (noise(1, 11111), 11111, "ok"),
    "low rate": (noise(1, 4000), 4000, "ok"),
    "six channels": (np.stack([noise(1)] * 6, axis=1), 8000, "ok"),
}


@pytest.mark.parametrize("name", OK)
def test_difficult_recording(folder, capfd, name):
    samples, rate, status = OK[name]
    write("x.flac", samples, rate, format="FLAC")
    code, out, err = run(capfd, "classify", "x.flac", "-m", "m.npz", "--json")
    rows = list(map(json.loads, out))
    assert (code, rows[0]["status"]) == (0, status)
    assert len(err) == (name == "low rate")
    assert len(rows) == (4 if status == "ok" else 1)
    assert all(0 <= row["confidence"] <= 1 for row in rows[1:])


NAMES = ["Ünï cödé.wav", "-m.wav", "a\nb\t.wav", "a,\"b'.wav", "*.wav", "x" * 200 + ".wav", b"\xff\xfe.wav"]


@pytest.mark.parametrize("name", NAMES)
def test_odd_paths(folder, capfd, name):
    name = os.fsdecode(name)
    (folder / "odd").mkdir()
    (folder / "odd" / name).write_bytes((folder / "field/a.wav").read_bytes())
    for options in ([], ["--csv"], ["--json"], ["--hop", "1"]):
        code, out, err = run(capfd, "classify", "odd", "-m", "m.npz", *options)
        assert (code, err) == (0, [])
        assert out
    command = ["classify", "odd", "-m", "m.npz", "--format", "csv", "raven", "audacity", "jsonl", "--out", "out"]
    assert run(capfd, *command) == (0, ["recordings with results in out: 1"], [])
    assert (folder / "out" / f"{name}.csv").exists()
    run(capfd, "embed", "m.npz", "odd", "--out", "v.npz")
    assert np.load("v.npz")["embeddings"].shape == (1, 8)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_json_in_the_encoding_of_the_terminal(folder, encoding):
    name = "\U0001f426 é.wav"
    write(name, noise(1))
    command = [sys.executable, "-m", "quatnet", "classify", name, "-m", "m.npz", "--json"]
    out = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": encoding})
    lines = out.stdout.decode(encoding).splitlines()
    assert {json.loads(line)["path"] for line in lines} == {name}
    assert (name in lines[0]) == (encoding == "utf-8")


# Mistakes

MISTAKES = {
    "no model": (["field/a.wav", "-m", "none.npz"], "there is no file none.npz"),
    "other file": (["field/a.wav", "-m", "field/a.wav"], "field/a.wav is truncated or not an .npz file"),
    "folder as model": (["field/a.wav", "-m", "field"], "field is not a regular file"),
    "threshold": (["field/a.wav", "-m", "m.npz", "--threshold", "2"], "the threshold of cat in"),
    "threshold text": (["field/a.wav", "-m", "m.npz", "--threshold", "dog=x"], "expected 0.6 or CLASS=0.6"),
    "threshold nan": (["field/a.wav", "-m", "m.npz", "--threshold", "nan"], "the threshold of cat in"),
    "threshold class": (["field/a.wav", "-m", "m.npz", "--threshold", "bird=0.5"], "'bird' is not a class"),
    "hop": (["field/a.wav", "-m", "m.npz", "--hop", "2"], "a hop up to the window of 1.0 s"),
    "tiny hop": (["field/a.wav", "-m", "m.npz", "--hop", "1e-9"], "at least one sample, 1/8000 s, got 1e-09 s"),
    "two formats": (["field/a.wav", "-m", "m.npz", "--json", "--format", "text"], "--format, or --json and --csv"),
    "zero hop": (["field/a.wav", "-m", "m.npz", "--hop", "0"], "--hop: expected a number of seconds above 0, got 0"),
    "negative gap": (
        ["field/a.wav", "-m", "m.npz", "--merge-gap", "-1"],
        "--merge-gap: expected a number of seconds of at least 0",
    ),
    "top of events": (["field/a.wav", "-m", "m.npz", "--hop", "1", "--top", "2"], "expected --top or options"),
    "formats": (["field/a.wav", "-m", "m.npz", "--format", "csv", "raven"], "a folder --out for several formats"),
    "resume": (["field/a.wav", "-m", "m.npz", "--resume"], "a folder --out"),
    "channel": (["field/a.wav", "-m", "m.npz", "--channel", "left"], "the channel mean, 0, 1"),
    "format": (["field/a.wav", "-m", "m.npz", "--format", "xml"], "got 'xml'; give each FILE before --format"),
    "file as output": (["field/a.wav", "-m", "m.npz", "--out", "m.npz"], "m.npz: cannot be written"),
    "file above output": (["field/a.wav", "-m", "m.npz", "--out", "m.npz/x"], "cannot be written"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(folder, capfd, name):
    arguments, message = MISTAKES[name]
    code, out, err = run(capfd, "classify", *arguments)
    assert (code, out, len(err)) == (2, [], 1)
    assert message in err[0]


def test_missing_inputs(folder, capfd):
    (folder / "empty").mkdir()
    for argument, reason in [
        ("none.wav", "no such file or folder"), ("empty", "no recordings in this folder"),
        ("@none.txt", "No such file or directory"), ("*.ogg", "no such file or folder"),
    ]:  # fmt: skip
        assert run(capfd, "classify", argument, "-m", "m.npz") == (4, [], [f"quatnet: {argument}: {reason}"])
        code, out, _ = run(capfd, "classify", argument, "field/a.wav", "-m", "m.npz")
        assert (code, len(out)) == (3, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "field/a.wav", "-m", "esc50-small"), ("info", "esc50-small", "--check"),
        ("embed", "esc50-small", "field/a.wav", "--out", "v.npz"),
    ],
)  # fmt: skip
def test_commands_accept_the_names_of_models_of_the_package(folder, capfd, arguments):
    assert run(capfd, *arguments)[0] == 0


def test_no_model_in_the_package(folder, capfd, monkeypatch):
    monkeypatch.setattr(model_file, "PACKAGED", folder)
    assert run(capfd, "classify", "field/a.wav") == (
        2, [], [f"quatnet: this installation has no file {folder / 'esc50.npz'}; give another model file"],
    )  # fmt: skip
    (folder / "esc50.npz").write_bytes((folder / "m.npz").read_bytes())
    assert run(capfd, "classify", "field/a.wav")[0] == 0


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(folder, capfd):
    (folder / "locked").mkdir(mode=0o555)
    code, _, err = run(capfd, "classify", "field/a.wav", "-m", "m.npz", "--out", "locked/out")
    assert (code, len(err)) == (2, 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk(folder, capfd, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for command in (
        ["classify", "field/a.wav", "-m", "m.npz", "--out", "out"],
        ["embed", "m.npz", "field/a.wav", "--out", "v.npz"],
    ):
        code, out, err = run(capfd, *command)
        assert (code, out, len(err)) == (2, [], 1)
        assert "No space left on device" in err[0]
    assert sorted(os.listdir("out")) == [".quatnet-done"]
    assert not os.path.exists("v.npz")


def test_interruption(folder, capfd, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("quatnet.cli.classify.best_classes", interrupt)
    assert run(capfd, "classify", "field", "-m", "m.npz") == (130, [], ["quatnet: stopped"])


@pytest.mark.skipif(on_gpu(), reason="the subprocess has another backend")
def test_classification_imports_only_what_it_needs(folder):
    code = "import sys; from quatnet.cli.main import main; main(['classify', 'field/a.wav', '-m', 'm.npz'])"
    code += (
        "; print([m for m in sys.modules if m in ('scipy.signal', 'scipy.sparse', 'matplotlib', 'tqdm', 'scipy.stats')"
    )
    code += " or m.startswith(('quatnet.training', 'quatnet.datasets', 'quatnet.models'))])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.splitlines()[1:] == ["[]"]
    assert result.stderr == ""


# Other commands


def test_embed(folder, capfd):
    assert run(capfd, "embed", "m.npz", "field", "--out", "v.npz") == (0, ["wrote 2 embeddings to v.npz"], [])
    file, model = np.load("v.npz"), Classifier.load("m.npz")
    assert file["paths"].tolist() == ["field/a.wav", "field/sub/b c.WAV"]
    np.testing.assert_allclose(file["embeddings"][0], model.embed(soundfile.read("field/a.wav")[0], 8000), rtol=1e-4)
    assert run(capfd, "embed", "m.npz", "field/a.wav", "--hop", 0.5, "--out", "w.npz")[0] == 0
    windows = np.load("w.npz")
    assert windows["starts_s"].tolist() == [0.5 * n for n in range(9)]
    assert windows["embeddings"].shape == (9, 8)
    assert run(capfd, "embed", "m.npz", "field/a.wav", "--out", "v.csv")[0] == 2
    assert run(capfd, "embed", "m.npz", "none.wav", "--out", "x.npz")[0] == 4
    assert not os.path.exists("x.npz")


@pytest.mark.parametrize("multi_label", [False, True])
def test_export(folder, capfd, multi_label):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    options = {"thresholds": {"dog": 0.75}, "background": ["cat"], "padding": "repeat", "metadata": {"license": "CC0"}}
    model = small_classifier(temperature=2.5, multi_label=multi_label, **options)
    model.save("t.npz")
    assert run(capfd, "export", "t.npz", "t.onnx") == (0, ["wrote t.onnx"], [])
    session = runtime.InferenceSession("t.onnx")
    metadata = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    assert metadata == {
        "classes": list(CLASSES), "sample_rate_hz": 8000, "clip_seconds": 1.0, "multi_label": multi_label,
        "thresholds": {"dog": 0.75}, "background": ["cat"], "padding": "repeat", "license": "CC0",
    }  # fmt: skip
    x = noise(1)
    np.testing.assert_allclose(session.run(None, {"waveform": x[None]})[0][0], model.predict(x, 8000), atol=1e-5)
    assert run(capfd, "export", "t.npz", "t.txt")[0] == 2
    assert "cannot be written" in run(capfd, "export", "t.npz", "t.npz/t.onnx")[2][0]


def test_info(folder, capfd):
    code, out, err = run(capfd, "info", "m.npz", "--check")
    assert (code, err) == (0, [])
    text = dict(line.split(maxsplit=1) for line in out)
    assert text["classes"] == "3, one per window: cat, dog, rain, heavy"
    assert "the logits of the test waveform are correct" in text["file"]
    assert (text["license"], text["temperature"]) == ("CC0", "3")
    assert f"sample_rate_hz {FRONTEND.sample_rate_hz}" in "\n".join(out)
    assert run(capfd, "info", "field/a.wav")[0] == 2


def test_evaluate(folder, capfd):
    model = Classifier.load("m.npz")
    for number in range(8):
        samples = noise(1, seed=number)
        label = CLASSES[model.predict(samples, 8000).argmax()] if number else "dog"
        (folder / "test" / label).mkdir(parents=True, exist_ok=True)
        write(folder / "test" / label / f"{number}.wav", samples, subtype="FLOAT")
    code, out, _ = run(capfd, "evaluate", "m.npz", "test", "--report", "report")
    right = sum(CLASSES[model.predict_file(path).argmax()] == path.parent.name for path in folder.glob("test/*/*.wav"))
    assert code == 0
    assert f"accuracy {right / 8:.1%} (95% interval " in "\n".join(out)
    assert json.loads((folder / "report/results.json").read_text())["accuracy"] == right / 8
    assert {path.name for path in (folder / "report").iterdir()} == {
        "results.json", "classes.csv", "mistakes.csv", "confusion.csv",
    }  # fmt: skip
    (folder / "test/dog/bad.wav").write_text("x")
    code, _, err = run(capfd, "evaluate", "m.npz", "test")
    assert (code, sum("bad.wav" in line for line in err)) == (3, 1)
    os.rename("test/dog", "test/bird")
    code, out, err = run(capfd, "evaluate", "m.npz", "test")
    assert (code, out) == (2, [])
    assert "bird are not classes of the model" in err[0]


def test_evaluate_reads_recordings_block_by_block(folder, capfd, monkeypatch):
    for number, label in enumerate(CLASSES[:2]):
        (folder / "test" / label).mkdir(parents=True)
        write(folder / "test" / label / "x.wav", noise(3.3, 11025, seed=number), 11025, subtype="FLOAT")
    expected = run(capfd, "evaluate", "m.npz", "test")
    monkeypatch.setattr(sys.modules["quatnet.audio.read"], "MAX_SAMPLES", 1000)
    monkeypatch.setattr(sys.modules["quatnet.audio.read"], "BLOCK_VALUES", 700)
    assert run(capfd, "evaluate", "m.npz", "test") == expected
    assert (expected[0], expected[2]) == (0, [])


def test_commands_of_the_documentation(folder, capfd):
    pytest.importorskip("onnx")
    os.rename("field", "recordings")
    os.rename("m.npz", "model.npz")
    write("long.wav", noise(7))
    soundfile.write("dog.wav", noise(20), 32000)
    page = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")
    commands = [shlex.split(line[2:], comments=True)[1:] for line in page.splitlines() if line.startswith("$ quatnet ")]
    assert len(commands) == 9
    for command in commands:
        code, _, err = run(capfd, *command)
        assert (code, err) == (0, []), command


def test_usage(folder, capfd):
    code, out, _ = run(capfd, "classify", "--help")
    assert code == 0
    assert out[0].startswith("usage: quatnet classify")
    assert run(capfd, "clasify", "x")[0] == 2
    code, out, err = run(capfd, "classify")
    assert (code, out, len(err)) == (2, [], 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("clasify a.wav", "there is no command 'clasify'; did you mean classify?"),
        (
            "classify field/a.wav -m field/a.wav",
            "expected a model file that quatnet train or Classifier.save has written",
        ),
        ("info other.npz", "expected a model file that quatnet train or Classifier.save has written"),
        ("classify -m m.npz --format csv field/a.wav", "give each FILE before --format"),
        ("embed m.npz field/a.wav --out v.npz --hop nan", "--hop: expected a number of seconds above 0, got nan"),
    ],
)
def test_advice(folder, capfd, arguments, message):
    np.savez("other.npz", x=np.zeros(3))
    code, out, err = run(capfd, *arguments.split())
    assert (code, out, len(err)) == (2, [], 1)
    assert message in err[0]
    assert "load_network" not in err[0]
    assert "KeyError" not in err[0]
