"""Milliseconds per clip of the networks of the results, all in turn with PyTorch's real networks in one process.

One process for each number of threads, the same for all sides. quatnet's networks are compiled (`models.compile`);
PyTorch's is the real one of the same width, as it is, and by torch.compile where a C++ compiler is there.
"""

import json
import sys
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import reproduce_records as records  # examples/reproduce_records.py
from reproduce_networks import network
from reproduce_rows import SHARES, WIDTHS, row_of
from story_outcome import replace_text

from quatnet.models import CNN, CNNConfig, compile

sys.path.append(str(Path(__file__).parent / "benchmarks"))
from speed_measure import How, alternate, in_a_child

FRAMES, CLASSES = 126, 10  # clips of ESC-10
WHOLE = (*WIDTHS, "real-20", "real-32", "real-64", "quaternion-40", "quaternion-64")
PRUNED = (
    *(f"quaternion-16/prune-l1-{share}" for share in SHARES),
    "quaternion-16/prune-random-budget",
    "real-16/prune-l1-budget",
)
QUARTILES = (25, 50, 75)  # of the rounds, percent


def twin(name: str) -> str:
    """Return the real network of the same width: of "quaternion-16/prune-l1-0.5" it is "real-16"."""
    return f"real-{name.partition('/')[0].partition('-')[2]}"


TWINS = tuple(dict.fromkeys(map(twin, WHOLE)))


def measure(folder: Path, *, threads: tuple[int, ...] = (1, 2), rounds: int = 7) -> None:
    """Write milliseconds per clip for each number of threads to `latency.json` in the records."""
    configs = {name: network(name, CLASSES) for name in WHOLE} | left_by_pruning(folder)
    found = {str(count): in_a_child(timed, configs, How(count, rounds, 0, torch=True)) for count in threads}
    about = records.made_with("torch") | {"command": "python examples/reproduce.py --latency"}
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / "latency.json", json.dumps({"milliseconds": found, **about}, indent=1) + "\n")


def left_by_pruning(folder: Path) -> dict[str, CNNConfig]:
    """Return what pruning left of the networks in the first run of each row; rows without one are left out."""
    runs = {name: records.read(row_of(f"esc10/{name}"), folder) for name in PRUNED}
    first = {name: next((run["widths"] for run in each if "widths" in run), None) for name, each in runs.items()}
    whole = {name: network(name.partition("/")[0], CLASSES) for name in PRUNED}
    return {name: replace(whole[name], widths=widths) for name, widths in first.items() if widths}


def timed(configs: dict[str, CNNConfig], how: How, beside: tuple[str, ...] = TWINS) -> dict[str, list[float]]:
    """Return the quartiles of milliseconds for one clip of all sides, which take turns; `beside` in PyTorch."""
    how.start()
    clip = np.random.default_rng(how.seed).standard_normal((1, FRAMES, 64, 4), dtype=np.float32)
    sides: dict[str, Any] = {name: partial(compile(_fresh(config, how)), clip) for name, config in configs.items()}
    twins = how.twins()
    for name in beside:
        model = _fresh(network(name, CLASSES), how)
        sides[f"PyTorch {name}"] = twins.faster(twins.inference(model, clip, "real")).run
        if side := twins.compiled(model, clip, how.compile_seconds):
            sides[f"PyTorch {name}, compiled"] = side.run
    times = alternate(sides, how.rounds, how.turn_seconds)
    quartiles = {name: 1000 * np.percentile(each["runs"], QUARTILES) for name, each in times.items()}
    return {name: each.round(3).tolist() for name, each in quartiles.items()}


def _fresh(config: CNNConfig, how: How) -> CNN:
    return CNN(config, rng=np.random.default_rng(how.seed))


def read(folder: Path) -> dict[str, dict[str, float]]:
    """Return median milliseconds by number of threads and network; nothing where they were not measured."""
    path = folder / "latency.json"
    found = json.loads(path.read_text())["milliseconds"] if path.exists() else {}
    return {threads: {name: median for name, (_, median, _) in times.items()} for threads, times in found.items()}


def table(folder: Path) -> list[list[str]]:
    """Return the milliseconds, beside those of PyTorch's real network of the same width, compiled if that is faster."""
    found = read(folder)
    heads = [f"{side}, {count} thread{'s' if count != '1' else ''}" for count in found for side in ("ms", "PyTorch")]
    names = [name for name in next(iter(found.values()), {}) if not name.startswith("PyTorch")]
    lines = [[name, twin(name), *chain(*(_pair(times, name) for times in found.values()))] for name in names]
    return [["network", "in PyTorch", *heads], *lines]


def _pair(times: dict[str, float], name: str) -> tuple[str, str]:
    theirs = [ms for side, ms in times.items() if side.partition(",")[0] == f"PyTorch {twin(name)}"]
    return f"{times[name]:.2f}", f"{min(theirs):.2f}" if theirs else "-"
