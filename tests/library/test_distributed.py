"""Training with several processes: `mpiexec` starts tests/support/distributed_training.py in subprocesses."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scaling
from support import python_path
from support.cuda_cpu import unavailable_reason

from quatnet import Tensor, datasets, nn, ops, processes, training
from quatnet.backend import asnumpy, xp
from quatnet.datasets.synthetic import toy_audioset
from quatnet.errors import ConfigError
from quatnet.graph import GraphModule, trace
from quatnet.processes import all_reduce
from quatnet.training import distributed

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests/support/distributed_training.py"
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
needs_mpi = pytest.mark.skipif(
    not MPIEXEC or not find_spec("mpi4py"), reason='mpi4py or mpiexec is missing: pip install -e ".[mpi]"'
)
LIMIT_S = 120

ENVIRONMENT = os.environ | {
    "PYTHONPATH": python_path(ROOT),
    "QUATNET_BACKEND": "numpy",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",  # Open MPI refuses to start for root otherwise, for example in containers
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}
MOCK_GPU = {
    "PYTHONPATH": python_path(ROOT / "tests/support/mock_cupy", ROOT / "tests", ROOT),
    "QUATNET_BACKEND": "cupy",
}


def command(count: int, *arguments: object) -> list[str]:
    launcher = [MPIEXEC, "-n", str(count)] if count else []
    return [*launcher, sys.executable, *map(str, arguments)]


def run(count: int, *arguments: object, **variables: str) -> subprocess.CompletedProcess:
    """Run a program in `count` processes of mpiexec; 0 runs it without mpiexec."""
    environment = ENVIRONMENT | variables
    return subprocess.run(
        command(count, *arguments), capture_output=True, text=True, timeout=LIMIT_S, env=environment, cwd=ROOT
    )


def train(count: int, out: Path, **options: object) -> dict:
    """Train in `count` processes; all of them must end with the same weights. Return the result of process 0."""
    out.mkdir(exist_ok=True)
    ended = run(count, PROGRAM, out, json.dumps(options))
    assert ended.returncode == 0, ended.stderr
    assert len({path.read_text() for path in out.glob("digest-*")}) == 1
    assert len(list(out.glob("digest-*"))) == max(1, count)
    assert ended.stdout.count("done") == 1  # only process 0 prints
    return json.loads((out / "result.json").read_text())


def assert_close(a: dict, b: dict) -> None:
    """Compare losses, accuracies and weights, up to the rounding of float32."""
    assert [epoch.keys() for epoch in a["history"]] == [epoch.keys() for epoch in b["history"]]
    for key in a["history"][0]:
        np.testing.assert_allclose([e[key] for e in a["history"]], [e[key] for e in b["history"]], rtol=1e-4)
    for name, array in a["state"].items():
        np.testing.assert_allclose(array, b["state"][name], rtol=1e-4, atol=2e-5, err_msg=name)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The result without mpiexec: 20 epochs of one step each, with a batch of 43 clips."""
    return train(0, tmp_path_factory.mktemp("single"))


def test_without_mpiexec_mpi4py_is_not_imported(single: dict):
    assert single["mpi4py"] is False


@needs_mpi
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_result_does_not_depend_on_the_number_of_processes(count: int, single: dict, tmp_path: Path):
    # 2, 3 and 4 do not divide the batch of 43 clips; augmentation mixes clips of different processes
    result = train(count, tmp_path)
    assert len(result["history"]) == 20
    assert result["history"][-1]["loss"] < 0.95 * result["history"][0]["loss"]
    assert_close(result, single)
    if count == 1:
        assert result == single


EXPERTS = """
import numpy as np
from quatnet import nn, optim, training
from quatnet.processes import RANK

class Experts(nn.Module):
    def __init__(self):
        self.positive, self.negative = (nn.Linear(4, 2, rng=np.random.default_rng(k)) for k in (0, 1))

    def __call__(self, x, *, train=False, rng=None):
        pairs = [(x[:, :1] > 0, self.positive), (x[:, :1] <= 0, self.negative)]
        return sum(layer(x) * mask.astype(np.float32) for mask, layer in pairs if mask.any())

x = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
x[:, 0] = [1, 1, -1, -1]  # the first process has no gradients of one layer, the second process of the other
net, targets = Experts(), np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
optimizer = optim.SGD(net.parameters())
training.fit(net, lambda rng: [(x, targets)], epochs=3, steps_per_epoch=1, optimizer=optimizer, max_lr=0.5)
if not RANK:
    print(np.concatenate([p.numpy().ravel() for p in net.parameters()]).tolist())
"""


