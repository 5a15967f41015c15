"""Test CuPy, not the mock, on a machine without a GPU.

CuPy can be installed without a driver (`pip install "cupy-cuda12x==14.*"`). Without a driver CuPy can be imported, and
CUDA kernels can be constructed. Compilation, allocation and computation raise errors, so results are not tested. The
tests check that CuPy has the names that quatnet uses. They check the errors that CuPy raises before it needs a device,
and the message and exit code of quatnet for these errors. Each test runs Python in a separate process, so that CuPy is
not imported by other tests.
"""

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from quatnet.backend import gpu_unavailable_reason, on_gpu

ROOT = Path(__file__).parents[2]
ERROR_LINE = r"QUATNET_BACKEND=cupy, but no GPU works for CuPy \d+\.\d+\.\d+ \(CUDARuntimeError: cudaError.*\): "


def unavailable_reason() -> str | None:
    """Return None if CuPy is installed and finds no GPU. Otherwise return the reason in one line."""
    if on_gpu():
        return "the backend is CuPy or the mock CuPy, which all tests use"
    if not any(map(installed, ("cupy-cuda12x", "cupy-cuda13x", "cupy"))):
        return 'CuPy is not installed: pip install "cupy-cuda12x==14.*", which needs no GPU for this'
    return (
        None
        if gpu_unavailable_reason()
        else "a GPU works here: run all tests with QUATNET_BACKEND=cupy python -m pytest"
    )


def installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


pytestmark = pytest.mark.skipif((reason := unavailable_reason()) is not None, reason=str(reason))


def run(*command: str, backend: str = "numpy") -> subprocess.CompletedProcess:
    """Run Python with the given backend in the project folder."""
    environment = os.environ | {"QUATNET_BACKEND": backend}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=300, cwd=ROOT
    )


def printed_lines(program: str) -> list[str]:
    """Run a Python program and return the lines that it prints."""
    result = run("-c", "import cupy, numpy as np\n" + program)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def outcomes(*expressions: str) -> list[str]:
    """Return the value of each expression, or the name of the exception that it raises."""
    program = """
def outcome(expression):
    try:
        return repr(eval(expression))
    except Exception as error:
        return type(error).__name__
"""
    return printed_lines(program + f"print(*map(outcome, {expressions!r}), sep='\\n')")


# Errors of quatnet


@pytest.mark.parametrize("command", ["examples/esc50.py", "examples/hamilton_tour.py", "-m quatnet profile qcnn14"])
def test_commands_end_with_one_line_and_a_remedy(command):
    result = run(*command.split(), backend="cupy")
    assert result.returncode in (1, 2)
    assert result.stdout == ""
    assert re.search(ERROR_LINE, result.stderr)
    assert re.search("install a newer NVIDIA driver|check that `nvidia-smi` lists a GPU", result.stderr)
    assert result.stderr.endswith("Set QUATNET_BACKEND=numpy for the CPU.\n")
    assert len(result.stderr.splitlines()) == 1


def test_info_command_prints_the_installation_and_the_error():
    result = run("-m", "quatnet", backend="cupy")
    assert result.returncode == 2
    assert re.search("^quatnet: " + ERROR_LINE, result.stderr)
    lines = result.stdout.splitlines()
    assert lines[0] == "backend   none (requested by QUATNET_BACKEND: cupy)"
    assert re.search(r"cupy\S* \d+\.", lines[2])
    assert lines[4].startswith("CuPy      does not work here: no GPU works for CuPy ")


def test_auto_uses_numpy_and_prints_the_reason():
    lines = run("-m", "quatnet", backend="auto").stdout.splitlines()
    assert lines[0] == "backend   numpy (requested by QUATNET_BACKEND: auto)"
    assert lines[4].startswith("CuPy      does not work here: no GPU works for CuPy ")


def test_failed_use_keeps_the_backend():
    program = """
import quatnet
from quatnet.backend import BackendUnavailable, set_backend, xp
try:
    set_backend("cupy")
except BackendUnavailable as error:
    print(error)
print(xp.zeros(2) @ xp.ones(2))
"""
    line, product = run("-c", program).stdout.splitlines()
    assert re.match(ERROR_LINE, line)
    assert product == "0.0"


# Features that need no device


def test_import_and_asnumpy():
    assert printed_lines("print(cupy.cuda.is_available(), cupy.get_array_module(np.ones(2)) is np)") == ["False True"]
    assert printed_lines("print(cupy.asnumpy(np.ones(2)).sum(), cupy.result_type(np.float32, 1.0))") == ["2.0 float32"]


def test_functions_that_need_a_device_raise_the_cuda_error():
    computing = ("cupy.cuda.runtime.getDeviceCount()", "cupy.ones(2)", "cupy.asarray([1.0])", "cupy.exp(1.0)")
    compiling = ("cupy.RawModule(code='int a;').get_function('f')", "cupy.RawKernel('not C', 'f')((1,), (1,), ())")
    assert outcomes(*computing, *compiling) == ["CUDARuntimeError"] * 6


def test_kernels_are_constructed_without_compilation():
    program = """
from quatnet.kernels import load
sources = [load.source(path.stem, dtype) for path in sorted(load.HERE.glob("*.cu")) for dtype in load.C_TYPES]
print(len([cupy.RawModule(code=source) for source in sources + ["nonsense"]]))
"""
    files = list((ROOT / "quatnet" / "kernels").glob("*.cu"))
    assert printed_lines(program) == [str(2 * len(files) + 1)]


def names_of_xp() -> set[str]:
    """Return every name of the backend that quatnet uses, such as "linalg.inv" and "where"."""
    files = (ROOT / "quatnet").rglob("*.py")
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = (ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute))
    return {name.removeprefix("xp.") for name in names if re.fullmatch(r"xp(\.\w+)+", name)}


def test_every_name_that_quatnet_uses_exists():
    names = names_of_xp()
    assert {"where", "linalg.inv", "add.at"} <= names
    program = """
from operator import attrgetter
def missing(name):
    try:
        attrgetter(name)(cupy)
    except AttributeError:
        return True
    except ImportError:  # cuBLAS, a library that this CuPy was installed without
        return False
"""
    assert printed_lines(program + f"print(*filter(missing, {sorted(names)}))") == [""]


def test_names_that_cupy_does_not_have():
    names = ("block", "insert", "nditer", "errstate", "einsum_path", "nanpercentile", "geomspace")
    draws = ("normal", "permutation", "shuffle", "choice")
    expressions = [f"hasattr(cupy, '{name}')" for name in names] + [
        f"hasattr(cupy.random.Generator, '{n}')" for n in draws
    ]
    assert outcomes(*expressions) == ["False"] * 11


def test_errors_before_a_device_is_needed():
    calls = {
        "cupy.exp(np.ones(2), where=True)": "TypeError",
        "cupy.matmul(np.ones((2, 2)), np.ones((2, 2)))": "TypeError",
        "cupy.maximum.reduce(np.ones(2))": "NotImplementedError",
    }
    assert outcomes(*calls) == list(calls.values())
