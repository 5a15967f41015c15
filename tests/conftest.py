"""Fixtures and hypothesis profiles for all tests."""

import os
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import settings
from support import cuda_cpu, nvrtc
from support.device import backend_description, uses_mock
from threadpoolctl import threadpool_limits

from quatnet import threads

settings.register_profile("quatnet", deadline=None, max_examples=50, derandomize="CI" in os.environ)
settings.register_profile("mock", settings.get_profile("quatnet"), max_examples=15)
# The mock CuPy computes with NumPy and checks types, names and copies. The NumPy runs test the values.
settings.load_profile("mock" if uses_mock else "quatnet")


def pytest_addoption(parser):
    """Add the options of the course, see docs/exercises.md."""
    group = parser.getgroup("course")
    group.addoption("--implementation", metavar="FILE", help="test the functions of this file in place of quatnet's")
    group.addoption(
        "--hints", type=int, nargs="?", const=1, default=0, metavar="N", help="show the first N hints on a failure"
    )


def pytest_report_header(config):
    """Return report lines with the backend and with the optional tests that run or are skipped."""
    parity = (
        f"{name} {'runs' if find_spec(name) else 'SKIPPED, not installed'}"
        for name in ("torch", "librosa", "safetensors", "torchlibrosa", "torchaudio")
    )
    kernels = (
        f"{target} SKIPPED, {reason}" if reason else f"{target} runs"
        for target, reason in {
            "on the CPU": cuda_cpu.unavailable_reason(),
            "compiled for GPUs": nvrtc.unavailable_reason(),
        }.items()
    )
    return [
        f"quatnet: the backend is {backend_description()}",
        f"quatnet: CUDA kernels {'; '.join(kernels)}",
        f"quatnet: parity with {', with '.join(parity)}",
    ]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def torch():
    """Return the module torch, or skip the test if PyTorch is not installed."""
    return pytest.importorskip("torch", reason="torch is not installed")


@pytest.fixture
def with_threads(monkeypatch):
    """Return a function that sets the number of threads.

    BLAS uses at most two threads.
    """

    def set_threads(count):
        monkeypatch.setenv("QUATNET_NUM_THREADS", str(count))
        assert threads.thread_count() == count

    with threadpool_limits(2):
        yield set_threads
