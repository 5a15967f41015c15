"""Before the first lesson, again: is there a GPU, and if not, what is missing?

A GPU needs a device, a driver, CuPy and several libraries of CUDA, and each can be missing in a way of its own, some of
them only when they are first used. So CuPy is believed after a start-up test alone: an allocation, a kernel compiled, a
product. Where that fails, everything ends at once with one line that says what is missing and what to do: a call, an
example, a command. `python -m quatnet` says it of any machine, and what else it has.
"""

import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from support.cuda_cpu import compile_for_cpu, why_not
from support.machines import CudaError, raises, that_cannot_be_imported, twice, with_a_gpu, without_cupy, xp_as_before

from quatnet import backend
from quatnet.cli import info
from quatnet.cli.main import main
from quatnet.errors import BackendUnavailable

EXAMPLES = Path(__file__).parents[2] / "examples"

NO_GPU = r"no GPU works for CuPy 14\.2\.0 \("
MACHINES = {
    "not installed": (without_cupy, r'CuPy is not installed .*: pip install "quatnet-numpy\[cuda12\]"'),
    "broken": (that_cannot_be_imported, r"cannot be imported \(OSError: libcuda.*\): uninstall it, then pip install"),
    "no driver": (
        lambda m: with_a_gpu(m, count=raises(CudaError(35))),
        NO_GPU + "CudaError: cudaErrorNumber35: as CUDA puts it.*: install a newer NVIDIA driver",
    ),
    "no device": (
        lambda m: with_a_gpu(m, count=raises(CudaError(100))),
        NO_GPU + ".*100.*: check that `nvidia-smi` lists a GPU, and check CUDA_VISIBLE_DEVICES, which is '7'",
    ),
    "none counted": (lambda m: with_a_gpu(m, count=lambda: 0), "CuPy 14.2.0 finds no GPU: see .*, which is '7'"),
    "another status": (
        lambda m: with_a_gpu(m, ones=raises(CudaError(46))),
        NO_GPU + ".*CUDA status 46 on the first of 1 GPUs",
    ),
    "memory taken": (lambda m: with_a_gpu(m, ones=raises(MemoryError("out of memory"))), "free memory on the GPU"),
    "no cuBLAS": (
        lambda m: with_a_gpu(m, kernel=raises(ImportError("libcublas.so.12"))),
        r'ImportError: libcublas.*a CUDA library seems to be missing: pip install "quatnet-numpy\[cuda12\]".* them',
    ),
    "wrong numbers": (lambda m: with_a_gpu(m, ones=np.zeros), "a wrong result in the start-up test: update"),
    "a kernel that does nothing": (
        lambda m: with_a_gpu(m, kernel=lambda *_: None, empty=np.zeros),
        "a wrong result",
    ),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_cupy_without_a_usable_gpu_is_one_line_with_a_remedy(machine: str, monkeypatch) -> None:
    prepare, reason = MACHINES[machine]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    prepare(monkeypatch)
    with pytest.raises(BackendUnavailable, match=reason) as caught:
        backend.load_backend("cupy")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("Set QUATNET_BACKEND=numpy for the CPU.")
    assert backend.load_backend("auto") is np  # which may choose


def test_the_start_up_test_compiles_a_kernel_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []

    def compiled(*, code: str) -> types.SimpleNamespace:
        texts.append(code)
        return types.SimpleNamespace(get_function=lambda name: twice if name in code else None)

    with_a_gpu(monkeypatch, RawModule=compiled)
    assert backend.gpu_unavailable_reason() is None
    assert texts == [backend.TEST_KERNEL]


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_that_kernel_doubles() -> None:
    ones, twos = np.ones((2, 2), np.float32), np.empty((2, 2), np.float32)
    compile_for_cpu(backend.TEST_KERNEL, check=True)["twice"]((1,), (4,), (ones, twos))
    np.testing.assert_array_equal(twos, 2)


def test_auto_and_cupy_take_a_gpu_that_passes_the_start_up_test(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = with_a_gpu(monkeypatch)
    assert backend.load_backend("cupy") is cupy
    assert backend.load_backend("auto") is cupy
    assert backend.load_backend("numpy") is np


@pytest.mark.parametrize("example", ["esc50", "hamilton_tour"])
def test_an_example_without_its_array_module_ends_at_once_in_one_line(example: str) -> None:
    command, environment = [sys.executable, str(EXAMPLES / f"{example}.py")], os.environ | {"QUATNET_BACKEND": "gpu"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "ConfigError: QUATNET_BACKEND='gpu': expected one of numpy, cupy, auto\n"


def test_every_example_begins_so() -> None:
    texts = [path.read_text(encoding="utf-8") for path in EXAMPLES.rglob("*.py")]
    starts = [text.split('if __name__ == "__main__":\n')[1] for text in texts if "__main__" in text]
    assert len(starts) >= 9
    assert all(start.strip().startswith("run_main(main") for start in starts)


# python -m quatnet


def test_without_a_command_it_says_what_this_machine_has(capsys, monkeypatch) -> None:
    without_cupy(monkeypatch)
    main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["backend", "device", "versions", "threads", "CuPy"]
    assert f"numpy {np.__version__}" in lines[2]
    assert "does not work here: CuPy is not installed" in lines[4]
    assert lines[6].startswith("usage: python -m quatnet")


def test_it_tells_of_a_gpu_that_works(monkeypatch) -> None:
    cupy = with_a_gpu(monkeypatch)
    cupy.cuda.Device = lambda: types.SimpleNamespace(id=1)
    cupy.cuda.runtime.driverGetVersion = lambda: 12080
    properties = {"name": b"Some GPU", "major": 8, "minor": 6, "totalGlobalMem": 16_000_000_000}
    cupy.cuda.runtime.getDeviceProperties = lambda device: properties if device == 1 else None
    assert info.start_up_test().startswith("passed the start-up test in 0.")
    with xp_as_before():
        backend.use("cupy")
        assert info.backend().startswith("cupy ")
        assert info.device() == "Some GPU, compute capability 8.6, 16.0 GB, driver for CUDA 12.8"


@pytest.mark.parametrize("arguments", [[], ["profile", "qcnn14"]])
def test_a_command_without_its_array_module_ends_in_one_line(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "quatnet", *arguments]
    environment = os.environ | {"QUATNET_BACKEND": "gpu"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 2
    assert run.stderr == "python -m quatnet: QUATNET_BACKEND='gpu': expected one of numpy, cupy, auto\n"
    said = run.stdout.splitlines()
    assert said[:1] == ([] if arguments else ["backend   none (requested by QUATNET_BACKEND: gpu)"])
    assert not any("usage" in line for line in said)
