"""Milliseconds per clip of the networks of docs/results.md, compared with PyTorch.

A process is started for each number of threads. quatnet and PyTorch run alternately in this process, with the same
number of threads. The networks of quatnet are compiled (`quatnet.models.compile`). Each network is compared with the
real PyTorch network of the same width, in eager mode and, if a C++ compiler is installed, with `torch.compile`.
"""

import json
import sys
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import records
from row_networks import network_config
from rows import NETWORKS, PRUNE_TARGETS, row_from_name

from quatnet.files import write_json
from quatnet.models import CNN, CNNConfig, compile

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
from speed_measure import Settings, run_in_subprocess, time_alternately

FRAMES, CLASSES = 126, 10  # shape of the ESC-10 task
UNPRUNED = (*NETWORKS, "real-20", "real-32", "real-64", "quaternion-40", "quaternion-64")
PRUNED = (
    *(f"quaternion-16/prune-l1-{target}" for target in PRUNE_TARGETS),
    "quaternion-16/prune-random-budget",
    "real-16/prune-l1-budget",
)
QUARTILES = (25, 50, 75)  # percentiles over the rounds


def real_counterpart(name: str) -> str:
    """Return the name of the real network of the same width: "real-16" for "quaternion-16/prune-l1-0.5"."""
    return f"real-{name.partition('/')[0].partition('-')[2]}"


PYTORCH_NETWORKS = tuple(dict.fromkeys(map(real_counterpart, UNPRUNED)))


def measure(folder: Path, *, threads: tuple[int, ...] = (1, 2), rounds: int = 7) -> None:
    """Measure the milliseconds per clip for each number of threads, and write them to `latency.json` in `folder`."""
    configs = {name: network_config(name, CLASSES) for name in UNPRUNED} | pruned_configs(folder)
    times = {
        str(count): run_in_subprocess(time_networks, configs, Settings(count, rounds, 0, torch=True))
        for count in threads
    }
    provenance = records.environment("torch") | {"command": "python examples/reproduce --latency"}
    write_json(folder / "latency.json", {"milliseconds": times, **provenance})


def pruned_configs(folder: Path) -> dict[str, CNNConfig]:
    """Return the config of the pruned network in the first run of each row. Rows without runs are skipped."""
    runs = {name: records.read_runs(row_from_name(f"esc10/{name}"), folder) for name in PRUNED}
    widths = {name: next((run["widths"] for run in each if "widths" in run), None) for name, each in runs.items()}
    unpruned = {name: network_config(name.partition("/")[0], CLASSES) for name in PRUNED}
    return {name: replace(unpruned[name], widths=each) for name, each in widths.items() if each}


def time_networks(
    configs: dict[str, CNNConfig], settings: Settings, pytorch_networks: tuple[str, ...] = PYTORCH_NETWORKS
) -> dict[str, list[float]]:
    """Return the quartiles of the milliseconds for one clip, for `configs` in quatnet and `pytorch_networks`."""
    settings.apply()
    clip = np.random.default_rng(settings.seed).standard_normal((1, FRAMES, 64, 4), dtype=np.float32)
    sides: dict[str, Any] = {
        name: partial(compile(_init_model(config, settings)), clip) for name, config in configs.items()
    }
    torch_runs = settings.torch_runs()
    for name in pytorch_networks:
        model = _init_model(network_config(name, CLASSES), settings)
        sides[f"PyTorch {name}"] = torch_runs.fastest_layout(torch_runs.inference(model, clip, "real")).run
        if side := torch_runs.compiled_inference(model, clip, settings.compile_seconds):
            sides[f"PyTorch {name}, compiled"] = side.run
    times = time_alternately(sides, settings.rounds, settings.turn_seconds)
    quartiles = {name: 1000 * np.percentile(each["runs"], QUARTILES) for name, each in times.items()}
    return {name: each.round(3).tolist() for name, each in quartiles.items()}


def _init_model(config: CNNConfig, settings: Settings) -> CNN:
    return CNN(config, rng=np.random.default_rng(settings.seed))


def read_medians(folder: Path) -> dict[str, dict[str, float]]:
    """Return the median milliseconds by number of threads and network. Without `latency.json` the dict is empty."""
    path = folder / "latency.json"
    times = json.loads(path.read_text())["milliseconds"] if path.exists() else {}
    return {threads: {name: median for name, (_, median, _) in each.items()} for threads, each in times.items()}


def latency_table(folder: Path) -> list[list[str]]:
    """Return a table of the milliseconds of each network and of the real PyTorch network of the same width."""
    medians = read_medians(folder)
    heads = [f"{side}, {count} thread{'s' if count != '1' else ''}" for count in medians for side in ("ms", "PyTorch")]
    names = [name for name in next(iter(medians.values()), {}) if not name.startswith("PyTorch")]
    lines = [
        [name, real_counterpart(name), *chain(*(_cells(each, name) for each in medians.values()))] for name in names
    ]
    return [["network", "in PyTorch", *heads], *lines]


def _cells(medians: dict[str, float], name: str) -> tuple[str, str]:
    pytorch = [ms for side, ms in medians.items() if side.partition(",")[0] == f"PyTorch {real_counterpart(name)}"]
    return f"{medians[name]:.2f}", f"{min(pytorch):.2f}" if pytorch else "-"
