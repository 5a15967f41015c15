"""Test the roofline model of a training step, computed from the data sheet of a GPU.

The time of a CUDA kernel is the maximum of its memory time and its arithmetic time. Plotted over operations per byte,
the maximum throughput increases linearly up to a constant. A memory-bound kernel, on the linear part, is faster with
fewer bytes. A compute-bound kernel is faster with fewer operations. The formulas for the bytes are compared with the
sizes of the arrays passed to the kernels.
"""

from collections import Counter
from unittest import mock

import numpy as np
import pytest
from support.kernels import kernels_enabled, needs_compiler

from quatnet import Tensor, ops
from quatnet.backend import xp
from quatnet.cli.main import main
from quatnet.kernels import load
from quatnet.models import CNNConfig, LayerShape, cnn14
from quatnet.profile import layer_costs, roofline
from quatnet.profile.counts import num_weights
from quatnet.profile.roofline import A100, H100, GpuSpec, KernelCost

SPEC = GpuSpec("test", operations=100.0, tensor_operations=800.0, bandwidth=40.0)
QCNN14 = cnn14(527, quaternion=True)


def test_time_of_memory_bound_and_compute_bound_passes():
    assert KernelCost("products", elements=10).seconds(SPEC) == 1  # 40 bytes
    assert KernelCost("products", elements=10, operations=50).seconds(SPEC) == 1
    assert KernelCost("products", elements=10, operations=300).seconds(SPEC) == 3
    assert roofline.memory_bound_fraction([KernelCost("a", 10, 300), KernelCost("b", 10)], SPEC) == 0.25


def test_operations_per_byte_of_a100_and_h100():
    assert [round(spec.operations / spec.bandwidth) for spec in (A100, H100)] == [10, 20]


