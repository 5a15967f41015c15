"""Before the first lesson: which machine does the arithmetic?

`QUATNET_BACKEND` chooses the array module once, when quatnet is imported: NumPy by default, CuPy where it is asked
for and a GPU works. A wish that cannot be met is one clear line, never a silent change of plan. Work on the CPU is
cut into pieces that a pool of threads shares; the pieces, and so the results, do not depend on their number.
"""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.machines import with_a_gpu, without_cupy, xp_as_before
from threadpoolctl import threadpool_info, threadpool_limits

from quatnet import backend, threads
from quatnet.backend import xp
from quatnet.errors import BackendUnavailable, ConfigError

CAPTURED = {"capture_output": True, "text": True, "timeout": 120}


def imported(**environment: str) -> subprocess.CompletedProcess:
    """Import quatnet in a process of its own and print its array module and threads."""
    program = "import quatnet; from quatnet.backend import xp; print(xp.__name__, quatnet.thread_count())"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QUATNET_")}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=kept | environment, **CAPTURED)


def test_numpy_is_the_default_and_names_ignore_case_and_blanks() -> None:
    assert imported().stdout.startswith("numpy ")
    assert imported(QUATNET_BACKEND=" NumPy ").stdout.startswith("numpy ")


def test_an_unknown_name_lists_the_known_ones() -> None:
    assert (
        "ConfigError: QUATNET_BACKEND='torch': expected one of numpy, cupy, auto"
        in imported(QUATNET_BACKEND="torch").stderr
    )


def test_the_import_is_spared_and_the_first_use_raises() -> None:
    program = """
import quatnet, quatnet.training.loop, quatnet.weights
from quatnet import backend
for use in (backend.check_backend, backend.on_gpu, lambda: backend.xp.zeros(3)):
    try:
        use()
    except backend.ConfigError as error:
        print(error)
backend.use("numpy")
print(backend.xp.zeros(1))
"""
    run = subprocess.run([sys.executable, "-c", program], env=os.environ | {"QUATNET_BACKEND": "gpu"}, **CAPTURED)
    assert run.stdout.splitlines() == ["QUATNET_BACKEND='gpu': expected one of numpy, cupy, auto"] * 3 + ["[0.]"]


def test_the_number_of_threads_is_taken_from_the_environment() -> None:
    assert imported(QUATNET_NUM_THREADS="3").stdout == "numpy 3\n"
    for wrong in ("0", "-1", "many", "1.5"):
        assert "expected an integer of at least 1" in imported(QUATNET_NUM_THREADS=wrong).stderr


def test_use_changes_the_module_behind_xp_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    with_a_gpu(monkeypatch).here = True
    with xp_as_before():
        backend.use("cupy")
        assert xp.here  # one and the same xp in every room, so nobody is left behind
        assert backend.on_gpu()
        backend.use("numpy")
        assert not hasattr(xp, "here")
        assert xp.zeros is np.zeros
        assert not backend.on_gpu()


def test_use_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cupy(monkeypatch)
    before = dict(vars(xp))
    with pytest.raises(BackendUnavailable):
        backend.use("cupy")
    assert vars(xp) == before


def test_an_unknown_name_is_refused_in_a_call_too() -> None:
    with pytest.raises(ConfigError, match="expected one of numpy, cupy, auto"):
        backend.load_backend("jax")


@given(length=st.integers(0, 500), each=st.integers(1, 3 << 20))
def test_pieces_cover_everything_once_in_order(length: int, each: int) -> None:
    cut = threads.chunk_slices(length, each)
    assert [n for piece in cut for n in range(length)[piece]] == list(range(length))
    if backend.on_gpu():
        assert len(cut) == min(1, length)  # a GPU shares out the work by itself
        return
    assert all(
        piece.stop - piece.start == 1 or (piece.stop - piece.start) * each <= threads.CACHE_BYTES for piece in cut
    )


def test_results_come_back_in_order_whatever_the_threads_do() -> None:
    assert list(threads.parallel_map(lambda n: n * n, range(100))) == [n * n for n in range(100)]


def test_blas_keeps_to_one_thread_until_the_outermost_work_is_done() -> None:
    def of_blas() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    with threadpool_limits(2):
        with threads.single_threaded_blas():
            threads.parallel_for(lambda _: None, range(3))  # holds BLAS as well, and must not let go of it
            assert of_blas() == {1}
        assert of_blas() == {2}


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    def fail(number: int) -> None:
        raise ZeroDivisionError(f"piece {number}")

    with pytest.raises(ZeroDivisionError, match="piece 0"):
        threads.parallel_for(fail, range(4))


def test_work_in_pieces_may_be_cut_into_pieces_again() -> None:
    program = """
from quatnet.threads import parallel_map
print(list(parallel_map(lambda n: sum(parallel_map(lambda m: m, range(n))), range(50))))
"""  # in a process of its own, which can be ended if its threads wait for each other
    expected = f"{[n * (n - 1) // 2 for n in range(50)]}\n"
    command, environment = [sys.executable, "-c", program], os.environ | {"QUATNET_NUM_THREADS": "2"}
    assert subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20).stdout == expected


def test_the_threads_heed_numpys_error_state_of_the_caller() -> None:
    overflowing = [np.asarray([1e300]) for _ in range(8)]
    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(np.isinf(square) for square in threads.parallel_map(lambda x: x * x, overflowing))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        threads.parallel_for(lambda x: x * x, overflowing)
