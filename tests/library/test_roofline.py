"""How long should it take? A prediction from a data sheet, before anybody has the machine.

A pass over memory takes as long as its bytes need through the memory, or as its operations need through the arithmetic
units, whichever is longer. Plotted over operations per byte, the fastest possible speed is a slope and then a flat
line: a roofline. Whether a layer is below the slope or below the flat part says what would make it faster: fewer bytes,
or fewer operations. The bytes of quatnet's passes are counted by a formula; here the formula is checked against the
arrays that the kernels really get.
"""

from collections import Counter
from unittest import mock

import numpy as np
import pytest
from support.kernels import kernels_everywhere, need_a_compiler

from quatnet import Tensor, ops
from quatnet.backend import xp
from quatnet.cli.main import main
from quatnet.kernels import load
from quatnet.models import CNNConfig, LayerShape, cnn14
from quatnet.profile import layer_costs, roofline
from quatnet.profile.counts import weights
from quatnet.profile.roofline import A100, H100, Card, Pass

FLAT = Card("a card to count with", operations=100.0, tensor_operations=800.0, bytes=40.0)
QCNN14 = cnn14(527, quaternion=True)


def test_a_pass_waits_for_memory_or_for_arithmetic():
    assert Pass("products", numbers=10).seconds(FLAT) == 1  # 40 bytes
    assert Pass("products", numbers=10, operations=50).seconds(FLAT) == 1
    assert Pass("products", numbers=10, operations=300).seconds(FLAT) == 3
    assert roofline.share_of_memory([Pass("a", 10, 300), Pass("b", 10)], FLAT) == 0.25


def test_a_data_sheet_has_ten_operations_to_a_byte_on_one_card_and_twenty_on_the_other():
    assert [round(card.operations / card.bytes) for card in (A100, H100)] == [10, 20]


def test_operations_are_two_for_each_multiplication_that_is_counted_elsewhere():
    costs = {cost.name: cost for cost in layer_costs(QCNN14, 1001)}
    for layer in QCNN14.layers(1001):
        passes = roofline.layer_passes(QCNN14, 1001, batch=3)[layer.name]
        products = getattr(costs[layer.name], "multiplications_8" if roofline.in_eight(layer) else "multiplications_16")
        assert sum(each.operations for each in passes) == 3 * 3 * 2 * products


def test_eight_products_are_taken_where_they_pay():
    *convolutions, embedding, classifier = map(roofline.in_eight, QCNN14.layers(1001))
    assert convolutions == sorted(convolutions)  # from some width on
    assert not convolutions[0]
    assert convolutions[-1]
    assert not embedding
    assert not classifier
    assert not any(roofline.in_eight(layer) for layer in cnn14(527).layers(1001))


def numbers_by_part(passes: list[Pass]) -> dict[str, list[int]]:
    return {part: [each.numbers for each in passes if each.part == part] for part in roofline.PARTS}


