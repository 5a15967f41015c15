"""Test `support.cuda_cpu`, which runs CUDA kernels on the CPU and detects mistakes in them.

A CUDA kernel is a C function. Thousands of threads run the function in parallel, each on its own element. Threads are
grouped in thread blocks. The threads of a thread block have shared memory and can synchronize at a barrier,
`__syncthreads`. The order of the thread blocks is undefined. The following mistakes cannot occur in NumPy code:

- a race: two threads access one element without a barrier between the accesses, and at least one thread writes;
- an index out of bounds, which a GPU often does not report;
- a read of uninitialized shared memory;
- a barrier that only some threads of a thread block reach;
- an argument whose type differs from the signature, which a GPU does not check.

`support.cuda_cpu` compiles the source as C++, and runs the threads one after the other in three orders. With `check` it
checks every memory access. A mistake then raises an error even if the result is correct by chance. Each mistake is
inserted into two small kernels.
"""

import numpy as np
import pytest
from support.cuda_cpu import compile_for_cpu, unavailable_reason
from support.cuda_launch import ORDERS, LaunchError

pytestmark = pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))

SUM = """
extern "C" __global__ void total(const T* x, T* out, long long n) {
    __shared__ T part[64];
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    part[threadIdx.x] = i < n ? x[i] : T(0);
    __syncthreads();
    for (int half = 32; half; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = part[0];
}
"""
SCALE = """
extern "C" __global__ void scale(T* x, double factor, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    x[i] *= T(factor);
}
"""
BARRIER = "        __syncthreads();\n"
C_TYPES = {np.float32: "float", np.float64: "double"}


def total(code, n=150, *, dtype=np.float32, check=True, order="forward"):
    x, out = np.arange(n, dtype=dtype), np.zeros(3, dtype)
    compile_for_cpu(f"typedef {C_TYPES[dtype]} T;\n{code}", check=check)["total"]((3,), (64,), (x, out, n), order=order)
    return out.sum() - x.sum()


def scale(code, *, check=True, order="forward"):
    x = np.ones(150, np.float32)
    compile_for_cpu("typedef float T;\n" + code, check=check)["scale"]((3,), (64,), (x, 2.0, x.size), order=order)
    return x


# Correct kernels


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_correct_kernels_in_every_order(order, check, dtype):
    assert total(SUM, dtype=dtype, check=check, order=order) == 0
    np.testing.assert_array_equal(scale(SCALE, check=check, order=order), 2)


def test_blocks_and_threads_with_three_dimensions():
    code = """extern "C" __global__ void number(long long* out) {
        int thread = threadIdx.x + 2 * (threadIdx.y + 3 * threadIdx.z);
        out[24 * (blockIdx.x + 5 * (blockIdx.y + 2 * blockIdx.z)) + thread] = gridDim.y * 100 + blockDim.z; }"""
    out = np.zeros(24 * 5 * 2 * 3, np.int64)
    compile_for_cpu(code, check=True)["number"]((5, 2, 3), (2, 3, 4), (out,))
    np.testing.assert_array_equal(out, 204)


# Mistakes

MISTAKES = {
    "no barrier between the halves": (SUM.replace(BARRIER, ""), "race: write after read"),
    "no barrier after filling": (SUM.replace("    __syncthreads();\n    for", "    for"), "uninitialized"),
    "a barrier for eight threads": (
        SUM.replace("if (threadIdx.x == 0)", "if (threadIdx.x < 8) __syncthreads(); if (i == 0)"),
        "divergent",
    ),
    "a return before a barrier": (
        SUM.replace("    part[threadIdx.x] = ", "if (i >= n) return; part[threadIdx.x] = "),
        "divergent",
    ),
    "one element not written": (SUM.replace("part[threadIdx.x] = ", "if (i) part[threadIdx.x] = "), "uninitialized"),
    "shared memory too small": (SUM.replace("part[64]", "part[32]"), "index out of bounds"),
    "an index one too large": (SUM.replace("i < n", "i <= n"), "out of bounds: outside of every argument"),
    "an index far too large": (SUM.replace("x[i]", "x[i + 1000000]"), "out of bounds: outside of every argument"),
    "an element across the end": (SUM.replace("x[i]", "((double*)x)[i / 2]"), "out of bounds in argument 0"),
    "all blocks write one result": (SUM.replace("out[blockIdx.x]", "out[0]"), "race: write after write"),
    "read of the result of another block": (
        SUM.replace("out[blockIdx.x] =", "out[blockIdx.x] = out[0] +"),
        "race: read",
    ),
    "an index of 32 bits": (
        SUM.replace("i < n", "i + (int)n * (int)n * 1000000 < n"),
        "overflow in *",
    ),
    "a division by zero": (SUM.replace("i < n", "i % (n - 150) < n"), "division by zero"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_detected(mistake):
    code, message = MISTAKES[mistake]
    assert code != SUM
    n = 149 if "across" in mistake else 150
    with pytest.raises(LaunchError, match=message.replace("*", r"\*")):
        total(code, n)


@pytest.mark.parametrize("order", ORDERS)
def test_write_out_of_bounds_is_not_executed(order):
    with pytest.raises(LaunchError, match="out of bounds"):
        scale(SCALE.replace("if (i >= n) return;", ""), order=order)


def test_race_depends_on_the_order_without_checks():
    last = SCALE.replace("x[i] *= T(factor);", "x[0] = T(i);")
    results = {float(scale(last, check=False, order=order)[0]) for order in ORDERS}
    assert len(results) == len(ORDERS)


def test_uninitialized_shared_memory_is_nan_without_checks():
    assert np.isnan(total(MISTAKES["one element not written"][0], check=False))


# Invalid arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(3), 1.0, 3), r"argument 0 is float\*, got an array of dtype float64"),
        ((np.zeros(3, np.float32), 1.0, 3.0), "argument 2 is long long, got a number of dtype float64"),
        ((np.zeros(3, np.float32), np.float32(1), 3), "argument 1 is double, got a number of dtype float32"),
        ((np.zeros(3, np.float32), 1.0, np.int32(3)), "argument 2 is long long, got a number of dtype int32"),
        ((np.zeros(3, np.float32), 1.0), "expects 3 arguments, got 2"),
        ((np.zeros(6, np.float32)[::2], 1.0, 3), "argument 0 is not contiguous"),
        ((3.0, 1.0, 3), r"argument 0 is float\*, got a number"),
        ((np.zeros(3, np.float32), np.zeros(3), 3), "argument 1 is double, got an array"),
    ],
)
def test_arguments_are_checked_against_the_signature(arguments, message):
    with pytest.raises(TypeError, match=message):
        compile_for_cpu("typedef float T;" + SCALE)["scale"]((1,), (64,), arguments)


def test_too_many_threads_per_block():
    with pytest.raises(LaunchError, match="a GPU does not support"):
        compile_for_cpu("typedef float T;" + SCALE)["scale"]((1,), (2048,), (np.zeros(3, np.float32), 1.0, 3))


def test_invalid_source():
    with pytest.raises(LaunchError, match=r"kernel.cu:.*error"):
        compile_for_cpu("typedef float T;" + SCALE + "int a b;")


def test_launch_after_an_error():
    with pytest.raises(LaunchError):
        total(MISTAKES["a barrier for eight threads"][0])
    assert total(SUM) == 0
