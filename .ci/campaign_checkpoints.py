"""Mutations of the files of quatnet: what a reader does with a damaged or a crafted file.

    python .ci/campaign_checkpoints.py [--count 10000] [--kills 50] [--seed 0]

Each table row is a kind of file. A mutated file may be refused with an error of quatnet, or be read with the numbers
of the undamaged file. Every other outcome, which is other numbers or an uncaught exception, is a fault.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from quatnet import datasets, models, training
from quatnet.datasets import shard
from quatnet.distill import read_cached_outputs
from quatnet.errors import QuatnetError
from quatnet.optim import AdamW, one_cycle

CONFIG = models.CNNConfig(3, True, ((4,), (8,)), embedding=4, mels=8)
LABELS = np.arange(12) % 3
Reader = Callable[[Path], Any]
MAX_SECONDS = 10.0


def make_trainer(path: Path, *, epochs: int = 3, **options: Any) -> training.Trainer:
    """Return a trainer of a network with some hundred parameters on twelve random clips."""
    model = models.build(CONFIG, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((12, 12, 8, 4)).astype(np.float32)
    return training.Trainer(
        model,
        training.DataLoader(x, datasets.one_hot(LABELS, 3), batch_size=4),
        AdamW(model.parameters()),
        epochs=epochs,
        steps_per_epoch=3,
        schedule=partial(one_cycle, total_steps=3 * epochs, max_lr=0.02),
        path=path,
        **options,
    )


def read_model(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the network of a checkpoint."""
    return training.load_model(path).state_dict()


def read_training(path: Path) -> dict[str, Any]:
    """Return the complete state of a training after `load`."""
    trainer = make_trainer(path)
    trainer.load()
    state = {f"optimizer/{name}": array for name, array in trainer.optimizer.state_dict().items()}
    generators = {name: repr(getattr(trainer, name).bit_generator.state) for name in ("data_rng", "dropout_rng")}
    return state | trainer.model.state_dict() | generators | {"progress": repr(trainer.progress)}


def read_teacher(path: Path) -> dict[str, Any]:
    """Return the outputs of a teacher and the names of its clips."""
    cached = read_cached_outputs(path)
    return {"outputs": cached.outputs, "rows": repr(cached.rows)}


def read_shard(path: Path) -> dict[str, Any]:
    """Return the fields of the JSON file of a shard."""
    return {name: repr(value) for name, value in vars(shard.read_shard(path)).items()}


def write_examples(folder: Path) -> dict[str, tuple[Path, Reader]]:
    """Write a file of each kind and return its path and its reader."""
    run, teacher, json_path = folder / "run.npz", folder / "teacher.npz", folder / "00000.json"
    trainer = make_trainer(run, epochs=3)
    trainer.run()
    names = np.array([f"clip {n}" for n in range(8)])
    np.savez_compressed(teacher, clip=names, logits=np.random.default_rng(2).standard_normal((8, 3)))
    json_path.write_text(
        '{"identity": {"table": "eval", "rows": 3}, "rows": [0, 2], "crc32": [7, 8], "missing": 1, "unreadable": []}'
    )
    return {
        "network": (run, read_model),
        "training": (run, read_training),
        "teacher": (teacher, read_teacher),
        "shard": (json_path, read_shard),
    }


