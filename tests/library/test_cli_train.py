"""Commands `quatnet train`, `prune` and `distill` on tiny folders of synthesized tones."""

import csv
import functools
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import soundfile
from hypothesis import strategies as st

from quatnet import plots
from quatnet.audio import read
from quatnet.classifier import Classifier
from quatnet.cli.main import main
from quatnet.cli.recordings import match_classes
from quatnet.datasets import Clip, folder
from quatnet.datasets.windows import windows
from quatnet.errors import CheckpointError, ConfigError, DataError, MissingPackageError, TrainingStopped
from quatnet.graph import count
from quatnet.training import recordings, report
from quatnet.training.recipe import WindowLoader, default_epochs, network_config, train

RATE_HZ = 8000
TONES = {"high": 3000, "low": 400}


def write_tone(path: Path, hz: float, seconds: float, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(RATE_HZ * seconds)) / RATE_HZ
    tone = 0.3 * np.sin(2 * np.pi * hz * time) + 0.02 * rng.standard_normal(len(time))
    soundfile.write(path, tone.astype(np.float32), RATE_HZ)


def write_sounds(root: Path, tones: dict[str, int] = TONES, *, clips: int = 5) -> Path:
    rng = np.random.default_rng(0)
    for name, hz in tones.items():
        for number in range(clips):
            write_tone(root / name / f"{'abcdefghij'[number]}.wav", hz * rng.uniform(0.9, 1.1), 0.8, rng)
    return root


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sounds(tmp_path_factory.mktemp("data") / "sounds")


