"""A function that raises an error changes nothing: running statistics, gradients, parameters, recording of graphs."""

import numpy as np
import pytest
from support.arrays import draw

from quatnet import Tensor, nn, no_grad, ops
from quatnet.distill import ProjectedStudent
from quatnet.errors import ConfigError, QuatnetError, ShapeError
from quatnet.models import CNNConfig, ResNetConfig, build


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class Custom(nn.Module):
    """Network of a user, with a layer that fails after the batch norms."""

    def __init__(self, layer) -> None:
        self.norms = {"first": [nn.BatchNorm(8)], "second": (nn.QuaternionBatchNorm(8), nn.WhiteningBatchNorm(8))}
        self.layer = layer

    def __call__(self, x: Tensor, *, train: bool = False, rng=None) -> Tensor:
        for norm in (*self.norms["first"], *self.norms["second"]):
            x = norm(x, train=train)
        return self.layer(x, train=train, rng=rng)


def fail(x: Tensor, **_) -> Tensor:
    raise KeyboardInterrupt


CNN = CNNConfig(classes=3, quaternion=True, widths=((8,), (8,)), embedding=8, mels=8)
RESNET = ResNetConfig(classes=3, quaternion=False, widths=((8,), (8, 8), (8,)), embedding=8, mels=8, stages=(1,))
CLIPS = draw(0, 2, 8, 8, 4, dtype=np.float32)
NETWORKS = {
    "CNN": (lambda: build(CNN, rng=rng()), CLIPS),
    "ResNet": (lambda: build(RESNET, rng=rng()), CLIPS),
    "too few frames": (lambda: build(CNN, rng=rng()), CLIPS[:, :1]),
    "embed": (lambda: build(CNN, rng=rng()), CLIPS),
    "student": (lambda: ProjectedStudent(build(CNN, rng=rng()), 5, rng=rng()), CLIPS),
    "Sequential": (lambda: nn.Sequential(nn.BatchNorm(8), nn.Sequential(nn.BatchNorm(8), nn.Dropout())), draw(0, 9, 8)),
    "custom": (lambda: Custom(nn.Dropout()), draw(0, 9, 8)),
    "wrong channels": (lambda: Custom(nn.Linear(9, 3, rng=rng())), draw(0, 9, 8)),
    "interrupted": (lambda: Custom(fail), draw(0, 9, 8)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_running_statistics_after_an_error(name: str) -> None:
    make, x = NETWORKS[name]
    model = make()
    call = model.embed if name == "embed" else model
    x = Tensor(x) if x.ndim == 2 else x
    before = model.state_dict()
    with pytest.raises((QuatnetError, KeyboardInterrupt)):
        call(x, train=True)  # without rng
    assert all(np.array_equal(before[key], array) for key, array in model.state_dict().items())


def test_running_statistics_after_success_and_in_evaluation() -> None:
    model = NETWORKS["Sequential"][0]()
    x = Tensor(draw(0, 9, 8))
    model(x, train=False)
    assert not model.state_dict()["layers.0.running_mean"].any()
    model(x, train=True, rng=rng())
    assert model.state_dict()["layers.0.running_mean"].any()


def test_gradients_after_an_error_in_backward() -> None:
    def failing_op(x: Tensor) -> Tensor:
        def backward(grad):
            raise ZeroDivisionError

        return Tensor.from_op(x.data, (x,), backward)

    x, y = (Tensor(draw(seed, 3), requires_grad=True) for seed in range(2))
    loss = ops.sum(x * y + failing_op(x * 2) + y)
    with pytest.raises(ZeroDivisionError):
        loss.backward()
    assert x.grad is None
    assert y.grad is None


def test_gradients_after_a_wrong_number_of_gradients() -> None:
    x, y = (Tensor(draw(seed, 3), requires_grad=True) for seed in range(2))
    with pytest.raises(ShapeError, match="expected a tuple of 1 gradients"):
        (y * Tensor.from_op(x.data, (x,), lambda grad: (grad, grad))).backward(np.ones(3))
    assert y.grad is None


# Recording of graphs


def records() -> bool:
    return (Tensor([1.0], requires_grad=True) * 2).requires_grad


def suspended():
    with no_grad():
        yield


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_generators_that_end_in_any_order(order: tuple) -> None:
    generators = [suspended() for _ in range(3)]
    for generator in generators:
        next(generator)
    assert not records()
    for number, n in enumerate(order):
        assert not records()
        generators[n].close()
        assert records() == (number == 2)


def test_a_generator_that_is_never_closed() -> None:
    generator = suspended()
    next(generator)
    del generator  # ends the `with` statement
    assert records()


def test_a_generator_inside_of_no_grad() -> None:
    with no_grad():
        generator = suspended()
        next(generator)
    assert not records()
    generator.close()
    assert records()


def test_no_grad_after_an_error() -> None:
    with pytest.raises(ConfigError), no_grad(), no_grad():
        raise ConfigError
    assert records()


def test_no_grad_as_a_decorator_and_again() -> None:
    function = no_grad()(records)
    assert [function(), records(), function(), records()] == [False, True, False, True]


def test_backward_of_a_result_of_no_grad_names_no_grad() -> None:
    x = Tensor([1.0], requires_grad=True)
    with no_grad():
        y = x * x
    with pytest.raises(ShapeError, match="no_grad"):
        y.backward()


def test_running_statistics_are_kept_with_train_by_position() -> None:
    class Positional(Custom):
        def __call__(self, x: Tensor, train: bool = False, rng=None) -> Tensor:
            return super().__call__(x, train=train, rng=rng)

    class Outer(nn.Module):
        def __init__(self) -> None:
            self.norm = nn.BatchNorm(8)

        def __call__(self, x: Tensor, train: bool = False) -> Tensor:
            return fail(self.norm(x, train=train))

    for model in (Positional(fail), Outer()):
        before = model.state_dict()
        with pytest.raises(KeyboardInterrupt):
            model(Tensor(draw(0, 8, 8)), True)
        assert all((model.state_dict()[name] == array).all() for name, array in before.items())
