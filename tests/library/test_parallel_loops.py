"""Parallel loops: order, errors, Ctrl-C, nested loops, references, and loops of several threads at once."""

import gc
import os
import random
import subprocess
import sys
import threading
import time
import weakref
from contextvars import ContextVar
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quatnet import threads
from quatnet.backend import on_gpu
from quatnet.threads import parallel_for, parallel_map

pytestmark = pytest.mark.skipif(on_gpu(), reason="the threads of NumPy are tested")
ROOT = Path(__file__).resolve().parents[2]
COUNTS = ["1", "2", "3", "7"]


@pytest.fixture(params=COUNTS)
def num_threads(request, monkeypatch) -> int:
    monkeypatch.setenv("QUATNET_NUM_THREADS", request.param)
    return int(request.param)


@pytest.fixture
def two_threads(monkeypatch) -> None:
    monkeypatch.setenv("QUATNET_NUM_THREADS", "2")


# Order and sharing of work


def test_results_are_in_order_for_random_durations(num_threads: int) -> None:
    durations = [random.Random(n).random() / 500 for n in range(60)]

    def work(n: int) -> int:
        time.sleep(durations[n])
        return n

    assert list(parallel_map(work, range(60))) == list(range(60))


def test_the_calling_thread_computes_items(two_threads) -> None:
    barrier = threading.Barrier(2)  # passes only if two threads compute at the same time

    def work(_: int) -> str:
        barrier.wait(10)
        return threading.current_thread().name

    assert set(parallel_map(work, range(2))) == {threading.current_thread().name, "quatnet_0"}


def test_each_item_is_computed_once(num_threads: int) -> None:
    computed: list[int] = []
    for _ in range(200):
        computed.clear()
        parallel_for(computed.append, range(9))
        assert sorted(computed) == list(range(9))


def test_loops_of_several_threads_at_once(two_threads) -> None:
    results: dict[int, list] = {}

    def loop(number: int) -> None:
        results[number] = [list(parallel_map(lambda n: n * number, range(20))) for _ in range(100)]

    loops = [threading.Thread(target=loop, args=(number,)) for number in range(5)]
    for thread in loops:
        thread.start()
    for thread in loops:
        thread.join(60)
    assert results == {number: [[n * number for n in range(20)]] * 100 for number in range(5)}


def test_workers_have_the_context_of_the_caller(num_threads: int) -> None:
    variable = ContextVar("variable", default=0)
    variable.set(3)
    assert set(parallel_map(lambda _: variable.get(), range(20))) == {3}


def test_context_changes_of_an_item_do_not_reach_the_workers_later(two_threads) -> None:
    variable = ContextVar("variable", default=0)
    barrier = threading.Barrier(2)

    def work(n: int) -> None:
        barrier.wait(10)
        if threading.current_thread() is not threading.main_thread():
            variable.set(n + 1)

    parallel_for(work, range(2))
    assert set(parallel_map(lambda _: variable.get(), range(20))) == {0}


@given(length=st.integers(1, 3000), bytes_per_item=st.integers(1, 1 << 20))
def test_small_arrays_are_split(length: int, bytes_per_item: int) -> None:
    chunks = threads.chunk_slices(length, bytes_per_item)
    sizes = [(chunk.stop - chunk.start) * bytes_per_item for chunk in chunks]
    large = length * bytes_per_item >= threads.MIN_CHUNKS * threads.MIN_CHUNK_BYTES
    assert len(chunks) >= min(length, threads.MIN_CHUNKS if large else 1)
    if len(chunks) > 1 and bytes_per_item <= threads.MIN_CHUNK_BYTES:
        assert max(sizes) > threads.MIN_CHUNK_BYTES // 2


# Nested loops


def test_a_nested_loop_runs_in_the_thread_of_its_item(num_threads: int) -> None:
    def work(_: int) -> bool:
        time.sleep(0.001)
        return set(parallel_map(lambda _: threading.get_ident(), range(5))) == {threading.get_ident()}

    assert all(parallel_map(work, range(10))) or num_threads == 1


