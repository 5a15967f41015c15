"""Tests of the counts of multiplications, additions and memory, of torchinfo's count, and of `profile`.

The product with eight multiplications transforms each input and output quaternion only once, so the transforms need few
additions. The number of additions between the products is halved. The formula of torchinfo reproduces all digits of the
published counts. These counts are wrong for quaternion layers.
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
from quatnet.conv.fast import winograd_conv
from quatnet.errors import ConfigError
from quatnet.graph import trace
from quatnet.models import (
    CNN,
    NAMES,
    CNNConfig,
    build,
    cnn14,
    from_name,
    half_width,
    pruned_config,
    resnet38,
)
from quatnet.paper_code.torchinfo import torchinfo_mult_adds
from quatnet.profile import LayerCost, count_parameters, layer_costs, layer_milliseconds, network_cost
from quatnet.prune import prune_filters, select

TINY = CNNConfig(3, True, ((8,), (8, 12)), embedding=8, mels=8)
# The columns are the ratio p, the parameters, the multiplications with 16 and with 8 products, and torchinfo's count.
# The last three columns are in units of 10⁹.
PAPER = [
    (0.0, 21_012_431, 20.153, 10.077, 36.33),
    (0.25, 12_673_487, 15.753, 7.877, 16.70),
    (0.5, 6_620_111, 12.525, 6.263, 6.34),
    (0.75, 2_852_303, 10.470, 5.236, 2.18),
]


def test_layer_cost_by_hand() -> None:
    # The layer has 10 x 8 pixels, 9 taps, 1 input quaternion and 2 output quaternions.
    # With 16 products, each of the 8 real outputs is a sum of 36 products and has 35 additions.
    # With 8 products, the additions are
    # 8 for the input quaternion,
    # 8 for each of the 8 x 2 sums of products, and
    # 12 for each output quaternion.
    first = next(layer_costs(TINY, frames=10))
    assert first == LayerCost(
        "blocks.0.convs.0",
        parameters=4 * 9 * 1 * 2 + 2 * 8,
        multiplications_16=80 * 9 * 4 * 8,
        multiplications_8=80 * 9 * 1 * 2 * 8,
        multiplications_winograd=80 * 9 * 4 * 8,  # few channels use 16 products, and few pixels do not use Winograd
        additions_16=80 * 8 * 35,
        additions_8=80 * (8 + 8 * 2 * 8 + 12 * 2),
        activation_bytes=80 * 8 * 4,
    )


def test_network_cost_is_the_sum_of_its_layers_and_the_input_norm() -> None:
    costs, total = list(layer_costs(TINY, 12)), network_cost(TINY, 12)
    for field in fields(LayerCost)[1:]:
        expected = sum(getattr(cost, field.name) for cost in costs) + (16 if field.name == "parameters" else 0)
        assert getattr(total, field.name) == expected
    assert total.parameters == count_parameters(CNN(TINY, rng=np.random.default_rng(0)))


@pytest.mark.skipif(on_gpu(), reason="the algorithms run on the CPU only")
@pytest.mark.parametrize("quaternion", [False, True])
def test_winograd_count_equals_the_multiplications_performed(quaternion: bool, monkeypatch) -> None:
    # Feature maps with 7 columns are tiled without padding between the rows. Winograd is used for 256 pixels and more.
    config = CNNConfig(3, quaternion, ((64, 64),), embedding=4, mels=7)
    conv = build(config, rng=np.random.default_rng(0)).blocks[0].convs[1]
    multiply, products = winograd_conv._multiply, []

    def spy(patches, kernel):
        products.append(patches.size * kernel.shape[-1])
        return multiply(patches, kernel)

    monkeypatch.setattr(winograd_conv, "_multiply", spy)
    for frames, uses_winograd in ((90, True), (36, False)):
        cost = list(layer_costs(config, frames))[1]
        products.clear()
        conv(Tensor(np.zeros((1, frames, 7, 64), np.float32)))
        assert sum(products) == uses_winograd * cost.multiplications_winograd
        if not uses_winograd:
            assert cost.multiplications_winograd == cost.multiplications_8


def test_fewer_than_16_quaternion_channels_use_16_products() -> None:
    narrow = CNNConfig(3, True, ((60, 60),), embedding=4, mels=7)  # 60 real channels are 15 quaternion channels
    cost = list(layer_costs(narrow, 36))[1]
    assert cost.multiplications_winograd == cost.multiplications_16


def test_additions_of_real_layers() -> None:
    conv, embedding, classifier = layer_costs(CNNConfig(3, False, ((4,),), embedding=5, mels=8), 7)
    assert conv.additions_16 == conv.additions_8 == 7 * 8 * 4 * (9 - 1)
    assert embedding.additions_16 == embedding.additions_8 == 5 * 4
    assert classifier.additions_16 == classifier.additions_8 == 3 * 5


# Count of torchinfo


@pytest.mark.parametrize(("p", "parameters", "sixteen", "eight", "torchinfo"), PAPER)
def test_pruned_qcnn14_has_the_published_counts(p, parameters, sixteen, eight, torchinfo) -> None:
    config = pruned_config(cnn14(527, quaternion=True), p)
    total = network_cost(config, 1001)
    assert total.parameters == parameters
    assert round(total.multiplications_16 / 1e9, 3) == sixteen
    assert round(total.multiplications_8 / 1e9, 3) == eight
    assert round(torchinfo_mult_adds(config, 1001) / 1e9, 2) == torchinfo


def test_torchinfo_count_is_correct_for_real_layers_only() -> None:
    spectrogram = 2 * 513 * 1024 * 1001
    real, quaternion = cnn14(527), cnn14(527, quaternion=True)
    others = 128 + 2 * 8064 + 2048 + 527  # weights and biases of the batch norms, and biases of the linear layers
    expected = network_cost(real, 1001).multiplications_16
    assert torchinfo_mult_adds(real, 1001) == spectrogram + expected + others
    # The published saving compared with CNN14 is 70 %. The actual saving with 16 products is 37.5 %.
    assert (
        round(1 - torchinfo_mult_adds(pruned_config(quaternion, 0.5), 1001) / torchinfo_mult_adds(real, 1001), 2)
        == 0.70
    )
    assert round(1 - network_cost(pruned_config(quaternion, 0.5), 1001).multiplications_16 / expected, 3) == 0.375


def test_torchinfo_count_of_quaternion_layers_ignores_the_clip_length() -> None:
    config = cnn14(527, quaternion=True)
    ten, twenty = (torchinfo_mult_adds(config, frames) - 2 * 513 * 1024 * frames for frames in (1001, 2001))
    assert ten == twenty


# Configs of pruned networks


@pytest.mark.parametrize("quaternion", [False, True])
@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.9])
def test_pruned_config_equals_the_config_of_the_pruned_network(quaternion: bool, ratio: float) -> None:
    config = CNNConfig(3, quaternion, ((8,), (8, 12), (24,), (16, 20)), embedding=8, mels=16)
    model = CNN(config, rng=np.random.default_rng(0))
    assert prune_filters(model, select(model, ratio, blocks=[2, 3])).config == pruned_config(config, ratio)


def test_pruned_config_keeps_channels_shared_with_earlier_blocks() -> None:
    full = resnet38(527, quaternion=True)
    pruned = pruned_config(full, 0.5)
    assert pruned.widths[:9] == full.widths[:9]
    assert pruned.widths[9:] == ((128, 256),) * 5 + ((256, 256),) * 3 + ((1024, 1024),)


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_pruned_config_with_invalid_ratio(ratio: float) -> None:
    with pytest.raises(ConfigError, match=r"in \[0, 1\)"):
        pruned_config(cnn14(10), ratio)


# Latency of layers


def test_layer_milliseconds_of_every_layer() -> None:
    config = half_width(half_width(half_width(resnet38(3, quaternion=True))))
    model = build(config, rng=np.random.default_rng(0))
    times = layer_milliseconds(trace(model, model.example_input(64)), runs=1)
    assert sorted(times) == sorted(layer.name for layer in config.layers(64))
    assert min(times.values()) > 0


# The command `profile`


def run_profile(capsys, *arguments: str) -> str:
    main(["profile", *arguments])
    return capsys.readouterr().out


@pytest.mark.parametrize(("p", "parameters", "sixteen", "eight", "torchinfo"), PAPER)
def test_command_prints_the_published_counts(p, parameters, sixteen, eight, torchinfo, capsys) -> None:
    text = run_profile(capsys, "qcnn14", "--prune", str(p), "--clip-seconds", "10")
    for number in (f"{parameters:,}", f"{sixteen:.3f} G", f"{eight:.3f} G", f"{torchinfo:.2f} G", "1001 frames"):
        assert number in text


@pytest.mark.parametrize("name", NAMES)
def test_json_output_of_every_network(name: str, capsys) -> None:
    profile = json.loads(run_profile(capsys, name, "--json", "--clip-seconds", "5", "--classes", "50"))
    total = network_cost(from_name(name, 50), 501)
    for key in (
        "parameters",
        "multiplications_16",
        "multiplications_8",
        "multiplications_winograd",
        "activation_bytes",
    ):
        assert profile[key] == getattr(total, key)
    assert profile["torchinfo_mult_adds"] == torchinfo_mult_adds(from_name(name, 50), 501)
    assert [layer["name"] for layer in profile["layers"]] == [layer.name for layer in from_name(name, 50).layers(501)]


def test_latency_option(capsys) -> None:
    profile = json.loads(
        run_profile(capsys, "qsmall_cnn", "--json", "--latency", "--clip-seconds", "0.5", "--classes", "3")
    )
    assert profile["milliseconds"] > 0
    assert all(layer["milliseconds"] > 0 for layer in profile["layers"])
    text = run_profile(capsys, "qsmall_cnn", "--latency", "--clip-seconds", "0.5", "--classes", "3")
    assert "each layer was timed separately" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["qcnn15"], "expected a network among cnn6, .* got 'qcnn15'"),
        (["qcnn14", "--prune", "1"], r"in \[0, 1\), got 1.0"),
        (["qcnn14", "--prune", "much"], "--prune: invalid float value: 'much'"),
        (["qcnn14", "--clip-seconds", "nan"], r"expected clip_seconds in \[0, inf\), got nan"),
        (["qcnn14", "--clip-seconds", "0.2"], "21 frames of 64 mels are too few for the pooling layers"),
        (["cnn6", "--classes", "0"], "--classes: expected an integer of at least 1, got '0'"),
        ([], "required: network"),
    ],
)
def test_invalid_arguments_print_one_line(arguments: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit) as error:
        main(["profile", *arguments])
    assert error.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.search(message, printed.err)


def test_command_line() -> None:
    command = [sys.executable, "-m", "quatnet", "profile"]
    valid = subprocess.run([*command, "cnn14", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(valid.stdout)["parameters"] == 80_753_615
    invalid = subprocess.run([*command, "cnn"], capture_output=True, text=True)
    assert (invalid.returncode, invalid.stderr.count("\n")) == (2, 1)
