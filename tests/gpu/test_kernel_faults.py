"""Mutation tests of the CUDA kernels. One fault is inserted into the source of a kernel, and must be detected.

The faults are typical mistakes in elementwise kernels, im2col kernels, sums in shared memory, and pooling kernels. Some
faults raise a specific error in a checked launch. Other faults change the result. The image sizes, strides and
dilations all differ, so that the result depends on each of them.
"""

from unittest import mock

import numpy as np
import pytest
from support.arrays import draw
from support.cuda_cpu import unavailable_reason
from support.cuda_launch import LaunchError
from support.kernels import kernels_on_cpu

from quatnet.backend import on_gpu, xp
from quatnet.conv.fast.component_transforms import left_transform, output_transform, right_transform, weight_adjoint
from quatnet.conv.gpu_winograd import INPUT, OUTPUT, TAPS
from quatnet.kernels import (
    adam,
    dropout,
    eight_products,
    hamilton,
    load,
    normalize,
    patches,
    pooling,
    weight_transform,
    winograd,
)

pytestmark = pytest.mark.skipif(
    on_gpu() or unavailable_reason() is not None, reason=str(unavailable_reason() or "the faults are tested on the CPU")
)
GEOMETRY = ((3, 2), (4, 9), (2, 1), (1, 2), (1, 3))  # kernel size, output size, stride, padding, dilation
IMAGE = (2, 7, 8, 5)


def random_arrays(*shape):
    return draw(0, *shape, dtype=np.float32)


def of_adam():
    p, grad, mean, square = random_arrays(4, 300)
    options = {"lr": 0.1, "betas": (0.9, 0.99), "steps": 2, "eps": 0.1, "decay": 0.1, "decoupled_decay": 0.2}
    return [adam.step(p, grad, mean, square**2, **options), mean]


def of_hamilton():
    p, q, grad = random_arrays(3, 5, 4, 67)
    return [hamilton.product(p, q, 1), *hamilton.gradients(p, q, grad, 1)]


def of_input_transform():
    image = random_arrays(*IMAGE[:3], 4, IMAGE[3])
    return [
        eight_products.input_transform(image.reshape(-1, 4, 5), left_transform(4)),
        eight_products.input_transform_im2col(image, right_transform(4), *GEOMETRY),
    ]


def of_output_transform():
    products, scale, shift = random_arrays(8, 70, 33), *random_arrays(2, 4 * 33)
    rows = random_arrays(8, 2 * 4 * 9, 3 * 2 * 5)
    matrix = output_transform(4)
    return [
        eight_products.output_transform(products, matrix),
        eight_products.output_transform_relu(products, matrix, scale, shift),
        eight_products.output_transform_col2im(rows, matrix, (*IMAGE[:3], 4, 5), *GEOMETRY),
    ]


def of_patches():
    kernel, _, *options = GEOMETRY
    rows = patches.im2col(random_arrays(*IMAGE), *GEOMETRY)
    return [rows, patches.col2im(rows, IMAGE, kernel, *options)]


def of_normalize():
    x, grad, y, channel = *random_arrays(3, 2051, 35), random_arrays(35)
    statistics = channel, channel**2
    return [
        *normalize.moments(x),
        *normalize.coefficients(*statistics, channel + 1, channel - 1, 0.5),
        *normalize.moving_averages((channel + 1, channel[:9] + 2), (channel, channel[:9] ** 2), 0.3, 1.5),
        normalize.affine(x, channel, channel + 1, relu=True),
        normalize.gradient_coefficients(grad, x, channel, channel + 1, channel + 2, y) / 10,
        normalize.input_gradient(grad, x, channel, channel + 1, channel + 2, y),
    ]


def of_pooling():
    # few values, so that many entries are equal
    x = xp.asarray(np.random.default_rng(0).integers(0, 3, (2, 5, 7, 3)).astype(np.float32))
    y = pooling.average(x, 2)
    return [y, pooling.maximum(x, 2), pooling.average_gradient(y, x.shape, 2), pooling.maximum_gradient(y, x, 2)]


def of_dropout():
    x, key = random_arrays(2 * 2048 + 5), np.array([3, 4], np.uint64)
    return [dropout.dropout(x, key, 0.3), dropout.dropout(x, key, 0.3, 13)]


def of_winograd_input():
    images = random_arrays(4, 9, 7, 35)  # two groups of two images with 3 x 2 tiles
    return [
        winograd.transform_tiles(images, INPUT, 2, (3, 2), (1, 2)),
        winograd.transform_tiles(random_arrays(2, 5, 6, 33), OUTPUT.T, 1, (2, 2), (0, 0)),
    ]


def of_winograd_output():
    return [winograd.transform_products(random_arrays(2, 36, 2 * 3 * 2, 35), OUTPUT, (3, 2), (9, 7))]


WEIGHT = (4, 3, 3, 5, 7)


