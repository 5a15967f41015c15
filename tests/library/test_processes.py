"""Threads, forked and spawned processes, and results that do not depend on the number of threads."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from support import python_path
from support.arrays import draw
from threadpoolctl import threadpool_info, threadpool_limits

from quatnet import Tensor, no_grad, ops, threads
from quatnet.backend import on_gpu

pytestmark = pytest.mark.skipif(on_gpu(), reason="the threads of NumPy are tested")
ROOT = Path(__file__).resolve().parents[2]


def run(code: str, *, timeout: float = 60, **environment: str) -> str:
    """Return the output of a Python process."""
    env = os.environ | {"PYTHONPATH": python_path(ROOT, ROOT / "tests")} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


# Results


@pytest.fixture(scope="module")
def expected_digests() -> dict[str, str]:
    return json.loads(run("from support.digests import *; print(json.dumps(digests()))"))


@pytest.mark.parametrize(("blas", "workers"), [("1", "1"), ("2", "2"), ("2", "3")])
def test_bits_do_not_depend_on_the_number_of_threads(blas: str, workers: str, expected_digests: dict) -> None:
    code = "from support.digests import *; print(json.dumps(digests()))"
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    found = json.loads(run(code, QUATNET_NUM_THREADS=workers, **dict.fromkeys(names, blas)))
    assert [name for name in found if found[name] != expected_digests[name]] == []


# BLAS threads


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def two_blas_threads():
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("BLAS has no threads")
        yield


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_blas_threads_after_several_python_threads(order: tuple, two_blas_threads) -> None:
    entered, leave = [[threading.Event() for _ in range(3)] for _ in range(2)]

    def work(n: int) -> None:
        with threads.single_threaded_blas():
            entered[n].set()
            leave[n].wait(10)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for n in range(3):
        workers[n].start()
        entered[n].wait(10)
    for n in order:
        assert blas_threads() == {1}
        leave[n].set()
        workers[n].join(10)
    assert blas_threads() == {2}


def test_blas_threads_after_abandoned_generators(two_blas_threads) -> None:
    generators = [threads.parallel_map(lambda n: n, range(5)) for _ in range(3)]
    for generator in generators:
        next(generator)
    assert blas_threads() == {1}
    generators[0].close()
    threading.Thread(target=generators[1].close).start()
    del generators, generator
    assert blas_threads() == {2}


def test_blas_threads_after_an_error(two_blas_threads) -> None:
    with pytest.raises(ZeroDivisionError):
        threads.parallel_for(lambda n: 1 // n, range(5))
    assert blas_threads() == {2}


def test_many_threads_enter_and_leave(two_blas_threads) -> None:
    def work() -> None:
        for _ in range(200):
            with threads.single_threaded_blas(), threads.single_threaded_blas():
                pass

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert blas_threads() == {2}
    assert not threads._blas_limits


def test_the_pool_follows_the_number_of_threads(monkeypatch) -> None:
    for count in (2, 3):
        monkeypatch.setenv("QUATNET_NUM_THREADS", str(count))
        barrier = threading.Barrier(count)  # passes only if `count` calls run at the same time
        assert len(list(threads.parallel_map(lambda _, b=barrier: b.wait(10), range(count)))) == count


# Gradients and recording in threads


def test_gradients_of_threads_that_share_parameters() -> None:
    w = Tensor(np.ones(20_000, np.float32), requires_grad=True)

    def work() -> None:
        for _ in range(100):
            (w * 1.0).backward(np.ones(20_000, np.float32))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert (w.grad == 400).all()


def test_no_grad_applies_to_its_thread() -> None:
    results = {}

    def work() -> None:
        results["thread"] = (Tensor([1.0], requires_grad=True) * 2).requires_grad

    with no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(10)
    assert results["thread"]


def test_results_of_threads_that_use_the_library_at_once() -> None:
    x, w = draw(0, 4, 30, 31, 16, dtype=np.float32), draw(1, 3, 3, 16, 32, dtype=np.float32)
    expected, results = ops.conv2d(Tensor(x), Tensor(w)).numpy(), []
    workers = [
        threading.Thread(target=lambda: results.extend(ops.conv2d(Tensor(x), Tensor(w)).numpy() for _ in range(10)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(results) == 40
    assert all(np.array_equal(result, expected) for result in results)


# Forked and spawned processes

SETUP = """
import os, sys, threading, time
import numpy as np
from quatnet import Tensor, no_grad, ops, quaternion, threads
os.environ["QUATNET_NUM_THREADS"] = "2"
q = np.random.default_rng(0).standard_normal((300_000, 4))

