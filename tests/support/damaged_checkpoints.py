"""Damaged checkpoints and teacher files, killed training runs, and what the readers do.

The outcomes are those of `.ci/campaign`:

    silent         the undamaged values, or, for a crafted file with valid checksums, any values
    clear error    an error of quatnet in one printable line that names the file
    wrong          other values than those of the undamaged file, or other weights after a killed run
    hang           more than MAX_SECONDS
    uncaught       another exception, or another message
"""

import io
import json
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from quatnet import datasets, models, training
from quatnet.distill import read_cached_outputs
from quatnet.errors import QuatnetError
from quatnet.optim import AdamW, one_cycle

CONFIG = models.CNNConfig(3, True, ((4,), (8,)), embedding=4, mels=8)
MAX_SECONDS = 10.0
VALUES = (None, True, -1, 0, 0.5, 1e300, 10**9, 2**63, 10**400, "", "\0", "x" * 9999, [], [[]], {}, {"a": [None]})
TEXTS = (b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"[" * 20000, b'{"a":' * 20000, b'"\\ud800"', b"\x00", b"}")
NUMBERS = (b"0", b"1", b"7", b"999", b"2147483648", b"99999999999", b"9" * 30, b"-1")
Mutation = Callable[[bytes, random.Random], bytes]
Reader = Callable[[Path], dict[str, Any]]


# Files