@needs_mpi
def test_parameters_without_gradient_in_one_process(tmp_path: Path):
    (tmp_path / "experts.py").write_text(EXPERTS)
    single, double = (json.loads(run(count, tmp_path / "experts.py").stdout) for count in (0, 2))
    np.testing.assert_allclose(double, single, rtol=1e-5)


@needs_mpi
@pytest.mark.parametrize("network", ["custom", "graph"])
def test_the_checkpoint_of_a_network_without_a_config(network: str, tmp_path: Path):
    # process 0 traces the network for the checkpoint
    results = [train(count, tmp_path / str(count), network=network, epochs=4) for count in (0, 2)]
    assert_close(*results)


@needs_mpi
def test_local_batch_statistics_are_an_option(single: dict, tmp_path: Path):
    result = train(2, tmp_path, sync_batch_norm=False)
    losses = [np.array([epoch["loss"] for epoch in r["history"]]) for r in (result, single)]
    difference = np.abs(losses[0] / losses[1] - 1)
    assert 1e-4 < difference.max() < 0.5


@needs_mpi
@pytest.mark.parametrize(
    ("name", "count", "variables"),
    [
        ("reduce_by_nccl", 2, {"MOCK_DEVICES": "2"}),
        ("reduce_by_cuda_aware_mpi", 2, {"MPIR_CVAR_ENABLE_GPU": "1"}),
        ("reduce_through_pinned_memory", 2, {"MPIR_CVAR_ENABLE_GPU": "0"}),
        ("reduce_through_pinned_memory", 3, {"MOCK_DEVICES": "2"}),  # two processes share a GPU
    ],
)
def test_the_sums_on_a_mock_gpu(name: str, count: int, variables: dict[str, str]):
    """The three exchanges of GPU arrays, with MPI and the mock CuPy. None of them ran on a GPU."""
    ended = run(count, "-c", GPU_SUMS, name, **MOCK_GPU, **variables)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "correct\n"


@needs_mpi
@pytest.mark.skipif(bool(unavailable_reason()), reason="g++ compiles the CUDA kernels for the CPU")
def test_the_training_on_two_mock_gpus(tmp_path: Path):
    results = []
    for count, variables in ((0, {}), (2, MOCK_GPU | {"MOCK_DEVICES": "2"})):
        out = tmp_path / str(count)
        out.mkdir()
        ended = run(count, PROGRAM, out, json.dumps({"epochs": 3}), **variables)
        assert ended.returncode == 0, ended.stderr
        results.append(json.loads((out / "result.json").read_text()))
    assert_close(*results)
    assert len({path.read_text() for path in (tmp_path / "2").glob("digest-*")}) == 1


GPU_SUMS = """
import sys
import numpy as np
from quatnet.backend import asnumpy, xp
from quatnet.processes import RANK, SIZE, _reduction, all_reduce
assert _reduction(False).__name__ == sys.argv[1]
for dtype in (np.float32, np.float64, np.int64):
    for shape in ((5,), (3, 4), (100_000,)):
        parts = [np.random.default_rng(rank).integers(-9, 9, shape).astype(dtype) for rank in range(SIZE)]
        array = xp.asarray(parts[RANK])
        total = all_reduce(array)
        assert type(total) is xp.ndarray
        np.testing.assert_array_equal(asnumpy(total), sum(parts))
        np.testing.assert_array_equal(asnumpy(array), parts[RANK])
        np.testing.assert_array_equal(all_reduce(parts[RANK]), sum(parts))
print("correct")
"""


@needs_mpi
def test_processes_start_with_the_weights_of_process_0(single: dict, tmp_path: Path):
    assert_close(train(2, tmp_path, other_start=True), single)


@needs_mpi
@pytest.mark.parametrize(("event", "message"), [("data", "DataError: bird.wav"), ("bug", "ZeroDivisionError: bird")])
def test_an_error_in_one_process_ends_all(event: str, message: str, single: dict, tmp_path: Path):
    start = time.monotonic()
    ended = run(3, PROGRAM, tmp_path, json.dumps({"event": event, "at_step": 6}))
    assert time.monotonic() - start < 30  # with the start of three interpreters
    assert ended.returncode != 0
    assert ended.stderr.count(message) == 1
    assert "done" not in ended.stdout  # mpiexec may add a report of its own
    assert_close(train(2, tmp_path, resume=True), single)


