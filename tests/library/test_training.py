"""Training, and nothing lost.

A step is: logits, loss, gradients, a move. The loop around it adds a progress bar, a checkpoint after each
epoch, a clean stop on Ctrl-C, and an exact resume: a run that was killed and continued must end in the same
bits as one that was left alone, because all its randomness is in two generators whose state is saved.
"""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from quatnet.datasets.targets import one_hot
from quatnet.errors import CheckpointError, TrainingStopped
from quatnet.models import CNN, CNNConfig
from quatnet.optim import SGD, AdamW, one_cycle
from quatnet.training import checkpoint
from quatnet.training.batches import predict, shuffled_batches
from quatnet.training.loop import Trainer
from quatnet.training.metrics import accuracy

CONFIG = CNNConfig(3, True, ((8,), (12,)), embedding=8, mels=8, block_dropout=0.1, head_dropout=0.1)
LABELS = np.arange(24) % 3


def clips() -> np.ndarray:
    """24 clips of three classes: stripes in time (a ticking clock), stripes in mels (a tone), noise alone."""
    x = np.random.default_rng(5).standard_normal((24, 12, 8, 4)).astype(np.float32)
    x[LABELS == 0, ::3, :, 0] += 3
    x[LABELS == 1, :, ::3, 0] += 3
    return x


def jitter(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return x + rng.normal(0, 0.1, x.shape).astype(x.dtype), targets


def training(path: Path | None = None, *, epochs: int = 4, seed: int = 0, **options: object) -> Trainer:
    model = CNN(CONFIG, rng=np.random.default_rng(seed))
    return Trainer(
        model,
        shuffled_batches(clips(), one_hot(LABELS, 3), batch_size=8, augment=jitter),
        AdamW(model.parameters(), weight_decay=0.01),
        epochs=epochs,
        steps_per_epoch=3,
        schedule=partial(one_cycle, total_steps=3 * epochs, max_lr=0.02),
        seed=seed,
        path=path,
        **options,
    )


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_the_number_of_threads_changes_no_bit_of_a_training(with_threads) -> None:
    # stricter than equal to rounding: pieces of work depend on its size alone, and are joined in order
    states = []
    for count in (1, 2, 2, 5):
        with_threads(count)
        run = training(epochs=2)
        run.batches = shuffled_batches(
            np.tile(clips(), (1, 150, 1, 1)), one_hot(LABELS, 3), batch_size=8, augment=jitter
        )
        run.run()
        states.append(run.model.state_dict())
    assert all(same(states[0], state) for state in states[1:])


def test_a_network_learns_three_easy_classes() -> None:
    run = training(epochs=20)
    history = run.run().history
    assert len(history) == 20
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert accuracy(predict(run.model, clips()), LABELS) > 0.9


def test_an_epoch_shows_every_clip_once() -> None:
    x = np.arange(10.0)[:, None]
    epoch = shuffled_batches(x, x, batch_size=4)
    seen = [batch for batch, _ in epoch(np.random.default_rng(0))]
    assert sorted(np.concatenate(seen).ravel()) == list(range(10))
    assert [len(batch) for batch in seen] == [4, 3, 3]  # nearly equal, none too small for batch statistics


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    first, second, other = training(), training(), training(seed=1)
    for run in (first, second, other):
        run.run()
    assert same(first.model.state_dict(), second.model.state_dict())
    assert not same(first.model.state_dict(), other.model.state_dict())


class Killed(Exception):
    """Stands for a power cut."""


@pytest.mark.parametrize("epochs_done", [1, 2, 3])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path, epochs_done: int) -> None:
    whole = training(tmp_path / "whole.npz")
    whole.run()

    def kill(model: CNN) -> float:
        if len(broken.progress.history) == epochs_done:
            raise Killed
        return 0.0

    broken = training(tmp_path / "broken.npz", evaluate=kill)
    with pytest.raises(Killed):
        broken.run()
    resumed = training(tmp_path / "broken.npz")
    resumed.load()
    assert resumed.progress.epoch == epochs_done
    resumed.run()
    assert same(whole.model.state_dict(), resumed.model.state_dict())
    assert same(whole.optimizer.state_dict(), resumed.optimizer.state_dict())
    assert [epoch["loss"] for epoch in whole.progress.history] == [e["loss"] for e in resumed.progress.history]


