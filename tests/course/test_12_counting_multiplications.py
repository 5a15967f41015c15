"""Additions, memory, Winograd's form, a profiler's mistake, and the command that prints them all.

Eight products instead of sixteen are paid for with additions, but few: those at the edges are made once for each
quaternion that comes in or goes out, and those between the products are halved as the products are. Here numbers that
count what is done to them say so, not formulas. The published figures of torchinfo follow from its rule to the last
digit, so the rule can be shown, and shown to be wrong.
"""

import json
import re
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

from quatnet import Tensor
from quatnet.backend import on_gpu
from quatnet.cli.main import main
from quatnet.conv.fast import convolution
from quatnet.errors import ConfigError
from quatnet.models import (
    CNN,
    NAMES,
    CNNConfig,
    build,
    cnn14,
    from_name,
    half_width,
    num_filters,
    pruned_config,
    remaining_filters,
    resnet38,
    shared_channels,
    with_filters,
)
from quatnet.paper_code.torchinfo import torchinfo_mult_adds
from quatnet.profile import LayerCost, count_parameters, layer_costs, layer_milliseconds, network_cost
from quatnet.prune import prune_filters, select
from quatnet.quaternion import eight_products

TINY = CNNConfig(3, True, ((8,), (8, 12)), embedding=8, mels=8)
PAPER = [  # p, parameters, multiplications in G with 16 and with 8, torchinfo's figure
    (0.0, 21_012_431, 20.153, 10.077, 36.33),
    (0.25, 12_673_487, 15.753, 7.877, 16.70),
    (0.5, 6_620_111, 12.525, 6.263, 6.34),
    (0.75, 2_852_303, 10.470, 5.236, 2.18),
]


class Counted:
    """A number without a value that counts the sums and products it takes part in, after the kernel is prepared."""

    sums = products = 0

    def __init__(self, of_kernel: bool = False) -> None:
        self.of_kernel = of_kernel

    def __add__(self, other: "Counted") -> "Counted":
        assert self.of_kernel == other.of_kernel
        Counted.sums += not self.of_kernel
        return Counted(self.of_kernel)

    __sub__ = __add__

    def __mul__(self, other: "Counted | float") -> "Counted":
        if isinstance(other, Counted):
            assert self.of_kernel
            assert not other.of_kernel
            Counted.products += 1
            return Counted()
        return self  # a constant, which belongs to the kernel

    __rmul__ = __mul__


def counted(*shape: int, of_kernel: bool = False) -> np.ndarray:
    numbers = [Counted(of_kernel) for _ in range(int(np.prod(shape)))]
    return np.array(numbers, dtype=object).reshape(shape)


def test_a_first_layer_is_counted_with_a_pencil() -> None:
    # 10 x 8 pixels, 9 taps, 1 quaternion in and 2 out. Sixteen: 8 real sums of 36 products, 35 additions each. Eight:
    # 8 additions for the quaternion that comes in, 8 planes x 2 sums of 9 products, 12 for each of 2 that go out.
    first = next(layer_costs(TINY, frames=10))
    assert first == LayerCost(
        "blocks.0.convs.0",
        parameters=4 * 9 * 1 * 2 + 2 * 8,
        multiplications_16=80 * 9 * 4 * 8,
        multiplications_8=80 * 9 * 1 * 2 * 8,
        multiplications_winograd=80 * 9 * 4 * 8,  # few channels: as real numbers, and few pixels
        additions_16=80 * 8 * 35,
        additions_8=80 * (8 + 8 * 2 * 8 + 12 * 2),
        activation_bytes=80 * 8 * 4,
    )


@pytest.mark.skipif(on_gpu(), reason="counts with Python objects")
@pytest.mark.parametrize(("channels", "outputs"), [(1, 1), (3, 2), (2, 5)])
def test_numbers_that_count_agree_with_the_formula(channels: int, outputs: int) -> None:
    config = CNNConfig(3, True, ((4 * channels,),), embedding=4 * outputs)
    layer = {cost.name: cost for cost in layer_costs(config, 10)}["embedding"]
    Counted.sums = Counted.products = 0
    eight_products(counted(4, outputs, channels, of_kernel=True), counted(4, channels, 1), lambda w, x: w @ x)
    assert Counted.products == layer.multiplications_8
    assert Counted.sums == layer.additions_8 - 4 * outputs  # and the bias


def test_the_network_is_the_sum_of_its_layers_and_of_its_first_norm() -> None:
    costs, total = list(layer_costs(TINY, 12)), network_cost(TINY, 12)
    for part in fields(LayerCost)[1:]:
        expected = sum(getattr(cost, part.name) for cost in costs) + (16 if part.name == "parameters" else 0)
        assert getattr(total, part.name) == expected
    assert total.parameters == count_parameters(CNN(TINY, rng=np.random.default_rng(0)))


