"""Tests that need a GPU. `QUATNET_BACKEND=cupy python -m pytest` runs them with all other tests.

With this backend, the other tests compute with CuPy, and the tests of CUDA kernels launch the kernels on the GPU. This
module tests the start-up test and the compilation of every kernel. It tests that two runs have bit-identical results,
and that the memory does not grow from step to step. The time of a training step of QCNN14 is printed.
docs/results/gpu.json has the results of the benchmark on a GPU.
"""

from argparse import Namespace

import gpu
import numpy as np
import pytest
from support.device import counts_transfers
from support.gpu_kernels import BUDGETS, formulas

from quatnet import no_grad, ops
from quatnet.backend import asnumpy, gpu_unavailable_reason, on_gpu, use_tf32, xp
from quatnet.cli import info
from quatnet.kernels import load
from quatnet.models import CNN, cnn14, small_cnn

GPU = on_gpu() and not counts_transfers
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not GPU, reason="the backend is not CuPy on a real GPU: see docs/gpu.md"),
]


def gradients(seed: int) -> dict[str, np.ndarray]:
    """Return the gradients of one step of a small network, on the host."""
    rng = np.random.default_rng(seed)
    model = CNN(small_cnn(10), rng=rng)
    x = rng.standard_normal((4, 101, 64, 4), dtype=np.float32)
    logits = model(xp.asarray(x), train=True, rng=rng)
    ops.cross_entropy(logits, xp.asarray(np.eye(10, dtype=np.float32)[:4])).backward()
    return {name: asnumpy(tensor.grad) for name, tensor in model.named_parameters()}


def test_start_up_test(capsys):
    assert gpu_unavailable_reason() is None
    with capsys.disabled():
        print(f"\n{info.report()}")


@pytest.mark.parametrize("dtype", load.C_TYPES)
@pytest.mark.parametrize(("file", "name"), BUDGETS)
def test_every_kernel_compiles_on_this_machine(file, name, dtype):
    for text in formulas(file):
        kernel = load.function(file, name, dtype, text)
        kernel.compile()
        assert kernel.num_regs <= BUDGETS[file, name][list(load.C_TYPES).index(dtype)]
        assert kernel.local_size_bytes == 0  # no register spills


def test_two_runs_are_bit_identical():
    first, second = gradients(0), gradients(0)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_error_of_tf32(capsys):
    rng = np.random.default_rng(0)
    model, x = CNN(cnn14(527, quaternion=True), rng=rng), rng.standard_normal((2, 301, 64, 4), dtype=np.float32)
    state = {name: array.astype(np.float64) for name, array in model.state_dict().items()}
    expected = CNN(cnn14(527, quaternion=True), rng=rng)
    for name, tensor in expected.named_parameters():
        tensor.data = xp.asarray(state[name])
    with no_grad():
        reference = asnumpy(expected(xp.asarray(x.astype(np.float64)), train=True, rng=np.random.default_rng(1)).data)
        errors = {}
        for tf32 in (False, True):
            use_tf32(tf32)
            logits = asnumpy(model(xp.asarray(x), train=True, rng=np.random.default_rng(1)).data)
            errors[tf32] = np.linalg.norm(logits - reference) / np.linalg.norm(reference)
        use_tf32(False)
    with capsys.disabled():
        print(f"\nQCNN14, relative error of the logits: float32 {errors[False]:.1e}, TF32 {errors[True]:.1e}")
    assert errors[False] < 1e-4
    assert errors[False] < errors[True] < 1e-1


def test_memory_does_not_grow_from_step_to_step():
    step = gpu.training_step(CNN(small_cnn(10), rng=np.random.default_rng(0)), Namespace(batch=4, seconds=1))
    used = []
    for _ in range(200):
        step()
        gpu.synchronize()
        used.append((xp.get_default_memory_pool().used_bytes(), xp.get_default_memory_pool().total_bytes()))
    assert set(used[2:]) == {used[2]}  # the optimizer allocates its state in the first step


def test_time_of_a_step_of_qcnn14(capsys):
    args = Namespace(batch=8, seconds=10, runs=3, smoke=False)
    model = CNN(cnn14(527, quaternion=True), rng=np.random.default_rng(0))
    seconds = gpu.median_seconds(gpu.training_step(model, args), args.runs)
    peak = gpu.peak_gigabytes()
    with capsys.disabled():
        print(f"\nQCNN14, {args.batch} clips of {args.seconds} s: {1e3 * seconds:.1f} ms a step, peak {peak:.2f} GB")
    assert all(np.isfinite(asnumpy(tensor.data)).all() for tensor in model.parameters())
