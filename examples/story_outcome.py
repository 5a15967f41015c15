"""What came out of the story: figures of each network, a table, a sentence, and all of it in a file."""

import json
import platform
import shlex
import sys
from pathlib import Path

import numpy as np
from story_task import Task

import quatnet
from quatnet.models import Network
from quatnet.profile import count_parameters, milliseconds_per_clip, multiplications


def row(name: str, model: Network, task: Task) -> dict:
    """What the table says of a trained network."""
    logits = task.answers(model)
    products_16, products_8 = multiplications(model.config, task.frontend.frames)
    return {
        "name": name,
        task.score_name: task.score(logits),
        "parameters": count_parameters(model),
        "multiplications_16": products_16,
        "multiplications_8": products_8,
        "ms_per_clip": milliseconds_per_clip(model, task.example),
        "widths": model.config.widths,
        **task.judged(logits),
    }


def results(rows: list[dict], task: Task, seed: int) -> dict:
    return {
        "command": shlex.join(sys.argv),
        "seed": seed,
        "data": task.facts,
        "score": task.score_name,
        "versions": {
            "quatnet": quatnet.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": {"processor": platform.machine(), "threads": quatnet.thread_count()},
        "sentence": sentence(rows, task.facts["test"], task.score_name),
        "models": rows,
    }


def save(results: dict, path: Path) -> None:
    replace_text(path, json.dumps(results, indent=1))


def replace_text(path: Path, text: str) -> None:
    """All or nothing."""
    partial_file = path.with_name(f".{path.name}.part")
    partial_file.write_text(text)
    partial_file.replace(path)


def table(rows: list[dict], score: str = "accuracy") -> str:
    """One line per network; multiplications in millions a clip, with 16 and with 8 per quaternion product."""
    more = [key for key in ("AUC", "d_prime") if key in rows[0]]
    head = f"network                {score:>8} parameters  mult. 16   mult. 8  ms/clip  train s"
    head += "".join(f" {key:>8}" for key in more)
    lines = [
        f"{r['name']:22} {r[score]:8.1%} {r['parameters']:10,} {r['multiplications_16'] / 1e6:7.1f} M "
        f"{r['multiplications_8'] / 1e6:7.1f} M {r['ms_per_clip']:8.2f} {r['train_seconds']:8.1f}"
        + "".join(f" {r[key]:8.3f}" for key in more)
        for r in rows
    ]
    foot = "(train s: this network's own; the distilled one stands on its teacher's too, the pruned one on the whole's)"
    return "\n".join(["", head, *lines, foot, ""])


def sentence(rows: list[dict], clips: int, score: str = "accuracy") -> str:
    """Say in plain words what the figures show, whether or not the paper agrees."""
    real, quaternion, alone, distilled, pruned = rows

    def against(a: dict, b: dict) -> str:
        points = 100 * (a[score] - b[score])
        if abs(points) < 0.05:
            return "as accurate as"
        return f"{abs(points):.1f} points {'above' if points > 0 else 'below'}"

    share = {key: pruned[key] / real[key] for key in ("parameters", "multiplications_8", "ms_per_clip")}
    error = 100 * np.sqrt(max(1e-9, real[score] * (1 - real[score])) / clips)
    trust = f": one standard error is {error:.1f} points, so smaller differences say little"
    return (
        f"With {quaternion['parameters'] / real['parameters']:.0%} of the parameters the quaternion CNN is "
        f"{against(quaternion, real)} the real CNN; pruned, it is {against(pruned, real)} the real CNN with "
        f"{share['parameters']:.0%} of the parameters, {share['multiplications_8']:.0%} of the multiplications "
        f"(8 per quaternion product) and {share['ms_per_clip']:.0%} of the milliseconds per clip; the distilled "
        f"student is {against(distilled, alone)} the same student trained alone "
        f"({clips} test clips{trust if score == 'accuracy' else f', points of {score}'})."
    )
