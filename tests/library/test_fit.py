"""Tests of `training.fit`, batches, label smoothing, augmentation, results, plots and JSON files."""

import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from quatnet import audio, datasets, models, nn, ops, plots, training
from quatnet.errors import CheckpointError, ConfigError, MissingPackageError, ShapeError
from quatnet.training.loop import Progress

CONFIG = models.CNNConfig(3, True, ((8,), (12,)), embedding=8, mels=8, block_dropout=0.1)
LABELS = np.arange(24) % 3


def clips() -> np.ndarray:
    """Return 24 clips (12 frames, 8 mels) of three classes that differ in the mel bin with the highest energy."""
    x = np.random.default_rng(0).standard_normal((24, 12, 8, 4)).astype(np.float32)
    for clip, label in zip(x, LABELS, strict=True):
        clip[:, 2 * label] += 3
    return x


def network(seed: int = 0) -> models.Network:
    return models.build(CONFIG, rng=np.random.default_rng(seed))


def loader(**options) -> training.DataLoader:
    return training.DataLoader(clips(), datasets.one_hot(LABELS, 3), batch_size=7, **options)


def test_epoch_has_every_clip_once():
    x, targets = np.arange(24.0)[:, None], datasets.one_hot(LABELS, 3)
    batches = list(training.DataLoader(x, targets, batch_size=7)(np.random.default_rng(0)))
    assert [len(inputs) for inputs, _ in batches] == [6, 6, 6, 6]
    order = np.concatenate([inputs for inputs, _ in batches]).ravel().astype(int)
    assert sorted(order) == list(range(24))
    np.testing.assert_array_equal(np.concatenate([t for _, t in batches]), targets[order])
    assert len(training.DataLoader(x, targets, batch_size=7)) == 4


def test_invalid_loader_arguments():
    with pytest.raises(ShapeError, match="got 24 inputs, 23 targets"):
        training.DataLoader(clips(), datasets.one_hot(LABELS[1:], 3))
    with pytest.raises(ShapeError, match="got 0 inputs"):
        training.DataLoader(clips()[:0], datasets.one_hot(LABELS[:0], 3))
    with pytest.raises(ConfigError, match="batch_size must be an integer of at least 1, got 0"):
        training.DataLoader(clips(), datasets.one_hot(LABELS, 3), batch_size=0)


def test_label_smoothing():
    np.testing.assert_allclose(
        datasets.one_hot(np.array([1, 0]), 4, label_smoothing=0.2), [[0.05, 0.85, 0.05, 0.05], [0.85, 0.05, 0.05, 0.05]]
    )
    with pytest.raises(ConfigError, match=r"label_smoothing in \[0, 1\], got 1\.5"):
        datasets.one_hot(LABELS, 3, label_smoothing=1.5)


def test_fit_learns_three_classes():
    model = network()
    progress = training.fit(model, loader(), epochs=30, max_lr=0.02, test=(clips(), LABELS))
    assert [sorted(epoch) for epoch in progress.history] == [["accuracy", "loss", "test_accuracy"]] * 30
    assert progress.history[-1]["loss"] < progress.history[0]["loss"] / 2
    assert training.evaluate(model, clips(), LABELS) == progress.history[-1]["test_accuracy"] > 0.9


def test_resumed_fit_is_bit_identical(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole, stopped, resumed = network(), network(), network(seed=1)
    options = {"epochs": 3, "checkpoint": tmp_path / "run.npz", "metadata": {"data": "toy"}}
    training.fit(whole, loader(), **options | {"checkpoint": None})
    calls = []

    def fail(x, targets, rng):
        calls.append(len(x))
        if len(calls) == 7:
            raise KeyboardInterrupt
        return x, targets

    with pytest.raises(KeyboardInterrupt):
        training.fit(stopped, loader(augment=fail), **options)
    training.fit(resumed, loader(), resume=True, **options)
    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(array, resumed.state_dict()[name])
    with pytest.raises(CheckpointError, match="comes from another run"):
        training.fit(network(), loader(), resume=True, **options | {"metadata": {"data": "other"}})


class OwnNetwork(nn.Module):
    """A network without a config."""

    def __init__(self, seed: int = 0) -> None:
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(12 * 8 * 4, 3, rng=np.random.default_rng(seed)))

    def __call__(self, x, *, train=False, rng=None):
        from quatnet import Tensor

        return self.layers(Tensor(x), train=train, rng=rng)