def flip_byte(content: bytes, rng: np.random.Generator) -> bytes:
    """Return `content` with another value of one byte."""
    changed = bytearray(content)
    changed[rng.integers(len(content))] ^= int(rng.integers(1, 256))
    return bytes(changed)


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Return `content` with a few changed bytes, or with a part removed, repeated or moved."""
    a, b = sorted(int(n) for n in rng.integers(len(content), size=2))
    kind = rng.integers(6)
    if kind == 0:
        return content[:a]
    if kind == 1:
        return content[:a] + content[b:]
    if kind == 2:
        return content[:b] + content[a:]
    if kind == 3:
        return content[:a] + bytes(min(b - a, 64)) + content[a + min(b - a, 64) :]
    for _ in range(1 if kind == 4 else int(rng.integers(2, 9))):
        content = flip_byte(content, rng)
    return content


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Return whether two states have the same names and values."""
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def outcome(reader: Reader, path: Path, expected: dict[str, Any]) -> str:
    """Return what `reader` does with the file `path`, whose undamaged content is `expected`."""
    start = time.perf_counter()
    try:
        result = "same numbers" if equal(reader(path), expected) else "OTHER NUMBERS"
    except QuatnetError as error:
        result = "refused" if "\n" not in str(error) else "MESSAGE OF SEVERAL LINES"
    except Exception as error:
        result = f"UNCAUGHT {type(error).__name__}"
    return result if time.perf_counter() - start < MAX_SECONDS else f"{result}, MORE THAN {MAX_SECONDS:.0f} s"


Mutation = Callable[[bytes, np.random.Generator], bytes]


def count_outcomes(
    path: Path, reader: Reader, mutation: Mutation, rng: np.random.Generator, *, count: int, seconds: float = 1e9
) -> Counter[str]:
    """Return how often each outcome occurs for `count` mutations of a file, or for as many as `seconds` allow."""
    content, expected, outcomes = path.read_bytes(), reader(path), Counter[str]()
    mutated, end = path.with_name(f"mutated{path.suffix}"), time.perf_counter() + seconds
    while sum(outcomes.values()) < count and time.perf_counter() < end:
        mutated.write_bytes(mutation(content, rng))
        outcomes[outcome(reader, mutated, expected)] += 1
    return outcomes


def faults(outcomes: Counter[str]) -> int:
    """Return the number of outcomes that are neither a refusal nor the undamaged numbers."""
    return sum(number for name, number in outcomes.items() if name not in ("refused", "same numbers"))


PROGRAM = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import campaign_checkpoints

trainer = campaign_checkpoints.make_trainer(Path(sys.argv[2]), epochs=40)
if trainer.path.exists():
    trainer.load()
trainer.run()
"""


def killed_runs(folder: Path, rng: np.random.Generator, *, count: int, seconds: float = 1e9) -> Counter[str]:
    """Kill a training `count` times at random moments, resume it, and compare the final weights with an unkilled run.

    A run that ends before it is killed starts again with a new file.
    """
    reference = make_trainer(folder / "reference.npz", epochs=40)
    reference.run()
    expected, outcomes, end = reference.model.state_dict(), Counter[str](), time.perf_counter() + seconds
    number = 0
    while outcomes["kills"] < count and time.perf_counter() < end:
        path = folder / f"killed-{number}.npz"
        command = [sys.executable, "-c", PROGRAM, Path(__file__).parent, path]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.5, 2.5))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            outcomes["kills"] += 1
            continue
        finished = process.returncode == 0 and equal(read_model(path), expected)
        outcomes["runs with the weights of an unkilled run" if finished else "OTHER WEIGHTS"] += 1
        outcomes["LEFT-OVER FILES"] += len(list(folder.glob(f".{path.name}*.part")))
        number += 1
    return outcomes


def rows(folder: Path, *, count: int, kills: int, seed: int = 0) -> Iterator[tuple[str, Counter[str]]]:
    """Yield the name and the outcomes of each part of the campaign."""
    rng = np.random.default_rng(seed)
    for name, (path, reader) in write_examples(folder).items():
        for kind, mutation in {"one byte": flip_byte, "mutations": mutate}.items():
            yield f"{name}, {kind}", count_outcomes(path, reader, mutation, rng, count=count)
    yield "killed runs", killed_runs(folder, rng, count=kills)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10000, help="mutations of each kind of file (10000)")
    parser.add_argument("--kills", type=int, default=50, help="killed training runs (50)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the mutations (0)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, outcomes in rows(Path(folder), count=args.count, kills=args.kills, seed=args.seed):
            print(f"{name:24} {dict(outcomes)}", flush=True)


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    main()
