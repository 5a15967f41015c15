"""A trained network made ready for inference.

At evaluation a batch norm is a scale and a shift per channel, so convolution, batch norm, relu and average pool can be
done to a piece of an image while it is in cache, and kernels can be transformed once for all. `compile` does that and
must change nothing else: it is compared with the network itself, also after the network has learnt something new.
"""

import numpy as np
import pytest
from support.arrays import assert_close, draw

from quatnet import Tensor, no_grad, ops
from quatnet.backend import on_gpu
from quatnet.conv.fast import forms, fused
from quatnet.models import CNN, CNNConfig, compile, compiled, small_cnn
from quatnet.optim import Adam

pytestmark = pytest.mark.skipif(
    on_gpu(), reason="the fused walk is NumPy's; test_networks_on_kernels has that of a GPU"
)


def network(*, quaternion, seed=0, classes=3):
    """A network whose batch norms are not the identity."""
    rng = np.random.default_rng(seed)
    model = CNN(CNNConfig(classes, quaternion, ((16,), (32, 32), (48,)), 16), rng=rng)
    for array in model.state_dict().values():
        assert array.dtype == np.float32
    model.load_state_dict({name: moved(name, array, rng) for name, array in model.state_dict().items()})
    return model


def moved(name, array, rng):
    noise = rng.uniform(0.5, 1.5, array.shape).astype(np.float32)
    return array * noise if "weight" in name else array + noise - np.float32(0.9)


def assert_alike(model, ready, x):
    with no_grad():
        expected = model(x).data
    found = ready(x).data
    assert found.dtype == expected.dtype
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


# By hand


def test_a_layer_scales_shifts_cuts_and_averages():
    # one tap of 2: x = [[1, -1], [3, 5]] becomes 2x - 3 = [[-1, -5], [3, 7]], relu [[0, 0], [3, 7]], mean 2.5
    weight = np.zeros((1, 3, 3, 1, 1))
    weight[0, 1, 1] = 1
    x = np.array([[1.0, -1], [3, 5]]).reshape(1, 2, 2, 1, 1)
    layer = fused.layer(weight, np.array([2.0]), np.array([-3.0]), pool=True)
    assert_close(fused.apply(x, layer), np.full((1, 1, 1, 1, 1), 2.5))


# Against the separate ops


@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("components", [1, 4])
@pytest.mark.parametrize("shape", [(1, 5, 4), (2, 37, 31), (3, 64, 9), (9, 7, 5), (0, 40, 40)])
@pytest.mark.parametrize("direct", [False, True])
def test_one_walk_is_convolution_then_norm_then_relu_then_pool(direct, shape, components, pool, rng, monkeypatch):
    if direct:  # where kernels are so large and maps so small
        monkeypatch.setattr(forms, "takes_strips", lambda *_, **__: False)
        monkeypatch.setattr(forms, "takes_patches", lambda *_: False)
    x, weight = draw(rng, *shape, components * 16), draw(rng, components, 3, 3, 16, 18)
    scale, shift = draw(rng, components * 18), draw(rng, components * 18)
    conv = ops.quaternion_conv2d if components == 4 else ops.conv2d
    y = conv(Tensor(x), Tensor(weight if components == 4 else weight[0]), padding=1)
    y = ops.relu(y * scale + shift)
    expected = (ops.avg_pool2d(y) if pool else y).data
    found = fused.apply(x[:, :, :, None], fused.layer(weight, scale, shift, pool=pool))
    assert_close(found.reshape(expected.shape), expected, rtol=1e-9, atol=1e-9)


def test_a_large_kernel_is_transformed_for_a_map_of_some_columns_and_read_as_it_is_for_two():
    kernel, same = (4, 3, 3, 128, 256), ((1, 1), (1, 1))
    assert forms.takes_strips((1, 15, 8), kernel, *same, ready=True)
    assert forms.takes_patches((1, 7, 4), kernel)
    assert not forms.takes_strips((1, 40, 2), kernel, *same, ready=True)
    assert not forms.takes_patches((1, 40, 2), kernel)


# Whole networks


@pytest.mark.parametrize("quaternion", [True, False])
@pytest.mark.parametrize("clips", [1, 5])
def test_a_compiled_network_answers_like_the_network(quaternion, clips, rng):
    model = network(quaternion=quaternion)
    assert_alike(model, compile(model), draw(rng, clips, 75, 64, 4, dtype=np.float32))


def test_the_network_of_the_example_too(rng):
    model = CNN(small_cnn(classes=10), rng=rng)
    assert_alike(model, compile(model), draw(rng, 2, 101, 64, 4, dtype=np.float32))


def test_a_compiled_network_follows_what_the_network_learns(rng):
    model, x = network(quaternion=True), draw(rng, 4, 64, 64, 4, dtype=np.float32)
    ready = compile(model)
    assert_alike(model, ready, x)
    before = ready(x).data
    loss = ops.cross_entropy(model(x, train=True, rng=rng), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]])
    loss.backward()
    Adam(model.parameters()).step(lr=0.1)
    assert_alike(model, ready, x)
    assert np.abs(ready(x).data - before).max() > 1e-3
    model.load_state_dict(network(quaternion=True, seed=1).state_dict())
    assert_alike(model, ready, x)


def test_kernels_are_transformed_once(rng, monkeypatch):
    model, x = network(quaternion=True), draw(rng, 2, 64, 64, 4, dtype=np.float32)
    ready = compile(model)
    ready(x)
    monkeypatch.setattr(fused.convolution, "transformed_kernel", None)
    monkeypatch.setattr(compiled, "_real_matrix", None)
    monkeypatch.setattr(fused.direct, "added", None)
    monkeypatch.setattr(fused.patched, "left_operand", None)
    ready(x)


def test_no_graph_is_kept(rng):
    model = network(quaternion=True)
    assert not compile(model)(draw(rng, 1, 64, 64, 4, dtype=np.float32)).requires_grad
