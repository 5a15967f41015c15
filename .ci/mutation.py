"""Would the tests notice one wrong sign? Plants faults, each alone, and runs the first tests that a reader meets.

    python .ci/mutation.py [--only FUNCTION] [--list]

`faults.py` says what a fault is, `first_tests.py` where they are planted and which tests run. A fault is caught if a
test fails, cannot start, or does not end; one that is not caught fails the run. It costs about half a second: tests
run in a fork (so not on Windows) of a process that has imported everything but quatnet. mutmut 3 changes nothing
outside functions, HADAMARD for one, and runs every test that reaches a function instead of the first.
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

from faults import Fault
from first_tests import EQUIVALENT, ROOT, Job, every_job, key, test_files

TIMEOUT_SECONDS = 60
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WARM = ("numpy", "scipy.stats", "threadpoolctl", "pytest", "hypothesis.extra.numpy", "hypothesis.extra.pytestplugin")
OPTIONS = ("-x", "-q", "-rfE", "--tb=line", "-m", "not parity", "-p", "no:cacheprovider", "--hypothesis-profile=few")


def warm_up() -> None:
    """Import once what every fork needs. Few examples, the same each time, none made smaller: a verdict repeats."""
    os.chdir(ROOT)
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", QUATNET_NUM_THREADS="1", COLUMNS="200")
    sys.path.insert(0, str(ROOT))
    for name in WARM:
        import_module(name)
    from hypothesis import HealthCheck, Phase, settings

    options = {"phases": (Phase.explicit, Phase.generate), "suppress_health_check": list(HealthCheck)}
    settings.register_profile("few", max_examples=10, deadline=None, database=None, derandomize=True, **options)
    gc.freeze()  # what is here stays out of the collector's way, so that forks share its memory: twice as fast


def run_tests(numbers: str, fault: Fault | None) -> None:
    """Give out the faulty source as that of its file, and end the process with pytest's verdict."""
    import pytest

    original = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> object:
        faulty = fault and self.path == str(fault.file)
        return compile(fault.source, self.path, "exec") if faulty else original(self, name)

    SourceFileLoader.get_code = get_code
    signal.alarm(TIMEOUT_SECONDS)
    code = pytest.main([*OPTIONS, *test_files(numbers)])
    sys.stdout.flush()
    os._exit(code)


def start(numbers: str, fault: Fault | None, output: Path) -> int:
    """Return the number of a fork that runs the tests and writes what they print to `output`."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    try:
        with output.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        run_tests(numbers, fault)
    finally:
        os._exit(70)


def verdicts(jobs: list[Job] | list[tuple[str, None]]) -> Iterator[tuple[str, Fault | None, int, str]]:
    """Yield (numbers, fault, exit status, what pytest printed) as the jobs end, one running on each core."""
    running, waiting = {}, list(reversed(jobs))
    with tempfile.TemporaryDirectory() as folder:
        while running or waiting:
            while waiting and len(running) < CORES:
                job, output = waiting.pop(), Path(folder) / str(len(waiting))
                running[start(*job, output)] = (*job, output)
            pid, status = os.wait()
            numbers, fault, output = running.pop(pid)
            yield numbers, fault, os.waitstatus_to_exitcode(status), output.read_text(errors="replace")


def caught_by(status: int, printed: str) -> str:
    """Return the first test that failed, or how the run ended; '' where no test failed."""
    if status < 0:
        return f"no end after {TIMEOUT_SECONDS} s" if status == -signal.SIGALRM else f"a crash, signal {-status}"
    if status not in (0, 1, 2, 4):  # passed, failed, not collected, conftest.py could not import quatnet
        sys.exit(f"pytest could not run:\n{printed}")
    failed = [line for line in printed.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    test = failed[0].split(" - ")[0].split("tests/")[-1] if failed else ""
    return test or ("quatnet cannot be imported" if status == 4 else "")


def must_pass(jobs: list[Job]) -> None:
    """Raise SystemExit where a test fails without any fault, which would look as if all were caught."""
    for numbers, _, status, printed in verdicts([(numbers, None) for numbers in sorted({n for n, _ in jobs})]):
        if status:
            sys.exit(f"tests {numbers} must pass before faults are planted:\n{printed}")


def survivors(jobs: list[Job]) -> Iterator[Fault]:
    """Plant each fault, print a line about it, and yield it if no test noticed."""
    for _, fault, status, printed in verdicts(jobs):
        test = caught_by(status, printed)
        show(fault, test or EQUIVALENT.get(key(fault), "NOT CAUGHT"))
        if not test:
            yield fault


def show(fault: Fault, verdict: str) -> None:
    place = f"{fault.file.relative_to(ROOT)}:{fault.line}"
    print(f"{place:30} {fault.function:32} {fault.before} -> {fault.after} | {verdict}", flush=True)


def difference(fault: Fault) -> str:
    lines = fault.file.read_text().splitlines(), fault.source.splitlines()
    return "\n".join(difflib.unified_diff(*lines, str(fault.file.relative_to(ROOT)), "not caught", n=1, lineterm=""))


def main(only: str | None) -> int:
    """Plant all faults, or those in one function; return 1 if a test is missing, or an excuse is out of date."""
    jobs = chosen(only)
    warm_up()
    must_pass(jobs)
    left = {key(fault): fault for fault in survivors(jobs)}
    holes = [fault for known, fault in left.items() if known not in EQUIVALENT]
    caught = set() if only else EQUIVALENT.keys() - left.keys()
    print(*map(difference, holes), *(f"caught or gone, so no longer EQUIVALENT: {c}" for c in caught), sep="\n")
    print(f"{len(jobs)} faults, {len(holes)} not caught, {len(left) - len(holes)} that change no result")
    return int(bool(holes or caught))


def chosen(only: str | None) -> list[Job]:
    return [(numbers, f) for numbers, f in every_job() if only in (None, *f.function.split("."))]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="FUNCTION", help="plant faults in this function, method or class alone")
    parser.add_argument("--list", action="store_true", help="print the faults and plant none")
    arguments = parser.parse_args()
    if not arguments.list:
        sys.exit(main(arguments.only))
    for numbers, fault in chosen(arguments.only):
        show(fault, f"tests {numbers}")
