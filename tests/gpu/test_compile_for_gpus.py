"""Test the resources of the CUDA kernels, compiled for six GPU architectures. Compilation needs no GPU.

A multiprocessor has 65,536 registers for all of its resident threads. With 64 registers per thread, four thread blocks
of 256 threads are resident. Some thread blocks compute while others wait for memory. With more registers per thread,
fewer thread blocks are resident, and a memory-bound kernel is slower. If the registers do not suffice, the compiler
spills values to memory, which increases the memory traffic. Each kernel therefore has a register budget slightly above
its measured number of registers. No kernel may spill in either dtype. `python -m support.gpu_kernels` in tests/ prints
the table of registers.

The other test modules of tests/gpu test the results of the kernels. They compile the same source for the CPU.
"""

import pytest
from support.gpu_kernels import ARCHITECTURES, BUDGETS, MAX_REGISTERS, TILED, compiled, formulas, table
from support.nvrtc import CompileError, Usage, compile_for_gpu, unavailable_reason

from quatnet.kernels import load

FILES = sorted(path.stem for path in load.HERE.glob("*.cu"))
need_nvrtc = pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))


def test_budgets_allow_four_blocks_per_multiprocessor():
    small = {key: budget for key, budget in BUDGETS.items() if key[0] not in TILED}
    assert all(max(single, double) <= MAX_REGISTERS for single, double, _ in small.values())


def test_every_file_has_a_budget_and_every_matrix_its_own_formula():
    assert {file for file, _ in BUDGETS} == set(FILES)
    assert len(set(formulas("input_transform"))) == len(set(formulas("output_transform"))) == 6


@need_nvrtc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", load.C_TYPES)
@pytest.mark.parametrize("file", FILES)
def test_every_kernel_is_within_its_budget(file, dtype, architecture):
    kernels = list(compiled(file, dtype, architecture))
    assert {name for (_, name, _), _ in kernels} == {name for other, name in BUDGETS if other == file}
    for (_, name, _), usage in kernels:
        single, double, shared = BUDGETS[file, name]
        assert usage.registers <= (single if dtype == "float32" else double), f"{name} needs {usage}"
        assert usage[1:] == (0, 0, 0, shared), f"{name} needs {usage}"


@need_nvrtc
def test_table_has_a_line_for_each_kernel_and_dtype(capsys):
    with capsys.disabled():
        print(f"\n{table()}")
    lines = table().splitlines()
    assert len(lines) == 1 + 2 * len(BUDGETS)
    assert all(len(line.split()) == 2 + len(ARCHITECTURES) + 4 for line in lines[1:])


# Detection of kernels that exceed the budget

GREEDY = """
extern "C" __global__ void __launch_bounds__(256, BLOCKS) greedy(const float* x, float* y, int n) {
    float values[100];
    for (int k = 0; k < 100; ++k) values[k] = x[k * 256 + threadIdx.x];
    __syncthreads();
    for (int k = 0; k < 100; ++k) y[k * 256 + threadIdx.x] = values[99 - k] * values[(k * 7 + 1) % 100];
}
"""


@need_nvrtc
def test_too_many_registers_are_reported():
    assert compile_for_gpu(GREEDY.replace("BLOCKS", "1"), "sm_80")["greedy"].registers > MAX_REGISTERS


@need_nvrtc
def test_spilled_registers_are_reported():
    usage = compile_for_gpu(GREEDY.replace("BLOCKS", "4"), "sm_80")["greedy"]
    assert usage.registers <= MAX_REGISTERS
    assert min(usage.stack, usage.stores, usage.loads) > 0


@need_nvrtc
def test_shared_memory_is_reported():
    code = (
        'extern "C" __global__ void f(float* x) { __shared__ float s[9]; s[8 - threadIdx.x] = 1; x[0] = s[x[1] > 0]; }'
    )
    assert compile_for_gpu(code, "sm_75")["f"] == Usage(compile_for_gpu(code, "sm_75")["f"].registers, 0, 0, 0, 36)


@need_nvrtc
def test_invalid_source_raises_an_error_with_the_line():
    with pytest.raises(CompileError, match=r"sm_90: kernel.cu\(1\): error: "):
        compile_for_gpu("a kernel", "sm_90")
