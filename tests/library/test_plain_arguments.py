"""Test that every op accepts plain arrays, numbers and nested lists in place of tensors without gradient."""

import numpy as np
import pytest
from support.arrays import draw
from support.op_arguments import OP_ARGUMENTS

from quatnet import Tensor, nn, ops
from quatnet.autodiff import op
from quatnet.errors import ConfigError, ShapeError


def make_arguments(name):
    shapes, options = OP_ARGUMENTS[name]
    if "rng" in options:
        options = options | {"rng": np.random.default_rng(0)}
    return [abs(draw(n, *shape)) for n, shape in enumerate(shapes)], options


def call(name, arguments):
    _, options = make_arguments(name)
    return getattr(ops, name)(*([arguments] if name == "concatenate" else arguments), **options)


@pytest.mark.parametrize("convert", [lambda a: a, lambda a: a.tolist()], ids=["array", "list"])
@pytest.mark.parametrize("name", OP_ARGUMENTS)
def test_plain_arguments_equal_tensors(name, convert):
    arrays, _ = make_arguments(name)
    expected = call(name, [Tensor(a) for a in arrays])
    assert np.array_equal(call(name, [convert(a) for a in arrays]).data, expected.data)


@pytest.mark.parametrize("name", [name for name, (shapes, _) in OP_ARGUMENTS.items() if len(shapes) > 1])
def test_plain_first_argument_takes_the_dtype_of_the_tensors(name):
    (first, *others), _ = make_arguments(name)
    tensors = [Tensor(a.astype(np.float32), requires_grad=True) for a in others]
    y = call(name, [first, *tensors])
    y.backward(np.ones_like(y.data))
    assert y.data.dtype == np.float32
    assert all(t.grad.dtype == np.float32 for t in tensors)


@pytest.mark.parametrize("value", [[[1.0, 2.0], [3.0]], "relu", ["a", "b"], {"a": 1}], ids=repr)
@pytest.mark.parametrize("name", OP_ARGUMENTS)
def test_arguments_that_are_no_arrays_raise(name, value):
    arrays, _ = make_arguments(name)
    with pytest.raises(ShapeError, match=f"{name}, argument .*expected"):
        call(name, [value, *map(Tensor, arrays[1:])])


@pytest.mark.parametrize("value", [np.ones((2, 3)), None], ids=["array", "None"])
def test_concatenate_of_other_values_than_a_list_raises(value):
    with pytest.raises(ShapeError, match="argument tensors: expected a list of tensors, got "):
        ops.concatenate(value)


def test_integers_are_converted_to_float():
    assert ops.sigmoid([0, 1]).data.dtype.kind == "f"
    assert ops.linear([[1, 2]], Tensor(np.ones((2, 1), np.float32))).data.dtype == np.float32


def test_keyword_arguments_are_converted():
    y = ops.linear(x=[[1.0, 2.0]], w=[[1.0], [1.0]], bias=[0.5])
    assert y.item() == 3.5


def test_layers_accept_arrays():
    rng = np.random.default_rng(0)
    network = nn.Sequential(nn.Conv2d(1, 4, rng=rng), nn.BatchNorm(4), nn.ReLU(), nn.Flatten())
    x = draw(0, 2, 3, 3, 1, dtype=np.float32)
    for train in (False, True):
        assert np.array_equal(network(x, train=train).data, network(Tensor(x), train=train).data)


def test_name_of_another_op_raises():
    with pytest.raises(ConfigError, match=r"'relu' is used by quatnet\.ops\.activations; choose another name"):

        @op
        def relu(x: Tensor) -> Tensor:
            return x
