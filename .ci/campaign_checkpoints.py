#!/usr/bin/env python3
"""Damaged checkpoints and teacher files, and killed training runs: .ci/campaign_checkpoints.py [--mutations 10000]

`.ci/campaign` runs the functions in EXPERIMENTS. Each function takes the number of mutations and a Counter of details,
and returns how often each outcome of tests/support/damaged_checkpoints.py occurs.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "tests")) if path not in sys.path]
os.environ["TQDM_DISABLE"] = "1"

from support.damaged_checkpoints import FILES, MUTATIONS, fuzz, killed_runs  # noqa: E402

KILLS = 50


def damaged(name: str, mutation: str, mutations: int, details: Counter[str]) -> Counter[str]:
    """Return the outcomes of reading changed files. The mutations are divided among the kinds of mutations."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = fuzz(name, mutation, Path(folder), count=max(1, mutations // len(MUTATIONS)))
    return summary(f"{name} {mutation}", outcomes, details)


def killed(mutations: int, details: Counter[str]) -> Counter[str]:
    """Return the outcomes of training runs that are killed and resumed, with 50 kills for 10,000 mutations."""
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
    with tempfile.TemporaryDirectory() as folder:
        outcomes = killed_runs(Path(folder), kills=max(1, round(KILLS * mutations / 10_000)))
    return summary("killed runs", outcomes, details)


def summary(experiment: str, outcomes: Counter[str], details: Counter[str]) -> Counter[str]:
    """Add each unwanted outcome to `details`, and return the outcomes by their first word or words."""
    counts = Counter[str]()
    for outcome, count in outcomes.items():
        kind = outcome if outcome in ("silent", "clear error", "wrong", "hang", "kills") else "uncaught"
        counts[kind] += count
        if kind not in ("silent", "clear error", "kills"):
            details[f"{experiment}: {outcome}"] += count
    return counts


EXPERIMENTS: dict[str, Callable[[int, Counter[str]], Counter[str]]] = {
    f"{name}, {mutation}": partial(damaged, name, mutation) for name in FILES for mutation in MUTATIONS
} | {"killed runs": killed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=10_000, help="mutations of each kind of file (default 10000)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these experiments only")
    args, details = parser.parse_args(), Counter[str]()
    for name, experiment in EXPERIMENTS.items():
        if not args.only or name in args.only:
            print(f"{name:24} {dict(experiment(args.mutations, details))}", flush=True)
    for text, count in details.most_common(60):
        print(f"{count:6}  {text}")


if __name__ == "__main__":
    main()
