"""Test `Module` with nested containers, `Sequential`, and layers without parameters."""

import numpy as np
import pytest
from support.arrays import assert_close, draw

from quatnet import Tensor, nn, ops
from quatnet.backend import asnumpy, xp
from quatnet.optim import SGD


class Nested(nn.Module):
    """A module with layers, a parameter and a buffer in nested containers."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.pair = (nn.Linear(2, 2, rng=rng), nn.Linear(2, 2, rng=rng))
        self.branches = {"left": nn.Linear(2, 2, rng=rng), "right": [nn.Linear(2, 2, rng=rng)]}
        self.grid = [[nn.Linear(2, 2, rng=rng)], [nn.BatchNorm(2)]]
        self.scales = [Tensor(xp.asarray(rng.random(2, dtype=np.float32)), requires_grad=True)]
        self.tables = {"mean": xp.asarray(rng.random(2, dtype=np.float32))}

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        for layer in (*self.pair, self.branches["left"], *self.branches["right"], *self.grid[0]):
            x = layer(x)
        return self.grid[1][0](x, train=train) * self.scales[0] + self.tables["mean"]


LAYER_NAMES = ("pair.0", "pair.1", "branches.left", "branches.right.0", "grid.0.0", "grid.1.0")
PARAMETER_NAMES = {f"{layer}.{parameter}" for layer in LAYER_NAMES for parameter in ("weight", "bias")} | {"scales.0"}
BUFFER_NAMES = {"grid.1.0.running_mean", "grid.1.0.running_var", "tables.mean"}


def test_names_of_layers_in_nested_containers():
    net = Nested()
    assert {name for name, _ in net.named_parameters()} == PARAMETER_NAMES
    assert net.state_dict().keys() == PARAMETER_NAMES | BUFFER_NAMES


def test_layers_in_containers_are_trained(rng):
    net = Nested()
    ops.sum(net(Tensor(draw(rng, 4, 2, dtype=np.float32)), train=True) ** 2).backward()
    before = net.state_dict()
    SGD(net.parameters(), lr=0.1).step()
    changed = {name for name, array in net.state_dict().items() if not np.array_equal(array, before[name])}
    # a bias before a batch norm has a gradient of 0 up to rounding errors
    assert changed >= {name for name in PARAMETER_NAMES if name.endswith("weight")} - {"grid.0.0.bias"}


def test_load_state_dict_of_containers(rng):
    first, second = Nested(0), Nested(1)
    second.load_state_dict(first.state_dict())
    x = Tensor(draw(rng, 4, 2, dtype=np.float32))
    np.testing.assert_array_equal(asnumpy(second(x).data), asnumpy(first(x).data))


def test_shared_parameter_is_yielded_once():
    net = nn.Sequential(layer := nn.Linear(2, 2, rng=np.random.default_rng(0)), layer)
    assert [name for name, _ in net.named_parameters()] == ["layers.0.weight", "layers.0.bias"]
    assert len(net.state_dict()) == 4


def test_representation_has_one_line_per_layer():
    model = nn.Sequential(Nested(), nn.ReLU())
    model.parent = model
    lines = [
        "Sequential",
        "  layers.0: Nested",
        "    pair.0: Linear",
        "    pair.1: Linear",
        "    branches.left: Linear",
    ]
    lines += ["    branches.right.0: Linear", "    grid.0.0: Linear", "    grid.1.0: BatchNorm"]
    assert repr(model).splitlines() == [*lines, "  layers.1: ReLU", "  parent: ..."]


def test_network_with_forward():
    class Network(nn.Module):
        def forward(self, x):
            return x

    with pytest.raises(TypeError, match=r"^Network: define __call__\(self, x, .*\); quatnet has no forward$"):
        Network()(np.zeros(1), train=True)


def test_reference_to_the_parent_module_is_skipped():
    net, child = nn.Sequential(), nn.Linear(2, 2, rng=np.random.default_rng(0))
    net.layers.append(child)
    child.parent = net
    assert [name for name, _ in net.named_parameters()] == ["layers.0.weight", "layers.0.bias"]


def test_sequential_passes_train_and_rng(rng):
    net = nn.Sequential(nn.Linear(4, 4, rng=rng), nn.BatchNorm(4), nn.ReLU(), nn.Dropout(0.5))
    x = Tensor(draw(rng, 8, 4, dtype=np.float32))
    y = asnumpy(net(x, train=True, rng=np.random.default_rng(0)).data)
    assert (y == 0).mean() > 0.5
    assert float(xp.abs(net[1].running_mean).max()) > 0
    assert len(net) == 4
    assert [type(layer).__name__ for layer in net] == ["Linear", "BatchNorm", "ReLU", "Dropout"]


LAYERS = {
    "relu": (nn.ReLU(), ops.relu),
    "flatten": (nn.Flatten(), lambda x: ops.reshape(x, (2, -1))),
    "average pool": (nn.AvgPool2d(), lambda x: ops.avg_pool2d(x, kernel_size=2)),
    "max pool": (nn.MaxPool2d(3), lambda x: ops.max_pool2d(x, kernel_size=3)),
    "norm max pool": (nn.NormMaxPool2d(2), lambda x: ops.norm_max_pool2d(x, kernel_size=2)),
    "quaternion norm": (nn.QuaternionNorm(), ops.quaternion_norm),
    "dropout in evaluation": (nn.Dropout(0.5), lambda x: x),
    "quaternion dropout in evaluation": (nn.QuaternionDropout(0.5), lambda x: x),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_without_parameters_applies_its_op(name, rng):
    layer, op = LAYERS[name]
    x = Tensor(draw(rng, 2, 6, 6, 8))
    assert_close(layer(x, train=False).data, op(x).data)
    assert list(layer.parameters()) == []


def test_quaternion_dropout_zeroes_all_four_components(rng):
    y = nn.QuaternionDropout(0.5)(Tensor(xp.ones((50, 8))), train=True, rng=rng)
    components = asnumpy(y.data).reshape(50, 4, 2)
    assert (components == components[:, :1]).all()
