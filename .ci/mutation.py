"""Mutation testing: run tests on mutants of quatnet, and fail if the tests do not detect a mutant.

    python .ci/mutation.py [--only FUNCTION] [--part K/N] [--list]

`mutants.py` generates the mutants. `first_tests.py` lists the files and functions to mutate and the tests to run. A
mutant is detected if a test fails, cannot start, or does not end. A mutant costs about half a second, because the tests
run in a fork (not available on Windows) of a process that has imported everything but quatnet. mutmut 3 is not used: it
does not mutate code outside of functions, for example HADAMARD, and runs all tests that reach a function.
"""

import argparse
import difflib
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path

from first_tests import EQUIVALENT, ROOT, Job, all_jobs, key, test_files
from mutants import Mutant

TIMEOUT_SECONDS = 120
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
PRELOADED = (
    "numpy",
    "scipy.stats",
    "threadpoolctl",
    "pytest",
    "hypothesis.extra.numpy",
    "hypothesis.extra.pytestplugin",
)
DETECTING: dict[str, None] = {}  # tests that have detected a mutant, in the order of the latest detection
OPTIONS = ("-x", "-q", "-rfE", "--tb=line", "-m", "not parity", "-p", "no:cacheprovider", "--hypothesis-profile=few")


def preload() -> None:
    """Import the packages that every fork needs. Hypothesis runs few, fixed examples, so results are repeatable."""
    os.chdir(ROOT)
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", QUATNET_NUM_THREADS="1", COLUMNS="200")
    sys.path.insert(0, str(ROOT))
    for name in PRELOADED:
        import_module(name)
    from hypothesis import HealthCheck, Phase, settings

    options = {"phases": (Phase.explicit, Phase.generate), "suppress_health_check": list(HealthCheck)}
    settings.register_profile("few", max_examples=10, deadline=None, database=None, derandomize=True, **options)
    gc.freeze()  # excludes present objects from garbage collection; forks share their memory and run twice as fast


def run_tests(tests: str, mutant: Mutant | None) -> None:
    """Import the mutated source instead of its file, run the tests, and exit with the exit code of pytest."""
    import pytest

    original = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> object:
        mutated = mutant and self.path == str(mutant.file)
        return compile(mutant.source, self.path, "exec") if mutated else original(self, name)

    SourceFileLoader.get_code = get_code
    signal.alarm(TIMEOUT_SECONDS)
    code = pytest.main([*OPTIONS, *test_files(tests)], plugins=[DetectingTestsFirst()])
    sys.stdout.flush()
    os._exit(code)


class DetectingTestsFirst:
    """Pytest plugin that runs the tests that have detected other mutants first, the latest first."""

    def pytest_collection_modifyitems(self, items: list) -> None:
        latest = {test: rank for rank, test in enumerate(DETECTING)}
        items.sort(key=lambda item: -latest.get(item.nodeid.removeprefix("tests/"), -1))


