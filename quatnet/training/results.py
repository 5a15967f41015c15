"""Results of an experiment: metrics and costs of each network, text summaries, and metadata of the run."""

import platform
import shlex
import sys
from typing import Any

import numpy as np

from ..backend import Array
from ..graph import count, trace
from ..models import Network
from ..nn import Module
from ..profile import milliseconds_per_clip
from ..threads import thread_count
from .data import evaluate
from .loop import Progress

Row = dict[str, Any]


def result_row(
    name: str, model: Module, inputs: Array, labels: np.ndarray, progress: Progress, *, metric: str = "accuracy"
) -> Row:
    """Return the accuracy and the costs of a trained network.

    Parameters
    ----------
    name : name of the network in tables and figures
    model : trained network
    inputs, labels : test clips (N, frames, mels, 4) and their labels (N,)
    progress : return value of `fit`
    metric : key of the accuracy in the result
    """
    return {"name": name, metric: evaluate(model, inputs, labels)} | cost_row(model, inputs[0], progress)


def cost_row(model: Module, clip: Array, progress: Progress) -> Row:
    """Return the costs of a network, and the time and history of its training.

    Multiplications and latency are those of one `clip` (frames, mels, 4).
    """
    cost = count(trace(model, clip[None]))
    return {
        "parameters": cost.parameters,
        "multiplications_16": cost.multiplications_16,
        "multiplications_8": cost.multiplications_8,
        "ms_per_clip": milliseconds_per_clip(model, clip),
        "widths": model.config.widths if isinstance(model, Network) else None,
        "train_seconds": progress.seconds,
        "history": progress.history,
    }


def results_table(rows: list[Row], *, metric: str = "accuracy", extra: tuple[str, ...] = ()) -> str:
    """Return the results of all networks as a text table.

    The multiplications are in millions per clip, with 16 and with 8 real products for each quaternion product. `extra`
    contains the keys of further columns.
    """
    lines = [f"network                     {metric:>8} parameters  mult. 16   mult. 8  ms/clip  train s"]
    lines[0] += "".join(f" {name:>8}" for name in extra)
    for row in rows:
        products = f"{row['multiplications_16'] / 1e6:7.1f} M {row['multiplications_8'] / 1e6:7.1f} M"
        line = f"{row['name']:27} {row[metric]:8.1%} {row['parameters']:10,} {products}"
        line += f" {row['ms_per_clip']:8.2f} {row['train_seconds']:8.1f}"
        lines.append(line + "".join(f" {row[name]:8.3f}" for name in extra))
    return "\n".join(["", *lines, ""])


def summarize(rows: list[Row], clips: int, *, metric: str = "accuracy") -> str:
    """Return a text that compares the five networks of an experiment on `clips` test clips.

    The rows are the results of a real network, its quaternion counterpart, a student trained from scratch, a distilled
    student, and the pruned quaternion network.
    """
    real, quaternion, scratch, distilled, pruned = rows
    share = {key: pruned[key] / real[key] for key in ("parameters", "multiplications_8", "ms_per_clip")}
    sentences = [
        f"The quaternion CNN has {quaternion['parameters'] / real['parameters']:.0%} of the parameters of the real "
        f"CNN, and {_compare(quaternion, real, metric)}.",
        f"The pruned quaternion CNN has {share['parameters']:.0%} of the parameters, {share['multiplications_8']:.0%} "
        f"of the multiplications (8 per quaternion product) and {share['ms_per_clip']:.0%} of the milliseconds per "
        f"clip of the real CNN, and {_compare(pruned, real, metric)}.",
        f"Distillation instead of training from scratch gives the student {_compare(distilled, scratch, metric)}.",
    ]
    if metric == "accuracy":
        error = 100 * np.sqrt(max(1e-9, real[metric] * (1 - real[metric])) / clips)
        sentences.append(f"One standard error on {clips} test clips is {error:.1f} points.")
    return " ".join(sentences)


def _compare(a: Row, b: Row, metric: str) -> str:
    points = 100 * (a[metric] - b[metric])
    if abs(points) < 0.05:
        return f"the same {metric}"
    return f"{abs(points):.1f} points {'more' if points > 0 else 'less'} {metric}"


def run_metadata(seed: int | None = None) -> dict[str, Any]:
    """Return the command, the seed, the versions and the machine of this run as JSON-compatible values.

    `seed` is None for a run without random numbers.
    """
    from .. import __version__

    return {
        "command": shlex.join(sys.argv),
        "seed": seed,
        "versions": {"quatnet": __version__, "numpy": np.__version__, "python": platform.python_version()},
        "machine": {"processor": platform.machine(), "threads": thread_count()},
    }