PROGRAM = """
import sys, time
from pathlib import Path

sys.path.insert(0, sys.argv[2])
import test_training as lesson
from quatnet.errors import TrainingStopped

fast = lesson.jitter


def slow(x, targets, rng):
    print("step", flush=True)
    time.sleep(0.1)
    return fast(x, targets, rng)


lesson.jitter = slow
try:
    lesson.training(Path(sys.argv[1])).run()
except TrainingStopped as stop:
    sys.exit(str(stop))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_killed_or_interrupted_anywhere_resumes_to_the_same_bits(tmp_path: Path, how: int) -> None:
    whole = training()
    whole.run()
    program, path = tmp_path / "program.py", tmp_path / "run.npz"
    program.write_text(PROGRAM)
    here = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, program, path, here], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(5):  # five of twelve steps: in the middle of the second epoch
        process.stdout.readline()
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    resumed = training(path)
    resumed.load()
    if how == signal.SIGINT:
        assert "stopped in epoch 2 of 4: saved in" in said
        assert resumed.progress.step > 0  # saved at the step, not only at the last epoch
    resumed.run()
    assert same(whole.model.state_dict(), resumed.model.state_dict())


def test_ctrl_c_without_a_checkpoint_stops_after_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    run, before = training(), signal.getsignal(signal.SIGINT)  # a process in the background ignores it
    monkeypatch.setattr(run, "_show", lambda bar: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped, match="nothing was saved"):
        run.run()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_best_epoch_is_kept_where_clips_were_set_aside_to_choose_it(tmp_path: Path) -> None:
    seen: list[dict] = []

    def evaluate(model: CNN) -> float:
        seen.append(model.state_dict())
        return [0.2, 0.9, 0.4, 0.9][len(seen) - 1]

    run = training(tmp_path / "run.npz", evaluate=evaluate, keep_best=True)
    run.run()
    assert same(run.model.state_dict(), seen[1])  # the first of the two best
    assert same(checkpoint.load_model(tmp_path / "run.npz").state_dict(), seen[1])


def test_a_checkpoint_gives_back_the_network(tmp_path: Path) -> None:
    run = training(tmp_path / "run.npz", epochs=1)
    run.run()
    again = checkpoint.load_model(tmp_path / "run.npz")
    np.testing.assert_array_equal(predict(again, clips()), predict(run.model, clips()))
    assert os.listdir(tmp_path) == ["run.npz"]  # no temporary file stays


def test_a_failed_write_leaves_the_old_checkpoint_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = training(tmp_path / "run.npz", epochs=1)
    run.run()
    before = (tmp_path / "run.npz").read_bytes()

    def full_disk(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        run.save()
    assert (tmp_path / "run.npz").read_bytes() == before
    assert os.listdir(tmp_path) == ["run.npz"]


def test_a_truncated_file_is_refused_at_every_length(tmp_path: Path) -> None:
    run = training(tmp_path / "run.npz", epochs=1)
    run.run()
    whole = (tmp_path / "run.npz").read_bytes()
    for length in [0, 1, 100, *range(1000, len(whole), len(whole) // 7)]:
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"cut\.npz is truncated or no quatnet checkpoint"):
            checkpoint.load_model(tmp_path / "cut.npz")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "foreign.npz", weights=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", about=np.array({"format": "x"}, dtype=object))
    np.savez(tmp_path / "other.npz", about=np.array(json.dumps({"format": "something else"})))
    (tmp_path / "text.npz").write_text("not even a zip")
    for name, message in [
        ("foreign", "no quatnet"),
        ("pickled", "no quatnet"),
        ("other", "it says"),
        ("text", "no qua"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            checkpoint.load_model(tmp_path / f"{name}.npz")
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        checkpoint.load_model(tmp_path / "absent.npz")


def test_a_mismatched_file_says_what_is_missing_unexpected_and_misshaped(tmp_path: Path) -> None:
    run = training(tmp_path / "run.npz", epochs=1)
    run.run()
    about, groups = checkpoint.read(tmp_path / "run.npz")
    arrays = {f"model/{name}": array for name, array in groups["model"].items()}
    arrays["model/extra"] = arrays.pop("model/classifier.bias")
    arrays["model/classifier.weight"] = np.zeros((1, 1), np.float32)
    np.savez(tmp_path / "odd.npz", about=np.array(json.dumps(about)), **arrays)
    with pytest.raises(
        CheckpointError, match=r"missing: \['classifier.bias'\]; unexpected: \['extra'\]; wrong shape: cl"
    ):
        checkpoint.load_model(tmp_path / "odd.npz")


def test_a_checkpoint_of_another_run_is_not_resumed(tmp_path: Path) -> None:
    training(tmp_path / "run.npz", epochs=1).run()
    with pytest.raises(CheckpointError, match="comes from another run"):
        training(tmp_path / "run.npz", epochs=2).load()
    other = training(tmp_path / "run.npz", epochs=1)
    other.optimizer = SGD(other.model.parameters())
    with pytest.raises(CheckpointError, match="does not belong to SGD"):
        other.load()


def test_time_is_counted_over_a_resume(tmp_path: Path) -> None:
    begin = time.perf_counter()
    first = training(tmp_path / "run.npz")
    first.run()
    resumed = training(tmp_path / "run.npz")
    resumed.load()
    assert resumed.run().seconds == first.progress.seconds
    assert 0 < first.progress.seconds < time.perf_counter() - begin
