"""Batch norm, relu and average pooling in one op: equal to the three ops bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import draw
from support.strategies import seeds

from quatnet import Tensor, graph, no_grad, ops, threads
from quatnet.autodiff import gradcheck
from quatnet.backend import on_gpu
from quatnet.models import CNN, small_cnn
from quatnet.nn import BatchNorm
from quatnet.ops import batchnorm, pooled_batchnorm
from quatnet.ops.batchnorm import batch_statistics

pytestmark = pytest.mark.skipif(on_gpu(), reason="the op of the CPU is tested")


def layer_and_input(shape: tuple, seed: int, dtype=np.float32) -> tuple[BatchNorm, np.ndarray, np.ndarray]:
    """Return a batch norm with random parameters, an input and an upstream gradient."""
    rng = np.random.default_rng(seed)
    layer = BatchNorm(shape[3])
    layer.weight.data, layer.bias.data = (draw(rng, shape[3], dtype=dtype) for _ in range(2))
    layer.weight.data[0] = 0
    grad = draw(rng, shape[0], shape[1] // 2, shape[2] // 2, shape[3], dtype=dtype)
    return layer, draw(rng, *shape, dtype=dtype) + dtype(rng.choice([0, 1, 100])), grad


def assert_equal_to_three_ops(shape: tuple, seed: int, dtype=np.float32) -> None:
    results = []
    for fused in (True, False):
        layer, x, grad = layer_and_input(shape, seed, dtype)
        x = Tensor(x, requires_grad=True)
        y = layer.relu_pool(x, train=True) if fused else ops.avg_pool2d(layer(x, train=True, relu=True))
        y.backward(grad)
        arrays = [y.data, x.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var]
        results.append([array.tobytes() for array in arrays])
    assert results[0] == results[1]


SIZES = [st.integers(1, 5), st.integers(2, 9), st.integers(2, 9), st.integers(1, 6)]


@given(seeds, st.tuples(*SIZES), st.sampled_from([np.float32, np.float64]))
def test_equal_to_three_ops(seed: int, shape: tuple, dtype: type) -> None:
    assert_equal_to_three_ops(shape, seed, dtype)


@pytest.mark.parametrize("count", ["1", "2", "3"])
@pytest.mark.parametrize("shape", [(16, 31, 16, 64), (9, 40, 33, 20), (3, 127, 64, 64), (2, 300, 64, 64)])
def test_equal_to_three_ops_in_chunks(shape: tuple, count: str, monkeypatch) -> None:
    monkeypatch.setenv("QUATNET_NUM_THREADS", count)
    assert_equal_to_three_ops(shape, 0)


@given(seeds, st.tuples(*SIZES), st.integers(1, 4000))
def test_equal_to_three_ops_for_any_size_of_the_chunks(seed: int, shape: tuple, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (threads, batchnorm):
            patch.setattr(module, "CACHE_BYTES", size)
        patch.setattr(threads, "MIN_CHUNK_BYTES", size // 7)
        patch.setattr(batchnorm, "MAX_ROWS", 64)
        assert_equal_to_three_ops(shape, seed)


@given(st.integers(1, 9), st.lists(st.integers(1, 9), min_size=0, max_size=2), st.integers(1, 300))
def test_row_slices_have_whole_images_if_they_fit(batch: int, sizes: list, cache: int) -> None:
    x = np.zeros((batch, *sizes, 2), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        for module in (threads, batchnorm):
            patch.setattr(module, "CACHE_BYTES", cache)
        slices = batchnorm.row_slices(x)
    rows = batchnorm.image_rows(x)
    assert [n for part in slices for n in range(len(rows))[part]] == list(range(len(rows)))
    height = len(rows) // batch
    if 2 * x[:1].nbytes <= cache and cache < batchnorm.MAX_ROWS:
        assert all(part.start % height == part.stop % height == 0 for part in slices)


def test_gradients(rng) -> None:
    arrays = [rng.standard_normal((3, 5, 4, 2)), rng.standard_normal(2), rng.standard_normal(2)]

    def function(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        mean, variance, _ = batch_statistics(x.data)
        return pooled_batchnorm.batch_norm_relu_pool(x, weight, bias, (mean, variance), 1e-5, None)

    gradcheck(function, arrays, rng=rng)


@pytest.mark.parametrize("offset", [0, 1, 3, 100, 1e4])
def test_gradient_of_the_weight_of_inputs_far_from_zero(offset: float, rng) -> None:
    x = (rng.standard_normal((8, 30, 20, 3)) + offset).astype(np.float32)
    grad = rng.standard_normal(x.shape).astype(np.float32)
    weights = []
    for dtype in (np.float32, np.float64):
        weight = Tensor(np.ones(3, dtype), requires_grad=True)
        ops.batch_norm(Tensor(x.astype(dtype)), weight, Tensor(np.zeros(3, dtype))).backward(grad.astype(dtype))
        weights.append(weight.grad)
    np.testing.assert_allclose(*weights, atol=2e-4 * np.sqrt(x.size / 3) * max(1, offset / 100))


def test_statistics_do_not_change_if_the_call_fails() -> None:
    layer, x, _ = layer_and_input((2, 4, 4, 3), 0)
    before = layer.running_mean
    layer.bias = Tensor(np.zeros(4, np.float32))
    with pytest.raises(Exception, match=r"shape|operands"):
        layer.relu_pool(Tensor(x), train=True)
    assert layer.running_mean is before


def test_evaluation_uses_the_running_statistics() -> None:
    layer, x, _ = layer_and_input((2, 5, 4, 3), 0)
    expected = ops.avg_pool2d(layer(Tensor(x), train=False, relu=True)).data
    np.testing.assert_array_equal(layer.relu_pool(Tensor(x), train=False).data, expected)


def test_a_graph_of_a_network_trains_bit_for_bit_like_the_network(rng) -> None:
    network = CNN(small_cnn(3, width=4), rng=rng)
    x = rng.standard_normal((2, 34, 64, 4), dtype=np.float32)
    copy = graph.GraphModule(graph.trace(network, x))
    results = []
    for model in (network, copy):
        loss = ops.cross_entropy(model(x, train=True, rng=np.random.default_rng(0)), np.eye(3, dtype=np.float32)[:2])
        loss.backward()
        gradients = {f"gradient of {name}": tensor.grad for name, tensor in model.named_parameters()}
        results.append({"loss": loss.data} | gradients | model.state_dict())
    assert results[0].keys() == results[1].keys()
    for name, array in results[0].items():
        np.testing.assert_array_equal(array, results[1][name], err_msg=name)


def test_the_backward_pass_stores_no_output_of_the_relu() -> None:
    layer, x, _ = layer_and_input((4, 40, 40, 8), 0)
    y = layer.relu_pool(Tensor(x, requires_grad=True), train=True)
    arrays = [cell.cell_contents for cell in y._backward.__closure__]
    assert sum(a.nbytes for a in arrays if isinstance(a, np.ndarray) and a.base is None) < 1.5 * x.nbytes
    with no_grad():
        assert not layer.relu_pool(Tensor(x), train=True).requires_grad
