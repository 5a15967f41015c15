"""Test examples/reproduce/experiment.py with options of transfer learning, distillation and pruning."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cached_teacher import cached_teacher_logits
from support.device import uses_mock
from support.published import published_state_dict
from support.results import check_results
from support.scripts import run_script

from quatnet.datasets import Dataset, synthetic
from quatnet.models import ResNet, ResNetConfig
from quatnet.profile import count_parameters
from quatnet.training import load_model
from quatnet.weights import write_safetensors

pytestmark = pytest.mark.skipif(
    uses_mock, reason="CUDA kernels are slow on the CPU, and esc50 runs the same code there"
)
SCRIPT = Path(__file__).parents[2] / "examples" / "reproduce" / "experiment.py"


def run_experiment(*arguments: str | Path, dataset: str = "esc50") -> subprocess.CompletedProcess:
    return run_script(SCRIPT, "--dataset", dataset, *arguments)


def assert_one_line_error(run: subprocess.CompletedProcess, pattern: str) -> None:
    assert run.returncode != 0
    assert "Traceback" not in run.stderr
    assert re.search(pattern, run.stderr), run.stderr


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the example with `--smoke`, and return the output folder and stdout."""
    out = tmp_path_factory.mktemp("smoke")
    command = [sys.executable, SCRIPT, "--dataset", "esc50", "--smoke", "--out", out]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    return out, run.stdout


# Data sets


def test_results_and_plots_are_written(smoke: tuple[Path, str]) -> None:
    out, stdout = smoke
    results = check_results(out)
    assert results["seed"] == 0
    assert "--smoke" in results["command"]
    assert results["summary"] in stdout
    assert "synthesized" in stdout


def test_resume_keeps_finished_trainings(smoke: tuple[Path, str]) -> None:
    before = check_results(smoke[0])
    run = run_experiment("--smoke", "--out", smoke[0], "--resume")
    assert run.returncode == 0, run.stderr[-2000:]
    for old, new in zip(before["models"], check_results(smoke[0])["models"], strict=True):
        assert (old["accuracy"], old["train_seconds"]) == (new["accuracy"], new["train_seconds"])


@pytest.mark.parametrize("dataset", ["gtzan", "ravdess", "audioset"])
def test_other_data_sets(tmp_path: Path, dataset: str) -> None:
    run = run_experiment("--smoke", "--epochs", "1", "--out", tmp_path, dataset=dataset)
    assert run.returncode == 0, run.stderr[-2000:]
    results = check_results(tmp_path)
    assert results["summary"] in run.stdout
    assert "synthesized" in run.stdout


def test_front_end_of_paper_code(tmp_path: Path) -> None:
    run = run_experiment("--smoke", "--epochs", "1", "--out", tmp_path, "--frontend", "paper_code")
    assert run.returncode == 0, run.stderr[-2000:]
    assert re.search(r"floor_db=-100\.0, variant='paper_code'", run.stdout)
    check_results(tmp_path)


# Pruning


def test_prune_to_budget_in_rounds(tmp_path: Path) -> None:
    options = ["--criterion", "geometric_median", "--budget", "0.4", "0.2", "--rounds", "2"]
    run = run_experiment("--smoke", "--out", tmp_path, *options)
    assert run.returncode == 0, run.stderr[-2000:]
    real, *_, pruned = check_results(tmp_path)["models"]
    assert pruned["multiplications_8"] <= 0.4 * real["multiplications_8"]
    assert pruned["parameters"] <= 0.2 * real["parameters"]
    after_round_1 = load_model(tmp_path / "quaternion-CNN-pruned-in-round-1.npz")
    assert pruned["parameters"] < count_parameters(after_round_1) < 0.5 * real["parameters"]
    assert "blocks.4.convs.0" in run.stdout


# Distillation


