"""What every test file shares: the array module, one seed, one hypothesis profile, and second opinions."""

import os
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import settings
from support import cuda_cpu, nvrtc
from support.device import backend_description, counts_transfers
from threadpoolctl import threadpool_limits

from quatnet import threads

settings.register_profile("quatnet", deadline=None, max_examples=50, derandomize="CI" in os.environ)
settings.register_profile("mock", settings.get_profile("quatnet"), max_examples=15)
# with the mock CuPy, NumPy computes, which ran all examples already; the mock tests types, names and copies
settings.load_profile("mock" if counts_transfers else "quatnet")


def pytest_report_header(config):
    """Say which comparisons run, so that a skipped one is never mistaken for a passed one."""
    parity = (
        f"{name} {'runs' if find_spec(name) else 'SKIPPED, not installed'}"
        for name in ("torch", "librosa", "safetensors", "torchlibrosa", "torchaudio")
    )
    kernels = (
        f"{what} SKIPPED, {reason}" if reason else f"{what} runs"
        for what, reason in {
            "on the CPU": cuda_cpu.unavailable_reason(),
            "compiled for GPUs": nvrtc.unavailable_reason(),
        }.items()
    )
    return [
        f"quatnet: the array module is {backend_description()}",
        f"quatnet: CUDA kernels {'; '.join(kernels)}",
        f"quatnet: parity with {', with '.join(parity)}",
    ]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def torch():
    """PyTorch, channels first, as the second opinion of the tests marked `parity`."""
    return pytest.importorskip("torch", reason="torch is not installed: no second opinion on this result")


@pytest.fixture
def with_threads(monkeypatch):
    """Set the number of worker threads, and forget the pool of another number; BLAS may use two of its own."""

    def change(count):
        monkeypatch.setenv("QUATNET_NUM_THREADS", str(count))
        threads._pool.cache_clear()
        assert threads.thread_count() == count

    with threadpool_limits(2):
        yield change
    threads._pool.cache_clear()
