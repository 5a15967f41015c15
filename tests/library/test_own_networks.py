"""Networks of users: shared layers, names, several outputs, and operations that a graph cannot contain."""

from contextlib import nullcontext

import numpy as np
import pytest

import quatnet
from quatnet import Classifier, Tensor, graph, nn, ops, prune, training
from quatnet.audio import FrontEnd
from quatnet.autodiff import op
from quatnet.backend import asnumpy, xp
from quatnet.datasets import one_hot
from quatnet.errors import ConfigError, ShapeError


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def assert_equal(a: Tensor, b: Tensor) -> None:
    np.testing.assert_allclose(asnumpy(a.data), asnumpy(b.data), rtol=1e-5, atol=1e-6)


class Square:
    @staticmethod
    @op
    def apply(x: Tensor) -> Tensor:
        return Tensor.from_op(x.data**2, (x,), lambda grad: (2 * grad * x.data,))


class Cube:
    @staticmethod
    @op
    def apply(x: Tensor) -> Tensor:
        return Tensor.from_op(x.data**3, (x,), lambda grad: (3 * grad * x.data**2,))


def test_two_ops_of_one_name_are_refused_by_a_trace():
    x = np.full((1, 1), 2, np.float32)
    assert (Square.apply(x) + Cube.apply(x)).item() == 12
    with pytest.raises(ConfigError, match="two ops have the name 'apply'"):
        graph.trace(lambda x: Square.apply(x) + Cube.apply(x), x)
    assert graph.GraphModule(graph.trace(Cube.apply, x))(x).item() == 8  # the op that was defined last


def test_op_with_any_number_of_tensors_is_refused():
    with pytest.raises(ConfigError, match=r"the op total has arguments \* or \*\*; use .* Sequence\[Tensor\]"):

        @op
        def total(*tensors: Tensor) -> Tensor:
            return Tensor(sum(tensor.data for tensor in tensors))


def test_op_with_several_results_is_refused_by_a_trace():
    @op
    def halves(x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, :2], x[:, 2:]

    with pytest.raises(ConfigError, match="the op halves returns a tuple; expected one tensor"):
        graph.trace(lambda x: halves(x)[0], np.ones((2, 4), np.float32))


@pytest.mark.parametrize("train_only", [False, True])
def test_own_op_whose_name_ends_with_dropout(train_only):
    @op
    def scaled_dropout(x: Tensor, p: float, *, train: bool) -> Tensor:  # scales in evaluation
        factor = x.data.dtype.type(1 if train else 1 - p)
        return Tensor.from_op(x.data * factor, (x,), lambda grad: (grad * factor,))

    def network(x: Tensor, *, train: bool = False) -> Tensor:
        return scaled_dropout(x, 0.25, train=train) if train or not train_only else x * 1.0

    x = np.ones((2, 2), np.float32)
    with pytest.warns(UserWarning, match="depend on training mode") if train_only else nullcontext():
        traced = graph.trace(network, x)
    for run in (graph.GraphModule(traced), graph.GraphModule(graph.fold(traced))):
        assert_equal(run(x), network(Tensor(x)))


class Gate(nn.Module):
    """Layer whose call is an operation, with an attribute that the graph cannot contain."""

    def __init__(self, slopes: object) -> None:
        self.slopes, self.kind, self.size = slopes, "slopes", (3, [1, None])

    @op
    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return x * self.slopes[0] if self.kind == "list" else x * self.slopes  # type: ignore[index, operator]


def test_attributes_of_a_layer_that_is_an_operation():
    x = np.ones((1, 2), np.float32)
    slopes = Tensor(xp.full(2, 3, dtype=np.float32), requires_grad=True)
    traced = graph.trace(Gate(slopes), x)
    assert graph.count(traced).parameters == 2
    assert_equal(graph.GraphModule(traced)(x), Gate(slopes)(x))
    with pytest.raises(
        ConfigError, match=r"attribute 'slopes' of type list; expected tensors, .* or a __call__ without"
    ):
        graph.trace(Gate([slopes]), x)


class Shared(nn.Module):
    """Network with two names for its last convolution."""

    def __init__(self) -> None:
        self.stem, self.blocks = nn.Conv2d(1, 8, rng=rng()), [nn.Conv2d(8, 8, rng=rng())]
        self.last, self.head = self.blocks[-1], nn.Linear(8, 2, rng=rng())

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return self.head(ops.relu(self.last(ops.relu(self.stem(Tensor(x))))).mean((1, 2)))


@pytest.mark.parametrize("group", ["stem", "blocks.0"])
def test_masking_of_a_layer_with_two_names(group):
    x, network = rng().standard_normal((2, 6, 6, 1)).astype(np.float32), Shared()
    keep = {group: prune.select(network, 0.5, example=x)[group]}
    masked = prune.mask_filters(network, keep, example=x)(x)
    assert_equal(masked, prune.prune_filters(network, keep, example=x)(x))
    assert abs(asnumpy(masked.data - network(x).data)).max() > 1e-3