def test_the_second_convolution_of_block_three_by_hand():
    pixels, channels = 32 * 250 * 16, 64  # quaternions, in and out
    found, fused = (
        numbers_by_part(roofline.layer_passes(QCNN14, 1001, 32, fused=fused)["blocks.2.convs.1"])
        for fused in (False, True)
    )
    patches, products, kernel = 8 * pixels * 9 * channels, 8 * pixels * channels, 8 * 9 * channels**2
    assert found["patches"] == [4 * pixels * channels + patches] * 3
    assert found["products"] == [patches + kernel + products] * 3
    assert fused["products"] == [2 * 4 * pixels * channels + kernel // 2] * 3
    left = 32 * 125 * 8 * 4 * channels  # after the pool
    assert found["pools"] == [5 * left] * 2
    assert found["dropout"] == [3 * left] * 2
    assert len(found["batch norm and relu"]) == 4


# The formula beside the arrays of the kernels

PART = {  # of each kernel; `mix` and `unmix` serve components and weights
    "patches": "im2col col2im mix_patches unmix_patches",
    "components and weights": "mix unmix",
    "batch norm and relu": "moments affine gradient_sums input_gradient",
    "pools": "average average_gradient",
}


def counted(layer: LayerShape, rng: np.random.Generator) -> Counter:
    """Run a layer with its batch norm and pool, forwards and back: numbers in the arrays of all kernels, by part."""
    numbers: Counter = Counter()
    part = {name: part for part, names in PART.items() for name in names.split()}

    def function(file, name, *rest):
        kernel = compiled(file, name, *rest)

        def run(grid, block, values):
            sizes = [value.size for value in values if getattr(value, "ndim", 0)]
            numbers[part[name]] += sum(size for size in sizes if size > 8 * layer.out_channels)  # not those of channels
            kernel(grid, block, values)

        return run

    four = (4, layer.kernel_size, layer.kernel_size, layer.in_channels // 4, layer.out_channels // 4)
    x, w = (
        Tensor(xp.asarray(rng.standard_normal(shape)), requires_grad=True)
        for shape in ((2, layer.height, layer.width, layer.in_channels), four)
    )
    scale, shift = (Tensor(xp.full(layer.out_channels, value), requires_grad=True) for value in (1.0, 0.0))
    with kernels_everywhere():
        compiled = load.function
        with mock.patch.object(load, "function", function):
            y = ops.batch_norm(ops.quaternion_conv2d(x, w, padding=layer.kernel_size // 2), scale, shift, relu=True)
            ops.sum(ops.avg_pool2d(y)).backward()
    return numbers


@need_a_compiler
@pytest.mark.parametrize(("widths", "kernel"), [((128, 256), 3), ((16, 32), 3), ((128, 256), 1), ((16, 32), 1)])
def test_the_kernels_read_and_write_what_the_formula_says(widths, kernel, rng):
    config = CNNConfig(3, True, (widths,), 4, mels=8, last_pool=True, block_dropout=0, kernel_size=kernel)
    layer = next(layer for layer in config.layers(10) if layer.name == "blocks.0.convs.1")
    expected: Counter = Counter()
    for each in roofline.layer_passes(config, 10, batch=2)[layer.name]:
        expected[each.part] += each.numbers
    del expected["products"]  # cuBLAS has those
    expected["components and weights"] = expected.pop("components", 0) + expected.pop("weights and Adam")
    expected["components and weights"] -= 7 * weights(layer)  # no step of Adam here
    found = counted(layer, rng)
    if not roofline.in_eight(layer):  # its weight becomes blocks by expressions, not by a kernel
        del expected["components and weights"]
    assert found == +expected


# The table


def test_fused_passes_move_less_and_compute_the_same():
    for config in (QCNN14, cnn14(527)):
        plain, fused = (roofline.layer_passes(config, 1001, 32, fused=fused) for fused in (False, True))
        for name in plain:
            operations = [sum(each.operations for each in passes[name]) for passes in (plain, fused)]
            assert operations[0] == operations[1]
            assert sum(each.numbers for each in fused[name]) <= sum(each.numbers for each in plain[name])


def test_the_parts_add_up_to_the_step():
    passes = roofline.layer_passes(QCNN14, 1001, 32)
    assert sum(roofline.seconds_by_part(passes, A100).values()) == pytest.approx(roofline.total_seconds(passes, A100))
    assert roofline.total_seconds(passes, H100) < roofline.total_seconds(passes, A100)


def test_dropout_between_blocks_is_drawn_on_the_host_and_copied():
    config = CNNConfig(3, True, ((8,), (16,)), embedding=4, mels=8)
    pixels = 2 * 10 * 8  # then 5 x 4, where the last block is not pooled
    assert roofline.host_numbers(config, 10, batch=2) == 4 * pixels + 2 * 20 * 8 + 2 * 20 * 16


def test_the_command_prints_a_row_for_each_layer_and_says_that_it_predicts(capsys):
    main(["roofline", "qcnn14", "--batch", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Predicted, not measured: qcnn14, a training step of 2 clips of 10 s"
    rows = [line.split(" | ")[0] for line in lines if line.startswith("| blocks")]
    assert rows == [f"| blocks.{b}.convs.{c}" for b in range(6) for c in range(2)]
    assert sum(line.startswith(("| A100", "| H100")) for line in lines) == 8


@pytest.mark.parametrize("arguments", [["resnet38"], ["qcnn14", "--batch", "0"], ["cnn99"]])
def test_the_command_refuses_what_it_cannot_count(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["roofline", *arguments])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
