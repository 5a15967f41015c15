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
from support.published import published
from support.results import check_results

from quatnet import Tensor
from quatnet.distill import cross_entropy_loss, distillation
from quatnet.errors import ConfigError
from quatnet.models import CNN, CNNConfig, ResNet, ResNetConfig
from quatnet.profile import count_parameters
from quatnet.training.checkpoint import load_model
from quatnet.weights import write_safetensors

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


def test_the_example_prunes_to_a_budget_in_rounds(tmp_path: Path) -> None:
    done = run_example(
        "--smoke", "--out", tmp_path, "--criterion", "geometric_median", "--budget", "0.4", "0.2", "--rounds", "2"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    real, *_, pruned = check_results(tmp_path)["models"]
    assert pruned["multiplications_8"] <= 0.4 * real["multiplications_8"]
    assert pruned["parameters"] <= 0.2 * real["parameters"]
    halfway = load_model(tmp_path / "quaternion-CNN-pruned-in-round-1.npz")
    assert pruned["parameters"] < count_parameters(halfway) < 0.5 * real["parameters"]
    assert "blocks.4.convs.0" in done.stdout


def test_temperature_and_weight_of_the_example_are_options_and_a_resume_asks_for_the_same(tmp_path: Path) -> None:
    run = ["--smoke", "--epochs", "1", "--out", tmp_path]
    losses = []
    for how in (["--weight", "0"], ["--temperature", "5"]):
        done = run_example(*run, *how)
        assert done.returncode == 0, done.stderr[-2000:]
        losses.append([row["history"][0]["loss"] for row in check_results(tmp_path)["models"]])
    assert losses[0][3] == losses[0][2]  # without a weight of the teacher the student learns alone
    assert losses[1][3] != losses[1][2]
    other = run_example(*run, "--temperature", "4", "--resume")
    assert "CheckpointError: " in other.stderr
    assert "student-distilled.npz comes from another run" in other.stderr


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


def test_a_network_goes_on_with_other_sounds_under_a_new_head(smoke: tuple[Path, str], tmp_path: Path) -> None:
    teachers = [smoke[0] / "quaternion-CNN.npz", smoke[0] / "real-CNN.npz"]
    done = run_example("--smoke", "--out", tmp_path, "--freeze", "--init", *teachers, example="ravdess")
    assert done.returncode == 0, done.stderr[-2000:]
    check_results(tmp_path)
    for teacher in teachers:
        before, after = (load_model(folder / teacher.name).state_dict() for folder in (smoke[0], tmp_path))
        kept = {key for key in before if before[key].shape == after[key].shape and (before[key] == after[key]).all()}
        assert {"embedding.weight", "blocks.0.convs.0.weight", "blocks.3.norms.1.weight"} <= kept
        assert (before["classifier.bias"].shape, after["classifier.bias"].shape) == ((10,), (8,))


def test_a_published_residual_network_goes_on_and_has_a_residual_student(tmp_path: Path) -> None:
    widths = ((8, 8), (8, 8), (8, 12), (12, 12))  # as if pruned: 12 channels have no half of whole quaternions
    _, arrays = published(ResNetConfig(527, True, widths, embedding=12, stages=(1, 1)))
    write_safetensors(tmp_path / "it.safetensors", {name: array.copy() for name, array in arrays.items()})
    out = tmp_path / "out"
    done = run_example("--smoke", "--epochs", "1", "--out", out, "--init", tmp_path / "it.safetensors")
    assert done.returncode == 0, done.stderr[-2000:]
    check_results(out)
    whole, student = (load_model(out / f"{name}.npz") for name in ("quaternion-CNN", "student-alone"))
    assert isinstance(whole, ResNet)
    assert whole.config.widths == widths
    assert isinstance(student, ResNet)
    assert student.config.widths == ((4, 4), (4, 4), (4, 4), (4, 4))


@pytest.mark.parametrize(
    ("example", "arguments", "message"),
    [
        ("gtzan", ["--data", "nowhere"], "DataError: .*no folders blues/ to rock/ in nowhere"),
        ("gtzan", ["--smoke", "--fold", "11"], "DataError: .*its folds are"),
        ("ravdess", ["--data", "nowhere"], "DataError: .*no folders Actor_01/"),
        ("ravdess", ["--smoke", "--init", "none.npz"], "CheckpointError: there is no checkpoint none.npz"),
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
        (["--smoke", "--rounds", "0"], "argument --rounds: expected a whole number of at least 1, got '0'"),
        (
            ["--smoke", "--budget", "0.5", "none"],
            "argument --budget: expected a number above 0, such as 0.5, got 'none'",
        ),
        (["--smoke", "--criterion", "gm"], "argument --criterion: invalid choice: 'gm'"),
        (["--smoke", "--budget", "0.001", "0.2"], "ConfigError: with one filter in each layer the network still costs"),
        (["--smoke", "--seed", "-1"], "argument --seed: expected a whole number of at least 0, got '-1'"),
        (["--smoke", "--temperature", "0"], "argument --temperature: expected a number above 0"),
        (["--smoke", "--weight", "1.5"], "ConfigError: expected 0 <= weight <= 1"),
        (["--smoke", "--freeze"], "ConfigError: --freeze trains the head of a network that comes by --init"),
    ],
)
def test_a_wrong_option_is_one_clear_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run_example(*arguments, "--out", tmp_path)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr)
