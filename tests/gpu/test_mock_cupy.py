"""Test the mock CuPy: its errors, its results, and the recorded copies between host and device.

The interface of CuPy differs from the interface of NumPy in three points:

- arrays of host and device cannot be combined in an expression, and are not converted implicitly;
- some functions and keywords of NumPy are missing;
- conversion to a Python number, as in `float(loss)` or `if x.any()`, synchronizes with the device.

`support.mock_cupy` has the same restrictions, computes with NumPy, and records the copies. With `support.mock_cupy`,
all tests can run without a GPU. On a GPU, this module tests that CuPy has the same restrictions.
"""

import copy
import operator
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.cuda_cpu import unavailable_reason
from support.device import counts_transfers, cupy

HOST = np.arange(6, dtype=np.float32).reshape(2, 3)


def device(array=HOST):
    return cupy.asarray(array)


needs_transfer_counts = pytest.mark.skipif(not counts_transfers, reason="only the mock CuPy counts transfers")


# Errors


@pytest.mark.parametrize(
    "attempt",
    [
        lambda x: np.asarray(x),
        lambda x: np.array([x, x]),
        lambda x: np.testing.assert_allclose(x, HOST),
        lambda x: HOST.copy().__setitem__(..., x),
        lambda x: memoryview(x),
        lambda x: range(x[0, 0].astype(int)),
    ],
)
def test_implicit_conversion_to_a_host_array_fails(attempt):
    with pytest.raises(TypeError):
        attempt(device())


@pytest.mark.parametrize(
    "attempt",
    [
        lambda x: x + HOST,
        lambda x: HOST + x,
        lambda x: x @ HOST.T,
        lambda x: operator.iadd(HOST.copy(), x),
        lambda x: x < HOST,
        lambda x: cupy.add(x, HOST),
        lambda x: np.add(x, HOST),
        lambda x: np.maximum(HOST, x),
        lambda x: cupy.exp(HOST),
        lambda x: cupy.where(x > 0, x, HOST),
        lambda x: x.dot(HOST.T),
        lambda x: cupy.concatenate([x, HOST]),
        lambda x: np.concatenate([x, HOST]),
        lambda x: cupy.add(x, x, out=HOST.copy()),
    ],
)
def test_arrays_of_host_and_device_cannot_be_combined(attempt):
    with pytest.raises(TypeError):
        attempt(device())


@pytest.mark.parametrize("value", [HOST, [[1, 2, 3], [4, 5, 6]]])
def test_assignment_of_host_data_fails(value):
    with pytest.raises((TypeError, ValueError)):
        device()[...] = value


def test_lists_are_not_arrays():
    for attempt in (lambda: cupy.exp([1.0, 2.0]), lambda: device() + [1, 2, 3], lambda: cupy.sum([1.0, 2.0])):
        with pytest.raises((TypeError, AttributeError)):
            attempt()


@pytest.mark.parametrize("name", ["block", "insert", "nditer", "errstate", "einsum_path", "nanpercentile", "geomspace"])
def test_missing_names(name):
    assert hasattr(np, name)
    with pytest.raises(AttributeError):
        getattr(cupy, name)


def test_missing_keywords_and_methods():
    x = device()
    for attempt in (
        lambda: cupy.sum(x, where=x > 0),
        lambda: x.sum(where=x > 0),
        lambda: cupy.add(x, x, where=x > 0),
        lambda: cupy.zeros(3, like=x),
    ):
        with pytest.raises(TypeError):
            attempt()
    for attempt in (lambda: x.ctypes, lambda: x.itemset, lambda: cupy.linalg.multi_dot):
        with pytest.raises(AttributeError):
            attempt()
    with pytest.raises(NotImplementedError):
        cupy.maximum.reduce(x)


def test_text_and_objects_cannot_be_device_arrays():
    for value in ("text", [object()], np.array(["a", "b"])):
        with pytest.raises((TypeError, ValueError)):
            cupy.asarray(value)


def test_kernel_with_a_host_array_fails():
    kernel = cupy.RawModule(code='extern "C" __global__ void nothing(float* x) {}').get_function("nothing")
    with pytest.raises(TypeError):
        kernel((1,), (1,), (HOST,))


# Errors of the mock CuPy only, in expressions whose result is undefined in CuPy


@needs_transfer_counts
def test_assignment_with_a_repeated_index_fails():
    x = cupy.zeros(3)
    with pytest.raises(ValueError, match="twice"):
        x[cupy.asarray([0, 0])] = cupy.asarray([1.0, 2.0])
    x[cupy.asarray([2, 0])] = cupy.asarray([1.0, 2.0])
    assert x.tolist() == [2, 0, 1]
    cupy.add.at(x, cupy.asarray([0, 0]), cupy.asarray([1.0, 2.0]))  # an addition with a repeated index is defined
    assert x.tolist() == [5, 0, 1]


@needs_transfer_counts
def test_uninitialized_memory_is_nan():
    for array in (cupy.empty((2, 3)), cupy.empty_like(device()), cupy.ndarray((2,), np.float32)):
        assert bool(cupy.isnan(array).all())


# Results equal to NumPy