def test_a_loop_after_a_nested_loop_is_parallel(two_threads) -> None:
    parallel_for(lambda _: parallel_for(abs, range(3)), range(3))
    with pytest.raises(ZeroDivisionError):
        parallel_for(lambda n: 1 // n, range(3))
    barrier = threading.Barrier(2)
    parallel_for(lambda _: barrier.wait(10), range(2))


def test_a_loop_in_the_body_of_a_loop_is_parallel(two_threads) -> None:
    barrier = threading.Barrier(2)
    for _ in parallel_map(abs, range(3)):
        parallel_for(lambda _: barrier.wait(10), range(2))


# Errors


@pytest.mark.parametrize("error", [ZeroDivisionError, MemoryError, SystemExit, GeneratorExit])
@pytest.mark.parametrize("failing", [{0}, {3}, {9}, {2, 5}, set(range(10))])
def test_the_first_error_in_order_is_raised(num_threads: int, error: type, failing: set) -> None:
    received: list[int] = []

    def work(n: int) -> int:
        time.sleep(0.002 * (n == min(failing)))  # later errors occur earlier
        if n in failing:
            raise error(n)
        return n

    with pytest.raises(error) as caught:
        received.extend(parallel_map(work, range(10)))
    if error in (ZeroDivisionError, MemoryError):
        assert caught.value.args == (min(failing),)


def test_no_item_runs_after_an_error(num_threads: int) -> None:
    running: list[int] = []

    def work(n: int) -> None:
        running.append(n)
        time.sleep(0.005)
        running.remove(n)
        if n == 0:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        parallel_for(work, range(50))
    assert running == []
    assert list(parallel_map(abs, range(50))) == list(range(50))


def test_no_item_runs_after_the_iterator_is_closed(num_threads: int) -> None:
    running, started = [], []

    def work(n: int) -> None:
        started.append(n)
        running.append(n)
        time.sleep(0.005)
        running.remove(n)

    iterator = parallel_map(work, range(200))
    next(iterator)
    iterator.close()
    count = len(started)
    assert running == []
    time.sleep(0.05)
    assert len(started) == count < 200


@pytest.mark.parametrize("fails", [False, True])
def test_arrays_are_freed_at_the_end(num_threads: int, fails: bool) -> None:
    gc.collect()
    gc.disable()  # arrays must be freed without the garbage collector
    try:
        array = np.zeros(10)
        reference = weakref.ref(array)

        def work(n: int, array: np.ndarray = array) -> np.ndarray:
            time.sleep(0.001)
            if fails and n == 4:
                raise ZeroDivisionError
            return array + n

        try:
            parallel_for(work, range(8))
        except ZeroDivisionError:
            assert fails
        del array, work
        deadline = time.monotonic() + 10
        while reference() is not None and time.monotonic() < deadline:
            time.sleep(0.001)  # a worker that started late drops the loop soon
        assert reference() is None
    finally:
        gc.enable()


INTERRUPT = """
import os, signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process ignores the signal
from threadpoolctl import threadpool_info
from quatnet.threads import parallel_for, parallel_map, single_threaded_blas

def blas():
    return [library["num_threads"] for library in threadpool_info()]

before, running, started, sent = blas(), [], [], threading.Lock()

def work(n):
    started.append(n)
    running.append(n)
    try:
        if {condition} and sent.acquire(blocking=False):  # one signal in each loop
            os.kill(os.getpid(), signal.SIGINT)
        for _ in range(20):
            time.sleep(0.001)
    finally:
        running.remove(n)

for _ in range(10):
    started.clear()
    if sent.locked():
        sent.release()
    try:
        parallel_for(work, range(100))
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("no KeyboardInterrupt")
    assert running == [], running
    assert len(started) < 20, len(started)
    assert blas() == before
    assert list(parallel_map(lambda n: n * n, range(100))) == [n * n for n in range(100)]
print("done")
"""
MAIN = "threading.current_thread() is threading.main_thread()"


@pytest.mark.skipif(not hasattr(os, "kill") or sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("threads", COUNTS[1:])
@pytest.mark.parametrize("condition", [f"n > 2 and {MAIN}", f"n > 2 and not {MAIN}"])
def test_ctrl_c_ends_a_loop(condition: str, threads: str) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT), "QUATNET_NUM_THREADS": threads}
    code = INTERRUPT.format(condition=condition)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=env)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-2000:]


def test_a_program_ends_while_a_loop_is_suspended() -> None:
    code = """
from quatnet.threads import parallel_map
import time
iterator = parallel_map(lambda n: time.sleep(0.01), range(20))
next(iterator)
"""
    env = os.environ | {"PYTHONPATH": str(ROOT), "QUATNET_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=env)
    assert (done.returncode, done.stderr) == (0, "")