def start(tests: str, mutant: Mutant | None, output: Path) -> int:
    """Start a fork that runs the tests and writes their output to `output`. Return its process id."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    try:
        with output.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        run_tests(tests, mutant)
    finally:
        os._exit(70)


def run_jobs(jobs: list[Job] | list[tuple[str, None]]) -> Iterator[tuple[str, Mutant | None, int, str]]:
    """Run one job per core at a time. Yield (tests, mutant, exit status, output of pytest) as the jobs end."""
    running, waiting = {}, list(reversed(jobs))
    with tempfile.TemporaryDirectory() as folder:
        while running or waiting:
            while waiting and len(running) < CORES:
                job, output = waiting.pop(), Path(folder) / str(len(waiting))
                running[start(*job, output)] = (*job, output)
            pid, status = os.wait()
            tests, mutant, output = running.pop(pid)
            yield tests, mutant, os.waitstatus_to_exitcode(status), output.read_text(errors="replace")


def detected_by(status: int, output: str) -> str:
    """Return the first test that failed, or how the run ended, or '' if no test failed."""
    if status < 0:
        return f"timeout after {TIMEOUT_SECONDS} s" if status == -signal.SIGALRM else f"a crash, signal {-status}"
    if status not in (0, 1, 2, 4):  # passed, failed, not collected, conftest.py could not import quatnet
        sys.exit(f"pytest could not run:\n{output}")
    failed = [line for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    test = failed[0].split(" - ")[0].split("tests/")[-1] if failed else ""
    return test or ("quatnet cannot be imported" if status == 4 else "")


def check_unmutated(jobs: list[Job]) -> None:
    """Raise SystemExit if a test fails on the unmutated code: it would fail on every mutant."""
    for tests, _, status, output in run_jobs([(tests, None) for tests in sorted({tests for tests, _ in jobs})]):
        if status:
            sys.exit(f"tests {tests} fail on the unmutated code:\n{output}")


def survivors(jobs: list[Job]) -> Iterator[Mutant]:
    """Test each mutant, print a line about it, and yield it if no test failed."""
    for _, mutant, status, output in run_jobs(jobs):
        test = detected_by(status, output)
        DETECTING.pop(test, None)
        DETECTING[test] = None
        show(mutant, test or EQUIVALENT.get(key(mutant), "NOT DETECTED"))
        if not test:
            yield mutant


def show(mutant: Mutant, outcome: str) -> None:
    location = f"{mutant.file.relative_to(ROOT)}:{mutant.line}"
    print(f"{location:30} {mutant.function:32} {mutant.before} -> {mutant.after} | {outcome}", flush=True)


def difference(mutant: Mutant) -> str:
    lines = mutant.file.read_text().splitlines(), mutant.source.splitlines()
    name = str(mutant.file.relative_to(ROOT))
    return "\n".join(difflib.unified_diff(*lines, name, "not detected", n=1, lineterm=""))


def main(jobs: list[Job], *, complete: bool) -> int:
    """Test the mutants of `jobs`. Return 1 if a mutant is not detected, or if an entry of EQUIVALENT is outdated.

    An entry is outdated if it has no mutant. If `jobs` is `complete`, a detected entry is outdated, too.
    """
    preload()
    check_unmutated(jobs)
    survived = {key(mutant): mutant for mutant in survivors(jobs)}
    undetected = [mutant for name, mutant in survived.items() if name not in EQUIVALENT]
    remaining = survived if complete else {key(mutant) for _, mutant in all_jobs()}
    outdated = EQUIVALENT.keys() - set(remaining)
    print(
        *map(difference, undetected), *(f"detected or removed, delete from EQUIVALENT: {o}" for o in outdated), sep="\n"
    )
    print(f"{len(jobs)} mutants, {len(undetected)} not detected, {len(survived) - len(undetected)} equivalent")
    return int(bool(undetected or outdated))


def select_jobs(only: str | None, part: tuple[int, int]) -> list[Job]:
    """Return the mutants of the function `only`, or of all functions. `part` (K, N) selects every N-th mutant."""
    number, count = part
    return [(tests, m) for tests, m in all_jobs() if only in (None, *m.function.split("."))][number - 1 :: count]


def part_of(text: str) -> tuple[int, int]:
    """Return (K, N) of a text "K/N" with 1 <= K <= N."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"expected K/N with 1 <= K <= N, such as 1/3, got {text!r}")
    return int(number), int(count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="FUNCTION", help="mutate this function, method or class only")
    parser.add_argument(
        "--part", metavar="K/N", type=part_of, default=(1, 1), help="test every N-th mutant, starting with mutant K"
    )
    parser.add_argument("--list", action="store_true", help="print the mutants without running tests")
    arguments = parser.parse_args()
    selected = select_jobs(arguments.only, arguments.part)
    if not selected:
        sys.exit("no mutants: see --list")
    if not arguments.list:
        sys.exit(main(selected, complete=arguments.only is None and arguments.part == (1, 1)))
    for tests, mutant in selected:
        show(mutant, f"tests {tests}")