def test_operators_functions_and_views_return_device_arrays():
    x = device()
    for result, expected in [
        (2 * x - x / 3**x, 2 * HOST - HOST / 3**HOST),
        (np.float32(2) * x, 2 * HOST),
        (-x.T @ x, -HOST.T @ HOST),
        (abs(x) % 2 == 1, HOST % 2 == 1),
        (np.exp(x), np.exp(HOST)),
        (np.sum(x, axis=0), HOST.sum(axis=0)),
        (x.sum(), HOST.sum()),
        (cupy.linalg.norm(x), np.linalg.norm(HOST)),
        (cupy.split(x, 3, axis=1)[1], HOST[:, 1:2]),
        (cupy.frexp(x)[1], np.frexp(HOST)[1]),
        (cupy.lib.stride_tricks.sliding_window_view(x, (2, 2)), [[[[0, 1], [3, 4]], [[1, 2], [4, 5]]]]),
        (x[1], HOST[1]),
        (x[:, None, ::2], HOST[:, None, ::2]),
        (x[x > 2], HOST[HOST > 2]),
        (copy.deepcopy(x), HOST),
        (pickle.loads(pickle.dumps(x)), HOST),
    ]:
        assert type(result) is cupy.ndarray
        np.testing.assert_allclose(result.get(), expected, rtol=1e-6)


def test_dtype_promotion():
    x = device()
    assert (x * 2.0).dtype == (x + np.float32(1)).dtype == (x / 3).dtype == np.float32
    assert (x * np.float64(2)).dtype == np.float64  # so that ops must not use float64 scalars (test_op_dtypes)
    assert (x * x.sum().astype(np.float64)).dtype == np.float64


def test_out_arguments():
    x, out = device(), cupy.zeros((2, 3), np.float32)
    assert cupy.multiply(x, 2, out=out) is out
    assert cupy.matmul(x.T, x, out=cupy.empty((3, 3), np.float32)).shape == (3, 3)
    before = out
    out += x
    assert before is out
    np.testing.assert_array_equal(out.get(), 3 * HOST)
    assert cupy.asarray(x) is x


def test_copies_are_independent():
    host = HOST.copy()
    x = cupy.asarray(host)
    host[:] = 7
    np.testing.assert_array_equal(x.get(), HOST)
    back = x.get()
    x += 1
    np.testing.assert_array_equal(back, HOST)


# Copies


@needs_transfer_counts
@pytest.mark.parametrize(
    ("function", "to_device", "to_host"),
    [
        (lambda x: cupy.asarray(HOST), [24], []),
        (lambda x: cupy.array([1.0, 2.0]), [16], []),
        (lambda x: cupy.asarray(1.0), [8], []),
        (lambda x: x[[0, 1]], [16], []),
        (lambda x: x.get(), [], [24]),
        (lambda x: float(x.sum()), [], [4]),
        (lambda x: bool((x > 2).any()), [], [1]),
        (lambda x: f"{x.mean():.2f}", [], [4]),
        (lambda x: x[x > 2], [], [4]),  # the number of selected entries is copied to the host
        (lambda x: cupy.nonzero(x), [], [4]),
        (lambda x: [cupy.zeros(3), cupy.full((), 2.0), cupy.arange(3), cupy.eye(2)], [], []),
        (lambda x: [x + 1, 2 * x.T @ x, x[1:], x.sum(axis=0), x[cupy.arange(2)], len(x), x.shape], [], []),
        (lambda x: x.__setitem__(x > 2, 0), [4], [4]),  # two copies; cupy.where(x > 2, 0, x) makes no copy
        (lambda x: [cupy.where(x > 2, 0, x), x.__setitem__(1, 0), x.__setitem__((..., 0), x[:, 1])], [], []),
    ],
)
def test_recorded_copies(function, to_device, to_host):
    x = device()
    with cupy.traffic.record() as traffic:
        function(x)
    assert (traffic.to_device, traffic.to_host) == (to_device, to_host)


@needs_transfer_counts
@pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))
def test_launches_are_recorded_and_run():
    code = 'extern "C" __global__ void twice(float* x, long long n) { for (long long i = 0; i < n; ++i) x[i] *= 2; }'
    x = device()
    with cupy.traffic.record() as traffic:
        cupy.RawModule(code=code).get_function("twice")((1,), (1,), (x, x.size))
    assert traffic.launches == ["twice"]
    np.testing.assert_array_equal(x.get(), 2 * HOST)


# The names of CuPy


@needs_transfer_counts
def test_names_are_those_of_the_installed_cupy():
    support = Path(__file__).parents[1] / "support"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program = [sys.executable, support / "cupy_names.py"]
    printed = subprocess.run(program, capture_output=True, text=True, env=environment)
    if "No module named 'cupy'" in printed.stderr:
        pytest.skip("CuPy is not installed; install it to compare its names with names.txt")
    assert printed.returncode == 0, printed.stderr
    installed, stored = (
        printed.stdout.splitlines(),
        (support / "mock_cupy" / "cupy" / "names.txt").read_text().splitlines(),
    )
    if installed[0] != stored[0]:
        pytest.skip(f"expected {stored[0]} as in names.txt, got {installed[0]}; update with support/cupy_names.py")
    assert installed == stored
