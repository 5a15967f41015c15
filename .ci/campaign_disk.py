"""Experiment of the campaign: a full disk, and a cache file that another process truncates. Needs root for a tmpfs."""

import os
import subprocess
import sys
import tempfile
from collections import Counter

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from support.damaged import FRONTEND, FeatureCache, Shards, outcome_of_error
from quatnet.datasets import Clip, features, index_recordings, pack
from quatnet.files import write_json

what, folder, source = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
x = np.sin(np.arange(16000, dtype=np.float32))
clips = [Clip(f"clip {n}", 0, 1, lambda: (x, 32000), f"key {n}") for n in range(300)]

def download_archive():
    from support.hostile import archive, send, serving
    from quatnet.datasets import download
    rng = np.random.default_rng(0)
    files = {"ESC-50-master/meta/esc50.csv": b"", "ESC-50-master/audio/0.wav": rng.bytes(600_000)}
    with serving(lambda handler, content: send(handler, content), archive(files)) as url:
        download(folder, url=url, num_recordings=1, wait_s=0.1)

def pack_clips():
    shards = Shards(source)
    shards.format = type(shards.format)(8000, 10.0, 4)
    pack(shards.segments, index_recordings(source / "audio"), folder / "packed", shards.format)

def truncated_cache():
    array = features(clips[:30], FRONTEND, cache=folder)
    for path in folder.glob("*.npy"):
        with path.open("r+b") as file:
            file.truncate(200)
    array.sum()

actions = {
    "features": lambda: features(clips, FRONTEND, cache=folder),
    "pack": pack_clips,
    "download": download_archive,
    "json": lambda: write_json(folder / "results.json", ["x" * 100] * 20_000),
    "truncated cache": truncated_cache,
}
try:
    actions[what]()
    outcome = "silent"
except Exception as error:
    outcome = outcome_of_error(error, str(folder))
    if what == "json" and isinstance(error, OSError):
        outcome = "clear error"
    expected = (".json", ".int16") if what == "pack" else ("esc50.zip.part",)
    left = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(expected)]
    outcome = f"wrong: left {left}" if left else outcome
print("\\n" + outcome)
"""


def outcome_of(what: str, kilobytes: int) -> str:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as source:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
        subprocess.run(mount, check=True)
        try:
            command = [sys.executable, "-c", SCRIPT, what, folder, source]
            process = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        except subprocess.TimeoutExpired:
            return "hang"
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
    return "killed" if process.returncode < 0 else process.stdout.strip().splitlines()[-1]


def full_disk(mutations: int, details: Counter) -> Counter:
    counts: Counter = Counter()
    if os.geteuid():
        details["full disk: skipped, because a tmpfs needs root"] += 1
        return counts
    cases = [(what, size) for what in ("features", "pack", "download", "json") for size in (16, 64, 128, 256, 512, 900)]
    for what, size in [*cases, ("truncated cache", 4000)]:
        outcome = outcome_of(what, size)
        kinds = ("silent", "clear error", "wrong", "hang", "killed")
        kind = next((kind for kind in kinds if outcome.startswith(kind)), "uncaught")
        counts[kind] += 1
        if kind not in ("silent", "clear error"):
            details[f"disk, {what}, {size} kB: {outcome[:150]}"] += 1
    return counts


EXPERIMENTS = {"full disk": full_disk}
