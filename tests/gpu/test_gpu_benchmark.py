"""Test the GPU benchmark without a GPU: its output, synchronization with the device, and invalid options.

A GPU computes asynchronously. Without synchronization, the measured time is the time of the kernel launches only.
"""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import gpu
import numpy as np
import pytest

from quatnet.models import CNN, small_cnn

EXAMPLE = Path(__file__).parents[2] / "examples" / "benchmarks" / "gpu.py"


def test_smoke_run_prints_each_convolution_and_the_step():
    run = subprocess.run(
        [sys.executable, EXAMPLE, "--smoke", "--no-torch"], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0].startswith("backend")
    names = [layer.name for layer in small_cnn(10).layers(101) if not layer.linear]
    assert [line.split()[0] for line in lines if line.startswith("blocks.")] == names
    assert lines[-1].split()[:3] in (["qcnn14", "quatnet", "float32"], ["qcnn14", "quatnet", "TF32"])
    assert all(float(number) > 0 for number in lines[-1].split()[3:5])  # milliseconds; the mock has no peak memory


def test_median_seconds_synchronizes(monkeypatch):
    calls = []
    monkeypatch.setattr(gpu, "synchronize", lambda: calls.append("device"))  # Device of CuPy cannot be patched
    gpu.median_seconds(lambda: calls.append("run"), runs=2)
    assert calls == ["device", "run"] * (2 + gpu.WARM_UP_RUNS)


def test_median_seconds_ignores_the_warm_up_runs(monkeypatch):
    times = iter([100, 100, 5, 2, 3])
    monkeypatch.setattr(gpu, "_seconds", lambda run: next(times))
    assert gpu.median_seconds(lambda: None, runs=3) == 3


def test_only_the_training_step_changes_weights(rng):
    model = CNN(small_cnn(3), rng=rng)
    before = {name: np.array(value) for name, value in model.state_dict().items()}
    layer = next(model.config.layers(101))
    gpu.layer_step(model, layer, batch=2)()
    weights = dict(model.named_parameters())
    assert all((model.state_dict()[name] == before[name]).all() for name in weights)
    gpu.training_step(model, Namespace(batch=2, seconds=1))()
    assert any((model.state_dict()[name] != before[name]).any() for name in weights)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--batch", "0"], "ConfigError: expected at least 1, got --batch 0 --seconds 10 --runs 5\n"),
        (
            ["--network", "resnet38"],
            "ConfigError: expected a network without residual blocks, such as qcnn14, got resnet38\n",
        ),
    ],
)
def test_invalid_options_print_one_line(arguments, line):
    run = subprocess.run([sys.executable, EXAMPLE, *arguments], capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stdout, run.stderr) == (1, "", line)
