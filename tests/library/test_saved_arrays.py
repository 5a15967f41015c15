"""The backward pass of every op uses the arrays of the forward pass, even if `.data` was replaced in between."""

import numpy as np
import pytest
from support.arrays import assert_close, draw
from support.kernels import kernels_enabled, needs_compiler
from support.op_arguments import OP_ARGUMENTS

from quatnet import Tensor, nn, ops, optim
from quatnet.backend import asnumpy, xp
from quatnet.training.weight_average import WeightAverage

METHODS = {
    "add": (((5, 3), (3,)), lambda x, y: x + y),
    "multiply": (((5, 3), (3,)), lambda x, y: x * y),
    "divide": (((5, 3), (3,)), lambda x, y: x / y),
    "power": (((5, 3),), lambda x: x**3),
    "matmul": (((2, 5, 3), (3, 4)), lambda x, y: x @ y),
}


def gradients(function, shapes: tuple, *, replace: bool) -> list:
    """Return the gradients of all tensors; with `replace`, `.data` is replaced before the backward pass."""
    tensors = [Tensor(draw(seed, *shape) + 3, requires_grad=True) for seed, shape in enumerate(shapes)]
    result = function(*tensors)
    if replace:  # as an optimizer step does
        for tensor in tensors:
            tensor.data = tensor.data - 5
    result.backward(draw(9, *result.shape))
    return [tensor.grad for tensor in tensors]


def call(name: str):
    options = {key: value for key, value in OP_ARGUMENTS[name][1].items() if key != "rng"}
    op = getattr(ops, name)

    def function(*tensors):
        random = {"rng": np.random.default_rng(0)} if "rng" in OP_ARGUMENTS[name][1] else {}
        return op(list(tensors), **options) if name == "concatenate" else op(*tensors, **options, **random)

    return function


@pytest.mark.parametrize("name", OP_ARGUMENTS)
def test_backward_of_an_op_uses_the_arrays_of_the_forward_pass(name: str) -> None:
    shapes = OP_ARGUMENTS[name][0]
    expected, found = (gradients(call(name), shapes, replace=replace) for replace in (False, True))
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)
        assert xp.abs(theirs).max() > 0


@pytest.mark.parametrize("name", METHODS)
def test_backward_of_an_operator_uses_the_arrays_of_the_forward_pass(name: str) -> None:
    shapes, function = METHODS[name]
    expected, found = (gradients(function, shapes, replace=replace) for replace in (False, True))
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)


@needs_compiler
@pytest.mark.parametrize("name", ["batch_norm", "hamilton_product", "avg_pool2d", "max_pool2d"])
def test_backward_of_a_kernel_uses_the_arrays_of_the_forward_pass(name: str) -> None:
    with kernels_enabled():
        test_backward_of_an_op_uses_the_arrays_of_the_forward_pass(name)


# Changes of parameters and running statistics by the library


def small_network() -> nn.Module:
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(3, 8, rng=rng), nn.BatchNorm(8), nn.QuaternionBatchNorm(8), nn.WhiteningBatchNorm(8))


def trained(make_optimizer):
    def change(model: nn.Module) -> None:
        optimizer = make_optimizer(model.parameters())
        ops.sum(model(Tensor(draw(0, 9, 3)), train=True) ** 2).backward()
        optim.clip_grad_norm(model.parameters(), 0.1)
        optimizer.step()
        if isinstance(optimizer, WeightAverage):
            optimizer.copy_to_parameters()

    return change


CHANGES = {
    "SGD": trained(optim.SGD),
    "Adam": trained(optim.Adam),
    "AdamW": trained(lambda parameters: optim.AdamW(parameters, amsgrad=True)),
    "weight average": trained(lambda parameters: WeightAverage(optim.SGD(parameters))),
    "load_state_dict": lambda model: model.load_state_dict({n: a + 1 for n, a in model.state_dict().items()}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_parameters_and_running_statistics_are_replaced_and_not_changed_in_place(name: str) -> None:
    model = small_network()
    arrays = {key: item.data if isinstance(item, Tensor) else item for key, _, _, item in model._entries()}
    copies = {key: asnumpy(array).copy() for key, array in arrays.items()}
    CHANGES[name](model)
    assert all(np.array_equal(asnumpy(arrays[key]), copies[key]) for key in arrays)
    assert any(not np.array_equal(array, copies[key]) for key, array in model.state_dict().items())


def test_gradients_are_replaced_and_not_changed_in_place() -> None:
    x = Tensor(draw(0, 3), requires_grad=True)
    (x * x).backward(np.ones(3))
    first, copy = x.grad, asnumpy(x.grad).copy()
    (x * x).backward(np.ones(3))
    optim.clip_grad_norm([x], 0.1)
    assert np.array_equal(asnumpy(first), copy)
