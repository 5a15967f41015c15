"""Would anybody notice? One fault at a time goes into the text of a real kernel, and must be caught.

Lesson 16 planted mistakes in two kernels of its own. These are the library's, and for each kind of kernel, elementwise,
gathering patches, sums in shared memory, pooling, the faults that are easily made there. Some end a watched launch with
an error that says what is wrong. The others give other numbers than the kernel without a fault, on images whose sizes,
strides and dilations all differ.
"""

from unittest import mock

import numpy as np
import pytest
from support.arrays import draw
from support.cuda_cpu import why_not
from support.cuda_launch import LaunchError
from support.kernels import kernels_run

from quatnet.backend import on_gpu, xp
from quatnet.conv.fast import mixing
from quatnet.kernels import adam, eight, hamilton, load, normalize, patches, pooling

pytestmark = pytest.mark.skipif(on_gpu() or why_not() is not None, reason=str(why_not() or "faults are for the CPU"))
GEOMETRY = ((3, 2), (4, 9), (2, 1), (1, 2), (1, 3))  # kernel, output size, stride, padding, dilation
IMAGE = (2, 7, 8, 5)


def numbers(*shape):
    return draw(0, *shape, dtype=np.float32)


def of_adam():
    p, g, mean, square = numbers(4, 300)
    rates = {"lr": 0.1, "betas": (0.9, 0.99), "steps": 2, "eps": 0.1, "decay": 0.1, "decoupled_decay": 0.2}
    return [adam.step(p, g, mean, square**2, **rates), mean]


def of_hamilton():
    p, q, g = numbers(3, 5, 4, 67)
    return [hamilton.product(p, q, 1), *hamilton.gradients(p, q, g, 1)]


def of_planes():
    image = numbers(*IMAGE[:3], 4, IMAGE[3])
    return [eight.mix(image.reshape(-1, 4, 5), mixing.left(4)), eight.mix_patches(image, mixing.right(4), *GEOMETRY)]


def of_components():
    planes, scale, shift = numbers(8, 70, 33), *numbers(2, 4 * 33)
    rows = numbers(8, 2 * 4 * 9, 3 * 2 * 5)
    image = eight.unmix_patches(rows, mixing.back(4), (*IMAGE[:3], 4, 5), *GEOMETRY)
    back = mixing.back(4)
    return [eight.unmix(planes, back), eight.unmix_relu(planes, back, scale, shift), image]


def of_patches():
    kernel, _, *options = GEOMETRY
    rows = patches.im2col(numbers(*IMAGE), *GEOMETRY)
    return [rows, patches.col2im(rows, IMAGE, kernel, *options)]


def of_normalize():
    x, g, y, channel = *numbers(3, 2051, 35), numbers(35)
    return [
        *normalize.moments(x),
        normalize.affine(x, channel, channel + 1, relu=True),
        normalize.gradient_sums(g, x, channel, y),
        normalize.input_gradient(g, x, channel, channel + 1, channel + 2, y),
    ]


def of_pooling():
    x = xp.asarray(np.random.default_rng(0).integers(0, 3, (2, 5, 7, 3)).astype(np.float32))  # many are equal
    y = pooling.average(x, 2)
    return [y, pooling.maximum(x, 2), pooling.average_gradient(y, x.shape, 2), pooling.maximum_gradient(y, x, 2)]