def of_weight_transform():
    w, blocks, eight = random_arrays(*WEIGHT), left_transform(4, blocks=4), left_transform(4, conjugate=True)
    return [
        weight_transform.transform(w, blocks, TAPS, 4),
        weight_transform.transform(w, eight, TAPS, 1, flip=True),
        weight_transform.transform(w, blocks, np.eye(1), 4),
        weight_transform.transform(w, eight, np.eye(1), 1),
    ]


def of_weight_gradient():
    blocks, eight = weight_adjoint(4, 4), weight_adjoint(4, 1)
    return [
        weight_transform.gradient(random_arrays(1, 36, 20, 28), blocks, TAPS, 4, WEIGHT),
        weight_transform.gradient(random_arrays(8, 36, 5, 7), eight, TAPS, 1, WEIGHT),
        weight_transform.gradient(random_arrays(8, 9, 5, 7), eight, np.eye(1), 1, WEIGHT),
    ]


USES = {name.removeprefix("of_"): use for name, use in list(globals().items()) if name.startswith("of_")}
WRONG_RESULT = "wrong result"
FAULTS = {
    # elementwise kernels
    "adam": [
        ("if (i >= count) return;", "", "out of bounds"),
        ("exp_avg[i] = m", "exp_avg[0] = m", "race"),
        ("long long count", "int count", "argument 5 is int"),
        ("v / T(second_correction)", "v / T(first_correction)", WRONG_RESULT),
    ],
    "hamilton": [
        ("if (i >= count) return;", "", "out of bounds"),
        ("i / inner * 4 * inner", "i / inner * inner", "race: write after write"),
        ("left_gradient(c, b, grad_a)", "left_gradient(b, c, grad_a)", WRONG_RESULT),
        ("long long inner", "int inner", "argument 4 is int"),
    ],
    "input_transform": [
        ("if (c >= (unsigned)channels) return;", "", "race: write after write"),
        ("y[(p * rows + row)", "y[(p * row + rows)", "race|out of bounds"),
        ("y >= 0 && y < height", "y < height", "out of bounds|wrong result"),
        ("* stride_w - pad_w", "* stride_h - pad_w", WRONG_RESULT),
    ],
    # im2col and col2im
    "patches": [
        ("y < height", "y <= height", "out of bounds"),
        ("ky * dilation_h", "ky * dilation_w", WRONG_RESULT),
        ("px >= ow", "px > ow", "out of bounds|wrong result"),
        ("y % stride_h ||", "", WRONG_RESULT),
        ("sum += patches", "sum = patches", WRONG_RESULT),
        ("x[row * width * channels + i] = sum", "x[i] = sum", "race: write after write"),
    ],
    "output_transform": [
        ("y[(row * 4 + k) * channels + c]", "y[row * 4 * channels + c]", WRONG_RESULT),
        ("scale[index]", "scale[c]", WRONG_RESULT),
        ("px >= ow", "px > ow", WRONG_RESULT + "|out of bounds"),
        ("(int)(i / channels) + pad_w", "(int)(i / channels) + pad_h", WRONG_RESULT),
    ],
    # sums in shared memory and pooling
    "normalize": [
        ("= square;\n    __syncthreads();", "= square;", "uninitialized"),
        ("= product;\n    __syncthreads();", "= product;", "uninitialized"),
        ("        }\n        __syncthreads();", "        }", "race"),
        ("        }\n        __syncthreads();", "            __syncthreads();\n        }", "divergent"),
        ("if (lane == 0 && c < channels)", "if (lane == 0)", "out of bounds|race"),
        ("if (lane == 0 && c < channels)", "if (c < channels)", "race: write after write"),
        ("first + lane", "first", WRONG_RESULT),
        ("lane < half", "lane <= half", "race|out of bounds"),
        ("double* __restrict__ out", "T* __restrict__ out", "argument 1 is float|argument 4 is float"),
        ("!(y[index] > 0)", "y[index] > 0", WRONG_RESULT),
        # vectors of the channels
        ("= value;\n    __syncthreads();", "= value;", "race|uninitialized"),
        ("    value = sums[0][threadIdx.x];\n    __syncthreads();", "    value = sums[0][threadIdx.x];", "race"),
        ("threadIdx.y < half", "threadIdx.y <= half", "race|out of bounds|uninitialized"),
        ("c < channels && k < chunks; k += 32", "k < chunks; k += 32", "out of bounds"),
        ("k < chunks - 1 ? chunk : rows - k * chunk", "chunk", WRONG_RESULT),
        ("squares += step * step *", "squares += step *", WRONG_RESULT),
        ("if (threadIdx.y == 0 && c < channels) out", "if (c < channels) out", "race: write after write"),
        ("if (threadIdx.y || c >= channels) return", "if (threadIdx.y) return", "out of bounds|race"),
        ("out[2 * channels + c] = bias[c] - mean[c] * factor", "out[2 * channels + c] = bias[c]", WRONG_RESULT),
        ("double eps", "T eps", "argument 6 is float"),
        ("running_var[i - means]", "running_var[i]", "out of bounds|wrong result"),
        ("* T(correction)", "", WRONG_RESULT),
        ("- x_factor * mean[c]", "", WRONG_RESULT),
        ("-factor * inv_std[c] * grad_weight", "-factor * grad_weight", WRONG_RESULT),
    ],
    "pooling": [
        ("ky < size", "ky <= size", "out of bounds|race|wrong result"),
        ("value > best ||", "value >= best ||", WRONG_RESULT),
        ("i / channels * size", "i / channels", "race|wrong result"),
        ("* share;\n        for", ";\n        for", WRONG_RESULT),
    ],
    # random numbers and tiles
    "dropout": [
        ("words[n / 2] >> n % 2 * 32", "words[n / 2] >> 32", WRONG_RESULT),
        ("round < 10", "round < 9", WRONG_RESULT),
        ("threadIdx.x + 1", "threadIdx.x", WRONG_RESULT),
        ("high1 ^ words[1] ^ key0", "high1 ^ words[1] ^ key1", WRONG_RESULT),
        (" && first + n < count", "", "out of bounds"),
        ("if (first + n >= 0)\n", "\n", "out of bounds"),
        ("philox(start / 8 + ", "philox(", WRONG_RESULT),
        ("-(start % 8) + ", "", WRONG_RESULT),
        ("    __syncthreads();\n", "", "race|uninitialized"),
        ("* PHILOX_BLOCKS * 8;", "* PHILOX_BLOCKS;", "race|wrong result"),
    ],
    "weight_transform": [
        ("if (i >= (unsigned)rows * columns) return;", "", "out of bounds|race"),
        ("flip ? column * rows + row : i", "i", WRONG_RESULT),
        ("flip ? count - 1 - tap : tap", "tap", WRONG_RESULT),
        ("w_taps[p][d % D][d / D]", "w_taps[p][d / D][d % D]", WRONG_RESULT),
        ("* parts + n)", "+ n)", "uninitialized|race|wrong result"),
        ("k / BLOCKS % BLOCKS * columns", "k % BLOCKS * columns", "race|wrong result"),
        ("if (s == r)", "if (s == 0)", WRONG_RESULT),
    ],
    "weight_gradient": [
        ("if (i >= (unsigned)rows * columns) return;", "", "out of bounds|race"),
        ("sums[p][d / D][d % D]", "sums[p][d % D][d / D]", WRONG_RESULT),
        ("* parts + n)", "+ n)", "race|out of bounds|wrong result"),
        ("k / BLOCKS % BLOCKS * columns", "k % BLOCKS * columns", WRONG_RESULT),
        ("r == s ?", "r == 0 ?", WRONG_RESULT),
        ("(p * parts + n) * D", "p * D", "race|wrong result|out of bounds"),
    ],
    "winograd_input": [
        ("px < width", "px <= width", "out of bounds|wrong result"),
        ("* 4 - pad_w", "* 4 - pad_h", WRONG_RESULT),
        ("p * 6 + q", "q * 6 + p", WRONG_RESULT),
        ("row - (long long)k * batch * tiles_h", "row", "out of bounds|race"),
        ("columns[p][kx] = transformed[p]", "columns[p][kx] = pixels[p % SIDE]", WRONG_RESULT),
    ],
    "winograd_output": [
        ("y0 + r < height && ", "", "out of bounds|race"),
        ("x0 + s < width", "x0 + s <= width", "out of bounds|race"),
        ("p * 6 + q", "q * 6 + p", WRONG_RESULT),
        ("k * 36 * step", "k * step", "uninitialized|wrong result"),
    ],
}


