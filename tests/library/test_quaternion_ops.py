"""Layers that see a quaternion whole, and a law to tell them from the others.

A quaternion layer multiplies by its weights from the left, so a constant q on the right goes straight through:
layer(x ⊗ q) = layer(x) ⊗ q. A unit quaternion on the right turns every quaternion and keeps its length; what looks
at lengths only, modReLU, pooling by norm, dropout of whole quaternions, lets it through too, and the norm as a head
does not see it at all. Split activations and the maximum of each component fail the law: an example is enough.
Encoders lead from real numbers into the quaternions, heads out of them.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_close, draw
from support.parity import assert_parity
from support.right_multiplication import norms, random_unit, times
from support.strategies import quaternions, seeds

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError
from quatnet.nn import Conv2d, LearnedEncoder, Linear, ModReLU, NormHead

SHAPES = [(3, 8), (2, 3, 2, 12)]
I = np.array([0.0, 1, 0, 0])  # noqa: E741


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


def gradient(function, array, g):
    x = leaf(array)
    function(x).backward(xp.asarray(g, dtype=np.float64))
    return x.grad


def learned_encoder(channels):
    """With weights in float64."""
    encoder = LearnedEncoder(channels, rng=np.random.default_rng(0))
    encoder.imaginary.weight.data = encoder.imaginary.weight.data.astype(np.float64)
    return encoder


def opened(x):
    return asnumpy(x).reshape(*x.shape[:-1], 4, x.shape[-1] // 4)


# Split activations


def test_a_split_activation_bends_each_component_alone():
    # one quaternion 1 - 2i + 3j - 4k: relu keeps 1 + 3j
    assert_close(ops.relu(leaf([[1, -2, 3, -4]])).data, [[1, 0, 3, 0]])


def test_tanh_worked_with_a_pencil():
    # x = log 3: (3 - 1/3) / (3 + 1/3) = 4/5, slope 1 - 16/25 = 9/25
    x = [0, math.log(3), -math.log(3), 1000]
    assert_close(ops.tanh(leaf(x)).data, [0, 0.8, -0.8, 1])
    assert_close(gradient(ops.tanh, x, [1, 25, 50, 1]), [1, 9, 18, 0])


@given(seeds)
def test_tanh_is_that_of_the_library_with_the_gradient_of_differences(seed):
    x = draw(seed, 3, 4)
    assert_close(ops.tanh(Tensor(x)).data, [[math.tanh(entry) for entry in row] for row in asnumpy(x)])
    gradcheck(ops.tanh, [x], rng=np.random.default_rng(seed), directions=1)


# The length changes, the direction stays: modReLU


def test_mod_relu_worked_with_a_pencil():
    # |1 + 2i + 2j + 4k| = 5. b = -2: 3/5 of it; b = 5: twice; b = -5 and less: nothing
    for bias, factor in [(-2, 0.6), (5, 2), (-5, 0), (-9, 0), (0, 1)]:
        assert_close(ops.mod_relu(leaf([[1, 2, 2, 4]]), leaf([bias])).data, factor * np.array([[1.0, 2, 2, 4]]))


def test_the_gradient_of_mod_relu_worked_with_a_pencil():
    # q = 2, b = -1: along q the slope is 1, across it what is left of the length, (2 - 1) / 2; <u, g> goes to b
    x, bias = leaf([[2, 0, 0, 0]]), leaf([-1])
    ops.mod_relu(x, bias).backward(xp.asarray([[10.0, 20, 30, 40]]))
    assert_close(x.grad, [[10, 10, 15, 20]])
    assert_close(bias.grad, [10])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bias", [-1.0, 0.0, 1.0])
def test_zero_stays_zero_and_has_no_gradient(bias):
    x, b = leaf(np.zeros((1, 4))), leaf([bias])
    y = ops.mod_relu(x, b)
    y.backward(xp.ones((1, 4)))
    for array in (y.data, x.grad):
        assert_close(array, np.zeros((1, 4)))
    assert_close(b.grad, [0])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e-160, 1e160])
def test_squares_that_a_float_cannot_hold_do_no_harm(size):
    # |q| = 2 size, so a bias of -size leaves half
    x, bias = leaf(np.full((1, 4), size)), leaf([-size])
    y = ops.mod_relu(x, bias)
    y.backward(xp.asarray([[2.0, 0, 0, 0]]))
    assert_close(y.data / size, np.full((1, 4), 0.5))
    assert_close(x.grad, [[1.25, 0.25, 0.25, 0.25]])  # g/2 + <u, g> u/2 with <u, g> = 1
    assert_close(ops.quaternion_norm(x).data / size, [[2]])


def test_nan_is_not_hidden():
    x = leaf([[math.nan, 0, 0, 0]])
    assert np.isnan(asnumpy(ops.mod_relu(x, leaf([-1])).data)).any()
    assert np.isnan(asnumpy(ops.quaternion_norm(x).data)).all()


@given(seeds, st.sampled_from(SHAPES))
def test_mod_relu_is_the_formula_in_loops(seed, shape):
    rng = np.random.default_rng(seed)
    x, bias = draw(rng, *shape), draw(rng, shape[-1] // 4) - 1
    expected = np.zeros_like(opened(x))
    for *row, c in np.ndindex(*shape[:-1], shape[-1] // 4):
        q = opened(x)[(*row, slice(None), c)]
        length = math.sqrt(sum(component**2 for component in q))
        for k in range(4):
            expected[(*row, k, c)] = max(length + float(bias[c]), 0) * q[k] / length
    assert_close(ops.mod_relu(Tensor(x), Tensor(bias)).data, expected.reshape(shape))


@given(seeds, st.floats(-3, 3))
def test_mod_relu_changes_lengths_only(seed, bias):
    x = draw(seed, 5, 8)
    y = ops.mod_relu(Tensor(x), leaf([bias, bias])).data
    assert_close(norms(y), xp.maximum(norms(x) + bias, 0), atol=1e-9)
    assert_close((opened(x) * opened(y)).sum(axis=-2), norms(x) * norms(y), atol=1e-9)  # parallel


def test_a_mod_relu_layer_starts_as_the_identity(rng):
    layer, x = ModReLU(8), draw(rng, 3, 8, dtype=np.float32)
    assert_close(layer(Tensor(x)).data, x, rtol=1e-6)
    assert {name: p.shape for name, p in layer.named_parameters()} == {"bias": (2,)}


# The length alone: the norm head


def test_the_norm_worked_with_a_pencil():
    # blocks r|i|j|k of two quaternions: 1 + 2i + 2j + 4k, length 5, and 0, whose gradient is 0
    x = [[1, 0, 2, 0, 2, 0, 4, 0]]
    assert_close(ops.quaternion_norm(leaf(x)).data, [[5, 0]])
    assert_close(gradient(ops.quaternion_norm, x, [[10, 10]]), [[2, 0, 4, 0, 4, 0, 8, 0]])


@given(seeds, st.sampled_from(SHAPES))
def test_the_norm_is_the_root_of_the_sum_of_squares(seed, shape):
    x = draw(seed, *shape)
    assert_close(ops.quaternion_norm(Tensor(x)).data, norms(x))


def test_the_other_head_is_a_real_layer_on_the_blocks(rng):
    # one quaternion 1 + 2i + 3j + 4k, all weights 1: 10 from the components, sqrt(30) from the norm
    whole, norm = Linear(4, 1, rng=rng), NormHead(4, 1, rng=rng)
    whole.weight.data = xp.ones((4, 1))
    norm.linear.weight.data = xp.ones((1, 1))
    x = leaf([[1, 2, 3, 4]])
    assert_close(whole(x).data, [[10]])
    assert_close(norm(x).data, [[math.sqrt(30)]])


# The longest of a window: pooling by norm


def test_pooling_by_norm_worked_with_a_pencil():
    # a window of 1, 2i, -5k and 3 + 3j: -5k is the longest; the maximum of each component mixes pixels: 3 + 2i + 3j
    window = np.array([[[1.0, 0, 0, 0], [0, 2, 0, 0]], [[0, 0, 0, -5], [3, 0, 3, 0]]])[None]
    assert_close(ops.norm_max_pool2d(leaf(window)).data, [[[[0, 0, 0, -5]]]])
    assert_close(ops.max_pool2d(leaf(window)).data, [[[[3, 2, 3, 0]]]])
    back = gradient(ops.norm_max_pool2d, window, [[[[1, 2, 3, 4]]]])
    expected = np.zeros((1, 2, 2, 4))
    expected[0, 1, 0] = [1, 2, 3, 4]
    assert_close(back, expected)


def test_of_equally_long_quaternions_the_first_is_kept():
    window = np.array([[[1.0, 0, 0, 0], [0, 1, 0, 0]], [[0, 0, 1, 0], [0, 0, 0, 1]]])[None]
    assert_close(ops.norm_max_pool2d(leaf(window)).data, [[[[1, 0, 0, 0]]]])


@given(seeds, st.integers(1, 2), st.integers(2, 5), st.integers(2, 5), st.integers(1, 2), st.integers(1, 3))
def test_pooling_by_norm_is_a_loop_over_windows(seed, n, h, w, c, size):
    size = min(size, h, w)
    x = draw(seed, n, h, w, 4 * c)
    expected = np.zeros((n, h // size, w // size, 4, c))
    for b, i, j, channel in np.ndindex(n, h // size, w // size, c):
        window = opened(x)[b, i * size : (i + 1) * size, j * size : (j + 1) * size, :, channel].reshape(-1, 4)
        expected[b, i, j, :, channel] = max(window, key=lambda q: sum(q**2))
    found = ops.norm_max_pool2d(Tensor(x), kernel_size=size).data
    assert_close(found, expected.reshape(found.shape))


# Whole quaternions are hidden


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_components_of_a_quaternion_stay_or_go_together(rate, rng):
    y = asnumpy(ops.quaternion_dropout(Tensor(np.ones((500, 400))), rate, rng=rng, train=True).data)
    kept = opened(y)
    assert (kept == kept[:, :1]).all()
    # of 50,000 quaternions, hidden: rate ± 5 standard deviations of at most 0.0023
    assert (kept[:, 0] == 0).mean() == pytest.approx(rate, abs=0.012)
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - rate)])


def test_what_was_hidden_receives_no_gradient(rng):
    x = leaf(np.ones((4, 20)))
    y = ops.quaternion_dropout(x, 0.5, rng=rng, train=True)
    y.backward(xp.full((4, 20), 3.0))
    assert_close(x.grad, 3 * y.data)


def test_outside_training_or_at_rate_zero_nothing_is_hidden(rng):
    x = leaf(np.ones((1, 4)))
    assert ops.quaternion_dropout(x, 0.5, rng=None, train=False) is x
    assert ops.quaternion_dropout(x, 0.0, rng=rng, train=True) is x


@pytest.mark.parametrize(("rate", "seed"), [(1.0, 0), (-0.1, 0), (0.5, None)])
def test_a_rate_that_cannot_be_or_a_missing_rng_is_an_error(rate, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    with pytest.raises(ConfigError, match="0 <= p < 1, and an rng"):
        ops.quaternion_dropout(leaf(np.ones((1, 4))), rate, rng=rng, train=True)


# Encoders


def test_encoders_worked_with_a_pencil():
    # two real channels 7 and 9; gradients of the four copies add up, those of the zeros are lost
    x, g = [[7, 9]], [[1, 2, 10, 20, 100, 200, 1000, 2000]]
    assert_close(ops.repeat_encoder(leaf(x)).data, [[7, 9, 7, 9, 7, 9, 7, 9]])
    assert_close(gradient(ops.repeat_encoder, x, g), [[1111, 2222]])
    assert_close(ops.zero_pad_encoder(leaf(x)).data, [[7, 9, 0, 0, 0, 0, 0, 0]])
    assert_close(gradient(ops.zero_pad_encoder, x, g), [[1, 2]])


@given(seeds, st.sampled_from([(3,), (2, 1), (2, 3, 4, 2)]))
def test_encoders_are_products_of_real_numbers_with_a_constant(seed, shape):
    x = draw(seed, *shape)
    real = xp.concatenate([x, xp.zeros((*shape[:-1], 3 * shape[-1]))], axis=-1)
    for encoder, constant in [(ops.repeat_encoder, [1.0, 1, 1, 1]), (ops.zero_pad_encoder, [1.0, 0, 0, 0])]:
        assert_close(encoder(Tensor(x)).data, times(real, constant))


@given(seeds, st.floats(-10, 10))
def test_encoders_commute_with_real_factors(seed, factor):
    x = draw(seed, 1, 4, 4, 2)
    for encoder in (ops.repeat_encoder, ops.zero_pad_encoder, learned_encoder(2)):
        assert_close(encoder(Tensor(factor * x)).data, factor * encoder(Tensor(x)).data, atol=1e-9)


def test_the_learned_encoder_keeps_the_input_as_real_part(rng):
    encoder, x = LearnedEncoder(2, rng=rng), Tensor(draw(rng, 1, 4, 5, 2, dtype=np.float32))
    y = encoder(x)
    assert y.shape == (1, 4, 5, 8)
    assert_close(y.data[..., :2], x.data)
    assert_close(y.data[..., 2:], encoder.imaginary(x).data)
    assert {name: p.shape for name, p in encoder.named_parameters()} == {"imaginary.weight": (3, 3, 2, 6)}
    assert isinstance(encoder.imaginary, Conv2d)


# The law

COMMUTE_WITH_ALL = {
    "average pool": ops.avg_pool2d,
    "pooling by norm": ops.norm_max_pool2d,
    "dropout": lambda x: ops.quaternion_dropout(x, 0.5, rng=np.random.default_rng(0), train=True),
}
FAIL = {
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "exp": ops.exp,
    "maximum pool": ops.max_pool2d,
    "dropout of components": lambda x: ops.dropout(x, 0.5, rng=np.random.default_rng(0), train=True),
}


@pytest.mark.parametrize("name", COMMUTE_WITH_ALL)
@given(seeds, quaternions())
def test_a_quaternion_on_the_right_goes_through(name, seed, q):
    layer, x = COMMUTE_WITH_ALL[name], draw(seed, 2, 4, 4, 8)
    q = np.where(np.abs(q) < 1e-3, 0, q)  # products that underflow would make lengths equal that are not
    assert_close(layer(Tensor(times(x, q))).data, times(layer(Tensor(x)).data, q), atol=1e-9)


@given(seeds, seeds)
def test_a_turn_goes_through_mod_relu(seed, other):
    x, u, bias = draw(seed, 3, 8), random_unit(other), leaf([-1.5, 0.5])
    assert_close(ops.mod_relu(Tensor(times(x, u)), bias).data, times(ops.mod_relu(Tensor(x), bias).data, u), atol=1e-9)


def test_a_longer_quaternion_does_not_go_through_mod_relu():
    # q = 2, b = -1: relu(2 - 1) = 1, times 3 is 3; but relu(6 - 1) = 5
    x, bias = np.array([[2.0, 0, 0, 0]]), leaf([-1])
    assert_close(ops.mod_relu(Tensor(3 * x), bias).data, [[5, 0, 0, 0]])
    assert_close(3 * ops.mod_relu(Tensor(x), bias).data, [[3, 0, 0, 0]])


@given(seeds, seeds)
def test_the_norm_head_does_not_see_a_turn(seed, other):
    x, head = draw(seed, 3, 8), NormHead(8, 2, rng=np.random.default_rng(seed))
    assert_close(ops.quaternion_norm(Tensor(times(x, random_unit(other)))).data, norms(x))
    assert_close(head(Tensor(times(x, random_unit(other)))).data, head(Tensor(x)).data)


def test_a_turn_does_not_go_through_the_split_relu():
    # x = 1 - i, and i on the right: (1 - i) i = i + 1. relu(1 + i) = 1 + i, but relu(1 - i) i = i
    x = np.array([[1.0, -1, 0, 0]])
    assert_close(ops.relu(Tensor(times(x, I))).data, [[1, 1, 0, 0]])
    assert_close(times(ops.relu(Tensor(x)).data, I), [[0, 1, 0, 0]])


@pytest.mark.parametrize("name", FAIL)
def test_a_turn_does_not_go_through_what_sees_components(name, rng):
    # i alone swaps components and signs, which tanh would not mind, being odd: (1 + i + j + k) / 2 mixes them
    x, layer, u = draw(rng, 1, 2, 2, 4), FAIL[name], np.full(4, 0.5)
    turned, expected = layer(Tensor(times(x, u))).data, times(layer(Tensor(x)).data, u)
    assert float(xp.abs(turned - expected).max()) > 0.1


# Gradients, dtypes, errors


def dropped(x):
    return ops.quaternion_dropout(x, 0.3, rng=np.random.default_rng(7), train=True)


IMAGE_OPS = {
    "norm": ops.quaternion_norm,
    "pool": ops.norm_max_pool2d,
    "pool 3": lambda x: ops.norm_max_pool2d(x, kernel_size=3),
    "dropout": dropped,
    "repeat": ops.repeat_encoder,
    "zero pad": ops.zero_pad_encoder,
    "tanh": ops.tanh,
}


@pytest.mark.parametrize("name", IMAGE_OPS)
def test_gradients_agree_with_difference_quotients(name, rng):
    function, x = IMAGE_OPS[name], draw(rng, 2, 4, 5, 8)
    gradcheck(function, [x], rng=rng)
    gradcheck(lambda x: function(ops.transpose(x, (0, 2, 1, 3))), [x], rng=rng)


def test_gradients_of_the_learned_encoder_agree_with_difference_quotients(rng):
    encoder = learned_encoder(2)

    def encode(x, weight):
        encoder.imaginary.weight = weight
        return encoder(x)

    gradcheck(encode, [draw(rng, 1, 4, 3, 2), draw(rng, 3, 3, 2, 6)], rng=rng)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_mod_relu_agree_with_difference_quotients(shape, rng):
    bias = xp.asarray(rng.uniform(-3, 1, shape[-1] // 4))
    y = ops.mod_relu(Tensor(draw(0, *shape)), Tensor(bias)).data
    assert 0 < int((norms(y) == 0).sum()) < norms(y).size  # some are stopped, some pass
    gradcheck(ops.mod_relu, [draw(0, *shape), bias], rng=rng)


@pytest.mark.parametrize("name", IMAGE_OPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_kept(name, dtype, rng):
    x = Tensor(draw(rng, 1, 4, 4, 8, dtype=dtype), requires_grad=True)
    y = IMAGE_OPS[name](x)
    ops.sum(y * y).backward()
    assert y.data.dtype == x.grad.dtype == dtype


def test_mod_relu_keeps_float32(rng):
    x, layer = Tensor(draw(rng, 3, 8, dtype=np.float32), requires_grad=True), ModReLU(8)
    y = layer(x)
    ops.sum(y * y).backward()
    assert {a.dtype for a in (y.data, x.grad, layer.bias.grad)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "function",
    [
        ops.quaternion_norm,
        lambda x: ops.mod_relu(x, leaf([0])),
        lambda x: ops.quaternion_dropout(x, 0.5, rng=None, train=False),
        ops.norm_max_pool2d,
    ],
)
@pytest.mark.parametrize("channels", [0, 3, 6])
def test_channels_that_are_no_quaternions_are_an_error(function, channels):
    with pytest.raises(ShapeError, match=f"multiple of 4 real channels, in blocks .*, got {channels}"):
        function(leaf(np.ones((1, 2, 2, channels))))


def test_layers_refuse_such_channels_before_they_see_data(rng):
    for layer in (ModReLU, lambda channels: NormHead(channels, 2, rng=rng)):
        with pytest.raises(ShapeError, match="multiple of 4"):
            layer(6)


def test_a_bias_of_another_length_is_an_error():
    with pytest.raises(ShapeError, match=r"each quaternion, shape \(2,\), got \(8,\)"):
        ops.mod_relu(leaf(np.ones((3, 8))), leaf(np.ones(8)))


@pytest.mark.parametrize("pool", [ops.avg_pool2d, ops.max_pool2d, ops.norm_max_pool2d])
def test_what_is_no_batch_of_images_cannot_be_pooled(pool):
    with pytest.raises(ShapeError, match=r"images \(N, H, W, C\), got shape \(4, 4, 4\)"):
        pool(leaf(np.ones((4, 4, 4))))
    with pytest.raises(ShapeError, match="does not fit"):
        pool(leaf(np.ones((1, 1, 4, 4))))


@pytest.mark.parametrize("encoder", [ops.repeat_encoder, ops.zero_pad_encoder])
def test_a_lone_number_has_no_channels(encoder):
    with pytest.raises(ShapeError, match="got a scalar"):
        encoder(leaf(3.0))


# PyTorch


@pytest.mark.parity
def test_whole_quaternion_ops_are_those_of_pytorch(torch, rng):
    def by_length(x, bias):
        q = x.reshape(2, 6, 5, 4, 2)
        length = q.norm(dim=3, keepdim=True)
        return (torch.relu(length + bias) * q / length).reshape(x.shape)

    def pooled(x):
        windows = x[:, :6, :4].reshape(2, 3, 2, 2, 2, 4, 2).permute(0, 1, 3, 5, 6, 2, 4).reshape(2, 3, 2, 4, 2, 4)
        winner = windows.norm(dim=3, keepdim=True).argmax(dim=-1, keepdim=True)
        return windows.gather(5, winner.expand(2, 3, 2, 4, 2, 1)).reshape(2, 3, 2, 8)

    x = draw(rng, 2, 6, 5, 8)
    assert_parity(torch, ops.mod_relu, by_length, [x, xp.asarray([-2.0, 0.5])], rng)
    assert_parity(torch, ops.norm_max_pool2d, pooled, [x], rng)
    assert_parity(torch, ops.quaternion_norm, lambda x: x.reshape(2, 6, 5, 4, 2).norm(dim=3), [x], rng)
    assert_parity(torch, ops.tanh, torch.tanh, [x], rng)
    assert_parity(torch, ops.repeat_encoder, lambda x: x.repeat(1, 1, 1, 4), [x], rng)
    assert_parity(torch, ops.zero_pad_encoder, lambda x: torch.nn.functional.pad(x, (0, 24)), [x], rng)
