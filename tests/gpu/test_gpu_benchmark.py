"""A benchmark for a machine that is not here: does it run, wait for the device, and refuse what makes no sense?

A GPU computes while Python goes on, so a clock that does not wait measures nothing but the orders. Whether the times
are good is for the owner of a GPU to say; that they are times can be tested.
"""

import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import gpu
import numpy as np
import pytest
from support.device import array_module, cupy

from quatnet.models import CNN, small_cnn

EXAMPLE = Path(__file__).parents[2] / "examples" / "benchmarks" / "gpu.py"


def test_the_smoke_run_has_a_line_for_each_convolution_and_one_for_the_step():
    run = subprocess.run([sys.executable, EXAMPLE, "--smoke"], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    assert said[0].startswith("backend")
    names = [layer.name for layer in small_cnn(10).layers(101) if not layer.linear]
    assert [line.split()[0] for line in said if line.startswith("blocks.")] == names
    assert said[-1].startswith("a step of 2 clips of 1 s: ")
    assert said[-1].endswith(" GB at the peak")


def test_the_clock_waits_for_the_device(monkeypatch):
    waited = []
    with array_module("cupy"):
        monkeypatch.setattr(cupy.cuda.Device, "synchronize", lambda self: waited.append("device"), raising=True)
        gpu.median_seconds(lambda: waited.append("run"), runs=2)
    assert waited == ["device", "run", "device"] * 3


def test_the_median_counts_and_the_first_run_does_not(monkeypatch):
    clock = iter([0, 100, 0, 5, 0, 2, 0, 3])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert gpu.median_seconds(lambda: None, runs=3) == 3


def test_a_measured_step_moves_the_weights_and_a_measured_layer_does_not(rng):
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
        (["--network", "resnet38"], "ConfigError: expected a network without residual blocks, such as qcnn14, got resnet38\n"),
    ],
)
def test_what_it_cannot_measure_is_one_line(arguments, line):
    run = subprocess.run([sys.executable, EXAMPLE, *arguments], capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stdout, run.stderr) == (1, "", line)