def work(_=0):
    w = Tensor(np.ones((300, 300), np.float32), requires_grad=True)
    (w @ w).sum().backward()
    return float(quaternion.exp(q).sum()) + float(w.grad.sum())

def child_of_fork(function=work):
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

def blas():
    from threadpoolctl import threadpool_info
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
"""
FORKS = {
    "before use": "child_of_fork(); work(); child_of_fork()",
    "after use": "work(); child_of_fork(); work(); child_of_fork()",
    "nested": "work(); child_of_fork(lambda: (work(), child_of_fork(), work()))",
    "inside of single_threaded_blas": """
with threads.single_threaded_blas():
    work()
    child_of_fork()
""",
    "during a loop": """
for n in threads.parallel_map(lambda n: n, range(3)):
    child_of_fork()
""",
    "from a worker": "threads.parallel_for(lambda n: child_of_fork(), range(2))",
    "while other threads compute": """
def loop():
    while not stop.is_set():
        work()

stop = threading.Event()
others = [threading.Thread(target=loop, daemon=True) for _ in range(3)]
for other in others:
    other.start()
for _ in range(10):
    child_of_fork()
stop.set()
for other in others:
    other.join()
""",
    "restores the threads of BLAS": """
def hold():
    with threads.single_threaded_blas():
        entered.set()
        leave.wait(30)

def check():
    assert blas() == before, (blas(), before)
    work()
    assert blas() == before, (blas(), before)

before = blas()
entered, leave = threading.Event(), threading.Event()
other = threading.Thread(target=hold)
other.start()
entered.wait(30)
child_of_fork(check)
leave.set()
other.join()
assert blas() == before
""",
    "Pool by fork": """
import multiprocessing
work()
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(work, range(3)) == [work()] * 3
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("name", FORKS)
def test_forked_processes(name: str) -> None:
    run(SETUP + FORKS[name])


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_of_a_pool(method: str, tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        SETUP
        + f"""
if __name__ == "__main__":
    import multiprocessing
    work()
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        assert pool.map(work, range(3)) == [work()] * 3
"""
    )
    run(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')")


# Selection of the backend

FIRST_CALLS = {
    "Tensor": "quatnet.Tensor([1.0])",
    "number": "quatnet.Tensor(1.0)",
    "layer": "from quatnet import nn; nn.Linear(2, 2, rng=np.random.default_rng(0))",
    "algebra": "from quatnet import quaternion; quaternion.exp(np.ones(4))",
    "power": "from quatnet import quaternion; quaternion.power(np.ones(4), 2)",
    "rotations": "from quatnet import quaternion; quaternion.random_rotations(rng=np.random.default_rng(0))",
    "matrices": "from quatnet import quaternion; quaternion.from_matrix(np.eye(3))",
}


@pytest.mark.parametrize(
    ("calls", "backend"),
    [
        *(([call], "torch") for call in FIRST_CALLS.values()),
        *((list(FIRST_CALLS.values()), backend) for backend in ("", "numpy,cupy", "1")),
    ],
)
def test_an_unknown_backend_is_a_configuration_error(calls: list[str], backend: str) -> None:
    code = f"""
import numpy as np, quatnet
from quatnet.errors import ConfigError
for call in {calls}:
    try:
        exec(call)
    except ConfigError as error:
        assert "QUATNET_BACKEND={backend!r}: expected one of numpy, cupy, auto" in str(error), error
    else:
        raise AssertionError(f"{{call}}: no error")
"""
    run(code, QUATNET_BACKEND=backend)


@pytest.mark.parametrize("backend", [" NumPy ", "numpy"])
def test_the_name_of_the_backend_may_have_capitals_and_spaces(backend: str) -> None:
    run("import quatnet; quatnet.Tensor(1.0)", QUATNET_BACKEND=backend)
