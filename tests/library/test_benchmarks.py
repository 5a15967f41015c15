"""How to measure speed without fooling oneself.

Two programs are compared in turn, so that a busy moment of the machine meets both; the first call of each is not
counted, since it also prepares; the median stands for all. Before that both must compute the same thing, or the
faster one may just do less. What could not be measured is said to be missing, and is not a number. Nothing here
depends on how fast this machine is.
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

pytestmark = pytest.mark.skipif(on_gpu(), reason="the benchmark measures the fast forms, which are NumPy's")

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
ERRORS = {f"{form}_{kind}" for form in ("strips", "patched", "direct", "fused") for kind in ("quaternion", "real")}


# Measuring


def test_sides_take_turns_and_the_first_calls_are_not_counted():
    said = []
    times = speed_measure.alternate({"a": lambda: said.append("a"), "b": lambda: said.append("b")}, 3, 0.0)
    assert "".join(said) == "ab" + "ab" + "ba" + "ab"
    assert [len(times[side]["runs"]) for side in "ab"] == [3, 3]


def test_the_median_is_the_middle_run(monkeypatch):
    clock = iter([0, 1, 0, 5, 0, 2, 0, 3])  # the warm-up takes 1; the runs 5, 2 and 3
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    times = speed_measure.alternate({"a": lambda: None}, 3, 0.0)["a"]
    assert times == {"median": 3, "min": 2, "runs": [5, 2, 3]}


def test_short_calls_are_repeated_until_a_turn_is_long_enough(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    clock = iter([0, 0.3, 0, 0.25, 0, 1.2])  # warm-up, one call to estimate, then a turn of 1 / 0.25 = 4 calls
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert speed_measure.alternate({"a": lambda: None}, 1, 1.0)["a"]["runs"] == [0.3]


@pytest.mark.skipif(not speed_measure.FORGET.exists(), reason="reads /proc, which Linux has")
def test_peak_memory_is_that_of_the_work_and_not_of_what_came_before():
    # in a process of its own: one that has run a thousand tests may have 64 MB to spare, and grows by nothing
    found = speed_measure.in_a_child(sixty_four_megabytes)
    assert 56 << 20 < found["peak"] - found["before"] < 80 << 20


def sixty_four_megabytes():
    np.ones(96 << 20, np.uint8)  # forgotten; blocks of this size are given back to the system
    return speed_measure.peak_memory(lambda: np.ones(64 << 20, np.uint8))


# Counting


def test_the_products_of_a_job_are_counted_by_hand():
    # one block of 4 -> 8 real channels on 24 x 8 pixels: 9 taps, 16 real products for a quaternion one, halved;
    # then linear layers 8 -> 4 (halved too) and 4 -> 3. A step leaves out the gradient of the first input.
    config = speed_plan.CNNConfig(3, True, ((8,),), embedding=4, mels=8)
    first, rest = 24 * 8 * 9 * 4 * 8 // 2, 8 * 4 // 2 + 4 * 3
    job = speed_networks.Job("any", config, 24, "inference", 2)
    assert job.products_8 == 2 * (first + rest)
    assert job._replace(work="step").products_8 == 2 * (2 * first + 3 * rest)


def test_the_layers_are_those_of_the_network():
    layers = list(speed_layers.layers(speed_plan.QCNN14, 501))
    assert len(layers) == 12
    assert layers[0] == ("block 1 conv 1", 501, 64, 4, 64)
    assert layers[-1] == ("block 6 conv 2", 15, 2, 2048, 2048)


def test_a_ratio_is_their_time_over_ours_and_none_where_there_is_none():
    sides = {"quatnet": {"median": 2.0}, "peers": {"median": 5.0}}
    rows = {name: {"sides": sides, "share_of_limit": 0.5} for name in ("inference", "step", "small_step")}
    memory = {"quatnet": {"before": 10, "peak": 40}, "peers": {"before": 100, "peak": 150}}
    ratios = speed_tables.ratios(rows, memory)
    assert (ratios["inference_vs_peers"], ratios["step_vs_real_cnn14"]) == (2.5, None)
    assert (ratios["step_memory"], ratios["share_of_eight_product_limit"]) == (30 / 50, 0.5)
    assert speed_tables.ratios(rows, {"quatnet": None})["step_memory"] is None


def test_the_share_of_the_limit_is_the_limit_over_the_time():
    # 3e9 products are 6e9 operations: 0.06 s at 100 GFLOP/s, and it took 0.24 s
    row = {"products_8": 3_000_000_000, "sides": {"quatnet": {"median": 0.24}}}
    assert speed_tables.share_of_limit(row, 100.0) == pytest.approx(0.25)


# The program


def test_the_benchmark_runs_with_numpy_alone_and_names_everything(tmp_path):
    options = ["--toy", "--rounds", "1", "--no-torch", "--json", tmp_path / "b.json", "--plot", tmp_path / "b.png"]
    done = subprocess.run([sys.executable, EXAMPLE, *options], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads((tmp_path / "b.json").read_text())
    assert results["ratios"].keys() == RATIOS
    assert {name for name, value in results["ratios"].items() if value is not None} == {"share_of_eight_product_limit"}
    assert results["errors"].keys() == ERRORS
    assert 0 < max(results["errors"].values()) < 1e-5
    assert {row["direction"] for row in results["layers"]} == {"forward", "input gradient", "weight gradient"}
    assert "--toy" in results["command"]
    assert "PyTorch is not measured" in done.stdout
    pixels = matplotlib.image.imread(tmp_path / "b.png")
    assert min(pixels.shape[:2]) > 300
    assert len(np.unique(pixels[::8, ::8].reshape(-1, pixels.shape[-1]), axis=0)) > 10


def test_the_names_of_a_dozen_layers_do_not_touch():
    figure, sides = plt.figure(figsize=(14, 9), layout="constrained"), {"quatnet": {"median": 1.0}}
    rows = [
        {**layer._asdict(), "batch": 4, "direction": direction, "sides": sides}
        for direction in speed_plot.DIRECTIONS
        for layer in speed_plan.whole(1).layers
    ]
    speed_plot._layers(figure, rows)
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[-1].get_xticklabels()]
    assert len(boxes) == 12
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    plt.close(figure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "--threads: expected a whole number of at least 1, got '0'"),
        (["--rounds", "many"], "--rounds: expected a whole number of at least 1, got 'many'"),
        (["--json", "nowhere/b.json"], "--json: expected a file in a folder that exists, got 'nowhere/b.json'"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_measured(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *arguments])
    with pytest.raises(SystemExit):
        benchmark.options()
    assert message in capsys.readouterr().err


# The other side


@pytest.mark.parity
@pytest.mark.parametrize("input_norm", ["mel", "cell"])
@pytest.mark.parametrize("way", ["peers", "expanded", "real"])
def test_pytorch_computes_the_same_network_in_training_too(torch, way, input_norm):
    twins = pytest.importorskip("torch_networks")
    job = speed_plan.tiny().fixed["step"]
    config = replace(job.config, quaternion=way != "real", input_norm=input_norm, block_dropout=0.0, head_dropout=0.0)
    model, (x, _) = CNN(config, rng=np.random.default_rng(0)), job.clips(0)
    expected = model(x, train=True).data
    for layout in twins.LAYOUTS:
        found = twins.network(model, way, layout).train()(torch.from_numpy(x))
        assert_close(found.detach().numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parity
def test_with_pytorch_all_ways_are_timed_and_agree(torch):
    how, plan = speed_measure.How(threads=1, rounds=1, seed=0, torch=True, turn_seconds=0.0), speed_plan.tiny()
    rows = {name: speed_networks.measured(job, how) | {"share_of_limit": 1.0} for name, job in plan.fixed.items()}
    ratios = speed_tables.ratios(rows, {})
    missing = {name for name, value in ratios.items() if value is None}
    assert missing == {"inference_vs_compiled_cnn14", "step_memory"}
    assert max(rows["inference"]["differences"].values()) < 1e-5
    for row in speed_layers.measured(plan.layers[1], 1, how):
        assert speed_tables.layer_times(row).keys() == {"peers", "expanded", "real"}


@pytest.mark.parity
def test_the_layers_of_pytorch_have_our_results(torch):
    runs = pytest.importorskip("torch_runs")
    layer = speed_plan.tiny().layers[1]
    x, w, g = layer.arrays(2, 4, 0)
    ours = {direction: run() for direction, run in speed_layers.our_runs(x, w, g).items()}
    for way, _, directions in runs.layer(x, w, g, layer.channels):
        forward, to_image, to_kernel = (directions[direction]() for direction in ours)
        assert_close(forward.permute(0, 2, 3, 1).numpy(), ours["forward"], rtol=0, atol=1e-4)
        assert_close(to_image[0].permute(0, 2, 3, 1).numpy(), ours["input gradient"], rtol=0, atol=1e-4)
        if way == "peers":
            found = np.stack([part.permute(2, 3, 1, 0).numpy() for part in to_kernel])
            assert_close(found, ours["weight gradient"], rtol=0, atol=1e-3)


@pytest.mark.parity
def test_a_compiler_that_takes_too_long_is_stopped(torch):
    runs = pytest.importorskip("torch_runs")
    with pytest.raises(TimeoutError, match=r"not done after 0\.01 s"), runs.time_limit(0.01):
        time.sleep(60)