USES = {name.removeprefix("of_"): use for name, use in list(globals().items()) if name.startswith("of_")}
OTHER_NUMBERS = "other numbers"
FAULTS = {
    # elementwise
    "adam": [
        ("if (i >= count) return;", "", "out of bounds"),
        ("mean[i] = m", "mean[0] = m", "race"),
        ("long long count", "int count", "argument 5 is int"),
        ("v / T(second_correction)", "v / T(first_correction)", OTHER_NUMBERS),
    ],
    "hamilton": [
        ("if (i >= count) return;", "", "out of bounds"),
        ("i / inner * 4 * inner", "i / inner * inner", "race: write after write"),
        ("left_gradient(c, b, of_a)", "left_gradient(b, c, of_a)", OTHER_NUMBERS),
        ("long long inner", "int inner", "argument 4 is int"),
    ],
    "planes": [
        ("if (c >= (unsigned)channels) return;", "", "race: write after write"),
        ("planes[(p * rows + row)", "planes[(p * row + rows)", "race|out of bounds"),
        ("y >= 0 && y < height", "y < height", "out of bounds|other numbers"),
        ("* right - left", "* down - left", OTHER_NUMBERS),
    ],
    # gathering
    "patches": [
        ("y < height", "y <= height", "out of bounds"),
        ("ky * dh", "ky * dw", OTHER_NUMBERS),
        ("px >= ow", "px > ow", "out of bounds|other numbers"),
        ("y % down ||", "", OTHER_NUMBERS),
        ("sum += patches", "sum = patches", OTHER_NUMBERS),
        ("x[row * width * channels + i] = sum", "x[i] = sum", "race: write after write"),
    ],
    "components": [
        ("y[(row * 4 + k) * channels + c]", "y[row * 4 * channels + c]", OTHER_NUMBERS),
        ("scale[place]", "scale[c]", OTHER_NUMBERS),
        ("px >= ow", "px > ow", OTHER_NUMBERS + "|out of bounds"),
        ("(int)(i / channels) + left", "(int)(i / channels) + above", OTHER_NUMBERS),
    ],
    # sums in shared memory
    "normalize": [
        ("= square;\n    __syncthreads();", "= square;", "no thread wrote"),
        ("= product;\n    __syncthreads();", "= product;", "no thread wrote"),
        ("        }\n        __syncthreads();", "        }", "race"),
        ("        }\n        __syncthreads();", "            __syncthreads();\n        }", "divergent"),
        ("if (lane == 0 && c < channels)", "if (lane == 0)", "out of bounds|race"),
        ("if (lane == 0 && c < channels)", "if (c < channels)", "race: write after write"),
        ("first + lane", "first", OTHER_NUMBERS),
        ("lane < half", "lane <= half", "race|out of bounds"),
        ("double* out", "T* out", "argument 1 is float|argument 4 is float"),
        ("!(y[place] > 0)", "y[place] > 0", OTHER_NUMBERS),
    ],
    "pooling": [
        ("ky < size", "ky <= size", "out of bounds|race|other numbers"),
        ("value > best ||", "value >= best ||", OTHER_NUMBERS),
        ("i / channels * size", "i / channels", "race|other numbers"),
    ],
}


def outcome(file, expected):
    """How a run of the kernels of a file ends: the text of its error, or whether its numbers are the expected ones."""
    try:
        with kernels_run():
            found = USES[file]()
    except (LaunchError, TypeError) as error:
        return str(error)
    same = all(np.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(found, expected, strict=True))
    return "the same numbers" if same else OTHER_NUMBERS


@pytest.fixture(scope="module")
def expected():
    with kernels_run():
        return {file: use() for file, use in USES.items()}


@pytest.mark.parametrize("file", USES)
def test_without_a_fault_all_is_well(file, expected):
    assert outcome(file, expected[file]) == "the same numbers"


@pytest.mark.parametrize(
    ("file", "fault"),
    [pytest.param(file, fault, id=f"{file}-{n}") for file, faults in FAULTS.items() for n, fault in enumerate(faults)],
)
def test_a_fault_in_a_kernel_is_caught(file, fault, expected):
    before, after, how = fault
    source = load.source
    assert before in source(file, "float32")
    with mock.patch.object(load, "source", lambda *key: source(*key).replace(before, after)):
        ended = outcome(file, expected[file])
    assert any(part in ended for part in how.split("|")), ended


def test_every_file_of_kernels_has_its_faults():
    assert set(FAULTS) == set(USES) == {path.stem for path in load.HERE.glob("*.cu")}