@needs_mpi
def test_a_killed_process_ends_the_job_and_resume_works_with_another_number(single: dict, tmp_path: Path):
    job = subprocess.Popen(
        command(3, PROGRAM, tmp_path, json.dumps({"event": "kill", "at_step": 6})),
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    deadline = time.monotonic() + LIMIT_S
    while not (tmp_path / "run.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert job.wait(timeout=10) != 0
    assert_close(train(2, tmp_path, resume=True), single)


@needs_mpi
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_saves_in_all_processes_at_the_same_step(tmp_path: Path):
    options = {"batch_size": 11, "epochs": 5}
    whole = train(0, tmp_path / "whole", **options)
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    job = subprocess.Popen(
        command(2, PROGRAM, stopped, json.dumps(options | {"seconds_per_step": 0.1})),
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    deadline = time.monotonic() + LIMIT_S
    while not (stopped / "run.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.15)  # in the second epoch
    job.send_signal(signal.SIGINT)
    _, errors = job.communicate(timeout=10)
    assert job.returncode != 0
    assert errors.count("TrainingStopped: stopped in epoch") == 1
    assert "Traceback" not in errors
    assert_close(train(3, stopped, resume=True, **options), whole)


@needs_mpi
def test_a_missing_mpi4py_is_one_line(tmp_path: Path):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('not here')")
    ended = run(3, PROGRAM, tmp_path, PYTHONPATH=python_path(tmp_path, ROOT))
    assert ended.returncode != 0
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0] == 'MissingPackageError: several processes need mpi4py: pip install "quatnet-numpy[mpi]"'


@needs_mpi
def test_an_mpiexec_of_another_library_is_an_error(tmp_path: Path):
    ended = run(0, PROGRAM, tmp_path, OMPI_COMM_WORLD_SIZE="2", OMPI_COMM_WORLD_RANK="0")
    assert ended.returncode != 0
    assert (
        "ConfigError: mpiexec started 2 processes, but mpi4py uses another MPI library and has one process"
        in ended.stderr
    )


@needs_mpi
def test_the_example_has_the_same_results(tmp_path: Path):
    histories = {}
    for count in (0, 2):
        ended = run(count, "examples/esc50.py", "--smoke", "--out", tmp_path / str(count) / "esc50")
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("five figures are in") == 1
        rows = json.loads((tmp_path / str(count) / "esc50/results.json").read_text())["models"]
        histories[count] = {row["name"]: row["history"] for row in rows}
    # AdamW amplifies rounding: one epoch, and networks that do not start from a trained one
    for name in ("real CNN", "quaternion CNN", "student from scratch"):
        assert len(histories[2][name]) == 2
        np.testing.assert_allclose(histories[2][name][0]["loss"], histories[0][name][0]["loss"], rtol=1e-4)


PACK = """
import sys
from pathlib import Path
import numpy as np
from quatnet import audio, datasets
from quatnet.processes import RANK, SIZE
from quatnet.datasets import audioset
data, packed = map(Path, sys.argv[1:])
segments = audioset.read_segments(data / "eval_segments.csv", data / audioset.LABELS)
form = datasets.ShardFormat(clip_seconds=1.0, shard_clips=2)
datasets.pack(segments, datasets.index_recordings(data), packed, form)
clips = datasets.PackedClips(segments, packed, form)
assert len(clips) > 4
frontend = audio.FrontEnd(clip_seconds=1.0)
for number, part in enumerate(([0], [3, 1, 0, 4], range(5), np.arange(4))):
    features = clips.features(part, frontend)
    if RANK == SIZE - 1:
        np.save(packed / f"features-{number}.npy", features)
"""


@needs_mpi
def test_packing_is_shared_out(tmp_path: Path):
    data = toy_audioset.write(tmp_path / "toy", clips=20, seed=0, clip_seconds=1.0)
    for count in (0, 3):
        ended = run(count, "-c", PACK, data, tmp_path / f"packed-{count}")
        assert ended.returncode == 0, ended.stderr
    files = [{p.name: p.read_bytes() for p in (tmp_path / f"packed-{count}").iterdir()} for count in (0, 3)]
    assert files[0] == files[1]


FEATURES = """
import sys
from pathlib import Path
import numpy as np
from quatnet import audio, datasets
from quatnet.processes import RANK, SIZE
out = Path(sys.argv[1])
clips = datasets.synthetic.load(clips_per_class=5, clip_seconds=1.0).clips[:7]
results = [datasets.features(clips, audio.FrontEnd(clip_seconds=1.0), cache=out) for _ in range(2)]
np.testing.assert_array_equal(*results)
if RANK == SIZE - 1:
    np.save(out / "features-of-the-last-process.npy", results[0])
"""


@needs_mpi
def test_features_are_shared_out(tmp_path: Path):
    for count in (0, 3):
        (tmp_path / str(count)).mkdir()
        ended = run(count, "-c", FEATURES, tmp_path / str(count))
        assert ended.returncode == 0, ended.stderr
    files = [{p.name: p.read_bytes() for p in (tmp_path / str(count)).iterdir()} for count in (0, 3)]
    assert len(files[0]) == 3
    assert files[0] == files[1]


def as_process(monkeypatch: pytest.MonkeyPatch, rank: int, size: int) -> None:
    for module in (distributed, processes):
        monkeypatch.setattr(module, "SIZE", size)
    monkeypatch.setattr(processes, "RANK", rank)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_shares_are_a_partition_of_nearly_equal_parts(size: int, monkeypatch: pytest.MonkeyPatch):
    for clips in range(size, 25):
        parts = []
        for rank in range(size):
            as_process(monkeypatch, rank, size)
            parts.append(range(clips)[distributed.share(clips)])
        assert [n for part in parts for n in part] == list(range(clips))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_batch_smaller_than_the_number_of_processes_is_an_error(monkeypatch: pytest.MonkeyPatch):
    as_process(monkeypatch, 0, 4)
    with pytest.raises(ConfigError, match="a batch of 3 clips cannot be shared by 4 processes: increase batch_size"):
        distributed.share(3)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("dropout", [ops.dropout, ops.quaternion_dropout])
@pytest.mark.parametrize("shape", [(4,), (3, 20), (100_000,)])  # with 100,000, the parts begin inside of a chunk
def test_dropout_masks_are_shares_of_the_mask_of_the_whole_batch(
    size: int, dropout: Callable, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
):
    # two rows for each clip, as after a reshape of (clips, 2, ...), and two masks in sequence
    x, whole, parts = xp.ones((10, 2, *shape), np.float32), np.random.default_rng(1), []
    rows = x.reshape(20, *shape)
    expected = [asnumpy(dropout(Tensor(rows), 0.4, rng=whole, train=True).data) for _ in range(2)]
    for rank in range(size):
        as_process(monkeypatch, rank, size)
        share = distributed.share(10)
        rng = distributed.DropoutGenerator(np.random.default_rng(1), share)
        rows = Tensor(x[share].reshape(-1, *shape), requires_grad=True)
        masks = [dropout(rows, 0.4, rng=rng, train=True) for _ in range(2)]
        masks[0].backward(xp.ones_like(rows.data))
        np.testing.assert_array_equal(asnumpy(rows.grad), asnumpy(masks[0].data))
        parts.append([asnumpy(mask.data) for mask in masks])
        assert rng.bit_generator.state == whole.bit_generator.state
    for sequence, mask in zip(zip(*parts, strict=True), expected, strict=True):
        np.testing.assert_array_equal(np.concatenate(sequence), mask)


NORMS = (nn.BatchNorm, nn.QuaternionBatchNorm, nn.WhiteningBatchNorm)


class BatchNormOfAUser(nn.Module):
    def __init__(self) -> None:
        self.running_mean = xp.zeros(8)

    def __call__(self, x: Tensor, *, train: bool = False, rng: object = None) -> Tensor:
        return x


@pytest.mark.parametrize("kind", NORMS)
def test_batch_norm_of_several_processes(kind: type, monkeypatch: pytest.MonkeyPatch):
    """Two threads are the two processes: outputs, gradients and running statistics are those of the whole batch."""
    rng = np.random.default_rng(0)
    x, grad = (rng.normal(5, 1, (12, 6, 8)).astype(np.float32) for _ in range(2))
    mix = rng.normal(size=(8, 8)).astype(np.float32)  # correlated components
    x = x @ mix

    def run(x: np.ndarray, grad: np.ndarray) -> list[np.ndarray]:
        norm, leaf = kind(8), Tensor(xp.asarray(x), requires_grad=True)
        norm.synchronized = True
        norm(leaf, train=True).backward(xp.asarray(grad))
        buffers = [array for name, array in norm.state_dict().items() if "running" in name]
        return [asnumpy(leaf.grad), asnumpy(norm.weight.grad), asnumpy(norm.bias.grad), *map(asnumpy, buffers)]

    whole = run(x, grad)
    meeting, shares = threading.Barrier(2), dict[int, np.ndarray]()

    def sum_of_both(array: np.ndarray) -> np.ndarray:
        shares[threading.get_ident()] = array
        meeting.wait(timeout=10)
        total = sum(shares.values())
        meeting.wait(timeout=10)
        return total

    monkeypatch.setattr("quatnet.nn.norms.all_reduce", sum_of_both)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, (x[:5], x[5:]), (grad[:5], grad[5:]))
    both = [np.concatenate([first[0], second[0]]), first[1] + second[1], first[2] + second[2], *first[3:]]
    for result, expected in zip(both, whole, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", NORMS)
def test_all_batch_norms_are_synchronized(kind: type, monkeypatch: pytest.MonkeyPatch):
    as_process(monkeypatch, 0, 2)
    norm = kind(8)
    traced = GraphModule(trace(kind(8), np.ones((8, 8), np.float32)))
    distributed.synchronize_batch_norm(nn.Sequential(norm, nn.Sequential(traced, norm)))
    assert norm.synchronized
    assert [layer.synchronized for layer in traced.graph_layers] == [True]


def test_a_batch_norm_without_synchronization_is_refused(monkeypatch: pytest.MonkeyPatch):
    as_process(monkeypatch, 0, 2)
    with pytest.raises(ConfigError, match="sync_batch_norm=False for norms without"):
        distributed.synchronize_batch_norm(nn.Sequential(nn.BatchNorm(8), BatchNormOfAUser()))


def test_one_process_exchanges_nothing():
    array, items = np.ones(3), [1, 2]
    assert all_reduce(array) is array
    assert processes.all_gather(items) is items
    with processes.root_first():
        processes.barrier()
    assert processes.communicator.cache_info().currsize == 0


def test_the_gpu_is_chosen_by_the_rank_on_the_machine(monkeypatch: pytest.MonkeyPatch):
    used = []
    runtime = SimpleNamespace(getDeviceCount=lambda: 4)
    cuda = SimpleNamespace(Device=lambda number: SimpleNamespace(use=lambda: used.append(number)), runtime=runtime)
    world = SimpleNamespace(Get_size=lambda: 12)
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=SimpleNamespace(COMM_WORLD=world)))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    for name, value in {"SIZE": 12, "LOCAL_RANK": 6, "on_gpu": lambda: True, "xp": SimpleNamespace(cuda=cuda)}.items():
        monkeypatch.setattr(processes, name, value)
    assert processes.communicator.__wrapped__() is world
    assert used == [2]


@pytest.mark.parametrize("tf32", ["0", "1"])
def test_the_gpu_is_selected_before_the_first_array(tf32: str):
    # a script that builds its network before `fit` had the network on GPU 0 in all processes
    program = """if True:
        import quatnet
        from quatnet.backend import uses_tf32, xp
        print(xp.cuda.Device.current, uses_tf32())
    """
    job = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}
    environment = os.environ | MOCK_GPU | job | {"MOCK_DEVICES": "2", "QUATNET_TF32": tf32}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert ended.stdout == f"1 {tf32 == '1'}\n", ended.stderr


