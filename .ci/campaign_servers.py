"""Experiment of the campaign: downloads from servers that misbehave.

After each failure, a download from a valid server into the same folder must succeed.
"""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

SCRIPT = """
import sys, tempfile, warnings
from pathlib import Path
from support.damaged import outcome_of_error
from support.hostile import BEHAVIORS, send, serving
from quatnet.datasets import archives, download

# the bomb of the test has 200 MB
archives.MAX_BYTES = sys.modules["quatnet.datasets.download"].MAX_BYTES = 50 << 20
with tempfile.TemporaryDirectory() as folder:
    try:
        with serving(BEHAVIORS[sys.argv[1]]) as url:
            download(Path(folder), url=url, num_recordings=1, wait_s=0.1)
        outcome = "silent"
    except Exception as error:
        outcome = outcome_of_error(error, "http", "archive", folder)
        left = {path.name for path in Path(folder).iterdir()} - {"esc50.zip.part"}
        with serving(lambda handler, content: send(handler, content)) as url:
            try:
                download(Path(folder), url=url, num_recordings=1, wait_s=0.1)
            except Exception as second:
                outcome = f"wrong: the next download fails, {second}"
        outcome = f"wrong: left {left}" if left else outcome
print(outcome, flush=True)
import os
os._exit(0)
"""


def outcome_of(name: str) -> str:
    try:
        command = [sys.executable, "-c", SCRIPT, name]
        process = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    except subprocess.TimeoutExpired:
        return "hang"
    return process.stdout.strip() or f"killed {process.stderr[-200:]!r}"


def servers(mutations: int, details: Counter) -> Counter:
    from support.hostile import BEHAVIORS

    counts: Counter = Counter()
    with ThreadPoolExecutor(8) as pool:
        for name, outcome in zip(BEHAVIORS, pool.map(outcome_of, BEHAVIORS), strict=True):
            kinds = ("silent", "clear error", "wrong", "hang", "killed")
            kind = next((kind for kind in kinds if outcome.startswith(kind)), "uncaught")
            counts[kind] += 1
            if kind not in ("clear error",):
                details[f"server, {name}: {outcome[:150]}"] += 1
    return counts


EXPERIMENTS = {"hostile servers": servers}