def outcome(file, expected):
    """Run the kernels of a file and return "correct", `WRONG_RESULT`, or the message of the error."""
    try:
        with kernels_on_cpu():
            results = USES[file]()
    except (LaunchError, TypeError) as error:
        return str(error)
    same = all(np.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(results, expected, strict=True))
    return "correct" if same else WRONG_RESULT


@pytest.fixture(scope="module")
def expected():
    with kernels_on_cpu():
        return {file: use() for file, use in USES.items()}


@pytest.mark.parametrize("file", USES)
def test_kernels_without_a_fault(file, expected):
    assert outcome(file, expected[file]) == "correct"


@pytest.mark.parametrize(
    ("file", "fault"),
    [pytest.param(file, fault, id=f"{file}-{n}") for file, faults in FAULTS.items() for n, fault in enumerate(faults)],
)
def test_fault_is_detected(file, fault, expected):
    before, after, message = fault
    source = load.source
    assert before in source(file, "float32")
    with mock.patch.object(load, "source", lambda *key: source(*key).replace(before, after)):
        result = outcome(file, expected[file])
    assert any(part in result for part in message.split("|")), result


def test_every_kernel_file_has_faults():
    assert set(FAULTS) == set(USES) == {path.stem for path in load.HERE.glob("*.cu")}
