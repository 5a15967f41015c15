"""Test examples/reproduce: row names, paired statistics, recorded runs, and the tables of the results pages.

A row of a results table is a data set, a network and a change. A run trains a row on one fold with one seed. Diverged
runs are recorded as failed and excluded from means.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import distillation_rows
import latency
import numpy as np
import packaged_model
import pytest
import records
import result_tables
import row_training
import run_row
from pruning_rows import finetune_config, train_with_scaled_lr
from row_comparisons import PAIRS
from row_data import Paths
from row_networks import config_after_pruning, filter_selector, network_config
from row_training import Run, TrainResult
from rows import QUESTIONS, Row, row_from_name
from run_statistics import accuracies, accuracy_difference, mean_and_error, num_failed, variance_of_mean
from speed_measure import Settings, run_in_subprocess
from support.scripts import run_script
from train_config import FROM_SCRATCH, STRONG_AUGMENTATION, TrainConfig

from quatnet import Classifier, audio, model_file
from quatnet.backend import on_gpu
from quatnet.datasets import synthetic
from quatnet.datasets.targets import one_hot
from quatnet.errors import ConfigError, DataError
from quatnet.models import CNN
from quatnet.profile import network_cost

ROOT = Path(__file__).parents[2]
NAMES = [name for rows in QUESTIONS.values() for name in rows]
COMPARED = [f"esc10/{name}" for pairs in PAIRS.values() for pair in pairs for name in pair[:2]]


# Names


@pytest.mark.parametrize("name", [*NAMES, *COMPARED])
def test_row_from_name_round_trip(name: str) -> None:
    assert row_from_name(name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "esc10",
        "esc10/cnn-16",
        "esc11/real-16",
        "esc10/real-x",
        "esc10/real-0",
        "esc10/real-16/prune-l1-0.9",
        "esc10/real-16/best/x",
        "esc10/real-16/best-",
        "esc10/real-16/epochs-0",
        "esc10/real-16/epochs-0100",
        "esc10/real-16/epochs-100/",
        "esc10/real-16/epochs-100/long",
        "esc10/real-16/long/epochs-100",
    ],
)
def test_unknown_row(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown row"):
        row_from_name(name)


# Networks


@pytest.mark.parametrize(
    ("network", "reference", "cost"),
    [
        ("quaternion-16", "real-8", "parameters"),
        ("quaternion-16", "real-11.6", "multiplications_8"),
        ("quaternion-32", "real-16", "parameters"),
        ("quaternion-22.5", "real-16", "multiplications_8"),
    ],
)
def test_compared_networks_have_equal_cost(network: str, reference: str, cost: str) -> None:
    costs = [getattr(network_cost(network_config(name, classes=10), 126), cost) for name in (network, reference)]
    assert costs[0] == pytest.approx(costs[1], rel=0.03)


def test_pruned_network_fits_budget() -> None:
    model = CNN(network_config("quaternion-16", classes=10), rng=np.random.default_rng(0))
    selector = filter_selector(row_from_name("esc10/quaternion-16/prune-l1-budget"), 10, 126, seed=0)
    pruned, real = (
        network_cost(config_after_pruning(model, selector), 126),
        network_cost(network_config("real-16", 10), 126),
    )
    assert pruned.multiplications_8 <= 0.5 * real.multiplications_8
    assert 0.19 * real.parameters < pruned.parameters <= 0.2 * real.parameters


def test_pruned_model_of_the_package_has_28_thousand_parameters() -> None:
    model = CNN(network_config("quaternion-16", classes=50), rng=np.random.default_rng(0))
    selector = filter_selector(row_from_name("esc50/quaternion-16/prune-l1-28k"), 50, 126, seed=0)
    assert 27_000 < network_cost(config_after_pruning(model, selector), 126).parameters <= 28_000


@pytest.mark.parametrize("name", model_file.NAMES)
def test_models_of_the_package_are_networks_of_rows(name: str) -> None:
    metadata = Classifier.load(name).metadata
    runs = records.read_runs(row_from_name(packaged_model.ROWS[name]), records.RECORDS)
    (run,) = [run for run in runs if (run["fold"], run["seed"]) == (1, 0)]
    card = (ROOT / "quatnet/packaged/MODEL_CARD.md").read_text(encoding="utf-8")
    assert (metadata["row"], metadata["seed"], metadata["fold"]) == (packaged_model.ROWS[name], 0, run["fold"])
    assert metadata["accuracy"].startswith(f"{run['accuracy']:.1%}")
    assert f"| {100 * run['accuracy']:.1f} % |" in card


# Means and standard errors


def run(fold: int, seed: int, accuracy: float | None = None, **more) -> dict:
    outcome = {"failed": "the loss is nan"} if accuracy is None else {"accuracy": accuracy}
    return {"fold": fold, "seed": seed, **outcome, **more}


def test_error_has_variance_of_folds_and_seeds() -> None:
    # the means over folds and the means over seeds are 0.5 and 0.7, with a standard error of 0.1; the residuals are 0
    grid = {(fold, seed): 0.4 + 0.2 * fold + 0.2 * seed for fold in (0, 1) for seed in (0, 1)}
    assert mean_and_error(grid) == pytest.approx((0.6, np.hypot(0.1, 0.1)))


def test_variance_of_mean_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    folds, seeds, residuals = (rng.normal(0, s, (4000, *shape)) for s, shape in ((3, (5, 1)), (2, (1, 3)), (2, (5, 3))))
    grids = folds + seeds + residuals
    expected = grids.mean(axis=(1, 2)).var()
    assert np.mean([variance_of_mean(grid) for grid in grids]) == pytest.approx(expected, rel=0.1)
    assert expected == pytest.approx(9 / 5 + 4 / 3 + 4 / 15, rel=0.1)


def test_missing_seeds_are_averaged_per_fold() -> None:
    # the fold means 0.5 and 0.7 have the standard deviation 0.1 √2, so the standard error of two folds is 0.1
    result = mean_and_error(accuracies([run(1, 0, 0.4), run(1, 1, 0.6), run(2, 0, 0.7)]))
    assert result == pytest.approx((0.6, 0.1))
    assert result.to_text() == "60.0 ± 10.0"


def test_error_of_one_fold_and_of_one_run() -> None:
    assert mean_and_error(accuracies([run(1, 0, 0.5), run(1, 1, 0.7)])) == pytest.approx((0.6, 0.1))
    assert mean_and_error(accuracies([run(1, 0, 0.5)])).to_text() == "50.0"
    assert mean_and_error({}).to_text() == "-"


def test_difference_of_paired_runs() -> None:
    runs = [run(1, 0, 0.9), run(2, 0, 0.7), run(3, 0, 0.1)]
    reference = [run(1, 0, 0.8), run(2, 0, 0.6), run(4, 0, 0.9)]
    assert accuracy_difference(runs, reference) == pytest.approx((0.1, 0.0))
    assert accuracy_difference(runs, reference).to_text(signed=True) == "+10.0 ± 0.0"


def test_failed_run_is_excluded_from_mean(tmp_path: Path) -> None:
    runs = [run(1, 0, 0.5, parameters=1000), run(2, 0)]
    assert num_failed(runs) == 1
    assert mean_and_error(accuracies(runs)).to_text() == "50.0"
    for each in runs:
        records.save_run(row_from_name("esc10/real-16"), each, tmp_path)
    assert "| 1, 1 failed | 50.0 |" in result_tables.table("widths-esc10", tmp_path)


def test_row_with_failed_runs_only(tmp_path: Path) -> None:
    records.save_run(row_from_name("esc10/real-16"), run(1, 0), tmp_path)
    assert "| real-16 | 0, 1 failed | - | - | - | - | - | - |" in result_tables.table("widths-esc10", tmp_path)


# Comparisons


def test_pair_table(tmp_path: Path) -> None:
    for name, fold_accuracies in {"quaternion-16": (0.8, 0.9), "real-8": (0.7, 0.6)}.items():
        for fold, accuracy in enumerate(fold_accuracies, 1):
            records.save_run(row_from_name(f"esc10/{name}"), run(fold, 0, accuracy), tmp_path)
    assert "| quaternion-16 | real-8 | parameters | +20.0 ± 10.0 (2) |" in result_tables.table("pairs-widths", tmp_path)


def test_criterion_tables(tmp_path: Path) -> None:
    for name, fold_accuracies in {"l1": (0.8, 0.9), "random": (0.7, 0.6)}.items():
        for fold, accuracy in enumerate(fold_accuracies, 1):
            records.save_run(row_from_name(f"esc10/quaternion-16/prune-{name}-0.25"), run(fold, 0, accuracy), tmp_path)
    assert "| l1 | 85.0 ± 5.0 (2) | - | - | - |" in result_tables.table("criteria", tmp_path)
    assert "| l1 | +20.0 ± 10.0 (2) | - | - | - |" in result_tables.table("criteria-against-chance", tmp_path)
    assert "| random |" not in result_tables.table("criteria-against-chance", tmp_path)


def test_tables_of_one_fold_and_of_all_folds(tmp_path: Path) -> None:
    name = "esc50/real-20/epochs-200/distil-strong"
    for fold in range(1, 6):
        assert "real-20" not in result_tables.table("folds", tmp_path)
        records.save_run(row_from_name(name), run(fold, 0, 0.7 + fold / 50), tmp_path)
    assert "| real-20/epochs-200/distil-strong | 1 | 72.0 |" in result_tables.table("best-esc50", tmp_path)
    long = "esc50/quaternion-16/epochs-100"
    for fold in (1, 2):
        records.save_run(row_from_name(f"{long}/prune-l1-0.5"), run(fold, 0, 0.8 - fold / 10), tmp_path)
        records.save_run(row_from_name(f"{long}/scratch-0.5"), run(fold, 0, 0.5), tmp_path)
    assert "| size and epochs | +20.0 (1) |" in result_tables.table("pairs-long-pruning", tmp_path)
    cells = "72.0 (1) | 74.0 (1) | 76.0 (1) | 78.0 (1) | 80.0 (1) | 76.0 ± 1.4 (5)"
    assert f"| real-20/epochs-200/distil-strong | {cells} |" in result_tables.table("folds", tmp_path)


def test_tables_of_epochs_and_summary_have_the_folds_of_their_columns(tmp_path: Path) -> None:
    for name in ("esc50/real-8/epochs-100", "esc50/real-8/epochs-200"):
        for fold in (1, 2):
            records.save_run(row_from_name(name), run(fold, 0, 0.9 - fold / 10), tmp_path)
    assert "| esc50/real-8 | - | 80.0 (1) | 80.0 (1) | - | - |" in result_tables.table("epochs", tmp_path)
    assert "| real-8 | 75.0 ± 5.0 | - | - | 80.0 |" in result_tables.table("summary", tmp_path)


# Records


def test_save_run_replaces_and_adds_provenance(tmp_path: Path) -> None:
    row = row_from_name("esc10/real-16/frontend-released")
    for each in (run(2, 0, 0.5), run(1, 0, 0.6), run(2, 0, 0.7)):
        records.save_run(row, each, tmp_path)
    first, second = records.read_runs(row, tmp_path)
    assert (first["accuracy"], second["accuracy"]) == (0.6, 0.7)
    assert second["command"] == "python examples/reproduce esc10/real-16/frontend-released --fold 2 --seed 0 --data DIR"
    assert second.keys() >= {"commit", "machine", "threads", "versions"}
    assert records.missing_splits(row, [(1, 0), (2, 0), (3, 0)], tmp_path) == [(3, 0)]


def test_diverged_training_is_recorded_as_failed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(row_training, "FROM_SCRATCH", replace(FROM_SCRATCH, max_lr=1e30))
    with np.errstate(all="ignore"):
        result = run_row.run_row(Run(Row("smoke", "real-4"), 1, 0, Paths(None, tmp_path, None, False)))
    assert "not finite" in result["failed"]
    assert "accuracy" not in result


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_row_with_scaled_learning_rate(factor: float, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Run, "train", lambda _run, _model, _epochs, *, config: config)
    row = row_from_name(f"smoke/real-4/rate-{factor:g}")
    config = train_with_scaled_lr(Run(row, 1, 0, Paths(None, tmp_path, None, False)), 2)
    assert config.max_lr == factor * FROM_SCRATCH.max_lr


@pytest.mark.parametrize("change", ["", "/prune-l1-0.5"])
def test_row_of_a_number_of_epochs(change: str, tmp_path: Path, monkeypatch) -> None:
    run = Run(row_from_name(f"smoke/real-4/epochs-400{change}"), 1, 0, Paths(None, tmp_path, None, False))
    assert run.row.base_row.name == "smoke/real-4/epochs-400"
    finetuning = replace(STRONG_AUGMENTATION, max_lr=STRONG_AUGMENTATION.max_lr / 4)
    assert (run.train_config, finetune_config(run)) == (STRONG_AUGMENTATION, finetuning)

    def stop(_run: Run, epochs: int) -> TrainResult:
        raise ConfigError(f"{epochs} epochs")

    monkeypatch.setitem(run_row.TRAINING, run.row.change, stop)
    assert run_row.run_row(run)["failed"] == "400 epochs"


@pytest.mark.parametrize(("config", "max_masked"), [(FROM_SCRATCH, 15), (STRONG_AUGMENTATION, 2 * 21)])
def test_number_of_masked_frames(config: TrainConfig, max_masked: int, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    x, targets = rng.standard_normal((64, 126, 64, 4), np.float32), np.ones((64, 1), np.float32)
    monkeypatch.setattr(audio, "mixup", lambda x, targets, **_: (x, targets))
    is_masked = np.ptp(config.augment(x, targets, rng)[0], axis=2).max(axis=2) < 1e-3
    masked = is_masked.sum(axis=1)  # number of masked frames of each clip
    assert max_masked // 2 < masked.max() <= max_masked


# Latency


def test_latency_table(tmp_path: Path) -> None:
    one_thread = {"quaternion-16/prune-l1-0.5": [0.9, 1.0, 1.3], "real-8": [0.5, 0.5, 0.5]}  # quartiles of the times
    one_thread |= {"PyTorch real-16": [1.0, 2.0, 2.1], "PyTorch real-8": [1.5, 1.5, 1.7]}
    two_threads = one_thread | {"PyTorch real-16, compiled": [1.2, 1.25, 1.3]}
    milliseconds = {"1": one_thread, "2": two_threads}
    (tmp_path / "latency.json").write_text(json.dumps({"milliseconds": milliseconds}))
    assert result_tables.table("latency", tmp_path).splitlines() == [
        "| network | in PyTorch | ms, 1 thread | PyTorch, 1 thread | ms, 2 threads | PyTorch, 2 threads |",
        "| --- | --- | --- | --- | --- | --- |",
        "| quaternion-16/prune-l1-0.5 | real-16 | 1.00 | 2.00 | 1.00 | 1.25 |",
        "| real-8 | real-8 | 0.50 | 1.50 | 0.50 | 1.50 |",
    ]


def test_pruned_configs_of_recorded_runs(tmp_path: Path) -> None:
    widths = [[8], [8], [8, 8], [8, 8], [8]]
    records.save_run(row_from_name("esc10/quaternion-16/prune-l1-0.5"), run(1, 0, 0.5, widths=widths), tmp_path)
    (config,) = latency.pruned_configs(tmp_path).values()
    assert config.widths == ((8,), (8,), (8, 8), (8, 8), (8,))


@pytest.mark.parity
@pytest.mark.skipif(on_gpu(), reason="latency is measured on the CPU")
def test_time_networks(torch) -> None:
    configs = {name: network_config(name, classes=10) for name in ("real-4", "quaternion-4")}
    settings = Settings(threads=1, rounds=1, seed=0, torch=True, turn_seconds=0.0, compile_seconds=1.0)
    times = run_in_subprocess(latency.time_networks, configs, settings, ("real-4",))
    assert times.keys() >= {"real-4", "quaternion-4", "PyTorch real-4"}
    assert all(0 < low <= median <= high for low, median, high in times.values())


@pytest.mark.parity
@pytest.mark.skipif(on_gpu(), reason="latency is measured on the CPU")
def test_torch_compile_has_no_limit_below_number_of_networks(torch, monkeypatch) -> None:
    torch_runs = Settings(threads=1, rounds=1, seed=0, torch=True).torch_runs()
    monkeypatch.setattr(torch, "compile", lambda network: network)  # the compilation would take seconds
    model, clip = CNN(network_config("real-4", 10), rng=np.random.default_rng(0)), np.zeros((1, 32, 64, 4), np.float32)
    assert torch_runs.compiled_inference(model, clip, 60.0)
    assert torch._dynamo.config.recompile_limit >= len(latency.PYTORCH_NETWORKS) > 8


# Command line


def reproduce(*arguments: str | Path) -> subprocess.CompletedProcess:
    return run_script(ROOT / "examples" / "reproduce", *arguments)


def test_every_change_runs_and_resume_skips_recorded_runs(tmp_path: Path) -> None:
    changes = ["", "/continue", "/long", "/prune-l1-0.5", "/prune-random-budget", "/scratch-0.5", "/distil-own"]
    rows = [f"smoke/quaternion-8{change}" for change in [*changes, "/frontend-released"]]
    rows += [f"smoke/quaternion-12/{change}" for change in ("distil-own-0.5", "equal-l1-0.5", "equal-scratch-0.5")]
    folders = ["--out", tmp_path / "out", "--records", tmp_path / "records"]
    process = reproduce(*rows, *folders, "--resume")
    assert process.returncode == 0, process.stderr[-2000:]
    recorded = [json.loads((tmp_path / "records" / f"{row}.json").read_text())["runs"] for row in rows]
    assert [len(runs) for runs in recorded] == [1] * len(rows)
    assert all(0 <= runs[0]["accuracy"] <= 1 and runs[0]["total_seconds"] > 0 for runs in recorded)
    base, continued, long, pruned = (runs[0] for runs in recorded[:4])
    assert pruned["parameters"] < base["parameters"] == continued["parameters"]
    assert continued["total_multiplications"] > base["total_multiplications"]
    assert long["epochs"] == run_row.LONG_FACTOR * base["epochs"]
    distilled, *equal = (runs[0] for runs in recorded[-3:])
    epoch_multiplications = equal[0]["train_multiplications"] / equal[0]["epochs"]
    for each in equal:
        assert each["widths"] == distilled["widths"]
        assert each["total_multiplications"] == pytest.approx(
            distilled["total_multiplications"], abs=epoch_multiplications
        )
    assert reproduce(*rows, *folders, "--resume").stdout == ""  # all runs are recorded
    command = [sys.executable, ROOT / "examples" / "reproduce", rows[0], *folders, "--out", tmp_path / "repeated"]
    repeated = subprocess.run([*command, "--fold", "1"], capture_output=True, text=True, timeout=300)
    assert f"(recorded: {base['accuracy']:.1%})" in repeated.stdout


def test_rows_with_cached_teacher(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(distillation_rows, "BEST_EPOCHS", 20)
    clips = synthetic.load(clips_per_class=5, seed=0).clips
    logits = 5 * one_hot(np.array([clip.label for clip in clips]), 10)
    np.savez(tmp_path / "teacher.npz", clip=np.array([clip.name for clip in clips]), logits=logits)
    rows = ["smoke/quaternion-8/distil-strong", "smoke/quaternion-8/best"]
    folders = ["--out", tmp_path / "out", "--records", tmp_path / "records", "--teacher", tmp_path / "teacher.npz"]
    process = reproduce(*rows, *folders)
    assert process.returncode == 0, process.stderr[-2000:]
    distilled, best = (records.read_runs(row_from_name(row), tmp_path / "records")[0] for row in rows)
    assert distilled["command"].endswith("--teacher FILE")
    assert best["epochs"] == distillation_rows.BEST_EPOCHS
    assert best["accuracy"] > distilled["accuracy"]  # trained for 20 epochs instead of 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "unknown row 'nonsense'"),
        ([], "no rows given"),
        (["esc10/real-16"], "needs --data DIR"),
        (["smoke/real-4", "--fold", "0"], "fold"),
        (["esc10/real-16/distil-strong"], "needs --teacher FILE"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str, tmp_path: Path) -> None:
    process = reproduce(*arguments, "--out", tmp_path, "--records", tmp_path)
    assert process.returncode != 0
    assert message in process.stderr
    assert "Traceback" not in process.stderr


# Pages


def test_write_tables_from_empty_records(tmp_path: Path, monkeypatch) -> None:
    copies = [tmp_path / path.name for path in result_tables.PAGES]
    for copy, path in zip(copies, result_tables.PAGES, strict=True):
        copy.write_text(path.read_text())
    monkeypatch.setattr(result_tables, "PAGES", copies)
    result_tables.write_tables(tmp_path / "empty")
    text = "".join(table[0] for copy in copies for table in result_tables.TABLE.finditer(copy.read_text()))
    assert "| network | against | equal in |" in text
    assert "±" not in text


def test_tables_of_pages_are_up_to_date() -> None:
    assert result_tables.stale_pages() == [], "update the tables: python examples/reproduce --tables"


def test_records_have_known_rows_and_whole_numbers_of_correct_clips() -> None:
    files = sorted(path for path in records.RECORDS.rglob("*.json") if path.name not in ("latency.json", "gpu.json"))
    assert files, "expected records in docs/results, got none"
    for path in files:
        row = row_from_name(path.relative_to(records.RECORDS).with_suffix("").as_posix())
        for each in records.read_runs(row, records.RECORDS):
            correct = each.get("accuracy", 0.0) * each.get("clips", 1)
            assert correct == pytest.approx(round(correct)), f"{path}: {each['accuracy']} of {each['clips']} clips"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "{}", '{"runs": 3}', '{"runs": [1]}', '{"runs": [{}]}', '{"runs": [{"fold": NaN, "seed": 1}]}']
    + ['{"runs": ' + "[" * 100_000, '{"runs": [], "runs": []}'],
    ids=range(11),
)
def test_damaged_records(tmp_path: Path, text: str) -> None:
    row = row_from_name("esc10/real-16")
    (tmp_path / f"{row.name}.json").parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / f"{row.name}.json").write_text(text)
    with pytest.raises(DataError, match=r"real-16\.json is not a file of recorded runs"):
        records.read_runs(row, tmp_path)
