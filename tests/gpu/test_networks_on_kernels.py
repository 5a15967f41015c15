"""Test training steps and compiled networks with CUDA kernels.

The reference is the same network without CUDA kernels. The rounding errors in float32 differ, so the tolerance is
relative to the largest absolute value of each array.
"""

import re
from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest
from support.arrays import assert_close, draw
from support.kernels import eight_products_always, kernels_disabled, kernels_enabled, needs_compiler

from quatnet import Tensor, kernels, no_grad, ops
from quatnet.backend import asnumpy, xp
from quatnet.kernels import load
from quatnet.models import CNN, ResNet, ResNetConfig, compile, small_cnn
from quatnet.optim import AdamW

pytestmark = needs_compiler


def small(quaternion):
    return CNN(small_cnn(3, quaternion=quaternion, width=4), rng=np.random.default_rng(0))


def residual(quaternion):
    config = ResNetConfig(3, quaternion, ((8,), (8, 8), (16, 16), (16,)), 16, stages=(1, 1), mels=16)
    model = ResNet(config, rng=np.random.default_rng(0))
    for block in model.blocks[1:-1]:
        block.norms[-1].weight.data[...] = (
            0.5  # with the initial value 0, errors of the previous convolutions would have no effect
        )
    return model


def train_step(model, x):
    """Return the loss, the gradients, and the state of the model after one training step."""
    targets = xp.asarray(np.eye(3, dtype=np.float32)[[0, 1, 2, 1]])
    loss = ops.cross_entropy(model(x, train=True, rng=np.random.default_rng(1)), targets)
    loss.backward()
    gradients = [p.grad for p in model.parameters()]
    AdamW(model.parameters(), eps=0.01).step(lr=0.01)
    return [loss.data[None], *gradients, *model.state_dict().values()]


@pytest.mark.parametrize("eight", [True, False])
@pytest.mark.parametrize("quaternion", [True, False])
@pytest.mark.parametrize("network", [small, residual])
def test_training_step(network, quaternion, eight):
    x = draw(0, 4, 33, 64 if network is small else 16, 4, dtype=np.float32)
    with kernels_disabled():
        expected = train_step(network(quaternion), x)
    with kernels_enabled(), eight_products_always() if eight else nullcontext():
        results = train_step(network(quaternion), x)
    for a, b in zip(results, expected, strict=True):
        assert a.dtype == np.float32
        largest = max(1e-2, np.abs(asnumpy(b)).max())
        assert_close(a / largest, b / largest, rtol=0, atol=1e-4)


@pytest.mark.parametrize("eight", [True, False])
@pytest.mark.parametrize("quaternion", [True, False])
@pytest.mark.parametrize("network", [small, residual])
def test_compiled_network(network, quaternion, eight):
    model, x = network(quaternion), draw(0, 2, 33, 64 if network is small else 16, 4, dtype=np.float32)
    # update the running statistics, so that the batch norms are not the identity
    train_step(model, draw(1, 4, *x.shape[1:], dtype=np.float32))
    with kernels_disabled(), no_grad():
        expected = model(x).data
    with kernels_enabled(), eight_products_always() if eight else nullcontext():
        y = compile(model)(x).data
    assert y.dtype == np.float32
    assert_close(y, expected, rtol=1e-4, atol=1e-5)


def test_compiled_network_transforms_its_kernels_once():
    model, x = small(True), draw(0, 1, 33, 64, 4, dtype=np.float32)
    with kernels_enabled(), eight_products_always():
        compiled = compile(model)
        compiled(x)
        with mock.patch.object(kernels.eight_products, "input_transform", None):
            compiled(x)


# Use of every CUDA kernel


def test_every_kernel_is_used():
    called = set()

    def launch(kernel, *rest):
        called.add(kernel[:2])
        return original_launch(kernel, *rest)

    original_launch, files = load.launch, [file.stem for file in load.HERE.glob("*.cu")]
    names = {
        (file, name)
        for file in files
        for name in re.findall(r"__global__ void __launch_bounds__\(\w+, \w+\) (\w+)", load.source(file, "float32"))
    }
    modules = [vars(kernels)[name] for name in kernels.__all__ if name != "supports"]
    with kernels_enabled(), eight_products_always():
        for module in modules:
            module.launch = launch
        try:
            use_all_kernels()
        finally:
            for module in modules:
                module.launch = original_launch
    assert called == names


def use_all_kernels():
    x = draw(0, 4, 33, 64, 4, dtype=np.float32)
    for model in (small(True), small(False)):
        train_step(model, x)
        compile(model)(x)
    q = Tensor(draw(0, 3, 4), requires_grad=True)
    ops.hamilton_product(q, q).backward(q.data)
    image = Tensor(draw(0, 1, 4, 4, 3), requires_grad=True)
    ops.max_pool2d(image).backward(draw(0, 1, 2, 2, 3))
