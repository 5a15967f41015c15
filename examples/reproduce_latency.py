"""Milliseconds per clip of the networks of the results, all in turn with PyTorch's real network in one process.

One process for each number of threads, the same for all sides. quatnet's networks are compiled (`models.compile`);
PyTorch's is the real one of the same width as it is, and by torch.compile where a C++ compiler is there.
"""

import json
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import reproduce_records as records  # examples/reproduce_records.py
from benchmark_measure import How, alternate, in_a_child
from reproduce_networks import PRESET, network
from reproduce_rows import row_of
from story_outcome import replace_text

from quatnet.models import CNN, CNNConfig, compile

FRAMES, CLASSES = 126, 10  # clips of ESC-10
WHOLE = ("real-8", "real-11.6", "real-16", "real-32", "real-64", "quaternion-8", "quaternion-16", "quaternion-22.5",
         "quaternion-32", "quaternion-40", "quaternion-64")  # fmt: skip
PRUNED = tuple(f"quaternion-16/prune-l1-{share}" for share in ("0.25", "0.5", "0.75", "budget"))
TWINS = (f"real-{PRESET}", "real-32", "real-64")


def measure(folder: Path, *, threads: tuple[int, ...] = (1, 2), rounds: int = 7) -> None:
    """Write milliseconds per clip for each number of threads to `latency.json` in the records."""
    configs = {name: network(name, CLASSES) for name in WHOLE} | left_by_pruning(folder)
    found = {str(count): in_a_child(timed, configs, How(count, rounds, 0, torch=True)) for count in threads}
    about = records.made_with() | {"command": "python examples/reproduce.py --latency"}
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / "latency.json", json.dumps({"milliseconds": found, **about}, indent=1) + "\n")


def left_by_pruning(folder: Path) -> dict[str, CNNConfig]:
    """Return what pruning left of the network in the first run of its row; rows without one are left out."""
    first = {
        name: next((run["widths"] for run in records.read(row_of(f"esc10/{name}"), folder) if "widths" in run), None)
        for name in PRUNED
    }
    whole = network("quaternion-16", CLASSES)
    return {name: replace(whole, widths=widths) for name, widths in first.items() if widths}


def timed(configs: dict[str, CNNConfig], how: How, beside: tuple[str, ...] = TWINS) -> dict[str, float]:
    """Return the median milliseconds for one clip of all sides, which take turns; `beside` in PyTorch as well."""
    how.start()
    clip = np.random.default_rng(how.seed).standard_normal((1, FRAMES, 64, 4), dtype=np.float32)
    models = {name: CNN(config, rng=np.random.default_rng(how.seed)) for name, config in configs.items()}
    sides: dict[str, Any] = {name: partial(compile(model), clip) for name, model in models.items()}
    twins = how.twins()
    for name in beside:
        sides[f"PyTorch {name}"] = twins.faster(twins.inference(models[name], clip, "real")).run
        if side := twins.compiled(models[name], clip, how.compile_seconds):
            sides[f"PyTorch {name}, compiled"] = side.run
    times = alternate(sides, how.rounds, how.turn_seconds)
    return {name: round(1000 * each["median"], 3) for name, each in times.items()}


def read(folder: Path) -> dict[str, dict[str, float]]:
    """Return milliseconds by number of threads and network; nothing where they were not measured."""
    path = folder / "latency.json"
    return json.loads(path.read_text())["milliseconds"] if path.exists() else {}


def table(folder: Path) -> list[list[str]]:
    """Return the milliseconds, and how they compare with PyTorch's real network of the reference width."""
    found, reference = read(folder), f"PyTorch {TWINS[0]}"
    heads = [f"{each} {count} thread{'s' if count != '1' else ''}" for count in found for each in ("ms,", "ratio,")]
    lines = [["network", *heads]]
    for name in next(iter(found.values()), {}):
        if all(name in times for times in found.values()):
            pairs = ((f"{times[name]:.2f}", f"{times[name] / times[reference]:.2f}") for times in found.values())
            lines.append([name, *chain(*pairs)])
    return lines