def test_fit_of_network_without_config(tmp_path: Path):
    path, model = tmp_path / "own.npz", OwnNetwork()
    training.fit(model, loader(), epochs=5, checkpoint=path)
    assert training.evaluate(model, clips(), LABELS) > 0.9
    resumed = OwnNetwork(seed=1)
    training.fit(resumed, loader(), epochs=5, checkpoint=path, resume=True)
    np.testing.assert_array_equal(resumed.state_dict()["layers.layers.1.weight"], model.layers[1].weight.numpy())
    loaded = training.load_model(path)  # without the class of the network
    np.testing.assert_array_equal(loaded(clips()).numpy(), model(clips()).numpy())
    training.fit(loaded, loader(), epochs=1, checkpoint=tmp_path / "again.npz")


@pytest.mark.parametrize("shape", [(24, 1), (24, 3), (24,)])
def test_regression_has_no_accuracy(tmp_path: Path, shape: tuple[int, ...]):
    targets = np.random.default_rng(0).random(shape, np.float32)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(12 * 8 * 4, shape[-1] if shape[1:] else 1, rng=np.random.default_rng(0))
    )

    def loss(outputs, targets, x):
        return ops.mse_loss(outputs, targets.reshape(outputs.shape))

    options = {"loss": loss, "steps_per_epoch": 2, "checkpoint": tmp_path / "run.npz"}
    for resume in (False, True):
        progress = training.fit(model, lambda rng: [(clips(), targets)] * 2, epochs=2, resume=resume, **options)
        assert [list(epoch) for epoch in progress.history] == [["loss"]] * 2


class UntraceableNetwork(OwnNetwork):
    def __call__(self, x, *, train=False, rng=None):
        return super().__call__(x * float(x.std()), train=train)


def test_checkpoint_of_a_network_that_cannot_be_traced(tmp_path: Path):
    with pytest.warns(UserWarning, match="the checkpoint has no graph") as warned:
        training.fit(UntraceableNetwork(), loader(), epochs=2, checkpoint=tmp_path / "own.npz")
    assert len(warned) == 1
    with pytest.raises(CheckpointError, match="has only arrays, since the network could not be traced"):
        training.load_model(tmp_path / "own.npz")


def rows() -> list[dict]:
    """Return five result rows with equal parameters and different accuracies."""
    model, x = network(), clips()
    progress = Progress(seconds=1.5, history=[{"loss": 1.0, "accuracy": 0.5, "test_accuracy": 0.5}] * 2)
    row = training.result_row("a", model, x, LABELS, progress)
    return [row | {"name": name, "accuracy": a} for name, a in zip("abcde", (0.5, 0.75, 0.25, 0.5, 0.5), strict=True)]


def test_result_row_values():
    row = rows()[0]
    assert row.keys() >= {"name", "accuracy", "parameters", "multiplications_16", "multiplications_8", "ms_per_clip"}
    assert row["parameters"] == sum(p.size for p in network().parameters())
    assert row["multiplications_8"] < row["multiplications_16"]
    assert row["train_seconds"] == 1.5


def test_results_table_lines():
    table = training.results_table(rows()).splitlines()
    assert [line.split()[0] for line in table if line] == ["network", *"abcde"]
    assert " 75.0% " in table[3]


def test_summary_compares_networks():
    summary = training.summarize(rows(), clips=400)
    assert "100% of the parameters of the real CNN, and 25.0 points more accuracy." in summary
    assert "of the real CNN, and the same accuracy." in summary
    assert "gives the student 25.0 points more accuracy." in summary
    assert "One standard error on 400 test clips is 2.5 points." in summary


def test_plots_are_written(tmp_path: Path):
    model = network()
    pruned = models.pruned_config(model.config, 0.5)
    from quatnet.prune import layer_savings

    plots.quaternion_input(clips()[0], audio.FrontEnd(), "dog", tmp_path / "input.png")
    plots.training_curves(rows(), tmp_path / "curves.png")
    plots.accuracy_against_cost(rows(), tmp_path / "cost.png")
    plots.pruning(layer_savings(model.config, pruned, 12), tmp_path / "pruning.png")
    plots.confusion(np.eye(3, dtype=int) * 8, ("cat", "dog", "rain"), "a", tmp_path / "confusion.png")
    plots.average_precision(np.array([0.5, np.nan, 1.0]), ("cat", "dog", "rain"), "a", tmp_path / "precision.png")
    for name in ("input", "curves", "cost", "pruning", "confusion", "precision"):
        pixels = matplotlib.image.imread(tmp_path / f"{name}.png")
        assert min(pixels.shape[:2]) > 200
        assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 20


def test_error_without_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackageError, match=r"pip install \"quatnet-numpy\[examples\]\""):
        plots.training_curves(rows(), tmp_path / "curves.png")


def test_run_metadata():
    run = training.run_metadata(seed=3)
    assert run["seed"] == 3
    assert run["versions"].keys() == {"quatnet", "numpy", "python"}
    assert run["machine"]["threads"] >= 1
