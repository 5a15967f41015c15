"""The kernels, compiled for real GPUs: a compiler needs no GPU, and says what each kernel would take of one.

A multiprocessor of a GPU has 65,536 registers for all the threads that it holds at once. A thread that takes 64 leaves
room for four blocks of 256 threads, and while some wait for memory, others compute; with more registers fewer fit, and
a kernel whose cost is memory gets slower. A compiler that has too few puts numbers back into memory: they are
*spilled*, which costs the traffic that the kernel was written to save. So each kernel has a budget, close to what was
found, and none may spill, on six generations of GPUs and in both dtypes. The table is printed; `python -m
support.gpu_kernels`, in tests/, prints it too.

It does not say that a kernel computes the right thing: lessons 16b and 16c do, on the CPU, with the same text.
"""

import pytest
from support.gpu_kernels import ARCHITECTURES, BUDGETS, MOST_REGISTERS, compiled, formulas, table
from support.nvrtc import CompileError, Needs, compile_for_gpu, why_not

from quatnet.kernels import load

FILES = sorted(path.stem for path in load.HERE.glob("*.cu"))
need_nvrtc = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


def test_no_budget_is_above_what_four_blocks_may_take():
    assert all(max(single, double) <= MOST_REGISTERS for single, double, _ in BUDGETS.values())


def test_every_file_is_here_and_each_convolution_matrix_makes_a_text_of_its_own():
    assert {file for file, _ in BUDGETS} == set(FILES)
    assert len(set(formulas("planes"))) == len(set(formulas("components"))) == 6


@need_nvrtc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", load.C_TYPES)
@pytest.mark.parametrize("file", FILES)
def test_every_kernel_keeps_to_its_budget(file, dtype, architecture):
    found = list(compiled(file, dtype, architecture))
    assert {name for (_, name, _), _ in found} == {name for other, name in BUDGETS if other == file}
    for (_, name, _), needs in found:
        single, double, shared = BUDGETS[file, name]
        assert needs.registers <= (single if dtype == "float32" else double), f"{name} takes {needs}"
        assert needs[1:] == (0, 0, 0, shared), f"{name} takes {needs}"


@need_nvrtc
def test_the_table_has_a_line_for_each_kernel_and_dtype(capsys):
    with capsys.disabled():
        print(f"\n{table()}")
    lines = table().splitlines()
    assert len(lines) == 1 + 2 * len(BUDGETS)
    assert all(len(line.split()) == 2 + len(ARCHITECTURES) + 4 for line in lines[1:])


# Would a kernel that is too large be noticed?

GREEDY = """
extern "C" __global__ void __launch_bounds__(256, BLOCKS) greedy(const float* x, float* y, int n) {
    float kept[100];
    for (int k = 0; k < 100; ++k) kept[k] = x[k * 256 + threadIdx.x];
    __syncthreads();
    for (int k = 0; k < 100; ++k) y[k * 256 + threadIdx.x] = kept[99 - k] * kept[(k * 7 + 1) % 100];
}
"""


@need_nvrtc
def test_too_many_registers_are_seen():
    assert compile_for_gpu(GREEDY.replace("BLOCKS", "1"), "sm_80")["greedy"].registers > MOST_REGISTERS


@need_nvrtc
def test_spilled_registers_are_seen():
    needs = compile_for_gpu(GREEDY.replace("BLOCKS", "4"), "sm_80")["greedy"]
    assert needs.registers <= MOST_REGISTERS
    assert min(needs.stack, needs.stores, needs.loads) > 0


@need_nvrtc
def test_shared_memory_is_seen():
    code = (
        'extern "C" __global__ void f(float* x) { __shared__ float s[9]; s[8 - threadIdx.x] = 1; x[0] = s[x[1] > 0]; }'
    )
    assert compile_for_gpu(code, "sm_75")["f"] == Needs(compile_for_gpu(code, "sm_75")["f"].registers, 0, 0, 0, 36)


@need_nvrtc
def test_what_is_not_cuda_is_refused_with_the_line():
    with pytest.raises(CompileError, match=r"sm_90: kernel.cu\(1\): error: "):
        compile_for_gpu("a kernel", "sm_90")
