"""Test optimizers, learning-rate schedules, gradient clipping, and weight averaging.

Single steps are compared with worked examples. Twenty steps of each optimizer are compared with PyTorch.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_close, draw

from quatnet import Tensor, ops
from quatnet.backend import asnumpy, xp
from quatnet.errors import CheckpointError, ConfigError
from quatnet.optim import SGD, Adam, AdamW, clip_grad_norm, cosine, one_cycle
from quatnet.training.weight_average import WeightAverage


def parameters(dtype=np.float64, **arrays):
    return {name: Tensor(xp.asarray(a, dtype=dtype), requires_grad=True) for name, a in arrays.items()}


def one_step(optimizer, lr, **gradients):
    """Take one step and return the values of the parameters."""
    for name, gradient in gradients.items():
        tensor = optimizer.parameters[name]
        tensor.grad = xp.asarray(gradient, dtype=tensor.data.dtype)
    optimizer.step(lr=lr)
    return {name: asnumpy(tensor.data).tolist() for name, tensor in optimizer.parameters.items()}


# Worked examples


def test_sgd_with_momentum():
    # first step: velocity v = 0.5, parameter w = 1 - 0.1 · 0.5 = 0.95
    # second step: v = 0.9 · 0.5 + 0.5 = 0.95, w = 0.95 - 0.1 · 0.95 = 0.855
    optimizer = SGD(parameters(w=[1.0]).items(), momentum=0.9)
    assert one_step(optimizer, 0.1, w=[0.5])["w"] == pytest.approx([0.95])
    assert one_step(optimizer, 0.1, w=[0.5])["w"] == pytest.approx([0.855])


def test_sgd_with_weight_decay():
    # velocity v = 0.5 + 0.1 · 2 = 0.7, parameter w = 2 - 0.1 · 0.7 = 1.93
    assert one_step(SGD(parameters(w=[2.0]).items(), weight_decay=0.1), 0.1, w=[0.5])["w"] == pytest.approx([1.93])


@pytest.mark.parametrize("gradient", [1e-3, 1.0, 1e3])
def test_first_step_of_adam(gradient):
    # the bias-corrected moments are m̂ = grad and v̂ = grad², so the step is lr · grad / |grad|
    values = one_step(Adam(parameters(w=[1.0, 1.0]).items()), 0.1, w=[gradient, -gradient])
    assert values["w"] == pytest.approx([0.9, 1.1], abs=1e-5)


def test_second_step_of_adam():
    # the gradients are 1 and 0; the moments after the second step are
    # m = 0.9 · 0.1 = 0.09, with bias correction m̂ = 0.09 / (1 - 0.9²) = 0.4737
    # v = 0.999 · 0.001, with bias correction v̂ = 0.000999 / (1 - 0.999²) = 0.000999 / 0.001999
    optimizer = Adam(parameters(w=[0.0]).items())
    one_step(optimizer, 1.0, w=[1.0])
    expected = -1 - 0.4736842 / math.sqrt(0.000999 / 0.001999)
    assert one_step(optimizer, 1.0, w=[0.0])["w"] == pytest.approx([expected], rel=1e-6)


def test_amsgrad_keeps_the_maximum_of_v():
    adam, amsgrad = Adam(parameters(w=[0.0]).items()), Adam(parameters(w=[0.0]).items(), amsgrad=True)
    one_step(adam, 1.0, w=[100.0])
    one_step(amsgrad, 1.0, w=[100.0])
    for _ in range(2000):
        before = adam.parameters["w"].data, amsgrad.parameters["w"].data
        one_step(adam, 1.0, w=[1.0])
        one_step(amsgrad, 1.0, w=[1.0])
    adam_step, amsgrad_step = (
        float((old - new.parameters["w"].data)[0]) for old, new in zip(before, (adam, amsgrad), strict=True)
    )
    assert amsgrad_step < adam_step / 2


def test_adamw_decays_matrices_only():
    # the first step of Adam subtracts 0.1 from both parameters
    # the weight decay subtracts lr · weight_decay · 2 = 0.1 · 0.5 · 2 = 0.1 from the matrix
    optimizer = AdamW(parameters(matrix=[[2.0]], bias=[2.0]).items(), weight_decay=0.5)
    values = one_step(optimizer, 0.1, matrix=[[1.0]], bias=[1.0])
    assert values["matrix"][0] == pytest.approx([1.8])
    assert values["bias"] == pytest.approx([1.9])


def test_step_keeps_gradients_and_skips_parameters_without_gradient():
    optimizer = SGD(parameters(used=[1.0], unused=[1.0]).items(), weight_decay=0.1)
    values = one_step(optimizer, 0.1, used=[1.0])
    assert values["unused"] == [1.0]
    assert optimizer.parameters["used"].grad is not None
    optimizer.zero_grad()
    assert optimizer.parameters["used"].grad is None


@pytest.mark.parametrize("optimizer_class", [SGD, Adam, AdamW])
@pytest.mark.parametrize("lr", [0.1, np.float64(0.1)])
def test_float32_parameters_stay_float32(optimizer_class, lr):
    optimizer = optimizer_class(parameters(w=[[1.0]], dtype=np.float32).items(), weight_decay=0.1)
    one_step(optimizer, lr, w=[[1.0]])
    assert optimizer.parameters["w"].data.dtype == np.float32
    clipped = parameters(w=[3.0], dtype=np.float32)
    clipped["w"].grad = xp.asarray([3.0], dtype=np.float32)
    clip_grad_norm(clipped.values(), lr)
    assert clipped["w"].grad.dtype == np.float32


def test_optimizers_minimize_a_quadratic():
    for optimizer_class in (SGD, Adam, AdamW):
        optimizer = optimizer_class(parameters(w=[3.0, -2.0]).items())
        w = optimizer.parameters["w"]
        for step in range(300):
            ops.sum((w - np.array([1.0, 2.0])) ** 2).backward()
            optimizer.step(lr=cosine(step, 300, max_lr=0.1))
            optimizer.zero_grad()
        assert_close(w.data, [1, 2], atol=1e-3)


# Parity with PyTorch

PAIRS = {  # name -> class of torch.optim, optimizer of quatnet, options of the class of torch.optim
    "sgd": ("SGD", lambda p: SGD(p, weight_decay=0.1), {"momentum": 0.9, "weight_decay": 0.1}),
    "sgd without momentum": ("SGD", lambda p: SGD(p, momentum=0.0), {}),
    "adam": ("Adam", Adam, {}),
    "adam with other options": (
        "Adam",
        lambda p: Adam(p, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1),
        {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1},
    ),
    "amsgrad": (
        "Adam",
        lambda p: Adam(p, betas=(0.9, 0.5), amsgrad=True),
        {"betas": (0.9, 0.5), "amsgrad": True},
    ),
    "adamw": ("AdamW", lambda p: AdamW(p, weight_decay=0.1), {"weight_decay": 0.1}),
}


@pytest.mark.parity
@pytest.mark.parametrize("name", PAIRS)
def test_twenty_steps_agree_with_pytorch(name, torch, rng):
    start = {"matrix": asnumpy(draw(rng, 3, 4)), "bias": asnumpy(draw(rng, 4))}
    torch_params = [torch.tensor(array, requires_grad=True) for array in start.values()]
    class_name, make, options = PAIRS[name]
    optimizer = make(parameters(**start).items())
    torch_optimizer = getattr(torch.optim, class_name)([{"params": [param]} for param in torch_params], 0.1, **options)
    if class_name == "AdamW":
        torch_optimizer.param_groups[1]["weight_decay"] = 0.0  # no weight decay of the bias
    for step in range(20):
        lr = 0.1 / (1 + step)
        gradients = [asnumpy(draw(rng, *array.shape)) * (step % 5) for array in start.values()]
        one_step(optimizer, lr, **dict(zip(start, gradients, strict=True)))
        for param, gradient in zip(torch_params, gradients, strict=True):
            param.grad = torch.tensor(gradient)
        for group in torch_optimizer.param_groups:
            group["lr"] = lr
        torch_optimizer.step()
        for tensor, param in zip(optimizer.parameters.values(), torch_params, strict=True):
            assert_close(tensor.data, param.detach().numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parity
@pytest.mark.parametrize(("total_steps", "pct_start"), [(10, 0.3), (100, 0.3), (37, 0.5)])
def test_one_cycle_agrees_with_pytorch(total_steps, pct_start, torch):
    optimizer = torch.optim.SGD([torch.zeros(1)], 0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=total_steps, pct_start=pct_start)
    for step in range(total_steps):
        expected = schedule.get_last_lr()[0]
        assert one_cycle(step, total_steps, max_lr=0.5, pct_start=pct_start) == pytest.approx(expected, rel=1e-9)
        optimizer.step()
        if step + 1 < total_steps:
            schedule.step()


# Schedules


def test_one_cycle():
    # of 100 steps, step 0.3 · 100 - 1 = 29 has the maximum learning rate
    lrs = [one_cycle(step, 100, max_lr=0.5) for step in range(100)]
    assert lrs[0] == pytest.approx(0.5 / 25)
    assert (max(lrs), lrs.index(max(lrs))) == (0.5, 29)
    assert lrs[99] == pytest.approx(0.5 / 25 / 1e4)


@given(st.integers(1, 300), st.floats(0.05, 0.95))
def test_one_cycle_rises_once_and_falls_once(total_steps, pct_start):
    lrs = [one_cycle(step, total_steps, max_lr=1.0, pct_start=pct_start) for step in range(total_steps)]
    peak = lrs.index(max(lrs))
    assert all(0 < lr <= 1 for lr in lrs)
    assert all(a <= b for a, b in itertools.pairwise(lrs[: peak + 1]))
    assert all(a >= b for a, b in itertools.pairwise(lrs[peak:]))


def test_cosine():
    assert [cosine(step, 10, max_lr=4.0) for step in (0, 5, 10)] == pytest.approx([4, 2, 0])


# Gradient clipping


def test_clip_grad_norm():
    # the norm of all gradients is |(3, 4, 12)| = 13, so they are multiplied by 6.5 / 13 = 1/2
    p = parameters(a=[0.0, 0.0], b=[[0.0]], unused=[0.0])
    p["a"].grad, p["b"].grad = xp.asarray([3.0, 4]), xp.asarray([[12.0]])
    assert clip_grad_norm(p.values(), 6.5) == 13
    assert_close(p["a"].grad, [1.5, 2])
    assert_close(p["b"].grad, [[6]])
    assert p["unused"].grad is None


def test_clip_grad_norm_below_max_norm():
    p = parameters(a=[0.0, 0.0])
    p["a"].grad = xp.asarray([3.0, 4])
    assert clip_grad_norm(p.values(), 5.0) == 5
    assert_close(p["a"].grad, [3, 4], rtol=0, atol=0)


def test_clip_grad_norm_float32_does_not_overflow():
    p = parameters(a=[0.0, 0.0], dtype=np.float32)
    p["a"].grad = xp.asarray([3e30, 4e30], dtype=np.float32)
    assert float(clip_grad_norm(p.values(), 1.0)) == pytest.approx(5e30)
    assert_close(p["a"].grad, [0.6, 0.8], rtol=1e-6)


# State

OPTIMIZERS = {"sgd": SGD, "adam": Adam, "amsgrad": lambda p: Adam(p, amsgrad=True), "adamw": AdamW}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_resumed_optimizer_takes_the_same_steps(name, rng):
    start, gradients = draw(rng, 3, 2), [draw(rng, 3, 2) for _ in range(6)]
    uninterrupted = OPTIMIZERS[name](parameters(w=start).items())
    for gradient in gradients[:3]:
        one_step(uninterrupted, 0.1, w=gradient)
    resumed = OPTIMIZERS[name](parameters(w=uninterrupted.parameters["w"].data.copy()).items())
    resumed.load_state_dict(uninterrupted.state_dict())
    for gradient in gradients[3:]:
        assert one_step(uninterrupted, 0.1, w=gradient) == one_step(resumed, 0.1, w=gradient)


def test_state_dict_is_a_copy():
    optimizer = SGD(parameters(w=[1.0]).items())
    state = optimizer.state_dict()
    one_step(optimizer, 0.1, w=[1.0])
    assert (int(state["steps"]), float(state["velocity/w"][0])) == (0, 0)


@pytest.mark.parametrize(
    "other",
    [
        lambda: SGD(parameters(v=[1.0]).items()),
        lambda: SGD(parameters(w=[1.0, 2.0]).items()),
        lambda: Adam(parameters(w=[1.0]).items()),
        lambda: SGD(parameters(w=[1.0], v=[1.0]).items()),
    ],
)
def test_load_state_dict_of_another_optimizer(other):
    optimizer = SGD(parameters(w=[1.0]).items())
    one_step(optimizer, 0.1, w=[1.0])
    with pytest.raises(CheckpointError, match="expected the state of SGD"):
        optimizer.load_state_dict(other().state_dict())
    assert int(optimizer.state_dict()["steps"]) == 1


def test_negative_weight_decay():
    with pytest.raises(ConfigError, match=r"weight_decay in \[0, inf\), got -1"):
        SGD(parameters(w=[1.0]).items(), weight_decay=-1)


# Weight averaging


def test_weight_average():
    # the parameter is 1, 2, 3, ... after each step
    # the average is 1 after the first step and 1/11 · 1 + 10/11 · 2 = 21/11 after the second step
    averaged = WeightAverage(SGD(parameters(w=[0.0]).items(), momentum=0.0), decay=0.5)
    expected = 0.0
    for n in range(1, 20):
        one_step(averaged, 1.0, w=[-1.0])
        d = min(0.5, (n - 1) / (n + 9))
        expected = d * expected + (1 - d) * n
    assert averaged.parameters["w"].data.tolist() == [19.0]
    averaged.copy_to_parameters()
    assert asnumpy(averaged.parameters["w"].data) == pytest.approx([expected])
    assert 17 < expected < 19  # with decay d = 0.5, the average lags the parameter by d / (1 - d) = 1 step


def test_learning_rate_of_weight_average_is_that_of_its_optimizer():
    optimizer = SGD(parameters(w=[0.0]).items(), lr=1.0, momentum=0.0)
    averaged = WeightAverage(optimizer)
    averaged.lr = 0.5
    optimizer.parameters["w"].grad = xp.asarray([-1.0])
    averaged.step()
    assert (optimizer.lr, averaged.lr, averaged.parameters["w"].data.tolist()) == (0.5, 0.5, [0.5])


def test_weight_average_takes_the_steps_of_its_optimizer():
    plain, averaged = (
        Adam(parameters(np.float32, w=[1.0]).items()),
        WeightAverage(Adam(parameters(np.float32, w=[1.0]).items())),
    )
    for gradient in ([0.5], [-0.25], [1.0]):
        assert one_step(plain, 0.1, w=gradient) == one_step(averaged, 0.1, w=gradient)
    averaged.copy_to_parameters()
    assert averaged.parameters["w"].data.dtype == np.float32


def test_resumed_weight_average():
    uninterrupted = WeightAverage(Adam(parameters(w=[1.0]).items()), decay=0.9)
    one_step(uninterrupted, 0.1, w=[0.5])
    resumed = WeightAverage(Adam(parameters(w=uninterrupted.parameters["w"].data.copy()).items()), decay=0.9)
    resumed.load_state_dict(uninterrupted.state_dict())
    for optimizer in (uninterrupted, resumed):
        one_step(optimizer, 0.1, w=[0.25])
        optimizer.copy_to_parameters()
    np.testing.assert_array_equal(asnumpy(uninterrupted.parameters["w"].data), asnumpy(resumed.parameters["w"].data))
    with pytest.raises(CheckpointError, match="expected the state of WeightAverage"):
        resumed.load_state_dict(Adam(parameters(w=[1.0]).items()).state_dict())


def test_weight_average_errors():
    with pytest.raises(ConfigError, match=r"decay in \[0, 1\), got 1\.0"):
        WeightAverage(SGD(parameters(w=[1.0]).items()), decay=1.0)
    with pytest.raises(ConfigError, match="before the first step"):
        WeightAverage(SGD(parameters(w=[1.0]).items())).copy_to_parameters()
