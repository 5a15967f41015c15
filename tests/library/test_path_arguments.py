"""Test that a path of a wrong type raises ConfigError, in every function with a path, and that nothing is written."""

import inspect
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.public_functions import public_functions
from support.small_models import FRONTEND, noise, small_classifier

import quatnet
from quatnet import audio, datasets, distill, files, graph, model_file, models, npz, plots, training, weights
from quatnet.audio.read import read_blocks
from quatnet.audio.stream import Stream
from quatnet.datasets import annotations, audioset, download, esc50, folder, gtzan, pack, ravdess, table
from quatnet.datasets.index import index_recordings
from quatnet.datasets.synthetic import toy_audioset
from quatnet.datasets.windows import windows
from quatnet.errors import ConfigError
from quatnet.training import checkpoint, recordings, report

RNG = np.random.default_rng(0)


class BytesPath(os.PathLike):
    def __fspath__(self) -> bytes:
        return b"x"


PATHS = [3, 1.5, None, b"x", ["x"], ("a", "b"), "", "a\0b", {}, np.array("x"), True, BytesPath()]
MODEL = small_classifier()
NETWORK = models.build(models.CNNConfig(2, False, ((2,),), embedding=4, mels=8), rng=RNG)
OPTIMIZER = quatnet.optim.SGD(NETWORK.parameters())
LOADER = training.DataLoader(np.zeros((2, 8, 8, 4), np.float32), np.eye(2))
SEGMENTS = audioset.Segments("eval", ("a",), [], np.zeros(0), np.zeros(0), np.zeros(1, int), np.zeros(0, int))
SHARDS = datasets.ShardFormat(sample_rate_hz=8000, clip_seconds=0.05, shard_clips=4)
CLIP = datasets.Clip("a", 0, 1, lambda: (noise(1), 8000), "a")
DATA = datasets.Dataset("two", ("a", "b"), (CLIP, replace(CLIP, name="b", label=1, fold=2, key="b")))
SPLIT = training.Split(DATA, 1, FRONTEND, None, None, np.eye(2), np.eye(2))
REPORT = {"network": {"name": "a"}, "classes": [], "mistakes": []}
ROW = {"name": "a", "history": [{"loss": 1.0, "test_accuracy": 0.5}], "accuracy": 0.5, "multiplications": 1}
INDEX = datasets.RecordingIndex(np.array([b""]), np.array([0]), ())
# module and function, parameter: call with a path
CALLS = {
    "quatnet.audio.read.read path": audio.read,
    "quatnet.audio.read.read_blocks path": lambda path: next(read_blocks(path)),
    "quatnet.audio.stream.Stream path": lambda path: Stream(path, 8000),
    "quatnet.classifier.Classifier.load path": lambda path: quatnet.Classifier.load(path),
    "quatnet.classifier.Classifier.predict_file path": MODEL.predict_file,
    "quatnet.classifier.Classifier.save path": MODEL.save,
    "quatnet.classifier.Classifier.stream path": MODEL.stream,
    "quatnet.classifier.Classifier.to_onnx path": MODEL.to_onnx,
    "quatnet.datasets.annotations.load annotations": annotations.load,
    "quatnet.datasets.annotations.load audio": lambda path: annotations.load(".", audio=path),
    "quatnet.datasets.annotations.read_events table": annotations.read_events,
    "quatnet.datasets.audioset.read_classes table": audioset.read_classes,
    "quatnet.datasets.audioset.read_segments classes": lambda path: audioset.read_segments("t.csv", path),
    "quatnet.datasets.audioset.read_segments table": lambda path: audioset.read_segments(path, "classes.csv"),
    "quatnet.datasets.download.download folder": download,
    "quatnet.datasets.esc50.load folder": esc50.load,
    "quatnet.datasets.features.features cache": lambda path: datasets.features([CLIP], FRONTEND, cache=path),
    "quatnet.datasets.folder.load folder": folder.load,
    "quatnet.datasets.gtzan.load folder": gtzan.load,
    "quatnet.datasets.index.index_recordings folder": index_recordings,
    "quatnet.datasets.pack.pack folder": lambda path: pack(SEGMENTS, INDEX, path, SHARDS),
    "quatnet.datasets.packed.PackedClips folder": lambda path: datasets.PackedClips(SEGMENTS, path, SHARDS),
    "quatnet.datasets.ravdess.load folder": ravdess.load,
    "quatnet.datasets.ravdess.parse_name path": ravdess.parse_name,
    "quatnet.datasets.synthetic.toy_audioset.write folder": toy_audioset.write,
    "quatnet.datasets.table.load audio": lambda path: table.load("table.csv", audio=path),
    "quatnet.datasets.table.load table": table.load,
    "quatnet.datasets.windows.windows cache": lambda path: windows([CLIP], FRONTEND, cache=path),
    "quatnet.distill.cached.read_cached_outputs path": distill.read_cached_outputs,
    "quatnet.files.atomic_write path": lambda path: files.atomic_write(path).__enter__(),
    "quatnet.files.write_csv path": lambda path: files.write_csv(path, []),
    "quatnet.files.write_json path": lambda path: files.write_json(path, 1),
    "quatnet.files.write_text path": lambda path: files.write_text(path, ""),
    "quatnet.graph.files.load path": graph.load,
    "quatnet.graph.files.save path": lambda path: graph.save(MODEL.network, path),
    "quatnet.graph.onnx.to_onnx path": lambda path: graph.to_onnx(MODEL.network, path),
    "quatnet.model_file.read_model path": lambda path: model_file.read_model(path, quatnet.Classifier, check=False),
    "quatnet.model_file.write_model path": lambda path: model_file.write_model(
        path, MODEL.network.graph, FRONTEND, {"metadata": {}}, overwrite=False, float16=False
    ),
    "quatnet.npz.read_npz path": npz.read_npz,
    "quatnet.npz.write_npz path": lambda path: npz.write_npz(path, {}),
    "quatnet.plots.accuracy_against_cost path": lambda path: plots.accuracy_against_cost([], path),
    "quatnet.plots.confusion path": lambda path: plots.confusion(np.eye(2), ["a", "b"], "a", path),
    "quatnet.plots.average_precision path": lambda path: plots.average_precision(np.eye(2)[0], "ab", "a", path),
    "quatnet.plots.pruning path": lambda path: plots.pruning([], path),
    "quatnet.plots.quaternion_input path": lambda path: plots.quaternion_input(
        np.zeros((FRONTEND.frames, 16, 4)), FRONTEND, "a", path
    ),
    "quatnet.plots.training_curves path": lambda path: plots.training_curves([ROW], path),
    "quatnet.training.checkpoint.load_model path": training.load_model,
    "quatnet.training.checkpoint.read path": checkpoint.read,
    "quatnet.training.checkpoint.write path": lambda path: checkpoint.write(path, NETWORK, {}),
    "quatnet.training.fit.fit checkpoint": lambda path: training.fit(NETWORK, LOADER, epochs=1, checkpoint=path),
    "quatnet.training.loop.Trainer path": lambda path: training.Trainer(
        NETWORK, LOADER, OPTIMIZER, epochs=1, steps_per_epoch=1, schedule=lambda step: 0.1, path=path
    ),
    "quatnet.training.recordings.check_files path": lambda path: recordings.check_files(
        path, resume=False, overwrite=False
    ),
    "quatnet.training.recordings.checkpoint_path path": recordings.checkpoint_path,
    "quatnet.training.recordings.load_split cache": lambda path: recordings.load_split(DATA, 1, FRONTEND, cache=path),
    "quatnet.training.recordings.train_classifier path": lambda path: training.train_classifier(NETWORK, SPLIT, path),
    "quatnet.training.report.write_report out": lambda path: training.write_report(path, REPORT),
    "quatnet.training.report.write_rows path": lambda path: report.write_rows(path, []),
    "quatnet.weights.names.load_network path": weights.load_network,
    "quatnet.weights.safetensors.read_safetensors path": weights.read_safetensors,
    "quatnet.weights.safetensors.write_safetensors path": lambda path: weights.write_safetensors(path, {}),
    "quatnet.weights.torch_file.read_torch path": weights.read_torch,
}
NEVER_OPENED = {"quatnet.checks.checked_path path", "quatnet.files.disk_errors path"}
MESSAGE_ONLY = {"quatnet.audio.read.mono_blocks path"}
OPTIONAL = {"Classifier.load path", "load audio", "fit checkpoint", "Trainer path"}
PACKAGES = {"plots": "matplotlib", "safetensors": "safetensors", "onnx": "onnx"}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: repr(path).split(" at 0x")[0])
@pytest.mark.parametrize("name", CALLS)
def test_path_of_a_wrong_type(name: str, path: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part, package in PACKAGES.items():
        if part in name:
            pytest.importorskip(package)
    if path is None and name.endswith(tuple(OPTIONAL)):
        return
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("path,label\na.wav,a\n")
    Path("classes.csv").write_text("index,mid,display_name\n0,/m/0,a\n")
    before = sorted(os.listdir())
    with pytest.raises(ConfigError, match="expected a path as a string, such as"):
        CALLS[name](path)
    assert sorted(os.listdir()) == before


def test_all_functions_with_a_path_are_tested() -> None:
    found = {
        f"{name} {key}"
        for name, function, _ in public_functions()
        for key, parameter in inspect.signature(function).parameters.items()
        if "PathLike" in str(parameter.annotation)
    }
    assert found - NEVER_OPENED - MESSAGE_ONLY == set(CALLS)
