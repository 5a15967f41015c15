"""Tests of corner cases of trainings, data sets and their commands in which results were wrong without an error."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional

import numpy as np
import pytest
import soundfile
from support import python_path
from test_cli_train import error_of, output_of, sounds, trained  # noqa: F401 fixtures
from test_own_recordings import write, write_classes

from quatnet import Classifier, Tensor, audio, datasets, distill, graph, models, nn, ops, optim, training
from quatnet.autodiff import op
from quatnet.backend import asnumpy
from quatnet.datasets import annotations, folder, table
from quatnet.errors import CheckpointError, ConfigError, DataError
from quatnet.training.recordings import check_files, default_frontend

ROOT = Path(__file__).parents[2]


def network():
    return nn.Linear(3, 2, rng=np.random.default_rng(0))


@pytest.fixture
def loader(rng):
    return training.DataLoader(rng.standard_normal((8, 3)).astype(np.float32), datasets.one_hot(np.arange(8) % 2, 2))


def test_gradients_of_other_backward_passes_are_not_part_of_a_step(loader):
    nets = [network(), network()]
    x, targets = next(iter(loader(np.random.default_rng(0))))
    ops.cross_entropy(nets[1](x), targets).backward()

    def attack(model):
        ops.cross_entropy(model(x), targets).backward()
        return 0.0

    training.fit(nets[0], loader, epochs=2)
    training.fit(nets[1], loader, epochs=2, evaluate=attack)
    np.testing.assert_array_equal(nets[0].weight.numpy(), nets[1].weight.numpy())


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"max_lr": 1e-2}, "max_lr is 0.004 instead of 0.01"),
        ({"weight_decay": 0.0}, "'weight_decay': 0.05"),
        ({"optimizer": lambda net: optim.AdamW(net.parameters(), betas=(0.5, 0.9))}, "optimizer_settings is"),
        ({"optimizer": lambda net: optim.Adam(net.parameters(), weight_decay=0.05)}, "'class': 'AdamW'"),
        ({"metadata": {"data": "b"}}, "data is 'missing' instead of 'b'"),
    ],
)
def test_training_with_other_settings_is_not_resumed(options, difference, loader, tmp_path):
    common = {"epochs": 1, "checkpoint": tmp_path / "net.npz", "resume": True}
    training.fit(network(), loader, **common)
    net, options = network(), dict(options)
    if "optimizer" in options:
        options["optimizer"] = options["optimizer"](net)
    with pytest.raises(CheckpointError, match="comes from another run") as error:
        training.fit(net, loader, **common, **options)
    assert difference in str(error.value)
    assert "steps_per_epoch" not in str(error.value)


def test_features_of_a_front_end_with_small_values(tmp_path):
    clips = datasets.synthetic.load(clips_per_class=5, clip_seconds=0.2).clips[:2]
    found = []
    for factor in (1e-4, 5e-4):

        class Own(audio.FrontEnd):
            def components(self, power):
                energies = factor * (power @ self.filterbank())  # noqa: B023
                return np.repeat(energies[..., None], 4, axis=-1).astype(np.float32)

        Own.__qualname__ = Own.__name__ = "Own"
        frontend = Own(sample_rate_hz=8000, high_hz=4000.0, mels=16, clip_seconds=0.2)
        found.append(np.array(datasets.features(clips, frontend, cache=tmp_path)))
    np.testing.assert_allclose(found[1], 5 * found[0], rtol=1e-5)


def test_windows_have_no_logits_of_their_recording(tmp_path):
    np.savez(tmp_path / "c.npz", clip=np.array(["day", "1"]), logits=np.eye(2))
    cached = distill.read_cached_outputs(tmp_path / "c.npz")
    np.testing.assert_array_equal(cached.select(["site/day.WAV", "1.ogg"]), np.eye(2))
    for name in ("day.wav 0-5 s", "1.7"):
        with pytest.raises(DataError, match="no logits for 1 of 1 clips"):
            cached.select([name])


@pytest.mark.parametrize("start", [1.1, 0.07, 2.2])
def test_parts_start_at_the_nearest_sample(start, tmp_path):
    soundfile.write(tmp_path / "x.wav", np.arange(144_000) / 2**18, 48_000, subtype="PCM_24")
    part = audio.read(tmp_path / "x.wav", start_seconds=start)[0]
    assert round(part[0] * 2**18) == round(start * 48_000)


def test_unknown_parts_are_not_swapped_with_train():
    assert datasets.splits.fold_numbers(["train", "holdout", "train"]) == [2, 1, 2]
    assert datasets.splits.fold_numbers(["train", "b", "a", "val"]) == [4, 3, 2, 1]


def test_annotations_in_two_formats_are_refused(tmp_path):
    write(tmp_path / "day.wav", seconds=4.0)
    (tmp_path / "day.wav.audacity.txt").write_text("0\t1\tdog 0.9000\n")
    (tmp_path / "day.wav.raven.txt").write_text("Begin Time (s)\tEnd Time (s)\tLabel\n0\t1\tdog\n")
    with pytest.raises(DataError, match=r"day\.wav has annotations in two formats, .*; keep one of them"):
        annotations.load(tmp_path, folds=1)
    (tmp_path / "day.wav.raven.txt").unlink()
    (tmp_path / "day.Table.1.selections.txt").write_text("Begin Time (s)\tEnd Time (s)\tLabel\n2\t3\tcat\n")
    with pytest.raises(DataError, match="two formats"):
        annotations.load(tmp_path, folds=1)
    (tmp_path / "day.wav.audacity.txt").unlink()
    shutil.copy(tmp_path / "day.Table.1.selections.txt", tmp_path / "day.Table.2.selections.txt")
    assert "2 events" in annotations.load(tmp_path, folds=1).note


def test_rows_with_times_are_not_labels_of_whole_files(tmp_path):
    write_classes(tmp_path, "a", clips=5)
    rows = [f"{name}.wav,{start},{start + 1},{label}" for name in "abcde" for start, label in ((0, "x"), (3, "y"))]
    (tmp_path / "t.csv").write_text("\n".join(["filename,start_s,end_s,label", *rows]))
    for separator in (None, ";"):
        with pytest.raises(DataError, match=r"a\.wav has several rows with times; use --annotations"):
            table.load(tmp_path / "t.csv", label_separator=separator)
    (tmp_path / "t.csv").write_text("\n".join(["filename,start_s,end_s,label", *rows[::2]]))  # as UrbanSound8K
    assert len(table.load(tmp_path / "t.csv", folds=1).clips) == 5


def test_silent_clips_and_similar_classes_are_named(tmp_path):
    write_classes(tmp_path, "dog", "Dog", "cat")
    soundfile.write(tmp_path / "dog" / "a.wav", np.zeros(1600), 8000)
    data = folder.load(tmp_path)
    assert "Classes that differ in upper and lower case only: Dog, dog." in data.note
    assert "1 clips are silent (dog/a.wav)." in data.readable().note


def test_the_higher_of_two_frequent_sample_rates_is_used(tmp_path):
    paths = [write(tmp_path / f"{rate}-{n}.wav", rate_hz=rate) for rate in (8000, 22050) for n in range(2)]
    (tmp_path / "t.csv").write_text(
        "\n".join(["file,label", *(f"{path.name},{n % 2}" for n, path in enumerate(paths))])
    )
    clips = table.load(tmp_path / "t.csv", folds=1).clips
    assert default_frontend(clips, 0.2).sample_rate_hz == 22050
    assert default_frontend(clips[:3], 0.2).sample_rate_hz == 8000


def test_model_file_that_is_a_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"expected a model file to write, such as .*model\.npz, got the folder"):
        check_files(tmp_path, resume=False, overwrite=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--fold-column", "x", "--audio", "y"],
            "--audio, --fold-column: no option of class folders",
        ),
        (["--fold", 99], "has no test fold 99"),
    ],
)
def test_options_without_effect_are_refused(arguments, message, sounds, capsys):  # noqa: F811
    assert message in error_of(capsys, "train", sounds, "--dry-run", *arguments)


def test_clips_with_a_higher_sample_rate_are_counted(tmp_path, capsys):
    for name in ("cat", "dog"):
        for number, rate in enumerate((8000, 8000, 8000, 22050, 8000)):
            write(tmp_path / name / f"{'abcde'[number]}.wav", rate_hz=rate)
    out, _ = output_of(capsys, "train", tmp_path, "--dry-run")
    assert "frequencies above 3500 Hz are not used; 2 clips have a higher sample rate" in out


def test_macro_f1_has_all_classes_with_predictions(sounds, trained, tmp_path, capsys):  # noqa: F811
    for path in [*(sounds / "high").iterdir(), *(sounds / "low").glob("[ab].wav")]:
        (tmp_path / "data/high").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "data/high" / f"{path.parent.name}-{path.name}")
    output_of(capsys, "evaluate", trained / "model.npz", tmp_path / "data", "--report", tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out/classes.csv").open()))
    used = [float(row["f1"]) for row in rows if int(row["clips"]) or int(row["predictions"])]
    assert json.loads((tmp_path / "out/results.json").read_text())["macro_f1"] == pytest.approx(np.mean(used))
    assert sum(int(row["predictions"]) for row in rows) == 7


def test_records_of_parallel_runs_are_complete(tmp_path):
    program = (
        "import sys; from pathlib import Path; from records import save_run; from rows import Row\n"
        "for seed in range(10): save_run(Row('smoke', 'real-4'), {'fold': int(sys.argv[1]), 'seed': seed}, Path('.'))"
    )
    environment = {"PYTHONPATH": python_path(ROOT / "examples/reproduce", ROOT), "PATH": "/usr/bin:/bin"}
    runs = [
        subprocess.Popen([sys.executable, "-c", program, str(fold)], env=environment, cwd=tmp_path) for fold in range(3)
    ]
    assert [run.wait() for run in runs] == [0, 0, 0]
    (record,) = tmp_path.rglob("*.json")
    assert len(json.loads(record.read_text())["runs"]) == 30


def test_teacher_of_a_row_is_part_of_its_checkpoint(tmp_path):
    data = datasets.synthetic.load(clips_per_class=5)
    for name, shift in (("a", 0), ("b", 1)):
        logits = 8 * np.eye(10, dtype=np.float32)[(data.labels + shift) % 10]
        np.savez(tmp_path / f"{name}.npz", clip=np.array([clip.name for clip in data.clips]), logits=logits)
    command = [sys.executable, ROOT / "examples/reproduce", "smoke/quaternion-4/distil-strong", "--data", "x"]
    command += ["--out", tmp_path / "out", "--seed", "0", "--fold", "1", "--resume"]
    run = [
        subprocess.run(
            [*command, "--teacher", tmp_path / f"{name}.npz", "--records", tmp_path / name],
            capture_output=True,
            text=True,
        )
        for name in "ab"
    ]
    assert run[0].returncode == 0, run[0].stderr
    assert run[1].returncode
    assert "comes from another run: teacher is" in run[1].stderr


def test_learning_rate_and_options_of_the_optimizer(loader, tmp_path):
    class Own(optim.SGD):
        def __init__(self, parameters):
            super().__init__(parameters)
            self.limit, self.table = float("inf"), (np.ones(2),)

    net = network()
    training.fit(net, loader, epochs=1, max_lr=np.float32(1e-3), optimizer=Own(net.parameters()))
    with pytest.raises(ConfigError, match=r"expected metadata with max_lr = 0\.001, or without"):
        training.fit(net, loader, epochs=1, max_lr=1e-3, metadata={"max_lr": 1e-2})
    with pytest.raises(ConfigError, match="expected max_lr in"):
        training.fit(net, loader, epochs=1, max_lr=float("nan"))


class TwoLayers(nn.Module):
    def __init__(self, rng):
        self.embed, self.norm, self.out = nn.Linear(3, 4, rng=rng), nn.BatchNorm(4), nn.Linear(4, 2, rng=rng)

    def __call__(self, x, *, train=False, rng=None):
        return self.out(self.norm(self.embed(x), train=train))


def test_only_the_last_layer_of_a_traced_network_is_trained(rng):
    module = graph.GraphModule(graph.trace(TwoLayers(rng), np.zeros((1, 3), np.float32)))
    module.frontend_settings = {"mels": 3}
    with training.freeze_backbone(module):
        assert {name for name, _ in module.named_parameters()} == {"out.weight", "out.bias"}
    assert training.with_new_head(module, 3, rng=rng).frontend_settings == {"mels": 3}


def test_options_of_the_optimizer_of_an_average(loader, tmp_path):
    net = network()

    def fit(epochs, weight_decay, **options):
        average = training.WeightAverage(optim.AdamW(net.parameters(), weight_decay=weight_decay))
        training.fit(net, loader, epochs=epochs, optimizer=average, checkpoint=tmp_path / "c.npz", **options)

    fit(1, 0.05)
    with pytest.raises(CheckpointError, match="another run: optimizer_settings"):
        fit(1, 0.5, resume=True)


@pytest.mark.parametrize("classes", [["cat", "dog"], 2.0, None])
def test_an_attribute_of_the_network_named_classes(classes, loader):
    net = network()
    net.classes = classes
    assert "accuracy" in training.fit(net, loader, epochs=1).history[0]


def test_targets_with_fewer_columns_than_classes(rng):
    x, targets = rng.standard_normal((8, 3)).astype(np.float32), np.array([[1, 1], [2, 0.5]] * 4, np.float32)
    net = nn.Linear(3, 3, rng=rng)
    net.classes = 3

    def weighted(logits, targets, x):
        number, weight = asnumpy(targets).T
        return ops.cross_entropy(logits, np.eye(3, dtype=np.float32)[number.astype(int)] * weight[:, None])

    assert "accuracy" not in training.fit(net, training.DataLoader(x, targets), epochs=1, loss=weighted).history[0]


def test_a_classifier_has_the_front_end_of_the_training():
    front_ends = [
        audio.FrontEnd(sample_rate_hz=8000, high_hz=4000.0, window=256, hop=128, mels=16, clip_seconds=0.5, floor_db=db)
        for db in (-40.0, -100.0)
    ]
    net = models.build(models.CNNConfig(2, True, ((4,), (8,)), embedding=8, mels=16), rng=np.random.default_rng(0))
    net.frontend_settings = front_ends[0].settings
    for network in (net, graph.GraphModule(graph.trace(net, net.example_input(front_ends[0].frames)))):
        network.frontend_settings = front_ends[0].settings
        Classifier(network, front_ends[0], ["a", "b"])
        with pytest.raises(ConfigError, match=r"another front end, .*; this front end has floor_db=-100\.0"):
            Classifier(network, front_ends[1], ["a", "b"])


def test_a_given_evaluation_replaces_the_accuracy(loader):
    test = (loader.inputs, np.arange(8) % 2)
    history = training.fit(network(), loader, epochs=1, test=test, evaluate=lambda model: 0.123).history
    assert history[0]["test_accuracy"] == 0.123


def test_a_checkpoint_contains_all_trained_parameters(loader, tmp_path):
    net, scale = network(), Tensor(np.ones(2, np.float32), requires_grad=True)
    options = {
        "optimizer": optim.Adam([*net.parameters(), scale]),
        "loss": lambda logits, targets, x: ops.cross_entropy(logits * scale, targets),
    }
    with pytest.raises(ConfigError, match="has parameters that are not of the model, so a checkpoint would not"):
        training.fit(net, loader, epochs=1, checkpoint=tmp_path / "c.npz", **options)
    training.fit(net, loader, epochs=1, **options)
    frozen = network()
    options = {"optimizer": optim.Adam(frozen.parameters())}
    frozen.bias.requires_grad = False
    training.fit(frozen, loader, epochs=1, checkpoint=tmp_path / "c.npz", **options)


def test_frozen_parameters_can_be_trained_again(tmp_path, loader):
    net = nn.Sequential(network(), nn.Linear(2, 2, rng=np.random.default_rng(1)))
    head = graph.GraphModule(graph.trace(net, np.zeros((1, 3), np.float32)))
    with training.freeze_backbone(head):
        training.fit(head, loader, epochs=1, checkpoint=tmp_path / "c.npz")
    loaded = training.load_model(tmp_path / "c.npz")
    assert len(list(loaded.parameters())) == 2
    assert len(list(loaded.requires_grad_().parameters())) == 4
    assert not list(loaded.requires_grad_(False).parameters())


def test_transfer_of_a_network_that_is_not_traced():
    with pytest.raises(ConfigError, match=r"got Linear; pass GraphModule\(trace\(model, example\)\)"):
        training.with_new_head(network(), 3, rng=np.random.default_rng(0))
    with (
        pytest.raises(ConfigError, match=r"expected a network of quatnet\.models"),
        training.freeze_backbone(network()),
    ):
        pass


@op
def corner_total(values: list[Tensor], offset: Optional[Tensor] = None) -> Tensor:  # noqa: UP045 older annotation
    total = sum(value.data for value in values)
    return Tensor.from_op(total if offset is None else total + offset.data, values, lambda grad: [grad] * len(values))


@op
def corner_sum(values: tuple[Tensor, ...]) -> Tensor:
    return Tensor.from_op(sum(value.data for value in values), values, lambda grad: [grad] * len(values))


def test_annotations_of_lists_and_optional_tensors():
    assert corner_total([Tensor([1.0]), [2.0]]).item() == 3
    assert corner_total([Tensor([1.0])], [2.0]).item() == 3
    assert corner_sum((Tensor([1.0]), [2.0])).item() == 3


def test_a_layer_may_spawn_generators(loader):
    class Noisy(nn.Linear):
        def __call__(self, x, *, train=False, rng=None):
            return super().__call__(x) if not train else super().__call__(x) * float(rng.spawn(1)[0].uniform(0.9, 1.1))

    assert training.fit(Noisy(3, 2, rng=np.random.default_rng(0)), loader, epochs=1).history


def test_augmentation_that_forgets_the_targets(loader):
    loader.augment = lambda x, targets, rng: x
    with pytest.raises(ConfigError, match=r"expected batches \(x, targets\), got an array"):
        training.fit(network(), loader, epochs=1)


def test_inputs_of_a_loader_are_replaced(loader):
    loader.inputs, loader.targets = np.zeros((12, 3), np.float32), np.full((12, 2), 0.5)
    assert sum(len(x) for x, _ in loader(np.random.default_rng(0))) == 12


def test_front_end_settings_of_a_subclass(loader):
    class Known(training.DataLoader):
        @property
        def frontend_settings(self):
            return {"hop": 1}

    assert Known(loader.inputs, loader.targets).frontend_settings == {"hop": 1}