@pytest.mark.skipif(on_gpu(), reason="the forms of the CPU")
@pytest.mark.parametrize("quaternion", [False, True])
def test_winograds_count_is_what_is_multiplied(quaternion: bool, monkeypatch) -> None:
    # Maps of 7 columns are cut without zeros between their rows. Small kernels take Winograd's form from 256 pixels on.
    config = CNNConfig(3, quaternion, ((64, 64),), embedding=4, mels=7)
    conv, multiply, products = build(config, rng=np.random.default_rng(0)).blocks[0].convs[1], convolution._multiply, []

    def spied(patches, kernel):
        products.append(patches.size * kernel.shape[-1])
        return multiply(patches, kernel)

    monkeypatch.setattr(convolution, "_multiply", spied)
    for frames, by_winograd in ((90, True), (36, False)):
        cost = list(layer_costs(config, frames))[1]
        products.clear()
        conv(Tensor(np.zeros((1, frames, 7, 64), np.float32)))
        assert sum(products) == by_winograd * cost.multiplications_winograd
        if not by_winograd:
            assert cost.multiplications_winograd == cost.multiplications_8


def test_few_quaternion_channels_are_multiplied_as_real_numbers() -> None:
    narrow = CNNConfig(3, True, ((60, 60),), embedding=4, mels=7)  # 15 quaternions; 16 would take eight products
    cost = list(layer_costs(narrow, 36))[1]
    assert cost.multiplications_winograd == cost.multiplications_16


def test_a_real_layer_adds_one_time_less_than_it_multiplies_and_a_bias_makes_up_for_it() -> None:
    conv, embedding, classifier = layer_costs(CNNConfig(3, False, ((4,),), embedding=5, mels=8), 7)
    assert conv.additions_16 == conv.additions_8 == 7 * 8 * 4 * (9 - 1)
    assert embedding.additions_16 == embedding.additions_8 == 5 * 4
    assert classifier.additions_16 == classifier.additions_8 == 3 * 5


# torchinfo


@pytest.mark.parametrize(("p", "parameters", "sixteen", "eight", "torchinfo"), PAPER)
def test_qcnn14_pruned_has_the_published_figures(p, parameters, sixteen, eight, torchinfo) -> None:
    config = pruned_config(cnn14(527, quaternion=True), p)
    total = network_cost(config, 1001)
    assert total.parameters == parameters
    assert round(total.multiplications_16 / 1e9, 3) == sixteen
    assert round(total.multiplications_8 / 1e9, 3) == eight
    assert round(torchinfo_mult_adds(config, 1001) / 1e9, 2) == torchinfo


def test_torchinfos_rule_is_right_for_real_layers_and_wrong_for_quaternion_ones() -> None:
    spectrogram = 2 * 513 * 1024 * 1001
    real, four = cnn14(527), cnn14(527, quaternion=True)
    others = 128 + 2 * 8064 + 2048 + 527  # scales, shifts and biases, counted once
    true = network_cost(real, 1001).multiplications_16
    assert torchinfo_mult_adds(real, 1001) == spectrogram + true + others
    # the predecessor's "70 % saved" of CNN14 by half of the filters, and what 16 products for each leave of it
    assert round(1 - torchinfo_mult_adds(pruned_config(four, 0.5), 1001) / torchinfo_mult_adds(real, 1001), 2) == 0.70
    assert round(1 - network_cost(pruned_config(four, 0.5), 1001).multiplications_16 / true, 3) == 0.375


def test_torchinfos_figure_hardly_knows_how_long_a_clip_is() -> None:
    four = cnn14(527, quaternion=True)
    ten, twenty = (torchinfo_mult_adds(four, frames) - 2 * 513 * 1024 * frames for frames in (1001, 2001))
    assert ten == twenty


# Pruned by shapes alone


@pytest.mark.parametrize("quaternion", [False, True])
@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.9])
def test_the_config_of_a_pruned_network_is_known_before_it_is_cut(quaternion: bool, ratio: float) -> None:
    config = CNNConfig(3, quaternion, ((8,), (8, 12), (24,), (16, 20)), embedding=8, mels=16)
    model = CNN(config, rng=np.random.default_rng(0))
    assert prune_filters(model, select(model, ratio, blocks=[2, 3])).config == pruned_config(config, ratio)


def test_what_a_residual_sum_shares_with_earlier_blocks_stays() -> None:
    full = resnet38(527, quaternion=True)
    late = pruned_config(full, 0.5)
    assert late.widths[:9] == full.widths[:9]
    assert late.widths[9:] == ((128, 256),) * 5 + ((256, 256),) * 3 + ((1024, 1024),)


