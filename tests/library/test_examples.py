"""Distilling, and the examples that tell the whole story.

A distilled student learns from a teacher's soft answers as well as from the labels. Then the examples themselves are
run, and their files are looked at. How the pruned network of the story comes about is lesson 14b.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.device import stands_in
from support.results import check_results

from quatnet import Tensor
from quatnet.distill import cross_entropy_loss, distillation
from quatnet.errors import ConfigError
from quatnet.models import CNN, CNNConfig

EXAMPLES = Path(__file__).parents[2] / "examples"


def network(quaternion: bool = True, seed: int = 0) -> CNN:
    """A network whose batch norms are not at their start, so that a wrong cut shows."""
    config = CNNConfig(3, quaternion, ((8, 12), (16,), (12, 8)), embedding=8, mels=8)
    model, rng = CNN(config, rng=np.random.default_rng(seed)), np.random.default_rng(seed + 1)
    state = {name: array + rng.random(array.shape).astype(np.float32) for name, array in model.state_dict().items()}
    model.load_state_dict(state)
    return model


def clips(count: int = 3) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((count, 9, 8, 4)).astype(np.float32)


def test_a_student_that_answers_like_its_teacher_pays_only_for_the_labels() -> None:
    teacher, x = network(), clips()
    answers = teacher(x).data
    targets = np.eye(3, dtype=np.float32)
    loss = distillation(teacher, temperature=2.0, alpha=0.5)(Tensor(answers), targets, x)
    assert float(loss.data) == pytest.approx(
        0.5 * float(cross_entropy_loss(Tensor(answers), targets, x).data), rel=1e-5
    )


def test_distilling_changes_the_student_and_never_the_teacher() -> None:
    teacher, student, x = network(), network(seed=5), clips()
    before = teacher.state_dict()
    logits = student(x, train=True, rng=np.random.default_rng(0))
    distillation(teacher, alpha=1.0)(logits, np.eye(3, dtype=np.float32), x).backward()
    assert all(np.abs(tensor.grad).max() > 0 for tensor in student.parameters() if tensor.data.ndim > 1)
    assert all(tensor.grad is None for tensor in teacher.parameters())
    assert all(np.array_equal(before[name], array) for name, array in teacher.state_dict().items())


@pytest.mark.parametrize(("temperature", "weight"), [(0.0, 0.5), (2.0, 1.5), (2.0, -0.1)])
def test_a_meaningless_distillation_is_refused(temperature: float, weight: float) -> None:
    with pytest.raises(ConfigError, match="0 <= alpha <= 1"):
        distillation(network(), temperature=temperature, alpha=weight)


def run_example(*arguments: str | Path, example: str = "esc50") -> subprocess.CompletedProcess:
    command = [sys.executable, EXAMPLES / f"{example}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("smoke")
    done = run_example("--smoke", "--out", out)
    assert done.returncode == 0, done.stderr[-2000:]
    return out, done.stdout


def test_the_example_trains_five_networks_and_leaves_sound_files(smoke: tuple[Path, str]) -> None:
    out, said = smoke
    results = check_results(out)
    assert results["seed"] == 0
    assert "--smoke" in results["command"]
    assert results["sentence"] in said
    assert "synthesized" in said


def test_the_quaternion_network_of_the_example_has_a_quarter_of_the_weights(smoke: tuple[Path, str]) -> None:
    real, quaternion, alone, distilled, pruned = json.loads((smoke[0] / "results.json").read_text())["models"]
    assert quaternion["parameters"] < 0.5 * real["parameters"]
    assert quaternion["multiplications_8"] * 2 < 1.01 * quaternion["multiplications_16"] + 1e4
    assert alone["parameters"] == distilled["parameters"] < quaternion["parameters"]
    assert pruned["parameters"] < quaternion["parameters"]


def test_the_example_resumed_finds_everything_done(smoke: tuple[Path, str]) -> None:
    before = json.loads((smoke[0] / "results.json").read_text())
    done = run_example("--smoke", "--out", smoke[0], "--resume")
    assert done.returncode == 0, done.stderr[-2000:]
    after = json.loads((smoke[0] / "results.json").read_text())
    for old, new in zip(before["models"], after["models"], strict=True):
        assert (old["accuracy"], old["train_seconds"]) == (new["accuracy"], new["train_seconds"])


@pytest.mark.skipif(
    stands_in, reason="kernels on the CPU are slow: esc50 speaks for the examples, which share its story"
)
@pytest.mark.parametrize("name", ["gtzan", "ravdess", "audioset"])
def test_the_other_examples_tell_the_same_story(tmp_path: Path, name: str) -> None:
    done = run_example("--smoke", "--out", tmp_path, example=name)
    assert done.returncode == 0, done.stderr[-2000:]
    results = check_results(tmp_path)
    assert results["sentence"] in done.stdout
    assert "synthesized" in done.stdout


@pytest.mark.parametrize(
    ("example", "arguments", "message"),
    [
        ("gtzan", ["--data", "nowhere"], "DataError: .*no folders blues/ to rock/ in nowhere"),
        ("gtzan", ["--smoke", "--fold", "11"], "DataError: .*its folds are"),
        ("ravdess", ["--data", "nowhere"], "DataError: .*no folders Actor_01/"),
        ("audioset", ["--data", "nowhere"], "DataError: there are no recordings"),
        ("audioset", ["--smoke", "--train", "all"], "DataError: .*all_segments.csv cannot be read"),
        ("audioset", ["--smoke", "--epochs", "0"], "epochs"),
    ],
)
def test_a_wrong_option_of_the_others_is_one_clear_line(
    tmp_path: Path, example: str, arguments: list[str], message: str
) -> None:
    done = run_example(*arguments, "--out", tmp_path, example=example)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "DataError: .*nowhere"),
        (["--smoke", "--fold", "9"], "DataError: .*fold"),
        (["--smoke", "--epochs", "0"], "epochs"),
        (["--smoke", "--seed", "-1"], "argument --seed: expected a whole number of at least 0, got '-1'"),
    ],
)
def test_a_wrong_option_is_one_clear_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run_example(*arguments, "--out", tmp_path)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr)
