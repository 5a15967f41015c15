"""Tests of examples/benchmarks/pytorch.py and its modules.

Two libraries are timed alternately, so that a load on the machine affects both libraries. The first call is a warm-up
and is not counted. The result is the median. Both libraries must compute the same outputs. A value that was not
measured is None. The tests do not depend on the speed of the machine.
"""

import json
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest
import pytorch as benchmark
import speed_layers
import speed_measure
import speed_networks
import speed_plan
import speed_plot
import speed_tables
from support.arrays import assert_close

from quatnet.backend import on_gpu
from quatnet.models import CNN

pytestmark = pytest.mark.skipif(on_gpu(), reason="the benchmark measures the NumPy backend")

EXAMPLE = Path(__file__).parents[2] / "examples" / "benchmarks" / "pytorch.py"
RATIOS = {
    "inference_vs_peers",
    "inference_vs_expanded",
    "inference_vs_real_cnn14",
    "inference_vs_compiled_cnn14",
    "step_vs_peers",
    "step_vs_real_cnn14",
    "small_step_vs_peers",
    "step_memory",
    "share_of_eight_product_limit",
}
ERRORS = {
    f"{algorithm}_{kind}" for algorithm in ("strips", "patched", "direct", "fused") for kind in ("quaternion", "real")
}


# Measurements


