"""How a network learns: downhill, step by step.

An optimizer turns gradients into steps. SGD remembers a velocity, Adam divides by the typical size of each
gradient, and AdamW pulls weights towards 0 beside that. The learning rate follows a schedule, up and then down,
and gradients that are too long are cut. Steps are worked by hand; then twenty in a row must be those of PyTorch.
A running average of the weights steadies the end. The file closes with how to count what is right.
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
from quatnet.datasets.targets import one_hot
from quatnet.errors import CheckpointError, ConfigError, ShapeError
from quatnet.optim import SGD, Adam, AdamW, clip_grad_norm, cosine, one_cycle
from quatnet.training.metrics import accuracy, confusion_matrix
from quatnet.training.weight_average import WeightAverage


def parameters(dtype=np.float64, **arrays):
    return {name: Tensor(xp.asarray(a, dtype=dtype), requires_grad=True) for name, a in arrays.items()}


def one_step(optimizer, rate, **gradients):
    """Take one step and return the values of the parameters."""
    for name, gradient in gradients.items():
        tensor = optimizer.parameters[name]
        tensor.grad = xp.asarray(gradient, dtype=tensor.data.dtype)
    optimizer.step(lr=rate)
    return {name: asnumpy(tensor.data).tolist() for name, tensor in optimizer.parameters.items()}


# By hand


def test_two_steps_of_sgd_with_momentum():
    # v = 0.5, θ = 1 - 0.1·0.5 = 0.95; then v = 0.9·0.5 + 0.5 = 0.95, θ = 0.95 - 0.095 = 0.855
    optimizer = SGD(parameters(w=[1.0]).items(), momentum=0.9)
    assert one_step(optimizer, 0.1, w=[0.5])["w"] == pytest.approx([0.95])
    assert one_step(optimizer, 0.1, w=[0.5])["w"] == pytest.approx([0.855])


def test_weight_decay_of_sgd_is_part_of_the_gradient():
    # v = 0.5 + 0.1·2 = 0.7, θ = 2 - 0.1·0.7
    assert one_step(SGD(parameters(w=[2.0]).items(), weight_decay=0.1), 0.1, w=[0.5])["w"] == pytest.approx([1.93])


@pytest.mark.parametrize("gradient", [1e-3, 1.0, 1e3])
def test_the_first_step_of_adam_has_the_size_of_the_rate_whatever_the_gradient(gradient):
    # m̂ = g, v̂ = g², so the step is rate · g / |g|
    values = one_step(Adam(parameters(w=[1.0, 1.0]).items()), 0.1, w=[gradient, -gradient])
    assert values["w"] == pytest.approx([0.9, 1.1], abs=1e-5)


def test_the_second_step_of_adam():
    # g = 1, then 0: m = 0.9·0.1 = 0.09, m̂ = 0.09 / (1 - 0.81) = 0.4737; v = 0.999·0.001, v̂ = 0.000999 / 0.001999
    optimizer = Adam(parameters(w=[0.0]).items())
    one_step(optimizer, 1.0, w=[1.0])
    expected = -1 - 0.4736842 / math.sqrt(0.000999 / 0.001999)
    assert one_step(optimizer, 1.0, w=[0.0])["w"] == pytest.approx([expected], rel=1e-6)


def test_amsgrad_does_not_forget_a_large_gradient():
    plain, careful = Adam(parameters(w=[0.0]).items()), Adam(parameters(w=[0.0]).items(), amsgrad=True)
    one_step(plain, 1.0, w=[100.0])
    one_step(careful, 1.0, w=[100.0])
    for _ in range(2000):
        before = plain.parameters["w"].data, careful.parameters["w"].data
        one_step(plain, 1.0, w=[1.0])
        one_step(careful, 1.0, w=[1.0])
    step, careful_step = (
        float((old - new.parameters["w"].data)[0]) for old, new in zip(before, (plain, careful), strict=True)
    )
    assert careful_step < step / 2


def test_adamw_decays_matrices_and_leaves_vectors_alone():
    # both take Adam's first step of 0.1; the matrix also loses rate · decay · θ = 0.1 · 0.5 · 2 = 0.1
    optimizer = AdamW(parameters(matrix=[[2.0]], bias=[2.0]).items(), weight_decay=0.5)
    values = one_step(optimizer, 0.1, matrix=[[1.0]], bias=[1.0])
    assert values["matrix"][0] == pytest.approx([1.8])
    assert values["bias"] == pytest.approx([1.9])


def test_a_step_keeps_gradients_and_skips_parameters_without_one():
    optimizer = SGD(parameters(used=[1.0], unused=[1.0]).items(), weight_decay=0.1)
    values = one_step(optimizer, 0.1, used=[1.0])
    assert values["unused"] == [1.0]
    assert optimizer.parameters["used"].grad is not None
    optimizer.zero_grad()
    assert optimizer.parameters["used"].grad is None


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
@pytest.mark.parametrize("rate", [0.1, np.float64(0.1)])
def test_float32_stays_float32_even_for_a_rate_that_is_a_numpy_number(kind, rate):
    optimizer = kind(parameters(w=[[1.0]], dtype=np.float32).items(), weight_decay=0.1)
    one_step(optimizer, rate, w=[[1.0]])
    assert optimizer.parameters["w"].data.dtype == np.float32
    clipped = parameters(w=[3.0], dtype=np.float32)
    clipped["w"].grad = xp.asarray([3.0], dtype=np.float32)
    clip_grad_norm(clipped.values(), rate)
    assert clipped["w"].grad.dtype == np.float32


def test_every_optimizer_finds_the_bottom_of_a_bowl():
    for kind in (SGD, Adam, AdamW):
        optimizer = kind(parameters(w=[3.0, -2.0]).items())
        w = optimizer.parameters["w"]
        for step in range(300):
            ops.sum((w - np.array([1.0, 2.0])) ** 2).backward()
            optimizer.step(lr=cosine(step, 300, max_lr=0.1))
            optimizer.zero_grad()
        assert_close(w.data, [1, 2], atol=1e-3)


# PyTorch

PAIRS = {  # name in torch.optim, ours, options of the twin
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
def test_twenty_steps_are_those_of_pytorch(name, torch, rng):
    start = {"matrix": asnumpy(draw(rng, 3, 4)), "bias": asnumpy(draw(rng, 4))}
    twins = [torch.tensor(array, requires_grad=True) for array in start.values()]
    twin_name, make, options = PAIRS[name]
    ours = make(parameters(**start).items())
    theirs = getattr(torch.optim, twin_name)([{"params": [twin]} for twin in twins], 0.1, **options)
    if twin_name == "AdamW":
        theirs.param_groups[1]["weight_decay"] = 0.0  # the bias
    for step in range(20):
        rate = 0.1 / (1 + step)
        gradients = [asnumpy(draw(rng, *array.shape)) * (step % 5) for array in start.values()]
        one_step(ours, rate, **dict(zip(start, gradients, strict=True)))
        for twin, gradient in zip(twins, gradients, strict=True):
            twin.grad = torch.tensor(gradient)
        for group in theirs.param_groups:
            group["lr"] = rate
        theirs.step()
        for tensor, twin in zip(ours.parameters.values(), twins, strict=True):
            assert_close(tensor.data, twin.detach().numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parity
@pytest.mark.parametrize(("total", "warm_up"), [(10, 0.3), (100, 0.3), (37, 0.5)])
def test_the_one_cycle_schedule_is_that_of_pytorch(total, warm_up, torch):
    optimizer = torch.optim.SGD([torch.zeros(1)], 0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=total, pct_start=warm_up)
    for step in range(total):
        expected = schedule.get_last_lr()[0]
        assert one_cycle(step, total, max_lr=0.5, pct_start=warm_up) == pytest.approx(expected, rel=1e-9)
        optimizer.step()
        if step + 1 < total:
            schedule.step()


# Schedules


def test_one_cycle_goes_from_a_25th_up_to_the_peak_and_down_to_nothing():
    # 100 steps, the peak at step 0.3·100 - 1 = 29
    rates = [one_cycle(step, 100, max_lr=0.5) for step in range(100)]
    assert rates[0] == pytest.approx(0.5 / 25)
    assert (max(rates), rates.index(max(rates))) == (0.5, 29)
    assert rates[99] == pytest.approx(0.5 / 25 / 1e4)


@given(st.integers(1, 300), st.floats(0.05, 0.95))
def test_one_cycle_rises_once_and_falls_once(total, warm_up):
    rates = [one_cycle(step, total, max_lr=1.0, pct_start=warm_up) for step in range(total)]
    top = rates.index(max(rates))
    assert all(0 < rate <= 1 for rate in rates)
    assert all(a <= b for a, b in itertools.pairwise(rates[: top + 1]))
    assert all(a >= b for a, b in itertools.pairwise(rates[top:]))


def test_cosine_is_at_half_height_half_way():
    assert [cosine(step, 10, max_lr=4.0) for step in (0, 5, 10)] == pytest.approx([4, 2, 0])


# Gradients that are too long


def test_gradients_are_scaled_to_the_limit_all_by_one_factor():
    # |(3, 4, 12)| = 13, so the factor is 6.5 / 13 = 1/2
    p = parameters(a=[0.0, 0.0], b=[[0.0]], without=[0.0])
    p["a"].grad, p["b"].grad = xp.asarray([3.0, 4]), xp.asarray([[12.0]])
    assert clip_grad_norm(p.values(), 6.5) == 13
    assert_close(p["a"].grad, [1.5, 2])
    assert_close(p["b"].grad, [[6]])
    assert p["without"].grad is None


def test_gradients_below_the_limit_are_left_alone():
    p = parameters(a=[0.0, 0.0])
    p["a"].grad = xp.asarray([3.0, 4])
    assert clip_grad_norm(p.values(), 5.0) == 5
    assert_close(p["a"].grad, [3, 4], rtol=0, atol=0)


def test_the_norm_of_float32_gradients_does_not_overflow():
    p = parameters(a=[0.0, 0.0], dtype=np.float32)
    p["a"].grad = xp.asarray([3e30, 4e30], dtype=np.float32)
    assert float(clip_grad_norm(p.values(), 1.0)) == pytest.approx(5e30)
    assert_close(p["a"].grad, [0.6, 0.8], rtol=1e-6)


# State

KINDS = {"sgd": SGD, "adam": Adam, "amsgrad": lambda p: Adam(p, amsgrad=True), "adamw": AdamW}


@pytest.mark.parametrize("kind", KINDS)
def test_an_optimizer_goes_on_from_its_state_as_if_nothing_had_happened(kind, rng):
    start, gradients = draw(rng, 3, 2), [draw(rng, 3, 2) for _ in range(6)]
    whole = KINDS[kind](parameters(w=start).items())
    for gradient in gradients[:3]:
        one_step(whole, 0.1, w=gradient)
    resumed = KINDS[kind](parameters(w=whole.parameters["w"].data.copy()).items())
    resumed.load_state_dict(whole.state_dict())
    for gradient in gradients[3:]:
        assert one_step(whole, 0.1, w=gradient) == one_step(resumed, 0.1, w=gradient)


def test_the_state_is_a_copy():
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
def test_the_state_of_another_model_or_optimizer_is_refused_and_changes_nothing(other):
    optimizer = SGD(parameters(w=[1.0]).items())
    one_step(optimizer, 0.1, w=[1.0])
    with pytest.raises(CheckpointError, match="does not belong to SGD"):
        optimizer.load_state_dict(other().state_dict())
    assert int(optimizer.state_dict()["steps"]) == 1


def test_a_negative_weight_decay_is_an_error():
    with pytest.raises(ConfigError, match=r"weight_decay >= 0, got 0\.001 and -1"):
        SGD(parameters(w=[1.0]).items(), weight_decay=-1)


# The average of the weights


def test_the_average_forgets_the_first_weights_soon_and_then_moves_slowly():
    # steps of 1 upwards from 0: θ = 1, 2, 3; the average is 1, then 1/11 · 1 + 10/11 · 2 = 21/11, and so on
    averaged = WeightAverage(SGD(parameters(w=[0.0]).items(), momentum=0.0), decay=0.5)
    expected = 0.0
    for n in range(1, 20):
        one_step(averaged, 1.0, w=[-1.0])
        d = min(0.5, (n - 1) / (n + 9))
        expected = d * expected + (1 - d) * n
    assert averaged.parameters["w"].data.tolist() == [19.0]
    averaged.copy_to_parameters()
    assert asnumpy(averaged.parameters["w"].data) == pytest.approx([expected])
    assert 17 < expected < 19  # about two steps behind


def test_it_steps_like_the_optimizer_that_it_holds_in_the_same_dtype():
    plain, averaged = (
        Adam(parameters(np.float32, w=[1.0]).items()),
        WeightAverage(Adam(parameters(np.float32, w=[1.0]).items())),
    )
    for gradient in ([0.5], [-0.25], [1.0]):
        assert one_step(plain, 0.1, w=gradient) == one_step(averaged, 0.1, w=gradient)
    averaged.copy_to_parameters()
    assert averaged.parameters["w"].data.dtype == np.float32


def test_an_average_goes_on_from_its_state():
    whole = WeightAverage(Adam(parameters(w=[1.0]).items()), decay=0.9)
    one_step(whole, 0.1, w=[0.5])
    resumed = WeightAverage(Adam(parameters(w=whole.parameters["w"].data.copy()).items()), decay=0.9)
    resumed.load_state_dict(whole.state_dict())
    for optimizer in (whole, resumed):
        one_step(optimizer, 0.1, w=[0.25])
        optimizer.copy_to_parameters()
    np.testing.assert_array_equal(asnumpy(whole.parameters["w"].data), asnumpy(resumed.parameters["w"].data))
    with pytest.raises(CheckpointError, match="does not belong to WeightAverage"):
        resumed.load_state_dict(Adam(parameters(w=[1.0]).items()).state_dict())


def test_a_decay_of_one_and_an_average_of_nothing_are_refused():
    with pytest.raises(ConfigError, match=r"0 <= decay < 1, got 1\.0"):
        WeightAverage(SGD(parameters(w=[1.0]).items()), decay=1.0)
    with pytest.raises(ConfigError, match="before the first step"):
        WeightAverage(SGD(parameters(w=[1.0]).items())).copy_to_parameters()


# What is right


def test_accuracy_is_the_share_of_clips_whose_largest_logit_is_at_the_label():
    logits = np.array([[3.0, 1, 2], [0, 5, 0], [0, 1, 9], [7, 8, 0]])
    assert accuracy(logits, np.array([0, 1, 1, 1])) == 3 / 4


def test_the_confusion_matrix_has_true_classes_in_rows():
    # true 0 predicted 0, true 0 predicted 1, true 1 predicted 1, true 1 predicted 1
    logits = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]])
    matrix = confusion_matrix(logits, np.array([0, 0, 1, 1]))
    np.testing.assert_array_equal(matrix, [[1, 1], [0, 2]])


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 99))
def test_the_diagonal_of_the_confusion_matrix_is_the_accuracy(n, classes, seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.standard_normal((n, classes)), rng.integers(classes, size=n)
    matrix = confusion_matrix(logits, labels)
    assert matrix.sum() == n
    assert np.trace(matrix) / n == pytest.approx(accuracy(logits, labels))
    np.testing.assert_array_equal(matrix.sum(axis=1), one_hot(labels, classes).sum(axis=0))


def test_one_hot_has_a_one_at_the_label():
    targets = one_hot(np.array([2, 0]), 3)
    np.testing.assert_array_equal(targets, [[0, 0, 1], [1, 0, 0]])
    assert targets.dtype == np.float32


@pytest.mark.parametrize(("logits", "labels"), [((3, 2), 2), ((3,), 3), ((0, 2), 0)])
def test_accuracy_of_shapes_that_do_not_fit_is_an_error(logits, labels):
    with pytest.raises(ShapeError, match=r"logits \(N, classes\) and labels \(N,\)"):
        accuracy(np.zeros(logits), np.zeros(labels, int))


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_that_is_no_class_is_an_error(label):
    with pytest.raises(ShapeError, match="labels from 0 to 1"):
        one_hot(np.array([0, label]), 2)
    with pytest.raises(ShapeError):
        confusion_matrix(np.zeros((2, 2)), np.array([0, label]))
