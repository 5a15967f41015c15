"""Test the training loop: batches, metrics, checkpoints, Ctrl-C, and resuming.

A run draws all random numbers from two generators, and their states are saved in the checkpoint. The weights of a
killed and resumed run must therefore be bit-identical to the weights of an uninterrupted run.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from quatnet.datasets.targets import one_hot
from quatnet.errors import CheckpointError, DataError, TrainingStopped
from quatnet.models import CNN, CNNConfig
from quatnet.optim import SGD, AdamW, one_cycle
from quatnet.training import checkpoint
from quatnet.training.data import DataLoader, predict
from quatnet.training.loop import Trainer
from quatnet.training.metrics import accuracy

CONFIG = CNNConfig(3, True, ((8,), (12,)), embedding=8, mels=8, block_dropout=0.1, head_dropout=0.1)
LABELS = np.arange(24) % 3


def clips() -> np.ndarray:
    """Return 24 clips of three classes: noise with periodic frames, noise with periodic mel bands, and plain noise."""
    x = np.random.default_rng(5).standard_normal((24, 12, 8, 4)).astype(np.float32)
    x[LABELS == 0, ::3, :, 0] += 3
    x[LABELS == 1, :, ::3, 0] += 3
    return x


def jitter(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return x + rng.normal(0, 0.1, x.shape).astype(x.dtype), targets


def make_trainer(path: Path | None = None, *, epochs: int = 4, seed: int = 0, **options: object) -> Trainer:
    model = CNN(CONFIG, rng=np.random.default_rng(seed))
    return Trainer(
        model,
        DataLoader(clips(), one_hot(LABELS, 3), batch_size=8, augment=jitter),
        AdamW(model.parameters(), weight_decay=0.01),
        epochs=epochs,
        steps_per_epoch=3,
        schedule=partial(one_cycle, total_steps=3 * epochs, max_lr=0.02),
        seed=seed,
        path=path,
        **options,
    )


def equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_weights_do_not_depend_on_the_number_of_threads(with_threads) -> None:
    # the results are bit-identical, because the chunks depend on the array sizes only and are joined in order
    states = []
    for count in (1, 2, 2, 5):
        with_threads(count)
        trainer = make_trainer(epochs=2)
        trainer.batches = DataLoader(np.tile(clips(), (1, 150, 1, 1)), one_hot(LABELS, 3), batch_size=8, augment=jitter)
        trainer.run()
        states.append(trainer.model.state_dict())
    assert all(equal(states[0], state) for state in states[1:])


def test_loss_decreases_and_accuracy_is_high() -> None:
    trainer = make_trainer(epochs=20)
    history = trainer.run().history
    assert len(history) == 20
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert accuracy(predict(trainer.model, clips()), LABELS) > 0.9


def test_epoch_has_every_clip_once() -> None:
    x = np.arange(10.0)[:, None]
    epoch = DataLoader(x, x, batch_size=4)
    batches = [x for x, _ in epoch(np.random.default_rng(0))]
    assert sorted(np.concatenate(batches).ravel()) == list(range(10))
    assert [len(x) for x in batches] == [4, 3, 3]


def test_weights_depend_on_the_seed_only() -> None:
    first, second, other = make_trainer(), make_trainer(), make_trainer(seed=1)
    for trainer in (first, second, other):
        trainer.run()
    assert equal(first.model.state_dict(), second.model.state_dict())
    assert not equal(first.model.state_dict(), other.model.state_dict())


class Killed(Exception):
    """An exception that simulates a killed process."""


@pytest.mark.parametrize("epochs_done", [1, 2, 3])
def test_killed_run_is_resumed_bit_identically(tmp_path: Path, epochs_done: int) -> None:
    uninterrupted = make_trainer(tmp_path / "uninterrupted.npz")
    uninterrupted.run()

    def kill(model: CNN) -> float:
        if len(killed.progress.history) == epochs_done:
            raise Killed
        return 0.0

    killed = make_trainer(tmp_path / "killed.npz", evaluate=kill)
    with pytest.raises(Killed):
        killed.run()
    resumed = make_trainer(tmp_path / "killed.npz")
    resumed.load()
    assert resumed.progress.epoch == epochs_done
    resumed.run()
    assert equal(uninterrupted.model.state_dict(), resumed.model.state_dict())
    assert equal(uninterrupted.optimizer.state_dict(), resumed.optimizer.state_dict())
    assert [epoch["loss"] for epoch in uninterrupted.progress.history] == [e["loss"] for e in resumed.progress.history]


PROGRAM = """
import sys, time
from pathlib import Path

sys.path.insert(0, sys.argv[2])
import test_training
from quatnet.errors import TrainingStopped

jitter = test_training.jitter


def slow_jitter(x, targets, rng):
    print("step", flush=True)
    time.sleep(0.1)
    return jitter(x, targets, rng)


test_training.jitter = slow_jitter
try:
    test_training.make_trainer(Path(sys.argv[1])).run()
except TrainingStopped as stop:
    sys.exit(str(stop))