def test_the_predicted_scaling_has_the_limits_of_the_model():
    link, free = scaling.Link("", 1.0, 1000.0), scaling.Link("", 0.0, math.inf)
    assert scaling.ring(4, 4000, link) == 2 * 3 * (1 + 1)
    assert scaling.tree(5, 4000, link) == 2 * 3 * (1 + 4)
    for work in scaling.CPU + scaling.GPU:
        assert scaling.efficiency(work, 1, scaling.NVLINK, "ring", weak=True) == 1
        assert scaling.efficiency(work, 256, free, "tree", weak=True) == 1
        clips = scaling.clips_for(work, 64, scaling.ETHERNET[0])
        enough = [
            scaling.efficiency(work._replace(weak_clips=n), 64, scaling.ETHERNET[0], algorithm, weak=True)
            for n in (clips, clips - 1)
            for algorithm in scaling.ALGORITHMS
        ]
        assert max(enough[:2]) >= 0.8 > max(enough[2:])


def test_the_documentation_has_the_predicted_tables(capsys: pytest.CaptureFixture):
    scaling.main()
    assert capsys.readouterr().out.strip() in (ROOT / "docs/distributed.md").read_text()


def test_the_cores_of_a_machine_are_divided_by_its_processes(monkeypatch: pytest.MonkeyPatch):
    cores = processes.available_cores()
    monkeypatch.setattr(processes, "LOCAL_SIZE", 2)
    assert processes.available_cores() == max(1, cores // 2)
    monkeypatch.setattr(processes, "LOCAL_SIZE", 1000)
    assert processes.available_cores() == 1


def test_a_loader_for_all_processes_has_the_same_batches():
    loader = training.DataLoader(np.arange(10.0)[:, None], datasets.one_hot(np.arange(10) % 2, 2), batch_size=4)
    first, second = (np.concatenate([x for x, _ in loader(np.random.default_rng(3))]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
