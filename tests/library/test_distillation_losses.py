"""Tests of distillation losses with large logits, different dtypes and invalid arguments, and parity with PyTorch."""

import numpy as np
import pytest
from support.arrays import draw
from support.parity import assert_parity

from quatnet import Tensor, ops, paper_code
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError

DISTILLATION_LOSSES = {
    "softmax": ops.distillation_loss,
    "bernoulli": ops.binary_distillation_loss,
    "paper_code": paper_code.distillation_loss,
}
LOSSES = {**DISTILLATION_LOSSES, "features": ops.mse_loss}
all_losses = pytest.mark.parametrize("name", LOSSES)


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits(dtype):
    # The student has probability 1 for class 0 in both clips. The teacher has probability 1 for class 0 in the first
    # clip and for class 1 in the second clip. The temperature is 2.
    z = np.array([[1000, -1000], [1000, -1000]], dtype)
    v = np.array([[1000, -1000], [-1000, 1000]])
    for name, expected in {"softmax": 4 * 1000 / 2, "bernoulli": 4 * (500 + 500) / 4}.items():
        logits = Tensor(z, requires_grad=True)
        loss = LOSSES[name](logits, v)
        loss.backward()
        assert float(loss.data) == expected
        assert loss.data.dtype == logits.grad.dtype == dtype
        assert np.isfinite(asnumpy(logits.grad)).all()


@all_losses
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_of_the_student_is_kept(name, dtype, rng):
    options = {"temperature": np.float64(2)} if name in DISTILLATION_LOSSES else {}
    for teacher in (np.eye(3), np.eye(3, dtype=np.float16), np.eye(3, dtype=int)):
        student = Tensor(draw(rng, 3, 3, dtype=dtype), requires_grad=True)
        loss = LOSSES[name](student, teacher, **options)
        loss.backward()
        assert (loss.data.dtype, student.grad.dtype) == (dtype, dtype)


@all_losses
@pytest.mark.parametrize(
    ("student", "teacher"), [((2, 3), (2, 4)), ((2, 3), (2,)), ((2, 3), (2, 1)), ((3,), (3,)), ((0, 3), (0, 3))]
)
def test_invalid_shapes(name, student, teacher):
    with pytest.raises(
        ShapeError, match=r"(student and teacher outputs|features and targets) of the same shape \(N, size\), got .*\)$"
    ):
        LOSSES[name](leaf(np.ones(student)), np.ones(teacher))


@all_losses
def test_teacher_tensor_with_gradient(name):
    with pytest.raises(ShapeError, match="real numbers"):
        LOSSES[name](leaf(np.ones((2, 3))), leaf(np.ones((2, 3))))


@pytest.mark.parametrize("name", DISTILLATION_LOSSES)
@pytest.mark.parametrize("temperature", [0.0, -1.0, np.inf, np.nan])
def test_invalid_temperature(name, temperature):
    with pytest.raises(ConfigError, match=r"temperature in \[1e-9, 1e9\]"):
        DISTILLATION_LOSSES[name](leaf(np.ones((1, 2))), np.zeros((1, 2)), temperature=temperature)


@pytest.mark.parity
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_agreement_with_pytorch(temperature, torch, rng):
    functional = torch.nn.functional
    v = asnumpy(draw(rng, 3, 4))
    teacher = torch.tensor(v)

    def softmax_loss(z, v):
        p, q = functional.log_softmax(z / temperature, 1), functional.softmax(v / temperature, 1)
        return temperature**2 * functional.kl_div(p, q, reduction="batchmean")

    def bernoulli_loss(z):
        bernoulli = torch.distributions.Bernoulli
        pair = bernoulli(logits=teacher / temperature), bernoulli(logits=z / temperature)
        return temperature**2 * torch.distributions.kl_divergence(*pair).mean()

    torch_losses = {
        "softmax": lambda z: softmax_loss(z, teacher),
        "bernoulli": bernoulli_loss,
        "paper_code": lambda z: softmax_loss(torch.sigmoid(z), torch.sigmoid(teacher)),
        "features": lambda z: functional.mse_loss(z, teacher),
    }
    for name, torch_loss in torch_losses.items():
        options = {"temperature": temperature} if name in DISTILLATION_LOSSES else {}
        assert_parity(torch, lambda z, f=LOSSES[name], o=options: f(z, v, **o), torch_loss, [draw(rng, 3, 4)], rng)
