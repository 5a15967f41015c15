"""Test training with CuPy: results equal to NumPy, and no unnecessary copies.

On a GPU the host launches kernels, and should not wait for their results. The loss is therefore summed on the device
and copied to the host every tenth step. Each step copies the batch to the device. Random numbers come from a
counter-based generator, so that both backends draw the same numbers. A checkpoint does not depend on the backend.

Each test runs with CuPy or `support.mock_cupy`, and compares the results with NumPy in the same process.
"""

from collections import Counter
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from support.arrays import draw
from support.cuda_cpu import unavailable_reason
from support.device import counts_transfers, cupy, use_backend
from support.op_arguments import OP_ARGUMENTS

from quatnet import Tensor, nn, ops, threads
from quatnet.backend import asnumpy, xp
from quatnet.conv import gpu
from quatnet.datasets.targets import one_hot
from quatnet.distill import (
    ProjectedStudent,
    binary_cross_entropy_loss,
    cross_entropy_loss,
    distillation,
    feature_matching,
)
from quatnet.models import CNN, CNNConfig
from quatnet.optim import SGD, Adam, AdamW, one_cycle
from quatnet.prune import prune_filters, select
from quatnet.training import checkpoint
from quatnet.training.data import DataLoader, predict
from quatnet.training.loop import LOG_INTERVAL, Trainer

pytestmark = pytest.mark.skipif(counts_transfers and unavailable_reason() is not None, reason=str(unavailable_reason()))
needs_transfer_counts = pytest.mark.skipif(not counts_transfers, reason="only the mock CuPy counts transfers")

CONFIG = CNNConfig(3, True, ((8,), (12, 8)), embedding=8, mels=8, block_dropout=0.1, head_dropout=0.1)
LABELS = np.arange(24) % 3
CLIPS = np.random.default_rng(5).standard_normal((24, 12, 8, 4)).astype(np.float32)
BATCH, STEPS = 2, 12
READ = [24]  # bytes of a copy of the loss and the numbers of correct predictions and of finite losses


def network(seed: int = 0, quaternion: bool = True) -> CNN:
    return CNN(CNNConfig(**vars(CONFIG) | {"quaternion": quaternion}), rng=np.random.default_rng(seed))


def make_trainer(student=None, *, loss=cross_entropy_loss, optimizer=AdamW, epochs: int = 1, **options) -> Trainer:
    student = student or network()
    return Trainer(
        student,
        DataLoader(CLIPS, one_hot(LABELS, 3), batch_size=BATCH),
        optimizer(student.parameters()),
        epochs=epochs,
        steps_per_epoch=STEPS,
        schedule=partial(one_cycle, total_steps=epochs * STEPS, max_lr=0.01),
        loss=loss,
        **options,
    )


def plain() -> Trainer:
    return make_trainer()


def real_network() -> Trainer:
    return make_trainer(network(quaternion=False), optimizer=SGD)


def clipped() -> Trainer:
    return make_trainer(optimizer=partial(Adam, amsgrad=True, weight_decay=0.01), max_grad_norm=0.1)


def many_labels() -> Trainer:
    return make_trainer(loss=binary_cross_entropy_loss)


def with_teachers() -> Trainer:
    return make_trainer(loss=distillation(network(seed=1), network(seed=2, quaternion=False)))


def with_features() -> Trainer:
    student = ProjectedStudent(network(), CONFIG.embedding, rng=np.random.default_rng(3))
    return make_trainer(student, loss=feature_matching(student, network(seed=1)))


every_kind = pytest.mark.parametrize(
    "make", [plain, real_network, clipped, many_labels, with_teachers, with_features], ids=lambda make: make.__name__
)


# Results equal to NumPy


@every_kind
def test_training_agrees_with_numpy_up_to_rounding(make):
    outcomes = []
    for name in ("numpy", "cupy"):
        with use_backend(name):
            run = make()
            history = run.run().history
            outcomes.append((history[0], run.model.state_dict(), predict(run.model, CLIPS)))
    (history, state, logits), (cupy_history, cupy_state, cupy_logits) = outcomes
    assert cupy_history == pytest.approx(history, rel=1e-4)
    for key in state:
        np.testing.assert_allclose(cupy_state[key], state[key], rtol=1e-3, atol=1e-4, err_msg=key)
    np.testing.assert_allclose(cupy_logits, logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("saved_by", "loaded_by"), [("cupy", "numpy"), ("numpy", "cupy")])
