"""Whole networks on their kernels: a training step, a compiled network, and is there a kernel that nobody calls?

The same networks without kernels are the oracle. In float32 the two round differently, so what is compared is each
number against the largest of its array.
"""

import re
from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest
from support.arrays import assert_close, draw
from support.kernels import eight_products_always, kernels_everywhere, need_a_compiler, without_kernels

from quatnet import Tensor, kernels, no_grad, ops
from quatnet.backend import asnumpy, xp
from quatnet.kernels import load
from quatnet.models import CNN, ResNet, ResNetConfig, compile, small_cnn
from quatnet.optim import AdamW

pytestmark = need_a_compiler


def small(quaternion):
    return CNN(small_cnn(3, quaternion=quaternion, width=4), rng=np.random.default_rng(0))


def residual(quaternion):
    config = ResNetConfig(3, quaternion, ((8,), (8, 8), (16, 16), (16,)), 16, stages=(1, 1), mels=16)
    model = ResNet(config, rng=np.random.default_rng(0))
    for block in model.blocks[1:-1]:
        block.norms[-1].weight.data[...] = 0.5  # 0 at first, which would hide the convolutions before it
    return model


def trained(model, x):
    """The loss, each gradient, and all that the model is after one step."""
    targets = xp.asarray(np.eye(3, dtype=np.float32)[[0, 1, 2, 1]])
    loss = ops.cross_entropy(model(x, train=True, rng=np.random.default_rng(1)), targets)
    loss.backward()
    gradients = [p.grad for p in model.parameters()]
    AdamW(model.parameters(), eps=0.01).step(lr=0.01)
    return [loss.data[None], *gradients, *model.state_dict().values()]


@pytest.mark.parametrize("eight", [True, False])
@pytest.mark.parametrize("quaternion", [True, False])
@pytest.mark.parametrize("network", [small, residual])
def test_a_training_step_of_a_network(network, quaternion, eight):
    x = draw(0, 4, 33, 64 if network is small else 16, 4, dtype=np.float32)
    with without_kernels():
        expected = trained(network(quaternion), x)
    with kernels_everywhere(), eight_products_always() if eight else nullcontext():
        found = trained(network(quaternion), x)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.float32
        largest = max(1e-2, np.abs(asnumpy(theirs)).max())
        assert_close(ours / largest, theirs / largest, rtol=0, atol=1e-4)


@pytest.mark.parametrize("eight", [True, False])
@pytest.mark.parametrize("quaternion", [True, False])
@pytest.mark.parametrize("network", [small, residual])
def test_a_compiled_network(network, quaternion, eight):
    model, x = network(quaternion), draw(0, 2, 33, 64 if network is small else 16, 4, dtype=np.float32)
    trained(model, draw(1, 4, *x.shape[1:], dtype=np.float32))  # batch norms are not the identity
    with without_kernels(), no_grad():
        expected = model(x).data
    with kernels_everywhere(), eight_products_always() if eight else nullcontext():
        found = compile(model)(x).data
    assert found.dtype == np.float32
    assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_compiled_network_transforms_its_kernels_once():
    model, x = small(True), draw(0, 1, 33, 64, 4, dtype=np.float32)
    with kernels_everywhere(), eight_products_always():
        ready = compile(model)
        ready(x)
        with mock.patch.object(kernels.eight, "mix", None):
            ready(x)


# Nothing is there in vain


def test_every_kernel_has_a_caller():
    called = set()

    def launch(kernel, *rest):
        called.add(kernel[:2])
        return load_launch(kernel, *rest)

    load_launch, files = load.launch, [file.stem for file in load.HERE.glob("*.cu")]
    names = {
        (file, name)
        for file in files
        for name in re.findall(r"__global__ void __launch_bounds__\(256, 4\) (\w+)", load.source(file, "float32"))
    }
    users = [vars(kernels)[name] for name in kernels.__all__ if name != "takes"]
    with kernels_everywhere(), eight_products_always():
        for module in users:
            module.launch = launch
        try:
            use_everything()
        finally:
            for module in users:
                module.launch = load_launch
    assert called == names


def use_everything():
    x = draw(0, 4, 33, 64, 4, dtype=np.float32)
    for model in (small(True), small(False)):
        trained(model, x)
        compile(model)(x)
    q = Tensor(draw(0, 3, 4), requires_grad=True)
    ops.hamilton_product(q, q).backward(q.data)
    image = Tensor(draw(0, 1, 4, 4, 3), requires_grad=True)
    ops.max_pool2d(image).backward(draw(0, 1, 2, 2, 3))
