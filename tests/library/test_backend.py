"""Tests of the backend selection and of parallel loops.

`QUATNET_BACKEND` selects the backend when quatnet is imported. If the backend is not available, quatnet raises an error
with a message of one line and does not use another backend. Parallel loops split arrays into chunks, which do not
depend on the number of threads.
"""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.machines import install_fake_cupy, restore_backend, without_cupy
from threadpoolctl import threadpool_info, threadpool_limits

from quatnet import backend, threads
from quatnet.backend import xp
from quatnet.errors import BackendUnavailable, ConfigError

CAPTURED = {"capture_output": True, "text": True, "timeout": 120}


def import_quatnet(**environment: str) -> subprocess.CompletedProcess:
    """Run a subprocess that imports quatnet and prints the array module and the number of threads."""
    program = "import quatnet; from quatnet.backend import xp; print(xp.__name__, quatnet.thread_count())"
    other_variables = {name: value for name, value in os.environ.items() if not name.startswith("QUATNET_")}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=other_variables | environment, **CAPTURED)


def test_numpy_is_the_default() -> None:
    assert import_quatnet().stdout.startswith("numpy ")
    assert import_quatnet(QUATNET_BACKEND=" NumPy ").stdout.startswith("numpy ")


def test_unknown_backend_error() -> None:
    assert (
        "ConfigError: QUATNET_BACKEND='torch': expected one of numpy, cupy, auto"
        in import_quatnet(QUATNET_BACKEND="torch").stderr
    )


def test_first_use_raises_after_import() -> None:
    program = """
import quatnet, quatnet.training.loop, quatnet.weights
from quatnet import backend
for use in (backend.check_backend, backend.on_gpu, lambda: backend.xp.zeros(3)):
    try:
        use()
    except backend.ConfigError as error:
        print(error)
backend.set_backend("numpy")
print(backend.xp.zeros(1))
"""
    run = subprocess.run([sys.executable, "-c", program], env=os.environ | {"QUATNET_BACKEND": "gpu"}, **CAPTURED)
    assert run.stdout.splitlines() == ["QUATNET_BACKEND='gpu': expected one of numpy, cupy, auto"] * 3 + ["[0.]"]


def test_number_of_threads_from_environment() -> None:
    assert import_quatnet(QUATNET_NUM_THREADS="3").stdout == "numpy 3\n"
    for wrong in ("0", "-1", "many", "1.5"):
        assert "expected an integer of at least 1" in import_quatnet(QUATNET_NUM_THREADS=wrong).stderr


def test_use_changes_xp(monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake_cupy(monkeypatch).here = True
    with restore_backend():
        backend.set_backend("cupy")
        assert xp.here  # `set_backend` has changed the module `xp` that is imported above
        assert backend.on_gpu()
        backend.set_backend("numpy")
        assert not hasattr(xp, "here")
        assert xp.zeros is np.zeros
        assert not backend.on_gpu()


def test_failed_use_keeps_xp(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cupy(monkeypatch)
    before = dict(vars(xp))
    with pytest.raises(BackendUnavailable):
        backend.set_backend("cupy")
    assert vars(xp) == before


def test_load_unknown_backend_raises() -> None:
    with pytest.raises(ConfigError, match="expected one of numpy, cupy, auto"):
        backend.load_backend("jax")


@given(length=st.integers(0, 500), bytes_per_item=st.integers(1, 3 << 20))
def test_chunk_slices_cover_the_range(length: int, bytes_per_item: int) -> None:
    chunks = threads.chunk_slices(length, bytes_per_item)
    assert [n for chunk in chunks for n in range(length)[chunk]] == list(range(length))
    if backend.on_gpu():
        assert len(chunks) == min(1, length)  # a GPU uses one chunk
        return
    assert all(
        chunk.stop - chunk.start == 1 or (chunk.stop - chunk.start) * bytes_per_item <= threads.CACHE_BYTES
        for chunk in chunks
    )


def test_parallel_map_keeps_order() -> None:
    assert list(threads.parallel_map(lambda n: n * n, range(100))) == [n * n for n in range(100)]


def test_nested_single_threaded_blas() -> None:
    def blas_threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    with threadpool_limits(2):
        with threads.single_threaded_blas():
            # `parallel_for` also limits BLAS, and must keep the outer limit
            threads.parallel_for(lambda _: None, range(3))
            assert blas_threads() == {1}
        assert blas_threads() == {2}


def test_error_in_a_thread_is_raised() -> None:
    def fail(number: int) -> None:
        raise ZeroDivisionError(f"chunk {number}")

    with pytest.raises(ZeroDivisionError, match="chunk 0"):
        threads.parallel_for(fail, range(4))


def test_nested_parallel_map() -> None:
    program = """
from quatnet.threads import parallel_map
print(list(parallel_map(lambda n: sum(parallel_map(lambda m: m, range(n))), range(50))))
"""  # the subprocess has a timeout in case of a deadlock
    expected = f"{[n * (n - 1) // 2 for n in range(50)]}\n"
    command, environment = [sys.executable, "-c", program], os.environ | {"QUATNET_NUM_THREADS": "2"}
    assert subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20).stdout == expected


def test_numpy_error_state_in_threads() -> None:
    overflowing = [np.asarray([1e300]) for _ in range(8)]
    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(np.isinf(square) for square in threads.parallel_map(lambda x: x * x, overflowing))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        threads.parallel_for(lambda x: x * x, overflowing)