def test_checkpoints_are_bit_identical_between_backends(tmp_path: Path, saved_by: str, loaded_by: str):
    path = tmp_path / "run.npz"
    with use_backend(saved_by):
        first = make_trainer(path=path, epochs=2)
        first.epochs = 1
        first.run()
        state, optimizer_state = first.model.state_dict(), first.optimizer.state_dict()
    with use_backend(loaded_by):
        second = make_trainer(path=path, epochs=2)
        second.load()
        second.save()
        np.testing.assert_equal(checkpoint.load_model(path).state_dict(), state)
        np.testing.assert_equal(second.optimizer.state_dict(), optimizer_state)
        assert isinstance(second.model.classifier.weight.data, xp.ndarray)
        second.run()
        assert len(second.progress.history) == 2


def test_both_backends_prune_the_same_filters():
    pruned = []
    for name in ("numpy", "cupy"):
        with use_backend(name):
            model = network()
            pruned.append(prune_filters(model, select(model, 0.5)).state_dict())
    np.testing.assert_equal(*pruned)


# No unnecessary copies


@needs_transfer_counts
@every_kind
def test_a_step_copies_only_the_batch_and_every_tenth_loss(make):
    with use_backend("cupy"):
        make().run()  # the first run fills caches, for example with compiled kernels
        run = make()
        with cupy.traffic.record() as traffic:
            run.run()
    batch = [CLIPS[:BATCH].nbytes, one_hot(LABELS, 3)[:BATCH].nbytes]
    assert Counter(traffic.to_device) == Counter(batch * STEPS)
    # at the end of the epoch, the totals are copied again, and whether all parameters are finite
    assert traffic.to_host == READ * (len(range(0, STEPS, LOG_INTERVAL)) + 1) + [1]
    launches = Counter(traffic.launches)
    assert {"moments", "affine", "gradient_sums", "input_gradient", "average", "im2col", "col2im"} <= launches.keys()
    assert {count % STEPS for count in launches.values()} == {0}  # the number of launches is equal in all steps


@needs_transfer_counts
@pytest.mark.parametrize(
    ("quaternions", "kernel_size", "eight_products", "launches"),
    [(16, 3, False, 24), (16, 3, True, 30), (2, 3, False, 22), (2, 1, False, 19)],
)
def test_launches_of_a_convolution_with_batch_norm_and_relu(quaternions, kernel_size, eight_products, launches):
    """The number of launches determines the time of layers with small feature maps. See docs/gpu-roofline.md."""
    flops = {False: 0 if eight_products else 1e9, True: 1e9}
    with use_backend("cupy"), mock.patch.object(gpu, "FLOPS_PER_ELEMENT_MOVED", flops):
        channels = 4 * quaternions
        conv = nn.QuaternionConv2d(
            channels, channels, kernel_size, padding=kernel_size // 2, bias=False, rng=np.random.default_rng(0)
        )
        norm, grad = nn.BatchNorm(channels), xp.asarray(draw(0, 2, 5, 6, channels, dtype=np.float32))
        for _ in range(2):  # the first run fills caches
            x = Tensor(grad, requires_grad=True)
            conv.weight.grad = norm.weight.grad = norm.bias.grad = None
            with cupy.traffic.record() as traffic:
                norm(conv(x), train=True, relu=True).backward(grad)
    assert len(traffic.launches) + len(traffic.operations) == launches
    assert traffic.to_host == traffic.to_device == []


@needs_transfer_counts
@pytest.mark.parametrize("name", OP_ARGUMENTS)
def test_ops_copy_nothing(name: str):
    shapes, options = OP_ARGUMENTS[name]
    with use_backend("cupy"):
        keywords = {
            key: xp.asarray(value) if isinstance(value, np.ndarray) else value for key, value in options.items()
        }
        for _ in range(2):  # the first run fills caches
            tensors = [Tensor(abs(draw(0, *shape)), requires_grad=True) for shape in shapes]
            grad = xp.ones_like(getattr(ops, name)(*_arguments(name, tensors), **keywords).data)
            with cupy.traffic.record() as traffic:
                getattr(ops, name)(*_arguments(name, tensors), **keywords).backward(grad)
    # the op copies to the host whether the inversion succeeded, and copies a table to the device
    checks = name == "whitening_batch_norm"
    assert len(traffic.to_host) == checks
    assert len(traffic.to_device) == checks


def _arguments(name: str, tensors: list[Tensor]) -> list:
    return [tensors] if name == "concatenate" else tensors


def test_no_worker_threads_on_a_gpu(monkeypatch):
    def forbidden(_workers: int) -> None:
        raise AssertionError("worker threads were used with a GPU")

    monkeypatch.setattr(threads, "_worker_queue", forbidden)
    with use_backend("cupy"):
        run = with_teachers()
        run.run()
        predict(run.model, CLIPS)
        assert np.isfinite(asnumpy(run.model.classifier.weight.data)).all()
