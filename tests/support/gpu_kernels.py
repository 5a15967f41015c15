"""Every kernel of quatnet with its formulas, as it goes to a compiler, and what it may take of a GPU.

python -m support.gpu_kernels    (from tests/) prints what each one takes, compiled for six kinds of GPU
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from quatnet.conv.fast import mixing
from quatnet.kernels import hamilton, load
from quatnet.kernels.formulas import linear

from .nvrtc import Needs, compile_for_gpu, why_not

# Volta V100, Turing T4, Ampere A100 and RTX 30, Ada RTX 40 and L4, Hopper H100
ARCHITECTURES = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90")
MOST_REGISTERS = 64  # four blocks of 256 threads then share the 65,536 registers of a multiprocessor
# (file, kernel) -> registers in float32, in float64, and bytes of shared memory: what was found, and a little room
BUDGETS = {
    ("adam", "adam"): (36, 34, 0),
    ("components", "unmix"): (42, 46, 0),
    ("components", "unmix_patches"): (56, 64, 0),
    ("components", "unmix_relu"): (50, 64, 0),
    ("hamilton", "gradients"): (34, 44, 0),
    ("hamilton", "product"): (28, 34, 0),
    ("normalize", "affine"): (32, 34, 0),
    ("normalize", "gradient_sums"): (62, 64, 4096),  # two float64 for each of 256 threads
    ("normalize", "input_gradient"): (34, 40, 0),
    ("normalize", "moments"): (48, 54, 6144),  # three
    ("patches", "col2im"): (48, 50, 0),
    ("patches", "im2col"): (42, 41, 0),
    ("planes", "mix"): (48, 56, 0),
    ("planes", "mix_patches"): (64, 64, 0),
    ("pooling", "average"): (55, 64, 0),
    ("pooling", "average_gradient"): (45, 48, 0),
    ("pooling", "maximum"): (62, 64, 0),
    ("pooling", "maximum_gradient"): (50, 50, 0),
}
Key = tuple[str, str, str]  # file, kernel, dtype


def formulas(file: str) -> list[str]:
    """Return the texts that `quatnet.kernels` puts before a file: one for each matrix that a convolution needs."""
    up = [side for matrix in (mixing.LEFT, mixing.RIGHT, mixing.BACK.T) for side in (matrix, matrix @ mixing.CONJUGATE)]
    asked = {"planes": map(linear, up), "components": (linear(matrix.T) for matrix in up)}
    return list(asked.get(file, [hamilton.formulas() if file == "hamilton" else ""]))


def compiled(file: str, dtype: str, architecture: str) -> Iterator[tuple[Key, Needs]]:
    """Compile a file with each of its formulas, and yield what its kernels need."""
    for text in formulas(file):
        for name, needs in compile_for_gpu(load.source(file, dtype, text), architecture).items():
            yield (file, name, dtype), needs


def largest(needs: list[Needs]) -> Needs:
    """Return the largest of each number."""
    return Needs(*(max(column) for column in zip(*needs, strict=True)))


def table() -> str:
    """Return a line for each kernel and dtype: the most registers by architecture, and what else it takes."""
    lines = [f"{'kernel':28} {'dtype':8} {' '.join(ARCHITECTURES)}  allowed  stack  spilled  shared (bytes)"]
    for file, number in np.ndindex(len(files := _files()), len(load.C_TYPES)):
        lines += _lines(files[file], number)
    return "\n".join(lines)


def _lines(file: str, number: int) -> Iterator[str]:
    """The lines of the kernels of a file, for dtype `number`."""
    dtype, needs = list(load.C_TYPES)[number], defaultdict(lambda: defaultdict(list))
    for architecture in ARCHITECTURES:
        for (_, name, _), found in compiled(file, dtype, architecture):
            needs[name][architecture].append(found)
    for name, found in sorted(needs.items()):
        most = [largest(each) for each in found.values()]
        registers, worst = " ".join(f"{each.registers:5}" for each in most), largest(most)
        yield (
            f"{file + '.' + name:28} {dtype:8} {registers}  {BUDGETS[file, name][number]:7}  {worst.stack:5}  "
            f"{worst.stores + worst.loads:7}  {worst.shared:6}"
        )


def _files() -> list[str]:
    return sorted(path.stem for path in load.HERE.glob("*.cu"))


if __name__ == "__main__":
    print(f"SKIPPED: {why_not()}" if why_not() else table())
