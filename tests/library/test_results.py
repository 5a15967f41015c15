"""How a result is kept, so that somebody else can trust it and get it again.

A row of a table has a name that says all: the recordings, the network, what was done to it. Each of its runs, one for
a fold and a seed, is written down as it ends, with the command, the commit and the machine. A run that went astray
is written down as failed; it is neither left out nor averaged. A mean comes with its standard error, and two networks
are compared run by run, on the same fold with the same seed. The tables of docs/results.md are made from these records.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reproduce_latency as latency
import reproduce_records as records
import reproduce_run
import reproduce_tables as tables
import reproduce_teaching
from reproduce_comparisons import PAIRS
from reproduce_networks import as_small_as, choice, network
from reproduce_pruning import at_rate
from reproduce_rows import QUESTIONS, Row, row_of
from reproduce_statistics import accuracies, difference, failures, spread, variance_of_mean
from reproduce_task import Place
from reproduce_training import Run, Trained
from speed_measure import How, in_a_child
from story_recipe import FROM_NOTHING

from quatnet.backend import on_gpu
from quatnet.datasets import synthetic
from quatnet.datasets.targets import one_hot
from quatnet.errors import ConfigError
from quatnet.models import CNN
from quatnet.profile import network_cost

ROOT = Path(__file__).parents[2]
NAMES = [name for rows in QUESTIONS.values() for name in rows]
COMPARED = [f"esc10/{name}" for pairs in PAIRS.values() for one, other, _ in pairs for name in (one, other)]


# Names


@pytest.mark.parametrize("name", [*NAMES, *COMPARED])
def test_every_row_is_known_by_its_name(name: str) -> None:
    assert row_of(name).name == name


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
    ],
)
def test_a_name_that_says_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is no row"):
        row_of(name)


# Networks that are compared cost the same


@pytest.mark.parametrize(
    ("one", "other", "figure"),
    [
        ("quaternion-16", "real-8", "parameters"),
        ("quaternion-16", "real-11.6", "multiplications_8"),
        ("quaternion-32", "real-16", "parameters"),
        ("quaternion-22.5", "real-16", "multiplications_8"),
    ],
)
def test_the_widths_are_equal_in_what_they_are_said_to_be(one: str, other: str, figure: str) -> None:
    costs = [getattr(network_cost(network(name, classes=10), 126), figure) for name in (one, other)]
    assert costs[0] == pytest.approx(costs[1], rel=0.03)


def test_the_budget_is_half_of_the_multiplications_and_a_fifth_of_the_parameters_of_the_real_network() -> None:
    model = CNN(network("quaternion-16", classes=10), rng=np.random.default_rng(0))
    left = as_small_as(model, choice(row_of("esc10/quaternion-16/prune-l1-budget"), 10, 126, seed=0))
    small, real = (network_cost(config, 126) for config in (left, network("real-16", classes=10)))
    assert small.multiplications_8 <= 0.5 * real.multiplications_8
    assert 0.19 * real.parameters < small.parameters <= 0.2 * real.parameters


# Means and their errors


def run(fold: int, seed: int, accuracy: float | None = None, **more) -> dict:
    judged = {"failed": "the loss is nan"} if accuracy is None else {"accuracy": accuracy}
    return {"fold": fold, "seed": seed, **judged, **more}


def test_other_folds_and_other_seeds_would_both_have_given_another_mean() -> None:
    # folds alone: means .5 .7, error .1; seeds alone: means .5 .7, error .1; a run has no chance of its own
    grid = {(fold, seed): 0.4 + 0.2 * fold + 0.2 * seed for fold in (0, 1) for seed in (0, 1)}
    assert spread(grid) == pytest.approx((0.6, np.hypot(0.1, 0.1)))


def test_the_error_is_right_on_average() -> None:
    rng = np.random.default_rng(0)
    folds, seeds, rest = rng.normal(0, 3, (4000, 5, 1)), rng.normal(0, 2, (4000, 1, 3)), rng.normal(0, 2, (4000, 5, 3))
    grids = folds + seeds + rest
    expected = grids.mean(axis=(1, 2)).var()
    assert np.mean([variance_of_mean(grid) for grid in grids]) == pytest.approx(expected, rel=0.1)
    assert expected == pytest.approx(9 / 5 + 4 / 3 + 4 / 15, rel=0.1)


def test_where_seeds_are_missing_those_of_a_fold_are_averaged_and_folds_compared() -> None:
    # folds 0.5 and 0.7: mean 0.6, deviation 0.1·√2, over √2 folds
    found = spread(accuracies([run(1, 0, 0.4), run(1, 1, 0.6), run(2, 0, 0.7)]))
    assert found == pytest.approx((0.6, 0.1))
    assert found.text() == "60.0 ± 10.0"


def test_with_one_fold_the_error_is_that_of_the_seeds_and_with_one_run_there_is_none() -> None:
    assert spread(accuracies([run(1, 0, 0.5), run(1, 1, 0.7)])) == pytest.approx((0.6, 0.1))
    assert spread(accuracies([run(1, 0, 0.5)])).text() == "50.0"
    assert spread({}).text() == "-"


def test_differences_are_taken_between_runs_of_one_fold_and_seed() -> None:
    ours, theirs = [run(1, 0, 0.9), run(2, 0, 0.7), run(3, 0, 0.1)], [run(1, 0, 0.8), run(2, 0, 0.6), run(4, 0, 0.9)]
    assert difference(ours, theirs) == pytest.approx((0.1, 0.0))
    assert difference(ours, theirs).text(sign=True) == "+10.0 ± 0.0"


def test_a_failed_run_is_counted_and_not_averaged(tmp_path: Path) -> None:
    runs = [run(1, 0, 0.5, parameters=1000), run(2, 0)]
    assert failures(runs) == 1
    assert spread(accuracies(runs)).text() == "50.0"
    for each in runs:
        records.keep(row_of("esc10/real-16"), each, tmp_path)
    assert "| 1, 1 failed | 50.0 |" in tables.table("widths-esc10", tmp_path)


def test_a_row_of_which_every_run_failed_has_no_cost(tmp_path: Path) -> None:
    records.keep(row_of("esc10/real-16"), run(1, 0), tmp_path)
    assert "| real-16 | 0, 1 failed | - | - | - | - | - | - |" in tables.table("widths-esc10", tmp_path)


# One row against another


def test_a_quaternion_network_is_compared_with_the_real_one_that_costs_as_much(tmp_path: Path) -> None:
    for name, hits in {"quaternion-16": (0.8, 0.9), "real-8": (0.7, 0.6)}.items():
        for fold, accuracy in enumerate(hits, 1):
            records.keep(row_of(f"esc10/{name}"), run(fold, 0, accuracy), tmp_path)
    assert "| quaternion-16 | real-8 | parameters | +20.0 ± 10.0 (2) |" in tables.table("pairs-widths", tmp_path)


def test_a_criterion_is_compared_with_chance(tmp_path: Path) -> None:
    for name, hits in {"l1": (0.8, 0.9), "random": (0.7, 0.6)}.items():
        for fold, accuracy in enumerate(hits, 1):
            records.keep(row_of(f"esc10/quaternion-16/prune-{name}-0.25"), run(fold, 0, accuracy), tmp_path)
    assert "| l1 | 85.0 ± 5.0 (2) | - | - | - |" in tables.table("criteria", tmp_path)
    assert "| l1 | +20.0 ± 10.0 (2) | - | - | - |" in tables.table("criteria-against-chance", tmp_path)
    assert "| random |" not in tables.table("criteria-against-chance", tmp_path)


# Records


def test_a_run_takes_the_place_of_an_earlier_one_and_says_who_made_it(tmp_path: Path) -> None:
    row = row_of("esc10/real-16/frontend-released")
    for each in (run(2, 0, 0.5), run(1, 0, 0.6), run(2, 0, 0.7)):
        records.keep(row, each, tmp_path)
    first, second = records.read(row, tmp_path)
    assert (first["accuracy"], second["accuracy"]) == (0.6, 0.7)
    assert (
        second["command"] == "python examples/reproduce.py esc10/real-16/frontend-released --fold 2 --seed 0 --data DIR"
    )
    assert second.keys() >= {"commit", "machine", "threads", "versions"}
    assert records.missing(row, [(1, 0), (2, 0), (3, 0)], tmp_path) == [(3, 0)]


def test_a_training_that_goes_astray_is_written_down_as_failed(tmp_path: Path, monkeypatch) -> None:
    def astray(run: Run, epochs: int) -> Trained:
        return Trained(run.fresh(run.config), math.nan, epochs, seconds=1.0, work=1.0)

    monkeypatch.setitem(reproduce_run.KINDS, "", astray)
    found = reproduce_run.result(Run(Row("smoke", "real-4"), 1, 0, Place(None, tmp_path, None, False)))
    assert found["failed"] == "the loss is nan after 2 epochs"
    assert "accuracy" not in found


@pytest.mark.parametrize("times", [0.5, 2.0])
def test_a_row_may_be_trained_at_another_learning_rate(times: float, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Run, "train", lambda _run, _model, _epochs, *, recipe: recipe)
    row = row_of(f"smoke/real-4/rate-{times:g}")
    recipe = at_rate(Run(row, 1, 0, Place(None, tmp_path, None, False)), 2)
    assert recipe.peak == times * FROM_NOTHING.peak


# Milliseconds


def test_milliseconds_stand_beside_those_of_pytorchs_real_network_of_the_same_width(tmp_path: Path) -> None:
    one = {"quaternion-16/prune-l1-0.5": [0.9, 1.0, 1.3], "real-8": [0.5, 0.5, 0.5]}  # quartiles
    one |= {"PyTorch real-16": [1.0, 2.0, 2.1], "PyTorch real-8": [1.5, 1.5, 1.7]}
    two = one | {"PyTorch real-16, compiled": [1.2, 1.25, 1.3]}
    (tmp_path / "latency.json").write_text(json.dumps({"milliseconds": {"1": one, "2": two}}))
    assert tables.table("latency", tmp_path).splitlines() == [
        "| network | in PyTorch | ms, 1 thread | PyTorch, 1 thread | ms, 2 threads | PyTorch, 2 threads |",
        "| --- | --- | --- | --- | --- | --- |",
        "| quaternion-16/prune-l1-0.5 | real-16 | 1.00 | 2.00 | 1.00 | 1.25 |",
        "| real-8 | real-8 | 0.50 | 1.50 | 0.50 | 1.50 |",
    ]


def test_what_pruning_left_is_measured_where_there_is_a_run_of_it(tmp_path: Path) -> None:
    widths = [[8], [8], [8, 8], [8, 8], [8]]
    records.keep(row_of("esc10/quaternion-16/prune-l1-0.5"), run(1, 0, 0.5, widths=widths), tmp_path)
    (found,) = latency.left_by_pruning(tmp_path).values()
    assert found.widths == ((8,), (8,), (8, 8), (8, 8), (8,))


@pytest.mark.parity
@pytest.mark.skipif(on_gpu(), reason="latency compares compiled networks of NumPy with PyTorch's on a CPU")
def test_all_sides_take_turns_in_one_process(torch) -> None:
    configs = {name: network(name, classes=10) for name in ("real-4", "quaternion-4")}
    how = How(threads=1, rounds=1, seed=0, torch=True, turn_seconds=0.0, compile_seconds=1.0)
    found = in_a_child(latency.timed, configs, how, ("real-4",))
    assert found.keys() >= {"real-4", "quaternion-4", "PyTorch real-4"}
    assert all(0 < low <= median <= high for low, median, high in found.values())


@pytest.mark.parity
@pytest.mark.skipif(on_gpu(), reason="latency compares compiled networks of NumPy with PyTorch's on a CPU")
def test_pytorch_compiles_every_network_and_does_not_stop_after_eight(torch, monkeypatch) -> None:
    twins = How(threads=1, rounds=1, seed=0, torch=True).twins()
    monkeypatch.setattr(torch, "compile", lambda network: network)  # the real one takes seconds
    model, clip = CNN(network("real-4", classes=10), rng=np.random.default_rng(0)), np.zeros((1, 32, 64, 4), np.float32)
    assert twins.compiled(model, clip, 60.0)
    assert torch._dynamo.config.recompile_limit >= len(latency.TWINS) > 8


# The program


def reproduce(*arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "examples" / "reproduce.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_every_kind_of_row_runs_and_is_not_run_again(tmp_path: Path) -> None:
    changes = ["", "/continue", "/long", "/prune-l1-0.5", "/prune-random-budget", "/scratch-0.5", "/distil-own"]
    rows = [f"smoke/quaternion-8{change}" for change in [*changes, "/frontend-released"]]
    rows += [f"smoke/quaternion-12/{change}" for change in ("distil-own-0.5", "equal-l1-0.5", "equal-scratch-0.5")]
    places = ["--out", tmp_path / "out", "--records", tmp_path / "records"]
    done = reproduce(*rows, *places, "--resume")
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads((tmp_path / "records" / f"{row}.json").read_text())["runs"] for row in rows]
    assert [len(runs) for runs in found] == [1] * len(rows)
    assert all(0 <= runs[0]["accuracy"] <= 1 and runs[0]["total_seconds"] > 0 for runs in found)
    whole, continued, longer, half = (runs[0] for runs in found[:4])
    assert half["parameters"] < whole["parameters"] == continued["parameters"]
    assert continued["total_multiplications"] > whole["total_multiplications"]
    assert longer["epochs"] == reproduce_run.LONGER * whole["epochs"]
    taught, *equal = (runs[0] for runs in found[-3:])
    an_epoch = equal[0]["train_multiplications"] / equal[0]["epochs"]
    for each in equal:
        assert each["widths"] == taught["widths"]
        assert each["total_multiplications"] == pytest.approx(taught["total_multiplications"], abs=an_epoch)
    again = reproduce(*rows, *places, "--resume")
    assert again.stdout == ""  # nothing is left to do
    once_more = reproduce(rows[0], *places, "--fold", "1")
    assert f"(on record: {whole['accuracy']:.1%})" in once_more.stdout


def test_a_strong_teachers_answers_come_from_a_file(tmp_path: Path) -> None:
    clips = synthetic.load(clips_per_class=5, seed=0).clips
    logits = 5 * one_hot(np.array([clip.label for clip in clips]), 10)
    np.savez(tmp_path / "teacher.npz", clip=np.array([clip.name for clip in clips]), logits=logits)
    rows = ["smoke/quaternion-8/distil-strong", "smoke/quaternion-8/best"]
    places = ["--out", tmp_path / "out", "--records", tmp_path / "records", "--teacher", tmp_path / "teacher.npz"]
    done = reproduce(*rows, *places)
    assert done.returncode == 0, done.stderr[-2000:]
    taught, best = (records.read(row_of(row), tmp_path / "records")[0] for row in rows)
    assert taught["command"].endswith("--teacher FILE")
    assert best["epochs"] == reproduce_teaching.LONG
    assert best["accuracy"] > taught["accuracy"]  # 100 epochs instead of 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "'nonsense' is no row"),
        ([], "which rows"),
        (["esc10/real-16"], "needs --data DIR"),
        (["smoke/real-4", "--fold", "0"], "fold"),
        (["esc10/real-16/distil-strong"], "needs --teacher FILE"),
    ],
)
def test_a_users_mistake_is_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = reproduce(*arguments, "--out", tmp_path, "--records", tmp_path)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


# The page


def test_the_tables_are_written_from_the_records_that_are_given_even_from_none(tmp_path: Path, monkeypatch) -> None:
    copies = [tmp_path / path.name for path in tables.PAGES]
    for copy, path in zip(copies, tables.PAGES, strict=True):
        copy.write_text(path.read_text())
    monkeypatch.setattr(tables, "PAGES", copies)
    tables.write(tmp_path / "nothing")
    left = "".join(table[0] for copy in copies for table in tables.MARKED.finditer(copy.read_text()))
    assert "| network | against | equal in |" in left
    assert "±" not in left


def test_the_tables_of_the_pages_are_those_of_the_records() -> None:
    assert tables.stale() == [], "write them anew: python examples/reproduce.py --tables"


def test_every_record_is_of_a_known_row_and_of_whole_clips() -> None:
    files = sorted(path for path in records.RECORDS.rglob("*.json") if path.name != "latency.json")
    assert files, "docs/results has no records"
    for path in files:
        row = row_of(path.relative_to(records.RECORDS).with_suffix("").as_posix())
        for each in records.read(row, records.RECORDS):
            hits = each.get("accuracy", 0.0) * each.get("clips", 1)
            assert hits == pytest.approx(round(hits)), f"{path}: {each['accuracy']} of {each['clips']} clips"