@pytest.mark.parametrize("keys", [(1, "1"), ("a.weight", "a")])
def test_parameters_with_equal_names_are_refused(keys):
    class Net(nn.Module):
        def __init__(self) -> None:
            first, second = (nn.Linear(3, 3, rng=rng()) for _ in range(2))
            self.heads = {keys[0]: first.weight if "." in str(keys[0]) else first, keys[1]: second}

        def __call__(self, x: Tensor) -> Tensor:
            return self.heads[keys[1]](x)  # type: ignore[operator]

    for function in (nn.Module.state_dict, lambda net: graph.trace(net, np.ones((1, 3), np.float32))):
        with pytest.raises(ConfigError, match=r"two parameters or buffers have the name 'heads\..*weight'"):
            function(Net())


def test_same_array_for_two_inputs():
    layer, x = nn.Linear(3, 2, rng=rng()), np.ones((2, 3), np.float32)

    def siamese(a: object, b: object) -> Tensor:
        return layer(Tensor(a)) - layer(Tensor(b)) * 2.0

    assert_equal(graph.GraphModule(graph.trace(siamese, (x, x)))(x, 3 * x), siamese(x, 3 * x))


def test_output_that_is_no_tensor():
    with pytest.raises(ConfigError, match="returns tensors, got None"):
        graph.trace(lambda x: (x * 2, None), np.ones((2, 3), np.float32))


class Heads(nn.Module):
    """Network with two outputs."""

    def __init__(self) -> None:
        self.a, self.b, self.sharpness = nn.Linear(4, 3, rng=rng()), nn.Linear(4, 1, rng=rng()), 1.0

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> tuple:
        return self.a(x) * self.sharpness, self.b(x)


def test_training_of_a_network_with_two_outputs(tmp_path):
    x, y = rng().standard_normal((8, 4)).astype(np.float32), one_hot(np.arange(8) % 3, 3)
    loader, network = training.DataLoader(x, y), Heads()

    def loss(outputs: tuple, targets: object, x: object) -> Tensor:
        network.sharpness += 1.0  # an attribute that changes during the training
        return ops.cross_entropy(outputs[0], targets) + ops.mse_loss(outputs[1], np.ones(outputs[1].shape))

    progress = training.fit(network, loader, epochs=3, loss=loss, checkpoint=tmp_path / "net.npz")
    assert set(progress.history[-1]) == {"loss"}
    assert network.sharpness > 3
    for a, b in zip(training.load_model(tmp_path / "net.npz")(x), network(x), strict=True):
        assert_equal(a, b)
    with pytest.raises(ConfigError, match="the output of the model"):
        training.predict(network, x)
    with pytest.raises(ShapeError, match="cross_entropy, argument logits: expected one tensor, got a tuple of tensors"):
        training.fit(network, loader, epochs=1)


def test_bias_that_is_a_result(tmp_path):
    layer, x = nn.Linear(3, 4, rng=rng()), np.ones((2, 3), np.float32)

    def network(x: Tensor) -> Tensor:
        return ops.linear(x, layer.weight, layer(x).mean(0))

    assert_equal(quatnet.compile(network, x)(x), network(Tensor(x)))
    for bias in (np.zeros((1, 4)), np.zeros(()), np.zeros(3)):
        with pytest.raises(ShapeError, match=r"expected a bias \(4,\), got"):
            ops.linear(x, layer.weight, bias)
        with pytest.raises(ShapeError, match=r"expected a bias \(4,\), got"):
            ops.quaternion_linear(np.ones((2, 4)), np.ones((4, 1, 1)), bias)


def test_equal_names_of_onnx_outputs(tmp_path):
    pytest.importorskip("onnx")
    with pytest.raises(ConfigError, match="expected different names of the outputs, got a_b, a_b"):
        graph.to_onnx(graph.trace(lambda x: {"a": {"b": x * 2}, "a_b": x * 3}, np.ones((1, 3))), tmp_path / "a.onnx")


@pytest.mark.parametrize("shape", [(3,), (1, 3)])
def test_embedding_before_a_sum_with_an_array(shape):
    frontend = FrontEnd(sample_rate_hz=8000, high_hz=4000.0, window=256, mels=16, clip_seconds=1.0)

    class Net(nn.Module):
        def __init__(self) -> None:
            self.conv, self.head = nn.Conv2d(4, 16, rng=rng()), nn.Linear(16, 3, rng=rng())
            self.prior = xp.zeros(shape, dtype=np.float32)

        def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
            return self.head(ops.relu(self.conv(x)).mean((1, 2))) + self.prior

    assert Classifier(Net(), frontend, ["a", "b", "c"]).embed(np.zeros(8000, np.float32), 8000).shape == (16,)


def test_losses_name_the_number_of_axes():
    with pytest.raises(ShapeError, match=r"\(2, 4, 1\) and \(2, 4, 1\); reshape both to two axes"):
        ops.mse_loss(np.ones((2, 4, 1)), np.ones((2, 4, 1)))


@pytest.mark.parametrize("size", [(8, 8), (5, 8)])
def test_onnx_export_of_a_product_of_feature_maps(size, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    first, second = (nn.Conv2d(1, 8, rng=np.random.default_rng(seed)) for seed in range(2))
    x = rng().standard_normal((2, *size, 1)).astype(np.float32)

    def network(x: Tensor) -> Tensor:
        return first(x) @ second(x)  # matrices (width, channels) for each row of an image

    graph.to_onnx(graph.trace(network, x), tmp_path / "net.onnx")
    session = runtime.InferenceSession(tmp_path / "net.onnx")
    np.testing.assert_allclose(session.run(None, {"input": x})[0], asnumpy(network(Tensor(x)).data), atol=1e-5)
