"""Tests of the command `info` and of the error messages on machines without a working GPU.

CuPy needs a device, a driver and several CUDA libraries. Some errors occur only when a library is first used. quatnet
therefore runs a start-up test: an allocation, the compilation of a CUDA kernel, and a matrix product. If the test
fails, the library, the examples and the commands raise an error with the reason and a remedy in one line. `python -m
quatnet info` also prints the reason.
"""

import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from support.cuda_cpu import compile_for_cpu, unavailable_reason
from support.machines import (
    CudaError,
    install_broken_cupy,
    install_fake_cupy,
    raises,
    restore_backend,
    twice,
    without_cupy,
)

from quatnet import backend
from quatnet.cli import info, run_main
from quatnet.cli.main import main
from quatnet.errors import BackendUnavailable, CheckpointError, ConfigError

EXAMPLES = Path(__file__).parents[2] / "examples"

NO_GPU = r"no GPU works for CuPy 14\.2\.0 \("
MACHINES = {
    "not installed": (without_cupy, r'CuPy is not installed .*: pip install "quatnet-numpy\[cuda12\]"'),
    "broken": (install_broken_cupy, r"cannot be imported \(OSError: libcuda.*\): uninstall it, then pip install"),
    "no driver": (
        lambda m: install_fake_cupy(m, count=raises(CudaError(35))),
        NO_GPU + "CudaError: cudaErrorNumber35: message of CUDA.*: install a newer NVIDIA driver",
    ),
    "no device": (
        lambda m: install_fake_cupy(m, count=raises(CudaError(100))),
        NO_GPU + ".*100.*: check that `nvidia-smi` lists a GPU, and check CUDA_VISIBLE_DEVICES, which is '7'",
    ),
    "none counted": (lambda m: install_fake_cupy(m, count=lambda: 0), "finds no GPU: check .*, which is '7'"),
    "another status": (
        lambda m: install_fake_cupy(m, ones=raises(CudaError(46))),
        NO_GPU + ".*CUDA status 46 on the first of 1 GPUs",
    ),
    "memory taken": (
        lambda m: install_fake_cupy(m, ones=raises(MemoryError("out of memory"))),
        "free memory on the GPU",
    ),
    "no cuBLAS": (
        lambda m: install_fake_cupy(m, kernel=raises(ImportError("libcublas.so.12"))),
        r'ImportError: libcublas.*CUDA library seems to be missing; install .*: pip install "quatnet-numpy\[cuda12\]"',
    ),
    "wrong numbers": (lambda m: install_fake_cupy(m, ones=np.zeros), "a wrong result in the start-up test: update"),
    "a kernel that does nothing": (
        lambda m: install_fake_cupy(m, kernel=lambda *_: None, empty=np.zeros),
        "a wrong result",
    ),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_error_without_a_usable_gpu(machine: str, monkeypatch) -> None:
    prepare, reason = MACHINES[machine]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    prepare(monkeypatch)
    with pytest.raises(BackendUnavailable, match=reason) as caught:
        backend.load_backend("cupy")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("Set QUATNET_BACKEND=numpy for the CPU.")
    assert backend.load_backend("auto") is np


def test_start_up_test_compiles_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []

    def compiled(*, code: str) -> types.SimpleNamespace:
        texts.append(code)
        return types.SimpleNamespace(get_function=lambda name: twice if name in code else None)

    install_fake_cupy(monkeypatch, RawModule=compiled)
    assert backend.gpu_unavailable_reason() is None
    assert texts == [backend.TEST_KERNEL]


@pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))
def test_start_up_kernel() -> None:
    ones, twos = np.ones((2, 2), np.float32), np.empty((2, 2), np.float32)
    compile_for_cpu(backend.TEST_KERNEL, check=True)["twice"]((1,), (4,), (ones, twos))
    np.testing.assert_array_equal(twos, 2)


def test_backend_with_a_working_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = install_fake_cupy(monkeypatch)
    assert backend.load_backend("cupy") is cupy
    assert backend.load_backend("auto") is cupy
    assert backend.load_backend("numpy") is np


@pytest.mark.parametrize("example", ["esc50", "hamilton_tour"])
def test_example_with_an_invalid_backend(example: str) -> None:
    command, environment = [sys.executable, str(EXAMPLES / f"{example}.py")], os.environ | {"QUATNET_BACKEND": "gpu"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "ConfigError: QUATNET_BACKEND='gpu': expected one of numpy, cupy, auto\n"


@pytest.mark.parametrize(("kind", "end"), [(CheckpointError, "a file; see --resume"), (ConfigError, "a file")])
def test_hint_for_an_existing_checkpoint(kind: type[Exception], end: str) -> None:
    def program() -> None:
        raise kind("a file")

    with pytest.raises(SystemExit, match=f"^{kind.__name__}: {end}$"):
        run_main(program, hint="; see --resume")


def test_examples_use_run_main() -> None:
    texts = [path.read_text(encoding="utf-8") for path in EXAMPLES.rglob("*.py")]
    starts = [text.split('if __name__ == "__main__":\n')[1] for text in texts if "__main__" in text]
    assert len(starts) >= 9
    assert all(start.strip().startswith("run_main(main") for start in starts)


# The commands of python -m quatnet


def test_report_and_usage_without_a_command(capsys, monkeypatch) -> None:
    without_cupy(monkeypatch)
    main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["backend", "device", "versions", "threads", "CuPy"]
    assert f"numpy {np.__version__}" in lines[2]
    assert "does not work here: CuPy is not installed" in lines[4]
    assert lines[6].startswith("usage: quatnet")


def test_info_command_prints_the_report(capsys) -> None:
    main(["info"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "backend",
        "device",
        "versions",
        "threads",
        "CuPy",
    ]


def test_report_with_a_working_gpu(monkeypatch) -> None:
    cupy = install_fake_cupy(monkeypatch)
    cupy.cuda.Device = lambda: types.SimpleNamespace(id=1)
    cupy.cuda.runtime.driverGetVersion = lambda: 12080
    properties = {"name": b"Some GPU", "major": 8, "minor": 6, "totalGlobalMem": 16_000_000_000}
    cupy.cuda.runtime.getDeviceProperties = lambda device: properties if device == 1 else None
    assert info.start_up_test().startswith("passed the start-up test in 0.")
    with restore_backend():
        backend.set_backend("cupy")
        assert info.backend().startswith("cupy ")
        assert info.device() == "Some GPU, compute capability 8.6, 16.0 GB, driver for CUDA 12.8"


@pytest.mark.parametrize("arguments", [[], ["info"], ["profile", "qcnn14"]])
def test_command_with_an_invalid_backend(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "quatnet", *arguments]
    environment = os.environ | {"QUATNET_BACKEND": "gpu"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 2
    assert run.stderr == "quatnet: QUATNET_BACKEND='gpu': expected one of numpy, cupy, auto\n"
    lines = run.stdout.splitlines()
    assert lines[:1] == ([] if "profile" in arguments else ["backend   none (requested by QUATNET_BACKEND: gpu)"])
    assert not any("usage" in line for line in lines)
