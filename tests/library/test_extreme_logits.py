"""Losses of infinite and NaN logits, and distillation losses with temperatures from 0.01 to 1e6.

The reference is computed with 60 digits.
"""

import math
import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quatnet import Tensor, gradcheck, ops
from quatnet.backend import asnumpy

INF, NAN = math.inf, math.nan
CASES = {
    # loss: logits, targets, value
    "probability 0 of a wrong class": ("cross_entropy", [-INF, 0], [0, 1], 0),
    "probability 0 of the right class": ("cross_entropy", [-INF, 0], [1, 0], INF),
    "three classes": ("cross_entropy", [-INF, 0, 0], [0, 1, 0], math.log(2)),
    "soft targets": ("cross_entropy", [-INF, 0, 0], [0, 0.5, 0.5], math.log(2)),
    "large logits": ("cross_entropy", [1e30, 0], [1, 0], 0),
    "large negative logits": ("cross_entropy", [-1e30, -1e30], [1, 0], math.log(2)),
    "right label 0": ("binary_cross_entropy_with_logits", [-INF, -INF], [0, 0], 0),
    "right label 1": ("binary_cross_entropy_with_logits", [INF, INF], [1, 1], 0),
    "wrong label 0": ("binary_cross_entropy_with_logits", [INF, 0], [0, 0], INF),
    "wrong label 1": ("binary_cross_entropy_with_logits", [-INF, 0], [1, 0], INF),
    "both": ("binary_cross_entropy_with_logits", [INF, -INF], [1, 0], 0),
    "soft label": ("binary_cross_entropy_with_logits", [INF, 0], [0.5, 0], INF),
    "large logit": ("binary_cross_entropy_with_logits", [1e30, -1e30], [1, 0], 0),
    "equal distributions": ("distillation_loss", [-INF, 0], [-INF, 0], 0),
    "teacher excludes a class": ("distillation_loss", [0, 0], [-INF, 0], 4 * math.log(2)),
    "student excludes a class of the teacher": ("distillation_loss", [-INF, 0], [0, 0], INF),
    "student excludes a class of the teacher, three": ("distillation_loss", [-INF, 0, 0], [-INF, 0, 0], 0),
    "large student logits": ("distillation_loss", [1e30, 0], [1e30, 0], 0),
    "equal Bernoulli distributions": ("binary_distillation_loss", [-INF, INF], [-INF, INF], 0),
    "certain teacher": ("binary_distillation_loss", [0, 0], [INF, -INF], 4 * math.log(2)),
    "certain student": ("binary_distillation_loss", [INF, 0], [0, 0], INF),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_loss_of_infinite_logits(name: str, dtype: type) -> None:
    op, logits, targets, value = CASES[name]
    x = Tensor(np.array([logits], dtype), requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = getattr(ops, op)(x, np.array([targets]))
        loss.backward()
    assert loss.item() == pytest.approx(value, rel=1e-6)
    assert np.isfinite(asnumpy(x.grad)).all()
    assert loss.dtype == x.grad.dtype == dtype


LOSSES = [*sorted({case[0] for case in CASES.values()}), "mse_loss"]


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("op", LOSSES)
def test_nan_logits_give_nan(op: str, position: int, target: int) -> None:
    logits = np.array([[0.0, 0], [0, 0]])
    logits[1, position] = NAN
    assert math.isnan(getattr(ops, op)(Tensor(logits), np.full((2, 2), target)).item())
    if "cross_entropy" not in op:  # a cross entropy raises ShapeError for targets that are NaN
        assert math.isnan(getattr(ops, op)(Tensor(np.zeros((2, 2))), logits).item())


def test_nan_logits_with_targets_0_give_nan() -> None:
    for logits in ([[NAN, 0.0]], [[NAN, -INF]], [[NAN, NAN]]):
        assert math.isnan(ops.cross_entropy(Tensor(logits), np.zeros((1, 2))).item())


# Temperatures


def softmax(logits: np.ndarray, temperature: float) -> list:
    exponentials = [mpmath.exp(mpmath.mpf(float(z)) / mpmath.mpf(temperature)) for z in logits]
    return [e / sum(exponentials) for e in exponentials]


def distillation_reference(logits: np.ndarray, teacher: np.ndarray, temperature: float) -> tuple[float, np.ndarray]:
    """Return the value and the gradient of `distillation_loss`."""
    with mpmath.workdps(60):
        t, total, gradient = mpmath.mpf(temperature), mpmath.mpf(0), []
        for z, v in zip(logits, teacher, strict=True):
            p, q = softmax(z, temperature), softmax(v, temperature)
            total += sum(b * mpmath.log(b / a) for a, b in zip(p, q, strict=True))
            gradient.append([float(t * (a - b) / len(logits)) for a, b in zip(p, q, strict=True)])
        return float(t**2 * total / len(logits)), np.array(gradient)


def binary_reference(logits: np.ndarray, teacher: np.ndarray, temperature: float) -> tuple[float, np.ndarray]:
    """Return the value and the gradient of `binary_distillation_loss`: a softmax over (z, 0) for each entry."""
    pairs = [np.stack([a.ravel(), np.zeros(a.size)], axis=1) for a in (logits, teacher)]
    value, gradient = distillation_reference(*pairs, temperature)
    return value, gradient[:, 0].reshape(logits.shape)


REFERENCES = {"distillation_loss": distillation_reference, "binary_distillation_loss": binary_reference}
TEMPERATURES = [0.01, 0.1, 1, 2, 20, 1e2, 1e3, 1e4, 1e5, 1e6]
TOLERANCES = {np.float32: 1e-5, np.float64: 1e-7}


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("op", REFERENCES)
def test_distillation_at_any_temperature(op: str, temperature: float, dtype: type) -> None:
    for seed, scale in enumerate([0.1, 1, 3, 30]):
        rng = np.random.default_rng(seed)
        logits, teacher = (scale * rng.standard_normal((2, 4, 7))).astype(dtype)
        x = Tensor(logits, requires_grad=True)
        loss = getattr(ops, op)(x, teacher, temperature=temperature)
        loss.backward()
        value, gradient = REFERENCES[op](logits, teacher, temperature)
        assert loss.item() == pytest.approx(value, rel=TOLERANCES[dtype])
        np.testing.assert_allclose(asnumpy(x.grad), gradient, rtol=1e-4, atol=TOLERANCES[dtype] * abs(gradient).max())


@pytest.mark.parametrize("op", REFERENCES)
def test_distillation_from_the_report(op: str) -> None:
    loss = getattr(ops, op)(Tensor(np.array([[3, 1]], np.float32)), np.array([[1, -3]], np.float32), temperature=1e4)
    value, _ = REFERENCES[op](np.array([[3.0, 1]]), np.array([[1.0, -3]]), 1e4)
    assert loss.item() == pytest.approx(value, rel=1e-6)


@given(st.floats(0.01, 1e6), st.integers(0, 99))
def test_distillation_is_never_negative(temperature: float, seed: int) -> None:
    logits, teacher = np.random.default_rng(seed).normal(0, 5, (2, 3, 4)).astype(np.float32)
    for op in REFERENCES:
        assert getattr(ops, op)(Tensor(logits), teacher, temperature=temperature).item() >= 0
        assert getattr(ops, op)(Tensor(logits), logits, temperature=temperature).item() == 0


@pytest.mark.parametrize("op", REFERENCES)
@pytest.mark.parametrize("temperature", [0.5, 2, 100])
def test_gradient_of_distillation(op: str, temperature: float) -> None:
    rng = np.random.default_rng(0)
    teacher = rng.standard_normal((3, 4))
    gradcheck(lambda x: getattr(ops, op)(x, teacher, temperature=temperature), [rng.standard_normal((3, 4))], rng=rng)


def test_infinite_logit_of_the_target_has_the_loss_0() -> None:
    logits = np.array([[0.0, np.inf, 1.0]], np.float32)
    assert ops.cross_entropy(logits, np.eye(3)[[1]]).data == 0
    assert ops.cross_entropy(logits, np.eye(3)[[0]]).data == np.inf
