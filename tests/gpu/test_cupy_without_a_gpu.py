"""The real CuPy on a machine without a GPU: how far it comes, and how it ends.

CuPy can be installed where there is no driver (`pip install "cupy-cuda12x==14.*"`). It can then be imported, and
kernels can be *constructed*, but their text is not read: nothing is compiled, allocated or computed. So this lesson
cannot say that a result is right. It can say that the names which quatnet asks for are there, what CuPy refuses before
it asks for a device, and that the way out is what it should be: one line and an exit code, made of the error that CuPy
really raises. Everything runs in processes of its own, so that no other lesson meets a CuPy that cannot compute.
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
OUR_LINE = r"QUATNET_BACKEND=cupy, but no GPU works for CuPy \d+\.\d+\.\d+ \(CUDARuntimeError: cudaError.*\): "


def unavailable_reason() -> str | None:
    """None where CuPy is installed and finds no GPU, else the reason in one line."""
    if on_gpu():
        return "the array module is CuPy, or stands for it: other lessons show what works"
    if not any(map(installed, ("cupy-cuda12x", "cupy-cuda13x", "cupy"))):
        return 'CuPy is not installed: pip install "cupy-cuda12x==14.*", which needs no GPU for this'
    return (
        None
        if gpu_unavailable_reason()
        else "a GPU works here: QUATNET_BACKEND=cupy python -m pytest runs the course on it"
    )


def installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


pytestmark = pytest.mark.skipif((reason := unavailable_reason()) is not None, reason=str(reason))


def run(*command: str, backend: str = "numpy") -> subprocess.CompletedProcess:
    """Run Python with a backend, in the folder of the project."""
    environment = os.environ | {"QUATNET_BACKEND": backend}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=300, cwd=ROOT
    )


def said(program: str) -> list[str]:
    """Return the lines that a program prints."""
    done = run("-c", "import cupy, numpy as np\n" + program)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def refusals(*expressions: str) -> list[str]:
    """Return for each expression the name of the error that it raises, or what it gives."""
    program = """
def outcome(expression):
    try:
        return repr(eval(expression))
    except Exception as error:
        return type(error).__name__
"""
    return said(program + f"print(*map(outcome, {expressions!r}), sep='\\n')")


# How it ends


@pytest.mark.parametrize("command", ["examples/esc50.py", "examples/hamilton_tour.py", "-m quatnet profile qcnn14"])
def test_it_ends_at_once_in_one_line_with_a_remedy(command):
    done = run(*command.split(), backend="cupy")
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert re.search(OUR_LINE, done.stderr)
    assert re.search("install a newer NVIDIA driver|check that `nvidia-smi` lists a GPU", done.stderr)
    assert done.stderr.endswith("Set QUATNET_BACKEND=numpy for the CPU.\n")
    assert len(done.stderr.splitlines()) == 1


def test_python_m_quatnet_says_all_that_it_can_and_then_ends_so():
    done = run("-m", "quatnet", backend="cupy")
    assert done.returncode == 2
    assert re.search("^python -m quatnet: " + OUR_LINE, done.stderr)
    lines = done.stdout.splitlines()
    assert lines[0] == "backend   none (QUATNET_BACKEND asks for cupy)"
    assert re.search(r"cupy\S* \d+\.", lines[2])
    assert lines[4].startswith("CuPy      does not work here: no GPU works for CuPy ")


def test_auto_takes_numpy_and_says_why_not_cupy():
    lines = run("-m", "quatnet", backend="auto").stdout.splitlines()
    assert lines[0] == "backend   numpy (QUATNET_BACKEND asks for auto)"
    assert lines[4].startswith("CuPy      does not work here: no GPU works for CuPy ")


def test_use_in_a_notebook_raises_and_changes_nothing():
    program = """
import quatnet
from quatnet.backend import BackendUnavailable, use, xp
try:
    use("cupy")
except BackendUnavailable as error:
    print(error)
print(xp.zeros(2) @ xp.ones(2))
"""
    line, product = run("-c", program).stdout.splitlines()
    assert re.match(OUR_LINE, line)
    assert product == "0.0"


# How far it comes


def test_it_is_imported_and_tells_its_own_arrays_from_numpys():
    assert said("print(cupy.cuda.is_available(), cupy.get_array_module(np.ones(2)) is np)") == ["False True"]
    assert said("print(cupy.asnumpy(np.ones(2)).sum(), cupy.result_type(np.float32, 1.0))") == ["2.0 float32"]


def test_whatever_needs_a_device_raises_the_error_that_the_start_up_test_meets():
    needy = ("cupy.cuda.runtime.getDeviceCount()", "cupy.ones(2)", "cupy.asarray([1.0])", "cupy.exp(1.0)")
    compiling = ("cupy.RawModule(code='int a;').get_function('f')", "cupy.RawKernel('not C', 'f')((1,), (1,), ())")
    assert refusals(*needy, *compiling) == ["CUDARuntimeError"] * 6


def test_our_kernels_are_constructed_and_so_is_nonsense():
    program = """
from quatnet.kernels import load
texts = [load.source(path.stem, dtype) for path in sorted(load.HERE.glob("*.cu")) for dtype in load.C_TYPES]
print(len([cupy.RawModule(code=text) for text in texts + ["nonsense"]]))
"""
    files = list((ROOT / "quatnet" / "kernels").glob("*.cu"))
    assert said(program) == [str(2 * len(files) + 1)]


def names_of_xp() -> set[str]:
    """Every name that quatnet asks the array module for: xp.linalg.inv, xp.where."""
    files = (ROOT / "quatnet").rglob("*.py")
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = (ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute))
    return {name.removeprefix("xp.") for name in names if re.fullmatch(r"xp(\.\w+)+", name)}


def test_every_name_that_quatnet_asks_for_is_there():
    names = names_of_xp()
    assert {"where", "linalg.inv", "add.at"} <= names
    program = """
from operator import attrgetter
def missing(name):
    try:
        attrgetter(name)(cupy)
    except AttributeError:
        return True
"""
    assert said(program + f"print(*filter(missing, {sorted(names)}))") == [""]


def test_names_that_numpy_has_and_cupy_has_not():
    names = ("block", "insert", "nditer", "errstate", "einsum_path", "nanpercentile", "geomspace")
    draws = ("normal", "permutation", "shuffle", "choice")
    there = [f"hasattr(cupy, '{name}')" for name in names] + [f"hasattr(cupy.random.Generator, '{n}')" for n in draws]
    assert refusals(*there) == ["False"] * 11


def test_what_is_refused_before_a_device_is_asked_for():
    calls = {
        "cupy.exp(np.ones(2), where=True)": "TypeError",
        "cupy.matmul(np.ones((2, 2)), np.ones((2, 2)))": "TypeError",
        "cupy.maximum.reduce(np.ones(2))": "NotImplementedError",
    }
    assert refusals(*calls) == list(calls.values())