@pytest.fixture(scope="module")
def trained(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    main(["train", str(sounds), "--out", str(out), "--epochs", "2"])
    return out


def error_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return the line that a command prints to stderr when it fails with code 2."""
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    assert exit_info.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("quatnet")]
    assert len(lines) == 1
    return lines[0]


def test_training_writes_a_classifier_and_a_report(trained: Path, sounds: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names == {"model.npz", "results.json", "classes.csv", "mistakes.csv", "curves.png", "confusion.png"}
    model = Classifier.load(trained / "model.npz", check=True)
    assert model.classes == ("high", "low")
    assert model.metadata["training_clips"] == 8
    results = json.loads((trained / "results.json").read_text())
    assert results["data"] == {"name": str(sounds), "fold": 1, "train": 8, "test": 2}
    assert results["linear_baseline"] == 1.0
    assert len(results["network"]["history"]) == 2
    rows = list(csv.DictReader((trained / "classes.csv").open()))
    assert [row["class"] for row in rows] == ["high", "low"]


def test_the_file_of_the_model_gives_the_probabilities_of_the_report(trained: Path, sounds: Path) -> None:
    model, data = Classifier.load(trained / "model.npz"), folder.load(sounds)
    split = recordings.load_split(data, 1, model.frontend, cache=trained.parent / "features")
    expected = split.probabilities(model.network)
    found = [model.predict_file(sounds / clip.name) for clip in data.split(1)[1]]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_dry_run_writes_nothing(sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", str(sounds), "--out", str(tmp_path / "out"), "--dry-run"])
    assert not list(tmp_path.iterdir())
    printed = capsys.readouterr().out
    assert "2 classes: high (5), low (5)" in printed
    assert "windows of 1 s, 8000 Hz" in printed
    assert "154," in printed


@pytest.mark.parametrize("command", ["prune", "distill"])
def test_smaller_models(command: str, trained: Path, sounds: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.npz"
    main([command, str(trained / "model.npz"), "--data", str(sounds), "--epochs", "1", "--out", str(path)])
    before, after = Classifier.load(trained / "model.npz"), Classifier.load(path, check=True)
    assert (after.classes, after.frontend) == (before.classes, before.frontend)
    costs = [count(model.network.current_graph()) for model in (before, after)]
    if command == "prune":
        assert costs[1].multiplications_8 <= 0.5 * costs[0].multiplications_8
        assert costs[1].parameters <= 0.2 * costs[0].parameters


def test_a_table_with_several_labels_gives_sigmoids(sounds: Path, tmp_path: Path) -> None:
    lines = ["filename,labels,fold"]
    for name in "high", "low":
        both = ['"high,low"' if n == 0 else name for n in range(5)]
        lines += [f"{name}/{'abcde'[n]}.wav,{both[n]},{1 + n % 2}" for n in range(5)]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    out = tmp_path / "out"
    main(f"train --table {tmp_path}/labels.csv --audio {sounds} --epochs 1 --out {out}".split())
    model, results = Classifier.load(out / "model.npz"), json.loads((out / "results.json").read_text())
    assert model.multi_label
    assert results["metric"] == "mAP"
    assert not (out / "confusion.png").exists()


def test_annotations_of_long_recordings(tmp_path: Path) -> None:
    rng, days = np.random.default_rng(0), tmp_path / "days"
    days.mkdir()
    for name in "abcde":
        time = np.arange(10 * RATE_HZ) / RATE_HZ
        tone = np.where((time > 2) & (time < 4), 0.3 * np.sin(2 * np.pi * 900 * time), 0)
        soundfile.write(days / f"day {name}.wav", tone + 0.02 * rng.standard_normal(len(time)), RATE_HZ)
        (days / f"day {name}.txt").write_text("2.000000\t4.000000\tbird\n")
    out = tmp_path / "out"
    main(f"train --annotations {days} --epochs 1 --clip-seconds 1 --out {out}".split())
    model = Classifier.load(out / "model.npz")
    assert (model.classes, model.multi_label, model.frontend.clip_seconds) == (("bird",), True, 1.0)
    main(f"prune {out}/model.npz --annotations {days} --epochs 1 --out {tmp_path}/small.npz".split())
    assert Classifier.load(tmp_path / "small.npz").multi_label


MISTAKES = {
    "missing folder": ("{tmp}/missing", "missing"),
    "empty folder": ("{tmp}/empty", "empty"),
    "one class": ("{tmp}/one", "two classes"),
    "no data": ("", "expected a folder of class folders"),
    "two sources": ("{sounds} --table {tmp}/labels.csv", "give only one of DIR, --table, --annotations"),
    "unknown fold": ("{sounds} --fold 7", "no test fold 7"),
    "file as output": ("{sounds} --out {sounds}/low/a.wav", "cannot be written"),
    "finished model": ("{sounds} --out {trained}", "--overwrite"),
    "window of no length": (
        "{sounds} --clip-seconds 0 --dry-run",
        "--clip-seconds: expected a number of seconds above 0",
    ),
    "negative window": ("{sounds} --clip-seconds -1", "--clip-seconds"),
    "unreadable recording": ("{tmp}/broken --strict", "cannot be"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gives_one_line(
    mistake: str, sounds: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    write_sounds(tmp_path / "one", {"low": 400})
    (write_sounds(tmp_path / "broken") / "low" / "x.wav").write_bytes(b"RIFF")
    arguments, message = MISTAKES[mistake]
    values = {"tmp": tmp_path, "sounds": sounds, "trained": trained}
    out = [] if "--out" in arguments else ["--out", tmp_path / "out"]
    assert message in error_of(capsys, "train", *arguments.format(**values).split(), *out)
    assert not list(tmp_path.glob("out/*"))


def test_a_model_of_other_classes_is_refused(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_sounds(tmp_path / "other", {"cat": 500, "dog": 900})
    for command in "prune", "distill":
        arguments = [command, trained / "model.npz", "--data", other, "--out", tmp_path / "x.npz"]
        assert "expected recordings of the classes high, low" in error_of(capsys, *arguments)
    assert not (tmp_path / "x.npz").exists()


FRACTIONS = {
    **{f"{option} {value}": f"expected a fraction above 0 and at most 1, got {value}"
       for option in ("--multiplications", "--parameters") for value in ("0", "-1", "2", "nan", "half")},
    "--parameters 0.0001": "allow more",
}  # fmt: skip


@pytest.mark.parametrize("fractions", FRACTIONS)
def test_an_impossible_budget_is_refused(
    fractions: str, trained: Path, sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["prune", trained / "model.npz", "--data", sounds, "--out", tmp_path / "x.npz", *fractions.split()]
    assert FRACTIONS[fractions] in error_of(capsys, *arguments)


def test_a_model_without_write_permission_and_a_full_disk(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recordings, "TemporaryFile", no_space)
    assert "No space left" in error_of(capsys, "train", sounds, "--out", tmp_path / "out")
    monkeypatch.undo()
    monkeypatch.setattr("quatnet.training.checkpoint.write_npz", no_space)
    assert "No space left" in error_of(capsys, "train", sounds, "--out", tmp_path / "out", "--epochs", "1")
    assert not (tmp_path / "out" / "model.npz").exists()


def test_ctrl_c_keeps_the_checkpoint(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recordings, "accuracy", lambda *_: signal.raise_signal(signal.SIGINT) or 0.5)
    with pytest.raises(SystemExit) as exit_info:
        main(["train", str(sounds), "--out", str(tmp_path / "out"), "--epochs", "2"])
    assert exit_info.value.code == 130
    assert "a resumed run continues from there" in capsys.readouterr().err.splitlines()[-1]
    monkeypatch.undo()
    main(["train", str(sounds), "--out", str(tmp_path / "out"), "--epochs", "2", "--resume"])
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".npz", ".json", ".csv", ".png"}


def interrupt(command: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command that stops after its first epoch."""
    with monkeypatch.context() as patch:
        scores = iter([0.5] if command[0] == "distill" else [])  # of the teacher
        patch.setattr(
            recordings, "accuracy", lambda *_: next(scores, None) or signal.raise_signal(signal.SIGINT) or 0.5
        )
        with pytest.raises(SystemExit):
            main([*map(str, command), "--epochs", "2"])


@pytest.mark.parametrize("change", [["--batch-size", "9"], ["replaced"]])
def test_an_interrupted_training_is_not_resumed_with_other_inputs(
    change: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds = write_sounds(tmp_path / "sounds")
    command = ["train", sounds, "--out", tmp_path / "out"]
    interrupt(command, monkeypatch)
    capsys.readouterr()
    if change == ["replaced"]:
        (sounds / "high/a.wav").rename(sounds / "high/z.wav")
        change = []
    error = error_of(capsys, *command, "--epochs", "2", "--resume", *change)
    assert "comes from another run" in error
    assert not (tmp_path / "out/model.npz").exists()


def test_a_student_is_not_resumed_with_another_teacher(
    sounds: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(f"train {sounds} --seed 1 --epochs 1 --out {tmp_path}/other".split())
    command = ["distill", trained / "model.npz", "--data", sounds, "--out", tmp_path / "student.npz"]
    interrupt(command, monkeypatch)
    capsys.readouterr()
    command[1] = tmp_path / "other/model.npz"
    with pytest.raises(SystemExit):
        main([*map(str, command), "--epochs", "2", "--resume"])
    assert "comes from another run" in capsys.readouterr().err


def test_a_report_that_was_interrupted_is_written_by_resume(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, command = tmp_path / "out", ["train", str(sounds), "--out", str(tmp_path / "out"), "--epochs", "1"]

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("quatnet.cli.recordings.evaluate_test", interrupted)
        with pytest.raises(SystemExit):
            main(command)
    before = Classifier.load(out / "model.npz")
    assert not (out / "results.json").exists()
    main([*command, "--resume"])
    assert {path.suffix for path in out.iterdir()} == {".npz", ".json", ".csv", ".png"}
    for name, array in before.network.state_dict().items():
        np.testing.assert_array_equal(array, Classifier.load(out / "model.npz").network.state_dict()[name])


@pytest.mark.parametrize("command", ["train", "prune"])
def test_damaged_recordings_are_skipped(
    command: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds = write_sounds(tmp_path / "sounds", clips=6)
    soundfile.write(sounds / "high/f.wav", np.full(6400, np.nan, np.float32), RATE_HZ, subtype="FLOAT")
    arguments = [sounds] if command == "train" else [trained / "model.npz", "--data", sounds]
    options = ["--out", tmp_path / "out.npz", "--epochs", "1"]
    assert "f.wav" in error_of(capsys, command, *arguments, *options, "--strict")
    out, err = output_of(capsys, command, *arguments, *options)
    assert "Skipped 1 of 12 recordings, which cannot be read (high/f.wav)" in out
    assert err.count("expected finite samples") == 1


def test_classes_in_another_order_and_spelling(
    trained: Path, sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Classifier.load(trained / "model.npz")
    names = {"high": "a tone", "low": "Low"}
    reordered = Classifier(
        model.network, model.frontend, ["a tone", "Low"], metadata=model.metadata
    )  # sorted: Low first
    reordered.save(tmp_path / "model.npz")
    rows = [
        f"{path.relative_to(sounds)},{names[path.parent.name].replace(' ', '_')}"
        for path in sorted(sounds.glob("*/*.wav"))
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["filename,label", *rows]))
    table = ["--table", tmp_path / "labels.csv", "--audio", sounds]
    expected, _ = output_of(capsys, "evaluate", trained / "model.npz", sounds)
    out, _ = output_of(capsys, "evaluate", tmp_path / "model.npz", *table)
    assert re.search("accuracy.*", out)[0] == re.search("accuracy.*", expected)[0]
    out, _ = output_of(
        capsys, "distill", tmp_path / "model.npz", *table, "--epochs", "1", "--out", tmp_path / "student.npz"
    )
    assert Classifier.load(tmp_path / "student.npz").classes == ("a tone", "Low")
    before, _ = output_of(
        capsys, "prune", trained / "model.npz", "--data", sounds, "--epochs", "1", "--out", tmp_path / "a.npz"
    )
    after, _ = output_of(capsys, "prune", tmp_path / "model.npz", *table, "--epochs", "1", "--out", tmp_path / "b.npz")
    line = "before pruning .*"
    assert re.search(line, before)[0] == re.search(line, after)[0]


@pytest.mark.parametrize("name", ["new\nline", "not-utf8-\udcff", 'quote"comma,'])
def test_file_names_in_the_report(name: str, tmp_path: Path) -> None:
    row = {"clip": name, "true": "a", "predicted": "b", "confidence": 0.5}
    report.write_rows(tmp_path / "mistakes.csv", [row])
    with (tmp_path / "mistakes.csv").open(newline="", errors="surrogateescape") as file:
        assert next(csv.DictReader(file))["clip"] == name
    network = {"name": "n", "accuracy": 0.5, "parameters": 1, "multiplications_8": 1}
    results = {"metric": "accuracy", "linear_baseline": 0.5, "most_frequent_class": 0.5, "summary": "s"}
    text = report.format_report({**results, "network": network, "mistakes": [row]})
    assert len(text.splitlines()) == 9
    text.encode()


def test_a_class_without_test_clips_is_refused(tmp_path: Path) -> None:
    for part, names in {"train": ("high", "low"), "test": ("high",)}.items():
        write_sounds(tmp_path / part, {name: TONES[name] * (1 + len(part)) // 6 for name in names})
    data = folder.load(tmp_path)
    with pytest.raises(DataError, match="no clips of low in fold 1"):
        recordings.load_split(data, 1, recordings.default_frontend(data.clips, 1.0), cache=tmp_path / "features")


def split_of(sounds: Path, cache: Path) -> recordings.Split:
    data = folder.load(sounds)
    return recordings.load_split(data, 1, recordings.default_frontend(data.clips, 1.0), cache=cache)


def new_network(seed: int = 0):
    from quatnet.models import build, small_cnn

    return build(small_cnn(2, width=4), rng=np.random.default_rng(seed))


def test_an_interrupted_training_continues_with_the_same_result(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, options = split_of(sounds, tmp_path / "features"), {"epochs": 3, "seed": 1}
    whole, _ = recordings.train_classifier(new_network(), split, tmp_path / "whole.npz", **options)
    path, calls = tmp_path / "resumed.npz", []

    def stop(*_: object) -> float:
        calls.append(1)
        if len(calls) == 2:
            raise TrainingStopped("stopped")
        return 0.5

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "accuracy", stop)
        with pytest.raises(TrainingStopped):
            recordings.train_classifier(new_network(), split, path, **options)
    with pytest.raises(CheckpointError, match="--resume"):
        recordings.train_classifier(new_network(), split, path, **options)
    resumed, _ = recordings.train_classifier(new_network(), split, path, resume=True, **options)
    for name, array in whole.network.state_dict().items():
        np.testing.assert_array_equal(array, resumed.network.state_dict()[name])
    assert {path.name for path in tmp_path.glob("*.*")} == {"whole.npz", "resumed.npz"}


def test_a_finished_model_is_kept_until_the_new_one_is_written(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, path = split_of(sounds, tmp_path / "features"), tmp_path / "model.npz"
    recordings.train_classifier(new_network(), split, path, epochs=1)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="--overwrite"):
        recordings.train_classifier(new_network(1), split, path, epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(recordings, "accuracy", lambda *_: float("nan"))
        with pytest.raises(ArithmeticError):
            recordings.train_classifier(new_network(1), split, path, epochs=1, overwrite=True)
    assert path.read_bytes() == before
    recordings.train_classifier(new_network(1), split, path, epochs=1, overwrite=True)
    assert path.read_bytes() != before


@pytest.mark.parametrize("name", ["model.npz", "model", "model.checkpoint", "model.npz.checkpoint"])
def test_the_checkpoint_is_not_the_model(name: str, sounds: Path, tmp_path: Path) -> None:
    split = split_of(sounds, tmp_path / "features")
    recordings.train_classifier(new_network(), split, tmp_path / "out" / name, epochs=1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_windows_of_long_and_short_clips(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, seconds in {"a/long.wav": 2.5, "a/exact.wav": 1.0, "b/short.wav": 0.4, "b/other.wav": 0.4}.items():
        write_tone(tmp_path / name, 440, seconds, rng)
    data = folder.load(tmp_path, folds=1)
    frontend = recordings.default_frontend(data.clips, 1.0)
    whole = windows(data.clips, frontend, cache=tmp_path / "cache")
    counts = {clip.name: count for clip, count in zip(data.clips, whole.counts, strict=True)}
    assert counts == {"a/long.wav": 3, "a/exact.wav": 1, "b/short.wav": 1, "b/other.wav": 1}
    waveform, rate = soundfile.read(tmp_path / "a/long.wav", dtype="float32")
    first = int(whole.starts[[clip.name for clip in data.clips].index("a/long.wav")])
    for number, start in enumerate((0, 8000, 12000)):
        np.testing.assert_allclose(
            whole.features[first + number], frontend(waveform[start : start + 8000], rate), atol=1e-3
        )
    half = windows(data.clips, frontend, cache=tmp_path / "cache", overlap=0.5)
    assert sum(half.counts) == 4 + 3
    values = np.arange(len(whole.features), dtype=float)
    assert whole.mean(values)[list(counts).index("a/long.wav")] == first + 1


def test_an_epoch_has_one_window_of_each_clip(tmp_path: Path) -> None:
    write_tone(tmp_path / "a/long.wav", 440, 5.0, np.random.default_rng(0))
    write_tone(tmp_path / "b/short.wav", 440, 0.5, np.random.default_rng(0))
    data = folder.load(tmp_path, folds=1)
    part = windows(data.clips, recordings.default_frontend(data.clips, 1.0), cache=tmp_path / "cache", overlap=0.5)
    loader = WindowLoader(part, data.targets, batch_size=2)
    drawn = [loader.batch_indices(np.random.default_rng(seed))[0] for seed in range(40)]
    assert {len(indices) for indices in drawn} == {2}
    assert len(loader) == 1
    targets = loader.targets[np.array(drawn)]
    assert (targets.sum(axis=1) == 1).all()
    assert set(np.concatenate(drawn).tolist()) == set(range(sum(part.counts)))


def test_default_settings() -> None:
    assert default_epochs(320) == 250
    assert default_epochs(1140) == 70
    assert default_epochs(10_000) == 40
    assert network_config(3, size="large").widths[0] == (40,)
    with pytest.raises(ValueError, match="small, medium, large"):
        network_config(3, size="huge")


@pytest.mark.parametrize("rate", [4000, 8000, 16000, 22050, 44100, 96000])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0, 10.0])
def test_the_default_front_end_fits_the_network(rate: int, seconds: float) -> None:
    clips = [Clip("a.wav", 0, 1, lambda: (np.zeros(1), rate), "a", rate_hz=rate)]
    frontend = recordings.default_frontend(clips, seconds)
    assert frontend.sample_rate_hz == min(rate, 32000)
    assert 64 <= frontend.frames <= 260
    assert (frontend.filterbank().sum(axis=0) > 0).all()


@pytest.mark.parametrize(
    ("rate", "settings"),
    [(16000, (16000, 512, 160)), (22050, (22050, 706, 220))] + [(r, (32000, 1024, 320)) for r in (32000, 44100, 48000)],
)
def test_the_front_end_of_usual_rates(rate: int, settings: tuple[int, int, int]) -> None:
    frontend = default_frontend_of(rate, 1.0)
    assert (frontend.sample_rate_hz, frontend.window, frontend.hop) == settings
    assert (frontend.mels, frontend.low_hz, frontend.high_hz, frontend.floor_db) == (64, 50, settings[0] * 7 / 16, -60)


@hypothesis.given(rate=st.integers(1000, 50_000), seconds=st.floats(0.05, 10))
def test_the_front_end_of_any_rate_and_clip_length_fits_the_network(rate: int, seconds: float) -> None:
    frontend = default_frontend_of(rate, seconds)
    for size in ("small", "large"):
        assert network_config(2, size=size).layers(frames=frontend.frames)


def test_a_clip_without_frames_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be longer than half a window"):
        default_frontend_of(8000, 0.01)


def default_frontend_of(rate: int, seconds: float):
    return recordings.default_frontend([Clip("a", 0, 1, lambda: (np.zeros(1), rate), "a", rate_hz=rate)], seconds)


@pytest.mark.parametrize(("rate", "seconds"), [(1000, 0.5), (2000, 0.5), (11025, 0.5), (8000, 0.05)])
def test_training_at_unusual_rates_and_on_short_windows(rate: int, seconds: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(10):
        path = tmp_path / "sounds" / "ab"[number % 2] / f"{'abcdefghij'[number]}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.uniform(-0.5, 0.5, int(rate * 0.5)), rate)
    options = ["--out", str(tmp_path / "out"), "--epochs", "1", "--clip-seconds", str(seconds)]
    main(["train", str(tmp_path / "sounds"), *options])
    assert (tmp_path / "out" / "model.npz").exists()


@pytest.mark.parametrize("part", [{}, {"start_seconds": 0.1, "stop_seconds": 0.6}])
def test_digests_of_long_clips(sounds: Path, part: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip("a", 0, 1, functools.partial(read, sounds / "high" / "a.wav", **part), "a")
    samples = clip.source()[0]
    monkeypatch.setattr(sys.modules["quatnet.audio.read"], "MAX_SAMPLES", 1000)
    monkeypatch.setattr(sys.modules["quatnet.audio.read"], "BLOCK_VALUES", 300)
    with pytest.raises(DataError, match="more than 1000 samples"):
        clip.source()
    synthesized = Clip("a", 0, 1, lambda: (samples, RATE_HZ), "a")
    expected = hashlib.sha256(samples.tobytes()).hexdigest()[:12]
    assert recordings.clip_digests([clip, synthesized]) == [expected] * 2


def test_report_of_one_label_per_clip() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    targets = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    rows = report.class_rows(probabilities, targets, ("a", "b"), multi_label=False)
    assert [row["clips"] for row in rows] == [1, 2]
    assert [row["precision"] for row in rows] == [0.5, 1.0]
    assert [row["recall"] for row in rows] == [1.0, 0.5]
    wrong = report.mistakes(probabilities, targets, ("x", "y", "z"), ("a", "b"), multi_label=False)
    assert wrong == [{"clip": "y", "true": "b", "predicted": "a", "confidence": 0.8}]


def test_report_of_several_labels_per_clip() -> None:
    probabilities, targets = np.array([[0.9, 0.8], [0.4, 0.2]]), np.array([[1, 0], [1, 0]], np.float32)
    wrong = report.mistakes(probabilities, targets, ("x", "y"), ("a", "b"), multi_label=True)
    assert [(row["clip"], row["true"], row["predicted"]) for row in wrong] == [
        ("x", "not b", "b"),
        ("y", "a", "not a"),
    ]


@pytest.mark.parametrize(
    ("score", "baseline", "disagreements", "text"),
    [
        (0.9, 0.7, (20, 4), "network is better than the linear baseline"),
        (0.72, 0.7, (10, 9), "is not significant"),
        (1.0, 0.9, (1, 0), "is not significant"),
        (0.5, 0.5, (0, 0), "is not significant"),
        (0.5, 0.9, (0, 32), "linear baseline is better"),
        (0.5, 0.9, None, "is -40.0 points; it is not tested"),
    ],
)
def test_the_summary_compares_with_the_uncertainty(score, baseline, disagreements, text) -> None:
    assert text in report.summarize_test(score, baseline, 0.1, 80, disagreements=disagreements)


def test_figures_without_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.ticker", None)
    for draw in (
        lambda path: plots.training_curves([], path),
        lambda path: plots.accuracy_against_cost([], path),
        lambda path: plots.confusion(np.eye(2), ["a", "b"], "network", path),
    ):
        with pytest.raises(MissingPackageError):
            draw(tmp_path / "figure.png")


def test_the_trained_weights_are_the_average(sounds: Path, tmp_path: Path) -> None:
    split = split_of(sounds, tmp_path / "features")
    states = []
    for decay in (0.0, 0.99):
        network = new_network()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("quatnet.training.recipe.AVERAGE_DECAY", decay)
            train(network, split.train, split.train_targets, epochs=3)
        states.append(network.state_dict()["classifier.weight"])
    assert not np.array_equal(*states)


@pytest.mark.skipif(os.environ.get("PMI_SIZE") is not None, reason="already under mpiexec")
def test_two_processes(sounds: Path, tmp_path: Path) -> None:
    pytest.importorskip("mpi4py")
    mpiexec = Path(sys.executable).with_name("mpiexec")
    if not mpiexec.exists():
        pytest.skip("no mpiexec in the folder of Python")
    command = [mpiexec, "-n", "2", sys.executable, "-m", "quatnet", "train", sounds, "--epochs", "1", "--out"]
    run = functools.partial(subprocess.run, capture_output=True, text=True, timeout=120)
    wrong = run([*map(str, command), str(sounds / "low" / "a.wav")])
    assert wrong.returncode != 0
    assert wrong.stderr.count("cannot be written") == 1
    result = run([*map(str, command), str(tmp_path / "out")])
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("wrote") == 1
    Classifier.load(tmp_path / "out" / "model.npz", check=True)


def test_the_example_gives_a_classifier_and_a_report(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "own_sounds.py"
    command = [sys.executable, str(example), "--smoke", "--epochs", "1", "--out", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr[-2000:]
    assert json.loads((tmp_path / "results.json").read_text())["summary"] in result.stdout
    assert len(Classifier.load(tmp_path / "model.npz").classes) == 10


def output_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    """Return what a command prints to stdout and to stderr."""
    capsys.readouterr()
    main([str(argument) for argument in arguments])
    return capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "warning"),
    [([], "8 of 10 clips are training clips"), (["--fold", "1"], ""), (["--fold", "2"], "2 of 2 clips are training")],
)
def test_evaluation_of_training_clips(
    options: list[str], warning: str, trained: Path, sounds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, err = output_of(capsys, "evaluate", trained / "model.npz", sounds, *options)
    assert warning in err
    assert bool(err) == bool(warning)


def test_training_clips_are_known_by_their_samples(
    trained: Path, sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{path.relative_to(sounds)},{path.parent.name}" for path in sorted(sounds.glob("*/*.wav"))]
    (tmp_path / "labels.csv").write_text("\n".join(["filename,label", *rows]))
    arguments = "--table", tmp_path / "labels.csv", "--audio", sounds
    assert "8 of 10 clips are training clips" in output_of(capsys, "evaluate", trained / "model.npz", *arguments)[1]
    assert "training_digests" not in output_of(capsys, "info", trained / "model.npz")[0]


@pytest.mark.parametrize("command", ["prune", "distill"])
def test_smaller_models_keep_the_fold_and_the_training_clips(
    command: str, sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sounds(tmp_path / "sounds")
    (tmp_path / "sounds/low/bad.wav").write_bytes(b"RIFF")
    main(f"train {sounds} --fold 2 --epochs 1 --out {tmp_path}/run".split())
    small = [command, tmp_path / "run/model.npz", "--data", sounds, "--epochs", "1", "--out"]
    out, err = output_of(capsys, *small, tmp_path / "small.npz")
    assert "(fold 2)" in out
    assert "training clips of the model" not in err
    assert "2 of 2 clips are training" in output_of(capsys, *small, tmp_path / "other.npz", "--fold", "1")[1]
    assert "10 of 10 clips are training" in output_of(capsys, "evaluate", tmp_path / "other.npz", sounds)[1]
    small[3] = tmp_path / "sounds"
    out, err = output_of(capsys, *small, tmp_path / "third.npz")
    assert "Skipped 1 of 11 recordings" in out
    lines = [line for line in out.splitlines() if "before pruning" in line or line.startswith("teacher")]
    assert len(lines) == 1
    if command == "distill":
        assert re.search("the teacher has (154,[0-9]+) parameters, the student \\1\n", out)
        assert "the student is not smaller than the teacher" in err
    else:
        assert re.search("pruned from 154,[0-9]+ to [0-9]{1,2},[0-9]+ parameters", out)


@pytest.mark.parametrize("command", ["train", "prune", "distill"])
def test_resuming_a_finished_model(
    command: str, trained: Path, sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained / "model.npz"
    before = model.read_bytes()
    arguments = [sounds, "--out", trained] if command == "train" else [model, "--data", sounds, "--out", model]
    assert "is finished" in output_of(capsys, command, *arguments, "--resume")[0]
    assert model.read_bytes() == before


@pytest.mark.parametrize("source", ["table", "annotations"])
def test_recordings_in_another_folder(
    source: str, sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.csv").write_text("filename,label\nx.wav,a\ny.wav,b\n")
    (tmp_path / "x.txt").write_text("1\t2\ta\n")
    path = {"table": tmp_path / "labels.csv", "annotations": tmp_path / "x.txt"}[source]
    error = error_of(capsys, "train", f"--{source}", path, "--audio", sounds, "--out", tmp_path / "out")
    count = {"table": 2, "annotations": 1}[source]
    assert f"{count} of {count} recordings were not found in the folder {sounds}" in error


def test_all_classes_that_differ_are_named(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"c{number}" for number in range(6)]
    other = write_sounds(tmp_path / "other", {name: 500 for name in names}, clips=3)
    error = error_of(capsys, "prune", trained / "model.npz", "--data", other, "--out", tmp_path / "x.npz")
    assert "c0, c1, c2 and 3 more" in error
    assert f"only the recordings have {', '.join(names)}" in error
    error = error_of(capsys, "evaluate", trained / "model.npz", other)
    assert f"{', '.join(names)} are not classes of the model, high, low" in error


@pytest.mark.parametrize("command", ["train", "classify", "prune"])
def test_help_has_the_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "exit codes: 0 success" in text
    assert ("above 0 and at most 1 (default: 0.5)" in text and "half of the smallest with 40" in text) == (
        command == "prune"
    )


def test_fold_zero_of_a_table(sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted(sounds.glob("*/*.wav"))
    rows = [f"{path.relative_to(sounds)},{path.parent.name},{number % 3}" for number, path in enumerate(paths)]
    (tmp_path / "labels.csv").write_text("\n".join(["filename,label,fold", *rows]))
    table = ["--table", tmp_path / "labels.csv", "--audio", sounds]
    out, _ = output_of(capsys, "train", *table, "--fold", "0", "--epochs", "1", "--out", tmp_path / "out")
    assert "6 training clips, 4 test clips (fold 0)" in out
    out, err = output_of(capsys, "evaluate", tmp_path / "out/model.npz", *table, "--fold", "0")
    assert "4 clips" in out
    assert not err
    small = output_of(capsys, "prune", tmp_path / "out/model.npz", *table, "--epochs", "1", "--out", tmp_path / "s.npz")
    assert "4 test clips (fold 0)" in small[0]


def test_evaluation_of_a_part_of_the_classes(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sounds = write_sounds(tmp_path / "sounds", {"high": 3000, "noise": 100})
    model = Classifier.load(trained / "model.npz")
    Classifier(model.network, model.frontend, model.classes, multi_label=True).save(tmp_path / "model.npz")
    out, err = output_of(capsys, "evaluate", tmp_path / "model.npz", sounds, "--fold", "1")
    assert "2 clips" in out
    assert not err


def test_classes_that_differ_by_an_underscore(trained: Path) -> None:
    model = Classifier.load(trained / "model.npz")
    model.classes = ("a_b", "a b", "c_d", "e")
    assert match_classes(model, ["a_b", "a b", "c d", "e\u0301", "A_B"]) == [0, 1, 2, -1, -1]


def test_damage_at_the_end_of_a_long_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sounds = write_sounds(tmp_path / "sounds", clips=6)
    samples = np.zeros(66 * RATE_HZ, np.float32)
    samples[64 * RATE_HZ] = np.nan
    soundfile.write(sounds / "high/f.wav", samples, RATE_HZ, subtype="FLOAT")
    out, _ = output_of(capsys, "train", sounds, "--out", tmp_path / "out", "--epochs", "1", "--clip-seconds", "1")
    assert "Skipped 1 of 12 recordings, which cannot be read (high/f.wav)" in out