def test_alternating_order_and_uncounted_warm_up():
    calls = []
    times = speed_measure.time_alternately({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3, 0.0)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert [len(times[side]["runs"]) for side in "ab"] == [3, 3]


def test_median_and_minimum(monkeypatch):
    clock = iter([0, 1, 0, 5, 0, 2, 0, 3])  # the warm-up takes 1 second, and the runs take 5, 2 and 3 seconds
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    times = speed_measure.time_alternately({"a": lambda: None}, 3, 0.0)["a"]
    assert times == {"median": 3, "min": 2, "runs": [5, 2, 3]}


def test_short_calls_are_repeated(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    # the times are a warm-up, one call for the estimate, and 1 / 0.25 = 4 calls
    clock = iter([0, 0.3, 0, 0.25, 0, 1.2])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert speed_measure.time_alternately({"a": lambda: None}, 1, 1.0)["a"]["runs"] == [0.3]


@pytest.mark.skipif(not speed_measure.CLEAR_REFS.exists(), reason="needs /proc of Linux")
def test_peak_memory_excludes_earlier_peak():
    # A new process is used, because after many tests a process may have 64 MB of free memory, so that its memory would
    # not grow.
    memory = speed_measure.run_in_subprocess(peak_of_64_megabytes)
    assert 56 << 20 < memory["peak"] - memory["before"] < 80 << 20


def peak_of_64_megabytes():
    np.ones(96 << 20, np.uint8)  # this array is freed, and its memory is returned to the operating system
    return speed_measure.peak_memory(lambda: np.ones(64 << 20, np.uint8))


# Counts and ratios


def test_products_8_of_a_job():
    # A convolution from 4 to 8 real channels on 24 x 8 pixels has 9 taps and half of the real multiplications.
    # The linear layers map 8 to 4 values (also with half of the multiplications) and 4 to 3 values.
    # A training step computes no gradient of the network input.
    config = speed_plan.CNNConfig(3, True, ((8,),), embedding=4, mels=8)
    first, rest = 24 * 8 * 9 * 4 * 8 // 2, 8 * 4 // 2 + 4 * 3
    job = speed_networks.Job("any", config, 24, "inference", 2)
    assert job.products_8 == 2 * (first + rest)
    assert job._replace(work="step").products_8 == 2 * (2 * first + 3 * rest)


def test_conv_layers_of_qcnn14():
    layers = list(speed_layers.conv_layers(speed_plan.QCNN14, 501))
    assert len(layers) == 12
    assert layers[0] == ("block 1 conv 1", 501, 64, 4, 64)
    assert layers[-1] == ("block 6 conv 2", 15, 2, 2048, 2048)


def test_ratios():
    sides = {"quatnet": {"median": 2.0}, "peers": {"median": 5.0}}
    rows = {name: {"sides": sides, "share_of_limit": 0.5} for name in ("inference", "step", "small_step")}
    memory = {"quatnet": {"before": 10, "peak": 40}, "peers": {"before": 100, "peak": 150}}
    ratios = speed_tables.compute_ratios(rows, memory)
    assert (ratios["inference_vs_peers"], ratios["step_vs_real_cnn14"]) == (2.5, None)
    assert (ratios["step_memory"], ratios["share_of_eight_product_limit"]) == (30 / 50, 0.5)
    assert speed_tables.compute_ratios(rows, {"quatnet": None})["step_memory"] is None


def test_share_of_limit():
    # 3e9 multiplications are 6e9 operations, which take 0.06 s at 100 GFLOP/s. The measured time is 0.24 s.
    row = {"products_8": 3_000_000_000, "sides": {"quatnet": {"median": 0.24}}}
    assert speed_tables.share_of_limit(row, 100.0) == pytest.approx(0.25)


# Command line


def test_toy_run_without_torch(tmp_path):
    options = ["--toy", "--rounds", "1", "--no-torch", "--json", tmp_path / "b.json", "--plot", tmp_path / "b.png"]
    process = subprocess.run([sys.executable, EXAMPLE, *options], capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr[-2000:]
    results = json.loads((tmp_path / "b.json").read_text())
    assert results["ratios"].keys() == RATIOS
    assert {name for name, value in results["ratios"].items() if value is not None} == {"share_of_eight_product_limit"}
    assert results["errors"].keys() == ERRORS
    assert 0 < max(results["errors"].values()) < 1e-5
    assert {row["direction"] for row in results["layers"]} == {"forward", "input gradient", "weight gradient"}
    assert "--toy" in results["command"]
    assert "PyTorch is not measured" in process.stdout
    pixels = matplotlib.image.imread(tmp_path / "b.png")
    assert min(pixels.shape[:2]) > 300
    assert len(np.unique(pixels[::8, ::8].reshape(-1, pixels.shape[-1]), axis=0)) > 10


def test_layer_labels_do_not_overlap():
    figure, sides = plt.figure(figsize=(14, 9), layout="constrained"), {"quatnet": {"median": 1.0}}
    rows = [
        {**layer._asdict(), "batch": 4, "direction": direction, "sides": sides}
        for direction in speed_plot.DIRECTIONS
        for layer in speed_plan.full_plan(1).layers
    ]
    speed_plot._plot_layers(figure, rows)
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[-1].get_xticklabels()]
    assert len(boxes) == 12
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    plt.close(figure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "--threads: expected an integer of at least 1, got '0'"),
        (["--rounds", "many"], "--rounds: expected an integer of at least 1, got 'many'"),
        (["--json", "nowhere/b.json"], "--json: expected a file in a folder that exists, got 'nowhere/b.json'"),
    ],
)
def test_invalid_option_is_rejected_before_measuring(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pytorch.py", *arguments])
    with pytest.raises(SystemExit):
        benchmark.parse_options()
    assert message in capsys.readouterr().err


# PyTorch


@pytest.mark.parity
@pytest.mark.parametrize("input_norm", ["mel", "cell"])
@pytest.mark.parametrize("variant", ["peers", "expanded", "real"])
def test_torch_network_has_same_training_outputs(torch, variant, input_norm):
    torch_networks = pytest.importorskip("torch_networks")
    job = speed_plan.toy_plan().ratio_jobs["step"]
    config = replace(
        job.config, quaternion=variant != "real", input_norm=input_norm, block_dropout=0.0, head_dropout=0.0
    )
    model, (x, _) = CNN(config, rng=np.random.default_rng(0)), job.clips(0)
    expected = model(x, train=True).data
    for layout in torch_networks.LAYOUTS:
        outputs = torch_networks.from_quatnet(model, variant, layout).train()(torch.from_numpy(x))
        assert_close(outputs.detach().numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parity
def test_torch_variants_are_timed_and_agree(torch):
    settings = speed_measure.Settings(threads=1, rounds=1, seed=0, torch=True, turn_seconds=0.0)
    plan = speed_plan.toy_plan()
    rows = {
        name: speed_networks.measure_job(job, settings) | {"share_of_limit": 1.0}
        for name, job in plan.ratio_jobs.items()
    }
    ratios = speed_tables.compute_ratios(rows, {})
    missing = {name for name, value in ratios.items() if value is None}
    assert missing == {"inference_vs_compiled_cnn14", "step_memory"}
    assert max(rows["inference"]["differences"].values()) < 1e-5
    for row in speed_layers.measure_layer(plan.layers[1], 1, settings):
        assert speed_tables.layer_times(row).keys() == {"peers", "expanded", "real"}


@pytest.mark.parity
def test_torch_layers_have_same_results(torch):
    torch_runs = pytest.importorskip("torch_runs")
    layer = speed_plan.toy_plan().layers[1]
    x, w, grad_output = layer.arrays(2, 4, 0)
    expected = {direction: run() for direction, run in speed_layers.quatnet_runs(x, w, grad_output).items()}
    for variant, _, runs in torch_runs.layer_runs(x, w, grad_output, layer.channels):
        forward, grad_x, grad_w = (runs[direction]() for direction in expected)
        assert_close(forward.permute(0, 2, 3, 1).numpy(), expected["forward"], rtol=0, atol=1e-4)
        assert_close(grad_x[0].permute(0, 2, 3, 1).numpy(), expected["input gradient"], rtol=0, atol=1e-4)
        if variant == "peers":
            components = np.stack([component.permute(2, 3, 1, 0).numpy() for component in grad_w])
            assert_close(components, expected["weight gradient"], rtol=0, atol=1e-3)


@pytest.mark.parity
def test_time_limit(torch):
    torch_runs = pytest.importorskip("torch_runs")
    with pytest.raises(TimeoutError, match=r"not done after 0\.01 s"), torch_runs.time_limit(0.01):
        time.sleep(60)
