"""Tests that run the example scripts with --smoke and check their output files."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.device import uses_mock
from support.results import check_results
from support.scripts import run_script
from test_datasets import make_esc50_folder

EXAMPLES = Path(__file__).parents[2] / "examples"
FIVE_NETWORKS = ["esc50", "gtzan", "ravdess", "audioset"]


def run_example(*arguments: str | Path, example: str = "esc50") -> subprocess.CompletedProcess:
    return run_script(EXAMPLES / f"{example}.py", *arguments)


def start_example(*arguments: str | Path, example: str = "esc50") -> subprocess.CompletedProcess:
    """Run an example in a process of its own."""
    command = [sys.executable, EXAMPLES / f"{example}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run examples/esc50.py with --smoke, and return its output folder and its printed output."""
    out = tmp_path_factory.mktemp("smoke")
    run = start_example("--smoke", "--out", out)
    assert run.returncode == 0, run.stderr[-2000:]
    return out, run.stdout


def test_esc50_output_files(smoke: tuple[Path, str]) -> None:
    out, printed = smoke
    results = check_results(out)
    assert results["seed"] == 0
    assert "--smoke" in results["command"]
    assert results["summary"] in printed
    assert "synthesized" in printed
    assert "blocks.4.convs.0" in printed


def test_esc50_network_sizes(smoke: tuple[Path, str]) -> None:
    real, quaternion, student, distilled, pruned = json.loads((smoke[0] / "results.json").read_text())["models"]
    assert quaternion["parameters"] < 0.5 * real["parameters"]
    assert quaternion["multiplications_8"] * 2 < 1.01 * quaternion["multiplications_16"] + 1e4
    assert student["parameters"] == distilled["parameters"] < quaternion["parameters"]
    assert pruned["parameters"] < quaternion["parameters"]


def test_esc50_resume_after_the_last_epoch(smoke: tuple[Path, str]) -> None:
    before = json.loads((smoke[0] / "results.json").read_text())
    run = run_example("--smoke", "--out", smoke[0], "--resume")
    assert run.returncode == 0, run.stderr[-2000:]
    after = json.loads((smoke[0] / "results.json").read_text())
    for old, new in zip(before["models"], after["models"], strict=True):
        assert (old["accuracy"], old["train_seconds"]) == (new["accuracy"], new["train_seconds"])


@pytest.mark.skipif(
    uses_mock, reason="CUDA kernels are slow on the CPU, and the message does not depend on the backend"
)
def test_esc50_names_the_epochs_of_the_results_page(tmp_path: Path) -> None:
    make_esc50_folder(tmp_path / "data")
    run = run_example("--smoke", "--data", tmp_path / "data", "--out", tmp_path / "out")
    message = "2 epochs are few. The accuracies in docs/results.md take --epochs 100 or 200."
    assert message in run.stdout, run.stderr


def test_long_trainings_of_esc50_have_the_augmentation_of_the_results_page() -> None:
    settings = "augmentation(masks=2, max_frames=1 / 6, max_mels=10, mixup=0.3)"
    for program in ("esc50.py", "reproduce/train_config.py"):
        assert settings in (EXAMPLES / program).read_text(), program


@pytest.mark.skipif(uses_mock, reason="CUDA kernels are slow on the CPU, so only esc50 is run there")
@pytest.mark.parametrize("name", FIVE_NETWORKS[1:])
def test_other_data_sets(tmp_path: Path, name: str) -> None:
    run = run_example("--smoke", "--epochs", "1", "--out", tmp_path, example=name)
    assert run.returncode == 0, run.stderr[-2000:]
    results = check_results(tmp_path)
    assert results["summary"] in run.stdout
    assert "synthesized" in run.stdout


def test_custom_network(tmp_path: Path) -> None:
    run = start_example("--smoke", "--out", tmp_path, example="custom_network")
    assert run.returncode == 0, run.stderr[-2000:]
    assert re.search(r"accuracy on 10 test clips: \d+\.\d%", run.stdout)
    logits, loaded = (re.search(rf"{name}: +(\[.*?\])", run.stdout, re.DOTALL)[1] for name in ("logits", "loaded"))
    assert logits == loaded
    assert "backbone.layers.4  quaternion_conv2d" in run.stdout
    assert (tmp_path / "network.npz").exists()
    assert (tmp_path / "pruned.npz").exists()
    before = (tmp_path / "network.npz").read_bytes()
    again = start_example("--smoke", "--out", tmp_path, example="custom_network")
    assert again.returncode != 0
    assert "Traceback" not in again.stderr
    assert re.search("CheckpointError: .*network.npz exists; ", again.stderr)
    assert (tmp_path / "network.npz").read_bytes() == before
    resumed = start_example("--smoke", "--out", tmp_path, "--resume", example="custom_network")
    assert resumed.stdout.splitlines()[-1] == run.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("example", "arguments", "message"),
    [
        ("esc50", ["--data", "nowhere"], "DataError: .*nowhere"),
        ("esc50", ["--smoke", "--fold", "9"], "DataError: .*fold"),
        ("esc50", ["--smoke", "--epochs", "0"], "argument --epochs: expected an integer of at least 1, got '0'"),
        ("esc50", ["--smoke", "--seed", "-1"], "argument --seed: expected an integer of at least 0, got '-1'"),
        ("gtzan", ["--data", "nowhere"], "DataError: .*no folders blues/ to rock/ in nowhere"),
        ("gtzan", ["--smoke", "--fold", "11"], "DataError: .*its folds are"),
        ("ravdess", ["--data", "nowhere"], "DataError: .*no folders Actor_01/"),
        ("audioset", ["--data", "nowhere"], "DataError: .*class_labels_indices.csv cannot be read"),
        ("audioset", ["--smoke", "--train", "all"], "DataError: .*all_segments.csv cannot be read"),
        ("audioset", ["--smoke", "--epochs", "0"], "argument --epochs"),
    ],
)
def test_invalid_option_error(tmp_path: Path, example: str, arguments: list[str], message: str) -> None:
    run = run_example(*arguments, "--out", tmp_path, example=example)
    assert run.returncode != 0
    assert "Traceback" not in run.stderr
    assert re.search(message, run.stderr)


LINES = {"esc50": 220, "gtzan": 150, "ravdess": 150, "audioset": 154, "custom_network": 130}


@pytest.mark.parametrize("name", LINES)
def test_example_length_and_imports(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text()
    modules = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert modules <= {"quatnet", "numpy"} | sys.stdlib_module_names
    assert len(text.splitlines()) <= LINES[name]