def test_temperature_and_alpha_and_resume_with_other_values(tmp_path: Path) -> None:
    arguments = ["--smoke", "--epochs", "1"]
    losses = []
    for option, value in (("--alpha", "0"), ("--temperature", "5")):
        run = run_experiment(*arguments, option, value, "--out", tmp_path / option)
        assert run.returncode == 0, run.stderr[-2000:]
        losses.append([row["history"][0]["loss"] for row in check_results(tmp_path / option)["models"]])
    assert losses[0][3] == losses[0][2]  # with alpha 0 the loss is the loss of training from scratch
    assert losses[1][3] != losses[1][2]
    run = run_experiment(*arguments, "--temperature", "4", "--out", tmp_path / "--temperature", "--resume")
    assert "CheckpointError: " in run.stderr
    assert "student-distilled.npz comes from another run" in run.stderr


@pytest.fixture(scope="module")
def data() -> Dataset:
    return synthetic.load(clips_per_class=5, seed=0)  # the data set of --smoke


def teacher_file(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.fixture
def embeddings(data: Dataset, tmp_path: Path) -> Path:
    """Return a file of embeddings with one cluster per class."""
    rng = np.random.default_rng(0)
    values = np.eye(10)[data.labels] + 0.1 * rng.standard_normal((50, 10))
    order = rng.permutation(50)
    names = np.array([clip.name for clip in data.clips])
    return teacher_file(tmp_path / "embeddings.npz", clip=names[order], embedding=values[order].astype(np.float16))


def test_teacher_logits_do_not_depend_on_test_labels(
    data: Dataset, embeddings: Path, capsys: pytest.CaptureFixture
) -> None:
    logits = cached_teacher_logits(embeddings, data, fold=2)
    assert logits.shape == (40, 10)
    assert (logits.argmax(axis=1) == data.labels[data.folds != 2]).mean() > 0.9
    assert re.search(r"linear probe on the embeddings of .*, \d+.\d% of the test clips", capsys.readouterr().out)
    wrong = [clip if clip.fold != 2 else type(clip)(clip.name, 0, 2, clip.source, clip.key) for clip in data.clips]
    mislabeled = type(data)("", data.classes, tuple(wrong))
    np.testing.assert_array_equal(cached_teacher_logits(embeddings, mislabeled, 2), logits)


def test_distill_from_cached_embeddings_and_resume_without_them(embeddings: Path, tmp_path: Path) -> None:
    run = run_experiment("--smoke", "--out", tmp_path / "out", "--teacher", embeddings)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "linear probe" in run.stdout
    check_results(tmp_path / "out")
    run = run_experiment("--smoke", "--out", tmp_path / "out", "--resume")
    assert_one_line_error(run, "CheckpointError: .*student-distilled.npz comes from another run")


def test_wrong_teacher_file(data: Dataset, tmp_path: Path) -> None:
    names = np.array([clip.name for clip in data.clips])
    short = teacher_file(tmp_path / "short.npz", clip=names[1:], logits=np.ones((49, 10)))
    narrow = teacher_file(tmp_path / "narrow.npz", clip=names, logits=np.ones((50, 9)))
    for path, message in [
        (tmp_path / "none.npz", "there is no file"),
        (short, "no logits for 1 of 40 clips, first 'dog"),
        (narrow, "expected logits of 10 classes, got 9"),
    ]:
        run = run_experiment("--smoke", "--out", tmp_path / "out", "--teacher", path, "--fold", "2")
        assert_one_line_error(run, f"DataError: .*{message}")


# Transfer


def test_transfer_with_frozen_backbone(smoke: tuple[Path, str], tmp_path: Path) -> None:
    checkpoints = [smoke[0] / "quaternion-CNN.npz", smoke[0] / "real-CNN.npz"]
    run = run_experiment("--smoke", "--out", tmp_path, "--freeze", "--init", *checkpoints, dataset="ravdess")
    assert run.returncode == 0, run.stderr[-2000:]
    check_results(tmp_path)
    for checkpoint in checkpoints:
        before, after = (load_model(folder / checkpoint.name).state_dict() for folder in (smoke[0], tmp_path))
        same = {key for key in before if before[key].shape == after[key].shape and (before[key] == after[key]).all()}
        assert {"embedding.weight", "blocks.0.convs.0.weight", "blocks.3.norms.1.weight"} <= same
        assert (before["classifier.bias"].shape, after["classifier.bias"].shape) == ((10,), (8,))


def test_transfer_of_published_residual_network(tmp_path: Path) -> None:
    widths = ((8, 8), (8, 8), (8, 12), (12, 12))  # half of 12 channels is not a multiple of 4, as after pruning
    _, arrays = published_state_dict(ResNetConfig(527, True, widths, embedding=12, stages=(1, 1)))
    write_safetensors(tmp_path / "resnet.safetensors", {name: array.copy() for name, array in arrays.items()})
    out = tmp_path / "out"
    run = run_experiment("--smoke", "--epochs", "1", "--out", out, "--init", tmp_path / "resnet.safetensors")
    assert run.returncode == 0, run.stderr[-2000:]
    check_results(out)
    quaternion, student = (load_model(out / f"{name}.npz") for name in ("quaternion-CNN", "student-from-scratch"))
    assert isinstance(quaternion, ResNet)
    assert quaternion.config.widths == widths
    assert isinstance(student, ResNet)
    assert student.config.widths == ((4, 4), (4, 4), (4, 4), (4, 4))


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "DataError: .*nowhere"),
        (["--smoke", "--fold", "9"], "DataError: .*fold"),
        (["--smoke", "--epochs", "0"], "epochs"),
        (["--smoke", "--rounds", "0"], "argument --rounds: expected an integer of at least 1, got '0'"),
        (
            ["--smoke", "--budget", "0.5", "none"],
            "argument --budget: expected a number above 0, such as 0.5, got 'none'",
        ),
        (["--smoke", "--criterion", "gm"], "argument --criterion: invalid choice: 'gm'"),
        (["--smoke", "--budget", "0.001", "0.2"], "ConfigError: with one filter in each layer the network still costs"),
        (["--smoke", "--seed", "-1"], "argument --seed: expected an integer of at least 0, got '-1'"),
        (["--smoke", "--temperature", "0"], "argument --temperature: expected a number above 0"),
        (["--smoke", "--alpha", "1.5"], "ConfigError: expected alpha in"),
        (["--smoke", "--freeze"], "ConfigError: --freeze trains the classifier of a pretrained network"),
        (["--smoke", "--filtered"], "--filtered does not apply to --dataset esc50"),
    ],
)
def test_wrong_option(tmp_path: Path, arguments: list[str], message: str) -> None:
    assert_one_line_error(run_experiment(*arguments, "--out", tmp_path), message)


@pytest.mark.parametrize(
    ("dataset", "arguments", "message"),
    [
        ("gtzan", ["--data", "nowhere"], "DataError: .*no folders blues/ to rock/ in nowhere"),
        ("gtzan", ["--smoke", "--fold", "11"], "DataError: .*its folds are"),
        ("ravdess", ["--data", "nowhere"], "DataError: .*no folders Actor_01/"),
        ("ravdess", ["--smoke", "--init", "none.npz"], "CheckpointError: there is no file none.npz"),
        ("audioset", ["--data", "nowhere"], "DataError: nowhere cannot be listed"),
        ("audioset", ["--smoke", "--train", "all"], "DataError: .*all_segments.csv cannot be read"),
        ("audioset", ["--smoke", "--teacher", "t.npz"], "--teacher does not apply to --dataset audioset"),
    ],
)
def test_wrong_option_of_other_data_sets(tmp_path: Path, dataset: str, arguments: list[str], message: str) -> None:
    assert_one_line_error(run_experiment(*arguments, "--out", tmp_path, dataset=dataset), message)