"""


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_killed_process_is_resumed_bit_identically(tmp_path: Path, signal_number: int) -> None:
    uninterrupted = make_trainer()
    uninterrupted.run()
    program, path = tmp_path / "program.py", tmp_path / "run.npz"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, program, path, Path(__file__).parent],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(5):  # step 5 of 12 is in the second epoch
        process.stdout.readline()
    process.send_signal(signal_number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    resumed = make_trainer(path)
    resumed.load()
    if signal_number == signal.SIGINT:
        assert re.search(r"stopped in epoch [234] of 4: saved in", stderr)  # on a busy machine, later than in step 5
        assert (resumed.progress.epoch, resumed.progress.step) >= (1, 2)
    resumed.run()
    assert equal(uninterrupted.model.state_dict(), resumed.model.state_dict())


def test_ctrl_c_without_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, before = make_trainer(), signal.getsignal(signal.SIGINT)  # the handler is SIG_IGN in a background process
    monkeypatch.setattr(trainer, "_show", lambda bar: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped, match="nothing was saved"):
        trainer.run()
    assert signal.getsignal(signal.SIGINT) is before


def test_keep_best(tmp_path: Path) -> None:
    states: list[dict] = []

    def evaluate(model: CNN) -> float:
        states.append(model.state_dict())
        return [0.2, 0.9, 0.4, 0.9][len(states) - 1]

    trainer = make_trainer(tmp_path / "run.npz", evaluate=evaluate, keep_best=True)
    trainer.run()
    assert equal(trainer.model.state_dict(), states[1])  # weights of the first of two epochs with the highest accuracy
    assert equal(checkpoint.load_model(tmp_path / "run.npz").state_dict(), states[1])


def test_load_model(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path / "run.npz", epochs=1)
    trainer.run()
    loaded = checkpoint.load_model(tmp_path / "run.npz")
    np.testing.assert_array_equal(predict(loaded, clips()), predict(trainer.model, clips()))
    assert os.listdir(tmp_path) == ["run.npz"]  # the temporary file was deleted


def test_failed_write_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path / "run.npz", epochs=1)
    trainer.run()
    before = (tmp_path / "run.npz").read_bytes()

    def full_disk(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(DataError, match="no space"):
        trainer.save()
    assert (tmp_path / "run.npz").read_bytes() == before
    assert os.listdir(tmp_path) == ["run.npz"]


def test_truncated_checkpoint(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path / "run.npz", epochs=1)
    trainer.run()
    content = (tmp_path / "run.npz").read_bytes()
    for length in [0, 1, 100, *range(1000, len(content), len(content) // 7)]:
        (tmp_path / "truncated.npz").write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"truncated\.npz is truncated or not an \.npz file"):
            checkpoint.load_model(tmp_path / "truncated.npz")


def test_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    np.savez(tmp_path / "foreign.npz", weights=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", header=np.array({"format": "x"}, dtype=object))
    np.savez(tmp_path / "other.npz", header=np.array(json.dumps({"format": "something else"})))
    np.savez(tmp_path / "format_1.npz", about=np.array(json.dumps({"format": "quatnet checkpoint 1"})))
    (tmp_path / "text.npz").write_text("no zip archive")
    for name, message in [
        ("foreign", "not a quatnet checkpoint"),
        ("pickled", "array 'header': expected the header of a float"),
        ("other", "got 'something else'"),
        ("format_1", "expected the format 'quatnet checkpoint 2', got 'quatnet checkpoint 1'"),
        ("text", r"truncated or not an \.npz file"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            checkpoint.load_model(tmp_path / f"{name}.npz")
    with pytest.raises(CheckpointError, match="there is no file"):
        checkpoint.load_model(tmp_path / "absent.npz")


def test_checkpoint_with_other_arrays(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path / "run.npz", epochs=1)
    trainer.run()
    header, groups = checkpoint.read(tmp_path / "run.npz")
    arrays = {f"model/{name}": array for name, array in groups["model"].items()}
    arrays["model/extra"] = arrays.pop("model/classifier.bias")
    arrays["model/classifier.weight"] = np.zeros((1, 1), np.float32)
    np.savez(tmp_path / "changed.npz", header=np.array(json.dumps(header)), **arrays)
    with pytest.raises(
        CheckpointError, match=r"missing: \['classifier.bias'\]; unexpected: \['extra'\]; wrong shape: cl"
    ):
        checkpoint.load_model(tmp_path / "changed.npz")


def test_checkpoint_of_another_run(tmp_path: Path) -> None:
    make_trainer(tmp_path / "run.npz", epochs=1).run()
    with pytest.raises(CheckpointError, match="comes from another run"):
        make_trainer(tmp_path / "run.npz", epochs=2).load()
    other = make_trainer(tmp_path / "run.npz", epochs=1)
    other.optimizer = SGD(other.model.parameters())
    with pytest.raises(CheckpointError, match="expected the state of SGD"):
        other.load()


def test_seconds_are_kept_in_the_checkpoint(tmp_path: Path) -> None:
    start = time.perf_counter()
    first = make_trainer(tmp_path / "run.npz")
    first.run()
    resumed = make_trainer(tmp_path / "run.npz")
    resumed.load()
    assert resumed.run().seconds == first.progress.seconds
    assert 0 < first.progress.seconds < time.perf_counter() - start
