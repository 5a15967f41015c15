"""Tests of corner cases of the commands, the audio functions and the weight files, which were wrong or unclear."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.published import published_state_dict
from support.small_models import noise, small_classifier
from test_cli_train import error_of, output_of, sounds, write_sounds, write_tone  # noqa: F401 fixtures

from quatnet import audio, plots
from quatnet.audio.stream import Stream
from quatnet.audio.waveform import resample, resample_blocks, resample_clip
from quatnet.classifier import Classifier
from quatnet.cli.main import main
from quatnet.datasets import annotations, folder
from quatnet.errors import CheckpointError, ConfigError, DataError
from quatnet.files import locked
from quatnet.models import CNNConfig
from quatnet.training import load_split, train_classifier
from quatnet.training.recordings import clip_digests
from quatnet.training.report import class_rows, mistakes
from quatnet.training.transfer import freeze_backbone
from quatnet.weights import load_network
from quatnet.weights.names import network_from_state_dict
from quatnet.weights.safetensors import read_safetensors, write_safetensors

REAL, QUATERNION = (CNNConfig(3, quaternion, ((8, 8), (8, 8)), 8) for quaternion in (False, True))


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.int64])
def test_sample_rates_of_small_integer_types(dtype, tmp_path):
    x, classifier = noise(8), small_classifier()
    soundfile.write(tmp_path / "x.wav", x, 12000, subtype="FLOAT")
    calls = [
        lambda kind: resample(x, kind(12000), kind(8000)),
        lambda kind: np.concatenate(list(resample_blocks([x[:9000], x[9000:]], kind(12000), kind(8000)))),
        lambda kind: resample_clip(x, kind(12000), kind(8000), 30000),
        lambda kind: classifier.predict(x, kind(12000)),
        lambda kind: classifier.frontend(x, kind(12000)),
        lambda kind: np.concatenate(list(Stream(tmp_path / "x.wav", kind(8000)))),
    ]
    for call in calls:
        np.testing.assert_array_equal(call(dtype), call(int))


def test_figures_show_all_networks(tmp_path, monkeypatch):
    legends = []
    monkeypatch.setattr(
        plots, "_save", lambda figure, path: legends.append(figure.axes[1].get_legend_handles_labels()[1])
    )
    row = {"multiplications_8": 1e6, "parameters": 1e3, "accuracy": 0.5}
    rows = [row | {"name": f"n{i}", "history": [{"loss": 1.0, "test_accuracy": 0.5}]} for i in range(8)]
    pytest.importorskip("matplotlib")
    plots.training_curves(rows, tmp_path / "x.png")
    plots.accuracy_against_cost(rows, tmp_path / "y.png")
    assert legends == [[f"n{i}" for i in range(8)]] * 2


@pytest.mark.parametrize("command", ["prune --multiplications 0.95 --parameters 0.95", "distill"])
def test_smaller_models_keep_the_license_and_the_background(command, sounds, tmp_path, capsys):  # noqa: F811
    model = tmp_path / "model.npz"
    classes, metadata = ["high", "low"], {"license": "CC0", "data_sources": ["a"], "note": "of the large model"}
    options = {"background": ["low"], "thresholds": {"high": 0.3}, "metadata": metadata, "padding": "repeat"}
    small_classifier(classes=classes, **options).save(model)
    arguments = [*command.split(), model, "--data", sounds, "--epochs", "1", "--out", tmp_path / "small.npz"]
    assert "the new model pads them with zeros" in output_of(capsys, *arguments)[1]
    small = Classifier.load(tmp_path / "small.npz")
    assert (small.metadata["license"], small.metadata["data_sources"]) == ("CC0", ["a"])
    assert list(small.background) == ["low"]
    assert small.frontend.mels == 16
    assert small.thresholds == {}
    assert "note" not in small.metadata


def test_evaluation_uses_the_thresholds_of_the_model(tmp_path, capsys):
    write_sounds(tmp_path / "audio", clips=1)
    (tmp_path / "table.csv").write_text("path,label\nhigh/a.wav,high;low\nlow/a.wav,low\n")
    thresholds = {"high": 0.0, "low": 1.0}
    options = {"classes": ["high", "low", "rest"], "multi_label": True, "background": ["rest"]}
    small_classifier(thresholds=thresholds | {"rest": 0.0}, **options).save(tmp_path / "model.npz")
    table = ["--table", tmp_path / "table.csv", "--audio", tmp_path / "audio", "--label-separator", ";"]
    output_of(capsys, "evaluate", tmp_path / "model.npz", *table, "--report", tmp_path / "report")
    lines = (tmp_path / "report/classes.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in lines[1:]] == [["high", "1", "2"], ["low", "2", "0"], ["rest", "0", "0"]]


def test_thresholds_of_classes():
    probabilities, targets = np.array([[0.4, 0.6]]), np.array([[1, 0]])
    options = {"multi_label": True, "thresholds": np.array([0.3, 0.7])}
    assert [row["predictions"] for row in class_rows(probabilities, targets, ["a", "b"], **options)] == [1, 0]
    assert mistakes(probabilities, targets, ["x"], ["a", "b"], **options) == []


@pytest.mark.parametrize("seconds", [2.01, 2.03, 4.02, 8.03, 10.0])
def test_frames_of_the_profile(seconds, capsys):
    out, _ = output_of(capsys, "profile", "cnn6", "--clip-seconds", str(seconds), "--json")
    assert json.loads(out)["frames"] == audio.FrontEnd(clip_seconds=seconds).frames


def test_metadata_does_not_replace_lines_of_info(tmp_path, capsys):
    small_classifier(metadata={"classes": "animals", "file": "x"}).save(tmp_path / "model.npz")
    out, _ = output_of(capsys, "info", tmp_path / "model.npz", "--check")
    assert "the logits of the test waveform are correct" in out
    assert "dog" in out
    assert "animals" in out


def test_check_without_a_model(capsys):
    assert "--check needs a model" in error_of(capsys, "info", "--check")


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (QUATERNION, lambda arrays: arrays.update({"conv_block2.conv1.r_weight": np.zeros((1, 2, 3, 3), "f4")})),
        (QUATERNION, lambda arrays: arrays.update({"conv_block2.conv1.weight": np.zeros((8, 8, 3, 3), "f4")})),
        (REAL, lambda arrays: arrays.update({"fc1.weight": np.zeros((8, 8, 1), "f4")})),
        (REAL, lambda arrays: arrays.update({"conv_block1.conv1.weight": np.zeros((8, 9, 3), "f4")})),
        (REAL, lambda arrays: arrays.update({"bn0.weight": np.zeros((), "f4")})),
        (REAL, lambda arrays: arrays.update({"fc_audioset.weight": np.zeros((), "f4")})),
    ],
)
def test_weights_of_wrong_shapes(config, change, tmp_path):
    pytest.importorskip("safetensors")
    arrays = dict(published_state_dict(config)[1])
    assert network_from_state_dict(arrays)
    change(arrays)
    write_safetensors(tmp_path / "net.safetensors", arrays)
    with pytest.raises(CheckpointError, match=r"net\.safetensors"):
        load_network(tmp_path / "net.safetensors")
    with pytest.raises(CheckpointError):
        network_from_state_dict(arrays)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("__metadata__", np.zeros(2)),
        (3, np.zeros(2)),
        ("x", [1.0]),
        ("x", np.ma.masked_array([1.0, 2.0], [True, False])),
        ("x", np.zeros(2, complex)),
    ],
)
def test_arrays_that_safetensors_files_cannot_contain(name, value, tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"y": np.ones(2)})
    with pytest.raises(CheckpointError):
        write_safetensors(path, {name: value})
    assert list(read_safetensors(path)[0]) == ["y"]


def test_part_without_a_sample(tmp_path):
    soundfile.write(tmp_path / "x.wav", noise(2), 8000)
    with pytest.raises(DataError, match="no sample from 1"):
        audio.read(tmp_path / "x.wav", start_seconds=1.0, stop_seconds=1.00001)


@pytest.fixture
def sites(tmp_path, monkeypatch):
    """Two folders with a recording of the same name, and a model that has learned nothing."""
    monkeypatch.chdir(tmp_path)
    for seed, site in enumerate(("site_a", "site_b")):
        Path(site).mkdir()
        soundfile.write(f"{site}/0600.wav", noise(2, seed=seed), 8000)
    small_classifier().save("m.npz")
    return tmp_path


@pytest.mark.parametrize("options", [[], ["--resume"]])
def test_results_of_another_recording_are_not_replaced(sites, options, capsys):
    def classify(folder, code=0):
        assert run_with_code(capsys, "classify", folder, "-m", "m.npz", "--csv", "--out", "found", *options) == code

    classify("site_a")
    before = Path("found/0600.wav.csv").read_text()
    classify("site_b", code=4)
    assert "has a result of another recording of this name; give another folder" in Path("found/errors.csv").read_text()
    assert Path("found/0600.wav.csv").read_text() == before
    soundfile.write("site_a/0600.wav", noise(1), 8000)
    classify("site_a")
    changed = Path("found/0600.wav.csv").read_text()
    assert changed != before
    Path("site_a").rename("moved")
    classify("moved")
    assert Path("found/0600.wav.csv").read_text() == changed.replace("site_a", "site_a" if options else "moved")
    Path("found/0600.wav.csv").unlink()
    classify("site_b")
    assert "site_b" in Path("found/0600.wav.csv").read_text()


def test_names_of_results_do_not_depend_on_the_other_matches_of_a_pattern(sites, capsys):
    Path("site_b/0600.wav").rename("b.wav")
    command = ["classify", "site_*/**/*.wav", "-m", "m.npz", "--csv", "--out", "found", "--resume"]
    output_of(capsys, *command)
    Path("b.wav").rename("site_b/b.wav")
    output_of(capsys, *command)
    found = [str(path) for path in sorted(Path("found").rglob("*.wav.csv"))]
    assert found == ["found/site_a/0600.wav.csv", "found/site_b/b.wav.csv"]


def test_recordings_of_equal_sizes_and_times_are_distinguished(sites, capsys):
    for path in Path().glob("site_*/*.wav"):
        os.utime(path, ns=(10**18, 10**18))
    command = ["-m", "m.npz", "--out", "found"]
    assert run_with_code(capsys, "classify", "site_a", *command, "--csv", "--resume") == 0
    for options in (["--csv"], ["--csv", "--resume"], ["--json"]):
        assert run_with_code(capsys, "classify", "site_b", *command, *options) == 4
    assert run_with_code(capsys, "classify", "site_a", *command, "--json") == 0
    assert "site_b" not in "".join(path.read_text() for path in Path("found").glob("0600*"))
    for _ in range(3):
        output_of(capsys, "classify", "site_a", *command, "--csv")
    assert len(Path("found/.quatnet-done").read_text().splitlines()) == 3


def test_a_recording_that_cannot_be_opened_fails_alone(sites, capsys, monkeypatch):
    original = Path.open

    def open_(self, *arguments, **options):
        if self.name == "locked.wav":
            raise PermissionError(13, "Permission denied")
        return original(self, *arguments, **options)

    Path("site_a/locked.wav").write_bytes(Path("site_a/0600.wav").read_bytes())
    monkeypatch.setattr(Path, "open", open_)
    assert run_with_code(capsys, "classify", "site_a", "-m", "m.npz", "--csv", "--out", "found") == 3
    assert "Permission denied" in Path("found/errors.csv").read_text()
    assert Path("found/0600.wav.csv").exists()


def test_list_in_utf16(sites, capsys):
    Path("list.txt").write_text("site_a/*.wav\n", encoding="utf-16")
    assert run_with_code(capsys, "classify", "@list.txt", "-m", "m.npz", "--csv", "--out", "found") == 4
    assert "not a list in UTF-8; save it as UTF-8" in Path("found/errors.csv").read_text()


@pytest.mark.skipif(os.name == "nt", reason="no locks of folders")
def test_two_runs_with_one_output_folder(sites, capsys):
    Path("found").mkdir()
    with locked(Path("found")):
        assert "another process writes into found" in error_of(
            capsys, "classify", "site_a", "-m", "m.npz", "--csv", "--out", "found"
        )


def test_only_the_selected_channel_is_checked(sites, capsys):
    good, bad = noise(1), np.full(8000, np.nan, np.float32)
    soundfile.write("x.wav", np.stack([good, bad, np.ones(8000)], axis=1), 8000, subtype="FLOAT")
    assert run_with_code(capsys, "classify", "x.wav", "-m", "m.npz", "--channel", "1") == 4
    _, err = output_of(capsys, "classify", "x.wav", "-m", "m.npz", "--channel", "0")
    assert err == ""
    _, err = output_of(capsys, "classify", "x.wav", "-m", "m.npz", "--channel", "2")
    assert "100.0% of the samples are clipped" in err


def test_samples_above_full_scale_are_not_clipped(sites, capsys):
    soundfile.write("x.wav", 3 * noise(1) / np.abs(noise(1)).max(), 8000, subtype="FLOAT")
    assert output_of(capsys, "classify", "x.wav", "-m", "m.npz")[1] == ""


def test_names_that_are_no_utf8(sites, capsys):
    path = os.fsdecode(b"caf\xe9.wav")
    try:
        Path("site_a/0600.wav").rename(path)
    except OSError:
        pytest.skip("the file system has only names in UTF-8")
    Path("list.txt").write_bytes(os.fsencode(path))
    output_of(capsys, "classify", "@list.txt", "-m", "m.npz", "--hop", "1", "--format", "jsonl", "--out", "found")
    (result,) = Path("found").glob("*.jsonl")
    assert json.loads(result.read_text(encoding="utf-8").splitlines()[0])["path"] == path


def test_clips_of_half_a_window_are_refused_when_the_front_end_is_made():
    for samples in (511.6, 512.4):
        with pytest.raises(ConfigError, match="must be longer than half a window"):
            audio.FrontEnd(clip_seconds=samples / 32000)
    frontend = audio.FrontEnd(clip_seconds=512.6 / 32000)
    assert np.isfinite(frontend(noise(0.1, 32000), 32000)).all()


@pytest.mark.skipif(os.name == "nt", reason="no pipes")
def test_pipes_are_named(sites, capsys):
    os.mkfifo("x.wav")
    code = run_with_code(capsys, "classify", "x.wav", "-m", "m.npz", "--csv", "--out", "found")
    assert code == 4
    assert "this is a folder, a pipe or a device; save the recording as a file" in Path("found/errors.csv").read_text()


@pytest.mark.parametrize("metadata", [{"epoch": 3}, {1: "a"}])
def test_metadata_of_safetensors_are_text(metadata, tmp_path):
    pytest.importorskip("safetensors")
    with pytest.raises(CheckpointError, match="expected text as names and values of the metadata"):
        write_safetensors(tmp_path / "x.safetensors", {"x": np.zeros(2)}, metadata)
    assert not list(tmp_path.iterdir())


def run_with_code(capsys, *arguments):
    """Return the exit code of a command."""
    try:
        output_of(capsys, *arguments)
    except SystemExit as error:
        return error.code
    return 0


# Commands on models that were trained before


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.npz"
    small_classifier(classes=["high", "low"]).save(path)
    return path


def test_frozen_model_is_not_pruned(model, sounds, tmp_path, capsys):  # noqa: F811
    classifier = Classifier.load(model)
    with freeze_backbone(classifier.network):
        classifier.save(model, overwrite=True)
    out = ["--out", tmp_path / "small.npz", "--epochs", "1"]
    assert "parameters are frozen" in error_of(capsys, "prune", model, "--data", sounds, *out)
    assert not (tmp_path / "small.npz").exists()
    output_of(capsys, "distill", model, "--data", sounds, *out)
    assert Classifier.load(tmp_path / "small.npz").classes == ("high", "low")


def test_smaller_model_does_not_replace_its_model(model, sounds, capsys):  # noqa: F811
    before = model.read_bytes()
    line = error_of(capsys, "prune", model, "--data", sounds, "--out", model, "--overwrite")
    assert "expected another file than MODEL" in line
    assert model.read_bytes() == before


def test_background_classes_that_the_recordings_do_not_have(sounds, tmp_path):  # noqa: F811
    base = small_classifier(classes=["high", "owl"], background=["owl"])
    split = load_split(folder.load(sounds), 1, base.frontend, cache=tmp_path / "features")
    classifier, _ = train_classifier(base.network, split, tmp_path / "new.npz", epochs=1, base=base)
    assert list(classifier.background) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("thresholds", {"lo": 0.3}),
        ("thresholds", {"low": 2}),
        ("temperature", 0),
        ("padding", "x"),
        ("background", "cat"),
        ("classes", ["high"]),
        ("classes", "ab"),
    ],
)
def test_invalid_settings_are_not_saved(name, value, model):
    classifier, before = Classifier.load(model), model.read_bytes()
    setattr(classifier, name, value)
    with pytest.raises(ConfigError):
        classifier.save(model, overwrite=True)
    assert model.read_bytes() == before


def test_numpy_numbers_as_thresholds(model):
    classifier = Classifier.load(model)
    classifier.thresholds = {"low": np.float32(0.25)}
    classifier.save(model, overwrite=True)
    assert Classifier.load(model).thresholds == {"low": 0.25}
    classifier.thresholds = classifier.background = None
    classifier.save(model, overwrite=True)
    assert Classifier.load(model).thresholds == {}


def test_strict_evaluation_of_samples_that_cannot_be_read(model, tmp_path, capsys):
    write_sounds(tmp_path / "audio", clips=2)
    x = soundfile.read(tmp_path / "audio/low/a.wav", dtype="float32")[0]
    x[5] = np.nan
    soundfile.write(tmp_path / "audio/low/a.wav", x, 8000, subtype="FLOAT")
    assert "a.wav" in error_of(capsys, "evaluate", model, tmp_path / "audio", "--strict")


def test_evaluation_does_not_replace_the_results_of_a_training(model, sounds, capsys):  # noqa: F811
    line = error_of(capsys, "evaluate", model, sounds, "--report", model.parent)
    assert "has the results of a training" in line


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--fold", "1"], "recordings were added, which changes the folds, or the clips are copies"),
        (["--fold", "2"], "fold 1 of sounds (--fold)"),
        ([], "(--fold)"),
    ],
)
def test_warning_of_training_clips_names_the_reason(options, text, sounds, tmp_path, capsys):  # noqa: F811
    digests = clip_digests(folder.load(sounds).clips)
    metadata = {"fold": 1, "data": "sounds", "training_digests": digests}
    small_classifier(classes=["high", "low"], metadata=metadata).save(tmp_path / "model.npz")
    _, err = output_of(capsys, "evaluate", tmp_path / "model.npz", sounds, *options)
    assert text in err


def test_class_without_clips_has_no_average_precision(tmp_path, capsys):
    (tmp_path / "audio/low").mkdir(parents=True)
    soundfile.write(tmp_path / "audio/low/a.wav", noise(1), 8000)
    classifier = small_classifier(classes=["high", "low"])
    bias = classifier.network.state_dict()
    name = [key for key in bias if key.endswith("bias")][-1]
    bias[name] = np.array([100, 0], bias[name].dtype)
    classifier.network.load_state_dict(bias)
    classifier.save(tmp_path / "model.npz")
    report = tmp_path / "report"
    out, _ = output_of(capsys, "evaluate", tmp_path / "model.npz", tmp_path / "audio", "--report", report)
    assert out.splitlines()[1].split() == ["high", "0", "0.0%", "0.0%", "0.0%", "-"]
    assert (report / "classes.csv").read_text().splitlines()[1].endswith(",")


def test_windows_of_annotations_have_the_length_of_their_labels(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for number in range(66):
        seconds, text = (10.0, "0\t5\tbird\n5\t10\tcat\n") if number < 3 else (2.0, "")
        write_tone(tmp_path / f"{number:02}.wav", 400, seconds, rng)
        (tmp_path / f"{number:02}.txt").write_text(text)
    out, _ = output_of(capsys, "train", "--annotations", tmp_path, "--dry-run")
    assert "events in windows of 5 s" in out
    assert "windows of 5 s, 8000 Hz" in out


# Lists of recordings, labels and formats


@pytest.mark.parametrize("name", [r"\\nas\rec\a.wav", r"Z:\rec\a.wav", "/mnt/rec/a.wav"])
def test_events_of_recordings_of_another_computer(name, tmp_path):
    (tmp_path / "a.wav.csv").write_text(f"path,start_s,end_s,label\n{name},0,1,dog\n")
    (tmp_path / "b.txt").write_text("0\t1\tdog\n\\\t100.0\t200.0\n")
    for table in ("a.wav.csv", "b.txt"):
        assert [event.label for event in annotations.read_events(tmp_path / table)] == ["dog"]


def test_complete_paths_of_recordings_with_equal_names(model, tmp_path, capsys):
    for site in ("s1", "s2"):
        write_tone(tmp_path / "days" / site / "a.wav", 400, 5.3, np.random.default_rng(0))
    options = ["--threshold", "0", "--format", "raven", "--out", tmp_path / "found"]
    output_of(capsys, "classify", tmp_path / "days/s1", "-m", model, *options)
    data = annotations.load(tmp_path / "found", audio=tmp_path / "days", folds=1)
    assert {clip.name.split(" ")[0] for clip in data.clips} == {"s1/a.wav"}


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32", "NMS_ADPCM_16"])
def test_part_of_a_file_without_seek(subtype, tmp_path):
    if subtype not in soundfile.available_subtypes("WAV"):
        pytest.skip(f"libsndfile does not write {subtype}")
    path = tmp_path / "x.wav"
    soundfile.write(path, noise(3), 8000, subtype=subtype)
    whole, part = audio.read(path)[0], audio.read(path, start_seconds=1, stop_seconds=2)[0]
    np.testing.assert_array_equal(part, whole[8000:16000])


def test_empty_list_of_recordings(model, tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(SystemExit) as exit_info:
        main(["classify", f"@{tmp_path}/empty.txt", "-m", str(model)])
    assert exit_info.value.code == 4
    assert "the list is empty" in capsys.readouterr().err


def test_names_of_metadata_have_one_line(tmp_path, capsys):
    small_classifier(metadata={"x\x1b[31m\nlicense": "v"}).save(tmp_path / "model.npz")
    out, _ = output_of(capsys, "info", tmp_path / "model.npz")
    assert "\x1b" not in out
    assert not any(line.startswith("license") for line in out.splitlines())


@pytest.mark.parametrize("form", ["audacity", "raven"])
def test_label_files_of_several_recordings_need_a_folder(form, model, sounds, capsys):  # noqa: F811
    line = error_of(capsys, "classify", sounds, "-m", model, "--threshold", "0.5", "--format", form)
    assert "expected a folder --out" in line


# Copies, and recordings without scale


def test_warning_of_test_clips_with_the_samples_of_training_clips(sounds, tmp_path, capsys):  # noqa: F811
    for path in sounds.rglob("*.wav"):
        copy = tmp_path / "copies" / path.relative_to(sounds)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        samples, rate_hz = soundfile.read(path, dtype="int16")
        soundfile.write(copy.with_name(f"converted_{path.stem}x.flac"), samples, rate_hz)
    _, err = output_of(capsys, "train", tmp_path / "copies", "--out", tmp_path / "run", "--epochs", "1")
    assert "test clips have the samples of training clips, so the results are too good" in err
    _, err = output_of(capsys, "train", sounds, "--out", tmp_path / "run2", "--epochs", "1")
    assert "training clips" not in err


@pytest.mark.parametrize("peak", [245, 882, 32767])
def test_samples_of_integers_without_scale(peak):
    with pytest.raises(DataError, match="divide the samples by their full scale"):
        small_classifier().predict(noise(1) / abs(noise(1)).max() * np.float32(peak), 8000)


@pytest.mark.parametrize("function", ["predict", "embed"])
def test_sample_rate_is_named(function):
    with pytest.raises(ConfigError, match="sample_rate_hz must be an integer"):
        getattr(small_classifier(), function)(noise(1), 8000.0)


def test_folder_of_recordings_as_a_second_argument(model, sounds, tmp_path, capsys):  # noqa: F811
    for name, data in {"a": [sounds], "b": ["--data", sounds]}.items():
        output_of(capsys, "distill", model, *data, "--out", tmp_path / f"{name}.npz", "--epochs", "1")
    arrays = [Classifier.load(tmp_path / f"{name}.npz").network.state_dict() for name in "ab"]
    assert all((arrays[0][key] == arrays[1][key]).all() for key in arrays[0])


def test_evaluation_names_the_model_and_the_fold(model, sounds, tmp_path, capsys):  # noqa: F811
    output_of(capsys, "evaluate", model, sounds, "--fold", "2", "--report", tmp_path / "report")
    report = json.loads((tmp_path / "report/results.json").read_text())
    assert (report["model"], report["fold"], report["skipped"], report["clips"]) == (str(model), 2, 0, 2)
    assert report.keys() >= {"accuracy", "command", "versions"}


def test_network_that_reads_values_is_no_classifier():
    model = small_classifier()
    with pytest.raises(ConfigError, match="expected a constant"):
        Classifier(lambda x: model.network(x) * float(abs(x.data).mean()), model.frontend, model.classes)