def test_operations_agree_with_layer_costs():
    costs = {cost.name: cost for cost in layer_costs(QCNN14, 1001)}
    for layer in QCNN14.layers(1001):
        passes = roofline.layer_kernel_costs(QCNN14, 1001, batch=3)[layer.name]
        eight = roofline.uses_eight_products(layer)
        products = 3 * getattr(costs[layer.name], "multiplications_8" if eight else "multiplications_16")
        if roofline.uses_winograd(layer):  # 36 products per tile of 4 x 4 pixels, at the edge of the image as well
            tiles = 3 * -(-layer.height // 4) * -(-layer.width // 4)
            products = tiles * 36 * layer.in_channels * layer.out_channels // (2 if eight else 1)
        assert sum(each.operations for each in passes) == 3 * 2 * products


def test_uses_eight_products_for_wide_layers():
    *convolutions, embedding, classifier = map(roofline.uses_eight_products, QCNN14.layers(1001))
    assert convolutions == sorted(convolutions)  # False for narrow layers, True for wide layers
    assert not convolutions[0]
    assert convolutions[-1]
    assert not embedding
    assert not classifier
    assert not any(roofline.uses_eight_products(layer) for layer in cnn14(527).layers(1001))


def elements_by_category(passes: list[KernelCost]) -> dict[str, list[int]]:
    return {
        category: [each.elements for each in passes if each.category == category] for category in roofline.CATEGORIES
    }


def test_passes_of_a_convolution_by_hand():
    pixels, channels = 32 * 250 * 16, 64  # number of pixels, number of quaternion input and output channels
    plain, fused, tf32 = (
        elements_by_category(roofline.layer_kernel_costs(QCNN14, 1001, 32, **options)["blocks.2.convs.1"])
        for options in ({}, {"fused": True}, {"tf32": True})
    )
    image, weights = 4 * pixels * channels, 4 * 9 * channels**2
    tiles, kernel = 36 * 32 * 63 * 4 * 4 * channels, 36 * (4 * channels) ** 2  # real products, 63 x 4 tiles per image
    assert plain["patches"] == [2 * image + 2 * tiles] * 3
    assert plain["products"] == [tiles + kernel + tiles] * 3
    assert fused["products"] == [2 * image + weights] * 3
    assert tf32["patches"] == [image + 9 * image] * 3
    assert tf32["products"] == [9 * image + 4 * weights + image] * 3
    pooled = 32 * 125 * 8 * 4 * channels
    assert plain["pools"] == [5 * pooled] * 2
    assert plain["dropout"] == [2 * pooled] * 2
    assert len(plain["batch norm and relu"]) == 4


# Comparison with the arrays passed to the kernels

KERNELS = {  # category -> CUDA kernels; both transforms are applied to components and to weights
    "patches": "im2col col2im input_transform_im2col output_transform_col2im winograd_input winograd_output",
    "components and weights": "input_transform output_transform weight_transform weight_gradient",
    "batch norm and relu": "moments affine gradient_sums input_gradient",
    "vectors of the channels": "statistics coefficients gradient_coefficients",
    "pools": "average average_gradient",
}


def count_elements(layer: LayerShape, rng: np.random.Generator) -> Counter:
    """Run the forward and backward pass of a layer with batch norm and pool.

    Return the number of elements of all kernel arguments by category.
    """
    elements: Counter = Counter()
    category = {name: category for category, names in KERNELS.items() for name in names.split()}

    def function(file, name, *rest):
        kernel = compiled(file, name, *rest)

        def run(grid, block, values):
            sizes = [value.size for value in values if getattr(value, "ndim", 0)]
            elements[category[name]] += sum(
                size for size in sizes if size > 8 * layer.out_channels or name.startswith("weight")
            )  # no channel arrays
            kernel(grid, block, values)

        return run

    weight_shape = (4, layer.kernel_size, layer.kernel_size, layer.in_channels // 4, layer.out_channels // 4)
    x, w = (
        Tensor(xp.asarray(rng.standard_normal(shape, dtype=np.float32)), requires_grad=True)
        for shape in ((2, layer.height, layer.width, layer.in_channels), weight_shape)
    )
    scale, shift = (Tensor(xp.full(layer.out_channels, np.float32(value)), requires_grad=True) for value in (1.0, 0.0))
    with kernels_enabled():
        compiled = load.function
        with mock.patch.object(load, "function", function):
            y = ops.batch_norm(ops.quaternion_conv2d(x, w, padding=layer.kernel_size // 2), scale, shift, relu=True)
            ops.sum(ops.avg_pool2d(y)).backward()
    return elements


@needs_compiler
@pytest.mark.parametrize(
    ("widths", "kernel_size"), [((512, 640), 3), ((128, 256), 5), ((16, 32), 3), ((128, 256), 1), ((16, 32), 1)]
)
def test_passes_agree_with_the_kernel_arguments(widths, kernel_size, rng):
    config = CNNConfig(3, True, (widths,), 4, mels=8, last_pool=True, block_dropout=0, kernel_size=kernel_size)
    layer = next(layer for layer in config.layers(10) if layer.name == "blocks.0.convs.1")
    expected: Counter = Counter()
    for each in roofline.layer_kernel_costs(config, 10, batch=2)[layer.name]:
        expected[each.category] += each.elements
    del expected["products"]  # computed by cuBLAS instead of a kernel of quatnet
    expected["components and weights"] = expected.pop("components", 0) + expected.pop("weights and Adam")
    expected["components and weights"] -= 7 * num_weights(layer)  # the layer runs without the Adam update
    elements = count_elements(layer, rng)
    del elements["vectors of the channels"]
    assert elements == +expected


# Totals and command


def test_fused_passes_have_fewer_bytes_and_equal_operations():
    for config in (QCNN14, cnn14(527)):
        plain, fused = (roofline.layer_kernel_costs(config, 1001, 32, fused=fused) for fused in (False, True))
        for name in plain:
            operations = [sum(each.operations for each in passes[name]) for passes in (plain, fused)]
            assert operations[0] == operations[1]
            assert sum(each.elements for each in fused[name]) <= sum(each.elements for each in plain[name])


def test_categories_add_up_to_the_total():
    passes = roofline.layer_kernel_costs(QCNN14, 1001, 32)
    assert sum(roofline.seconds_by_category(passes, A100).values()) == pytest.approx(
        roofline.total_seconds(passes, A100)
    )
    assert roofline.total_seconds(passes, H100) < roofline.total_seconds(passes, A100)


def test_command_prints_a_row_for_each_layer(capsys):
    main(["roofline", "qcnn14", "--batch", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Predicted, not measured: qcnn14, a training step of 2 clips of 10 s"
    rows = [line.split(" | ")[0] for line in lines if line.startswith("| blocks")]
    assert rows == [f"| blocks.{b}.convs.{c}" for b in range(6) for c in range(2)]
    assert sum(line.startswith(("| A100", "| H100", "| H200")) for line in lines) == 12


@pytest.mark.parametrize("arguments", [["resnet38"], ["qcnn14", "--batch", "0"], ["cnn99"]])
def test_command_with_invalid_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(["roofline", *arguments])
    assert error.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