def test_channels_that_are_shared_are_resized_together() -> None:
    config = resnet38(10, quaternion=True)
    assert num_filters(config, shared_channels(config)[0]) == 64 // 4
    smaller = with_filters(config, {"blocks.0.convs.1": 8, "blocks.4.shortcut": 16})
    assert [block[-1] for block in smaller.widths[:6]] == [32, 32, 32, 32, 64, 64]
    with pytest.raises(ConfigError, match=r"expected names among blocks.0.convs.0, .*, got blocks.1.convs.1"):
        with_filters(config, {"blocks.1.convs.1": 8})


@pytest.mark.parametrize(
    ("ratio", "blocks", "message"),
    [(1.0, None, "0 <= ratio < 1"), (-0.1, None, "0 <= ratio < 1"), (0.5, [3], r"blocks among \[0, 1, 2\], got \[3\]")],
)
def test_an_impossible_share_of_the_filters_is_refused(ratio: float, blocks: list[int] | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        remaining_filters(CNNConfig(3, True, ((8,), (16,), (8,)), 8), ratio, blocks=blocks)


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_a_ratio_outside_its_range_is_refused(ratio: float) -> None:
    with pytest.raises(ConfigError, match="0 <= ratio < 1"):
        pruned_config(cnn14(10), ratio)


# Milliseconds


def test_every_layer_is_timed_alone() -> None:
    config = half_width(half_width(half_width(resnet38(3, quaternion=True))))
    times = layer_milliseconds(build(config, rng=np.random.default_rng(0)), 64, runs=1)
    assert list(times) == [layer.name for layer in config.layers(64)]
    assert min(times.values()) > 0


# The command


def said(capsys, *arguments: str) -> str:
    main(["profile", *arguments])
    return capsys.readouterr().out


@pytest.mark.parametrize(("p", "parameters", "sixteen", "eight", "torchinfo"), PAPER)
def test_the_command_prints_the_published_figures(p, parameters, sixteen, eight, torchinfo, capsys) -> None:
    text = said(capsys, "qcnn14", "--prune", str(p), "--clip-seconds", "10")
    for figure in (f"{parameters:,}", f"{sixteen:.3f} G", f"{eight:.3f} G", f"{torchinfo:.2f} G", "1001 frames"):
        assert figure in text


@pytest.mark.parametrize("name", NAMES)
def test_json_has_the_same_for_every_network(name: str, capsys) -> None:
    found = json.loads(said(capsys, name, "--json", "--clip-seconds", "5", "--classes", "50"))
    total = network_cost(from_name(name, 50), 501)
    for key in (
        "parameters",
        "multiplications_16",
        "multiplications_8",
        "multiplications_winograd",
        "activation_bytes",
    ):
        assert found[key] == getattr(total, key)
    assert found["torchinfo_mult_adds"] == torchinfo_mult_adds(from_name(name, 50), 501)
    assert [layer["name"] for layer in found["layers"]] == [layer.name for layer in from_name(name, 50).layers(501)]


def test_milliseconds_are_measured_where_asked_for(capsys) -> None:
    found = json.loads(said(capsys, "qsmall_cnn", "--json", "--latency", "--clip-seconds", "0.5", "--classes", "3"))
    assert found["milliseconds"] > 0
    assert all(layer["milliseconds"] > 0 for layer in found["layers"])
    text = said(capsys, "qsmall_cnn", "--latency", "--clip-seconds", "0.5", "--classes", "3")
    assert "each layer was timed alone" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["qcnn15"], "expected a network among cnn6, .* got 'qcnn15'"),
        (["qcnn14", "--prune", "1"], "0 <= ratio < 1, got 1.0"),
        (["qcnn14", "--prune", "much"], "--prune: invalid float value: 'much'"),
        (["qcnn14", "--clip-seconds", "nan"], "expected a clip of some seconds, got nan"),
        (["qcnn14", "--clip-seconds", "0.2"], "21 frames of 64 mels are too few for the pools"),
        (["cnn6", "--classes", "0"], "expected at least 1 class, got 0"),
        ([], "required: network"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["profile", *arguments])
    assert exit.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.search(message, printed.err)


def test_it_is_reached_from_the_command_line() -> None:
    run = [sys.executable, "-m", "quatnet", "profile"]
    good = subprocess.run([*run, "cnn14", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(good.stdout)["parameters"] == 80_753_615
    bad = subprocess.run([*run, "cnn"], capture_output=True, text=True)
    assert (bad.returncode, bad.stderr.count("\n")) == (2, 1)
