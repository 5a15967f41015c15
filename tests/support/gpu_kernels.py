"""Resource usage of every CUDA kernel of quatnet, with a limit for each resource.

`python -m support.gpu_kernels` (in the folder tests) prints the resources of each kernel for six GPU architectures.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from quatnet.conv.fast.component_transforms import BLOCK_MATRIX, CONJUGATE, LEFT_MATRIX, OUTPUT_MATRIX, RIGHT_MATRIX
from quatnet.conv.gpu_winograd import INPUT, OUTPUT, TAPS
from quatnet.kernels import hamilton, load, weight_transform
from quatnet.kernels.formulas import linear

from .nvrtc import Usage, compile_for_gpu, unavailable_reason

# V100 (Volta), T4 (Turing), A100 and RTX 30 (Ampere), L4 and RTX 40 (Ada), H100 (Hopper)
ARCHITECTURES = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90")
TILED = ("weight_gradient", "weight_transform", "winograd_input", "winograd_output")  # files with tiles in registers
MAX_REGISTERS = 64  # a multiprocessor with 65,536 registers then runs four blocks of 256 threads
# Each (file, CUDA kernel) has limits for the registers in float32, the registers in float64, and the bytes of shared
# memory. The limits are the measured values plus a margin.
BUDGETS = {
    ("adam", "adam"): (36, 34, 0),
    ("dropout", "dropout"): (40, 40, 256),  # one byte for each of 256 threads
    ("output_transform", "output_transform"): (52, 60, 0),
    ("output_transform", "output_transform_col2im"): (56, 64, 0),
    ("output_transform", "output_transform_relu"): (50, 64, 0),
    ("hamilton", "gradients"): (34, 44, 0),
    ("hamilton", "product"): (28, 34, 0),
    ("normalize", "affine"): (36, 42, 0),
    ("normalize", "coefficients"): (32, 40, 0),
    ("normalize", "gradient_coefficients"): (40, 40, 2048),  # one float64 for each of 256 threads
    ("normalize", "gradient_sums"): (62, 64, 4096),  # two float64 for each of 256 threads
    ("normalize", "input_gradient"): (48, 60, 0),
    ("normalize", "moments"): (56, 64, 6144),  # three float64 for each of 256 threads
    ("normalize", "moving_averages"): (32, 32, 0),
    ("normalize", "statistics"): (40, 40, 2048),
    ("patches", "col2im"): (48, 50, 0),
    ("patches", "im2col"): (48, 50, 0),
    ("input_transform", "input_transform"): (48, 56, 0),
    ("input_transform", "input_transform_im2col"): (64, 64, 0),
    ("weight_gradient", "weight_gradient"): (168, 255, 0),  # the nine taps of four components
    ("weight_transform", "weight_transform"): (128, 255, 0),
    ("winograd_input", "winograd_input"): (100, 200, 0),  # a tile of 36 numbers
    ("winograd_output", "winograd_output"): (100, 200, 0),
    ("pooling", "average"): (55, 64, 0),
    ("pooling", "average_gradient"): (60, 60, 0),
    ("pooling", "maximum"): (62, 64, 0),
    ("pooling", "maximum_gradient"): (50, 50, 0),
}
# matrices of the components in both directions, matrix of the taps, and blocks; a conjugate changes signs only
WEIGHTS = [(np.eye(1), np.eye(1), TAPS, 1)] + [
    (*matrices, taps, blocks)
    for *matrices, blocks in ((LEFT_MATRIX, OUTPUT_MATRIX, 1), (BLOCK_MATRIX, BLOCK_MATRIX.T, 4))
    for taps in (np.eye(1), TAPS)
]
Key = tuple[str, str, str]  # (file, CUDA kernel, dtype)


def formulas(file: str) -> list[str]:
    """Return the sources that `quatnet.kernels` generates for a file: one for each matrix of the eight products."""
    matrices = [
        matrix @ conjugate
        for matrix in (LEFT_MATRIX, RIGHT_MATRIX, OUTPUT_MATRIX.T)
        for conjugate in (np.eye(4), CONJUGATE)
    ]
    generated = {
        "input_transform": map(linear, matrices),
        "output_transform": (linear(matrix.T) for matrix in matrices),
        "hamilton": [hamilton.formulas()],
        "weight_transform": (weight_transform.transform_code(expand, *each) for expand, _, *each in WEIGHTS),
        "weight_gradient": (weight_transform.gradient_code(collect, *each) for _, collect, *each in WEIGHTS),
        "winograd_input": (f"#define SIDE {matrix.shape[1]}\n{linear(matrix)}" for matrix in (INPUT, OUTPUT.T)),
        "winograd_output": [linear(OUTPUT)],
    }
    return list(generated.get(file, [""]))


def compiled(file: str, dtype: str, architecture: str) -> Iterator[tuple[Key, Usage]]:
    """Yield the resource usage of the CUDA kernels of a file, compiled with each generated source."""
    for text in formulas(file):
        for name, usage in compile_for_gpu(load.source(file, dtype, text), architecture).items():
            yield (file, name, dtype), usage


def maximum(usages: list[Usage]) -> Usage:
    """Return the maximum of each field of the usages."""
    return Usage(*(max(column) for column in zip(*usages, strict=True)))


def table() -> str:
    """Return a table of the registers per architecture and the other resources of each CUDA kernel and dtype."""
    lines = [f"{'kernel':28} {'dtype':8} {' '.join(ARCHITECTURES)}  allowed  stack  spilled  shared (bytes)"]
    for file, number in np.ndindex(len(files := _files()), len(load.C_TYPES)):
        lines += _lines(files[file], number)
    return "\n".join(lines)


def _lines(file: str, number: int) -> Iterator[str]:
    """Yield the table lines of the CUDA kernels of a file. `number` is the index of the dtype."""
    dtype, usages = list(load.C_TYPES)[number], defaultdict(lambda: defaultdict(list))
    for architecture in ARCHITECTURES:
        for (_, name, _), usage in compiled(file, dtype, architecture):
            usages[name][architecture].append(usage)
    for name, by_architecture in sorted(usages.items()):
        maxima = [maximum(each) for each in by_architecture.values()]
        registers, worst = " ".join(f"{each.registers:5}" for each in maxima), maximum(maxima)
        yield (
            f"{file + '.' + name:28} {dtype:8} {registers}  {BUDGETS[file, name][number]:7}  {worst.stack:5}  "
            f"{worst.stores + worst.loads:7}  {worst.shared:6}"
        )


def _files() -> list[str]:
    return sorted(path.stem for path in load.HERE.glob("*.cu"))


if __name__ == "__main__":
    print(f"SKIPPED: {unavailable_reason()}" if unavailable_reason() else table())
