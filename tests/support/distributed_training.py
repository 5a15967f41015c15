"""A training of 20 steps that the tests start with mpiexec: `distributed_training.py OUT [JSON options]`.

Process 0 writes OUT/result.json. All processes write the digest of their weights to OUT/digest-RANK.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from quatnet import Tensor, datasets, graph, models, nn, ops, training
from quatnet.cli import run_main
from quatnet.errors import DataError
from quatnet.processes import RANK, communicator

LABELS = np.arange(43) % 3
CONFIG = models.CNNConfig(3, True, ((8,), (12,)), embedding=8, mels=8, block_dropout=0.1, head_dropout=0.1)


def clips() -> np.ndarray:
    """Return 43 clips (12 frames, 8 mels) of three classes that differ in the mel bin of their energy."""
    x = np.random.default_rng(0).standard_normal((43, 12, 8, 4)).astype(np.float32)
    for clip, label in zip(x, LABELS, strict=True):
        clip[:, 2 * label] += 3
    return x


class CustomNetwork(nn.Module):
    """A network with each kind of batch norm, which has no config. A checkpoint contains its graph."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.conv = nn.QuaternionConv2d(4, 8, 3, padding=1, rng=rng)
        self.norms = [nn.BatchNorm(8), nn.QuaternionBatchNorm(8), nn.WhiteningBatchNorm(8)]
        self.head = nn.Linear(8, 3, rng=rng)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        x = self.conv(x)
        first, second, third = (ops.relu(norm(x, train=train)) for norm in self.norms)
        return self.head((first + second + third).mean(axis=1).max(axis=1))


def build_network(name: str, rng: np.random.Generator) -> nn.Module:
    if name == "custom":
        return CustomNetwork(rng)
    model = models.build(CONFIG, rng=rng)
    return graph.GraphModule(graph.trace(model, clips()[:2])) if name == "graph" else model


def batches(options: dict) -> training.DataLoader:
    """Return batches whose augmentation waits, and fails or is killed in step `at_step` of process 1."""
    augment, steps = training.augmentation(masks=0), []

    def prepare(x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        steps.append(len(x))
        time.sleep(options.get("seconds_per_step", 0))
        if RANK == 1 and len(steps) == options.get("at_step"):
            if options["event"] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise {"data": DataError, "bug": ZeroDivisionError}[options["event"]]("bird.wav: cannot be read")
        return augment(x, targets, rng)

    loader_options = {"batch_size": options.get("batch_size", 43), "augment": prepare}
    return training.DataLoader(clips(), datasets.one_hot(LABELS, 3), **loader_options)


def main() -> None:
    out, options = Path(sys.argv[1]), json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    rng = np.random.default_rng(RANK if options.get("other_start") else 0)
    model = build_network(options.get("network", ""), rng)
    progress = training.fit(
        model,
        batches(options),
        epochs=options.get("epochs", 20),
        max_lr=0.02,
        test=(clips(), LABELS),
        checkpoint=out / "run.npz",
        resume=options.get("resume", False),
        sync_batch_norm=options.get("sync_batch_norm", True),
    )
    state = model.state_dict()
    digest = hashlib.sha256(b"".join(array.tobytes() for array in state.values())).hexdigest()
    (out / f"digest-{RANK}").write_text(digest)
    if RANK == 0:
        arrays = {name: array.tolist() for name, array in state.items()}
        result = {"history": progress.history, "state": arrays, "mpi4py": "mpi4py" in sys.modules}
        (out / "result.json").write_text(json.dumps(result))
    print("done", communicator.cache_info().currsize)


if __name__ == "__main__":
    run_main(main)