def make_trainer(path: Path | None, *, epochs: int = 3) -> training.Trainer:
    """Return a trainer of a network with some hundred parameters on twelve random clips."""
    model = models.build(CONFIG, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((12, 12, 8, 4)).astype(np.float32)
    return training.Trainer(
        model,
        training.DataLoader(x, datasets.one_hot(np.arange(12) % 3, 3), batch_size=4),
        AdamW(model.parameters()),
        epochs=epochs,
        steps_per_epoch=3,
        schedule=partial(one_cycle, total_steps=3 * epochs, max_lr=0.02),
        evaluate=lambda model: 0.5,
        keep_best=True,
        path=path,
    )


def read_network(path: Path) -> dict[str, Any]:
    """Return the config and the arrays of the network of a checkpoint."""
    model = training.load_model(path)
    return model.state_dict() | {"config": repr(model.config)}


def read_training(path: Path) -> dict[str, Any]:
    """Return the complete state of a training after `Trainer.load`."""
    trainer = make_trainer(path)
    trainer.load()
    state = {f"optimizer/{name}": array for name, array in trainer.optimizer.state_dict().items()}
    generators = {name: repr(getattr(trainer, name).bit_generator.state) for name in ("data_rng", "dropout_rng")}
    return state | trainer.model.state_dict() | generators | {"progress": repr(trainer.progress)}


def read_teacher(path: Path) -> dict[str, Any]:
    """Return the outputs of a teacher and the names of its clips."""
    cached = read_cached_outputs(path)
    return {"outputs": cached.outputs, "rows": repr(cached.rows)}


def write_checkpoint(path: Path) -> None:
    """Write the checkpoint of a short training."""
    make_trainer(path).run()


def write_teacher(path: Path) -> None:
    """Write a compressed file with the logits of a teacher for eight clips."""
    names = np.array([f"clip {n}" for n in range(8)])
    np.savez_compressed(path, clip=names, logits=np.random.default_rng(2).standard_normal((8, 3)))


# Mutations


def change_byte(content: bytes, rng: random.Random) -> bytes:
    """Return `content` with another value of one byte."""
    changed = bytearray(content)
    changed[rng.randrange(len(content))] ^= rng.randrange(1, 256)
    return bytes(changed)


def change_header_byte(content: bytes, rng: random.Random) -> bytes:
    """Return an archive with another value of a byte in the first 80 bytes of an array or of an archive entry."""
    starts = [n for magic in (b"\x93NUMPY", b"PK") for n in find_all(content, magic)]
    changed, place = bytearray(content), rng.choice(starts) + rng.randrange(80)
    changed[min(place, len(content) - 1)] ^= rng.randrange(1, 256)
    return bytes(changed)


def find_all(content: bytes, part: bytes) -> list[int]:
    """Return all positions of `part` in `content`."""
    found, start = [], content.find(part)
    while start >= 0:
        found.append(start)
        start = content.find(part, start + 1)
    return found


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Return `content` with several changed bytes, or with a part removed, repeated or zeroed."""
    a, b = sorted(rng.randrange(len(content)) for _ in range(2))
    kind = rng.randrange(5)
    if kind < 4:
        zeros = bytes(min(b - a, 64))
        return [content[:a], content[:a] + content[b:], content[:b] + content[a:], content[:a] + zeros + content[b:]][
            kind
        ]
    for _ in range(rng.randrange(2, 9)):
        content = change_byte(content, rng)
    return content


def craft(content: bytes, rng: random.Random) -> bytes:
    """Return an archive with valid checksums in which a member has another header, JSON text or length."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = list(members)
    name = "header.npy" if "header.npy" in members and rng.random() < 0.6 else rng.choice(names)
    kind = rng.randrange(10)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[rng.choice(("x.npy", "model/x.npy", "best/x.npy", "a", "../b.npy"))] = members[name]
    elif kind == 2:
        members[name] = members[rng.choice(names)]
    elif kind < 6 or name != "header.npy":
        members[name] = craft_array(members[name], rng)
    else:
        members[name] = craft_json(members[name], rng)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return file.getvalue()


def craft_array(member: bytes, rng: random.Random) -> bytes:
    """Return an array with another dtype, shape, length or value."""
    header, data = member[:128], member[128:]
    kind = rng.randrange(5)
    if kind == 0:
        dtype = rng.choice((b"<f8", b"<f2", b">f4", b"<i4", b"|O ", b"<c8", b"<U1", b"|V4", b"<M8", b"<f3", b"|b1"))
        return header.replace(b"<f4", dtype) + data
    if kind == 1:
        digits = [n for n, byte in enumerate(header) if byte in b"0123456789"] or [0]
        place, number = rng.choice(digits), rng.choice(NUMBERS)
        return (header[:place] + number + header[place + 1 :].rstrip(b" \n")).ljust(127)[:127] + b"\n" + data
    if kind == 2:
        return header + data[: rng.randrange(len(data) + 1)]
    if kind == 3:
        return header + data + bytes(rng.randrange(1, 99))
    values = np.frombuffer(data[: len(data) // 4 * 4], np.float32).copy()
    values[rng.randrange(max(1, len(values))) :][:1] = rng.choice((np.nan, np.inf, -np.inf, 1e38))
    return header + values.tobytes()


def craft_json(member: bytes, rng: random.Random) -> bytes:
    """Return a JSON header with another value, or with another text at a random position."""
    text = str(np.load(io.BytesIO(member))).encode()
    if rng.random() < 0.4:
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice((*TEXTS, *NUMBERS)) + text[place + rng.randrange(4) :]
    else:
        value = json.loads(text)
        container, key = rng.choice(list(places(value)))
        container[key] = rng.choice(VALUES)
        text = json.dumps(value).encode()
    file = io.BytesIO()
    np.save(file, np.array(text.decode(errors="replace")))
    return file.getvalue()


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of all values in nested lists and dicts."""
    keys = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
    return [place for key in keys for place in [(value, key), *places(value[key])]]


# Outcomes


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Return whether two states have the same names and values."""
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def outcome(reader: Reader, path: Path, expected: dict[str, Any] | None) -> str:
    """Return what `reader` does with `path`. `expected` is the undamaged content, or None for a crafted file."""
    start = time.perf_counter()
    try:
        values = reader(path)
        result = "silent" if expected is None or equal(values, expected) else "wrong"
    except QuatnetError as error:
        clear = str(error).isprintable() and path.name in str(error)
        result = "clear error" if clear else f"uncaught message {str(error)[:80]!r}"
    except Exception as error:
        result = f"uncaught {type(error).__name__} {str(error)[:80]!r}"
    return result if time.perf_counter() - start < MAX_SECONDS else "hang"


FILES: dict[str, tuple[Callable[[Path], None], Reader]] = {
    "network": (write_checkpoint, read_network),
    "training": (write_checkpoint, read_training),
    "teacher": (write_teacher, read_teacher),
}
MUTATIONS: dict[str, Mutation] = {
    "byte": change_byte,
    "header byte": change_header_byte,
    "mutated": mutate,
    "crafted": craft,
}


def fuzz(name: str, mutation: str, folder: Path, *, count: int, seconds: float = 1e9, seed: int = 0) -> Counter[str]:
    """Return how often each outcome occurs for `count` mutations of a file, or for as many as `seconds` allow."""
    write, reader = FILES[name]
    path, changed = folder / f"{name}.npz", folder / f"changed-{name}.npz"
    write(path)
    content, expected, rng = path.read_bytes(), reader(path), random.Random(seed)
    outcomes, end = Counter[str](), time.perf_counter() + seconds
    while outcomes.total() < count and time.perf_counter() < end:
        changed.write_bytes(MUTATIONS[mutation](content, rng))
        outcomes[outcome(reader, changed, None if mutation == "crafted" else expected)] += 1
    return outcomes


# Killed runs

PROGRAM = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from support import damaged_checkpoints

trainer = damaged_checkpoints.make_trainer(Path(sys.argv[2]), epochs=EPOCHS)
if trainer.path.exists():
    trainer.load()
print("ready", flush=True)
trainer.run()
"""
EPOCHS = 60


def run_and_kill(path: Path, seconds: float | None) -> int:
    """Start or resume a training, kill it after `seconds` of training, and return the exit code of its process."""
    program = PROGRAM.replace("EPOCHS", str(EPOCHS))
    command = [sys.executable, "-c", program, Path(__file__).parents[1], path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
    return process.returncode


def killed_runs(folder: Path, *, kills: int, seconds: float = 1e9, seed: int = 0) -> Counter[str]:
    """Kill a training at random times, resume it each time, and compare its weights with those of an unkilled run.

    A run that has ended is compared, and another one starts. The last run is not killed. The result counts the kills
    and the outcomes "silent" for equal weights, "wrong" for other weights or left-over files, and "uncaught" for a run
    that fails.
    """
    reference, rng, outcomes = make_trainer(None, epochs=EPOCHS), random.Random(seed), Counter[str]()
    reference.run()
    expected, end, number, last = reference.model.state_dict(), time.perf_counter() + seconds, 0, False
    while not last:
        last = outcomes["kills"] >= kills or time.perf_counter() >= end
        path = folder / f"killed-{number}.npz"
        code = run_and_kill(path, None if last else rng.uniform(0, 0.5))
        if code < 0:
            outcomes["kills"] += 1
        elif code:
            outcomes["uncaught"] += 1
            path.unlink(missing_ok=True)
        else:
            complete = equal(training.load_model(path).state_dict(), expected) and not list(folder.glob(".*.part"))
            outcomes["silent" if complete else "wrong"] += 1
            number += 1
    return outcomes
