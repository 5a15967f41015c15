"""Three more ways to normalize: by layer, by quaternion, and by whitening.

Layer normalization takes mean and variance of one row, so a clip does not depend on its batch. Batch normalization
of quaternions divides all four components by one number, the length of a typical quaternion: a turn, a unit
quaternion on the right, goes through it, as it does not through one variance for each component. Whitening goes
further: it makes the four components uncorrelated, by a triangular 4x4 matrix that comes out of the covariance; the
gradient passes through covariance, Cholesky factor and inverse, and is again three terms.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.arrays import assert_close, draw
from support.parity import assert_parity
from support.right_multiplication import norms, random_unit, times
from support.strategies import seeds

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp
from quatnet.errors import QuatnetError, ShapeError
from quatnet.nn import BatchNorm, LayerNorm, QuaternionBatchNorm, WhiteningBatchNorm
from quatnet.ops.quaternion_batchnorm import quaternion_statistics
from quatnet.ops.whitening import WhiteningError, whitening_statistics

SHAPES = [(7, 8), (2, 5, 4), (2, 3, 4, 12)]
LOWER = np.tril_indices(4)


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


def by_quaternion(x, **options):
    """Without scale and bias."""
    quaternions = x.shape[-1] // 4
    return ops.quaternion_batch_norm(Tensor(x), leaf(np.ones(quaternions)), leaf(np.zeros(x.shape[-1])), **options).data


def whitened(x, **options):
    """With S = I and no shift."""
    scale = np.repeat(np.eye(4)[LOWER][:, None], x.shape[-1] // 4, axis=1)
    return ops.whitening_batch_norm(Tensor(x), leaf(scale), leaf(np.zeros(x.shape[-1])), **options).data


def quaternions_of(x):
    """(..., 4C) as one array of rows (rows, 4) for each quaternion channel."""
    return np.moveaxis(asnumpy(x).reshape(-1, 4, x.shape[-1] // 4), -1, 0)


def correlated(seed, *shape):
    """Activations whose components are mixed with each other, channel by channel, and off centre."""
    x = quaternions_of(draw(seed, *shape))
    mixed = x @ asnumpy(draw(seed + 1, len(x), 4, 4)) + 3
    return xp.asarray(np.moveaxis(mixed, 0, -1).reshape(shape))


# By layer


def test_a_row_is_normalized_with_a_pencil():
    # 1 and 3: mean 2, variance 1: -1 and 1, and so are 10 and 30 in their own row; times 10 plus 5
    y = ops.layer_norm(leaf([[1, 3], [10, 30]]), leaf([10, 10]), leaf([5, 5]), eps=0)
    assert_close(y.data, [[-5, 15], [-5, 15]])


@given(seeds, st.sampled_from(SHAPES))
def test_layer_norm_is_the_formula_row_by_row(seed, shape):
    x, scale, shift = 3 + 2 * draw(seed, *shape), draw(seed + 1, shape[-1]), draw(seed + 2, shape[-1])
    y = asnumpy(ops.layer_norm(Tensor(x), Tensor(scale), Tensor(shift)).data)
    for row in np.ndindex(*shape[:-1]):
        a = asnumpy(x)[row]
        mean = sum(a) / len(a)
        variance = sum((entry - mean) ** 2 for entry in a) / len(a)
        expected = (a - mean) / math.sqrt(variance + 1e-5)
        np.testing.assert_allclose(y[row], expected * asnumpy(scale) + asnumpy(shift))


def test_a_row_does_not_depend_on_the_rest_of_the_batch(rng):
    layer, x = LayerNorm(8), draw(rng, 5, 8)
    assert_close(layer(Tensor(x[2:3])).data, layer(Tensor(x)).data[2:3])
    assert dict(layer.named_parameters()).keys() == layer.state_dict().keys() == {"weight", "bias"}


def test_a_turn_does_not_go_through_layer_norm():
    # x = 3 + i + j + k: mean 3/2, variance 3/4. x i = -1 + 3i + j - k: mean 1/2, variance 11/4
    x, i = np.array([[3.0, 1, 1, 1]]), [0.0, 1, 0, 0]
    layer = LayerNorm(4)
    assert_close(layer(Tensor(times(x, i))).data, np.array([[-1.5, 2.5, 0.5, -1.5]]) / math.sqrt(2.75), atol=1e-4)
    assert_close(times(layer(Tensor(x)).data, i), np.array([[0.5, 1.5, -0.5, 0.5]]) / math.sqrt(0.75), atol=1e-4)


# By quaternion


def test_quaternions_are_normalized_with_a_pencil():
    # 1 + 4j and 5 + 4i: mean 3 + 2i + 2j, both sqrt(4 + 4 + 4) away from it, variance 12 / 4 = 3
    x = leaf([[1, 0, 4, 0], [5, 4, 0, 0]])
    y = ops.quaternion_batch_norm(x, leaf([3]), leaf([0, 0, 0, 7]), eps=0)
    root = math.sqrt(3)  # 3 · 2 / sqrt(3)
    assert_close(y.data, [[-2 * root, -2 * root, 2 * root, 7], [2 * root, 2 * root, -2 * root, 7]])


def test_given_statistics_of_quaternions_are_used_as_they_are():
    # (9 - 1, 2, 2, 2) / sqrt(4), times 3
    statistics = xp.asarray([1.0, 0, 0, 0]), xp.asarray([4.0])
    y = ops.quaternion_batch_norm(leaf([[9, 2, 2, 2]]), leaf([3]), leaf(np.zeros(4)), statistics, eps=0)
    assert_close(y.data, [[12, 3, 3, 3]])


@given(seeds, st.sampled_from(SHAPES))
def test_one_number_divides_all_four_components(seed, shape):
    x = correlated(seed, *shape)
    y = quaternions_of(by_quaternion(x, eps=0))
    for before, after in zip(quaternions_of(x), y, strict=True):
        mean = sum(before) / len(before)
        variance = sum(sum((q - mean) ** 2) for q in before) / (4 * len(before))
        np.testing.assert_allclose(after, (before - mean) / math.sqrt(variance), atol=1e-9)
        assert (after**2).sum(axis=1).mean() == pytest.approx(4)  # E|q|²: the four components have 1 on average


@given(seeds, seeds, st.sampled_from(SHAPES))
def test_a_turn_goes_through_one_variance_per_quaternion(seed, other, shape):
    x, u = correlated(seed, *shape), random_unit(other)
    assert_close(by_quaternion(times(x, u)), times(by_quaternion(x), u), atol=1e-9)
    assert_close(by_quaternion(times(x, -5 * u), eps=0), times(by_quaternion(x, eps=0), -u), atol=1e-9)


def test_a_turn_does_not_go_through_one_variance_per_component():
    # variances 1 and 9 of r and i: both end at ±1, and (1 + i) u with u = (3 + 4i) / 5 is (-1 + 7i) / 5; turned
    # first, 1 + 3i is (-9 + 13i) / 5 and ends at -1 + i
    x, u, norm = np.array([[1.0, 3, 0, 0], [-1, -3, 0, 0]]), [0.6, 0.8, 0, 0], BatchNorm(4)
    assert_close(times(norm(Tensor(x), train=True).data, u)[0], [-0.2, 1.4, 0, 0], atol=1e-4)
    assert_close(norm(Tensor(times(x, u)), train=True).data[0], [-1, 1, 0, 0], atol=1e-4)


def test_a_shift_stays_where_it_is_when_the_quaternions_turn():
    # all rows equal: what is left is the shift, and it does not turn
    x, i = np.ones((3, 4)), [0.0, 1, 0, 0]
    y = ops.quaternion_batch_norm(Tensor(times(x, i)), leaf([1]), leaf([5, 0, 0, 0]))
    assert_close(y.data, np.tile([5.0, 0, 0, 0], (3, 1)))


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_a_million_float32_rows_are_summed_like_float64(offset, rng):
    x, g = offset + draw(rng, 1_000_000, 4, dtype=np.float32), draw(rng, 1_000_000, 4, dtype=np.float32)
    _, variance = quaternion_statistics(x)
    assert_close(variance, [asnumpy(x).astype(np.float64).var(axis=0).mean()], rtol=1e-6)
    scale, shift = (Tensor(np.ones(n, np.float32), requires_grad=True) for n in (1, 4))
    ops.quaternion_batch_norm(Tensor(x), scale, shift).backward(g)
    assert_close(shift.grad, asnumpy(g).sum(axis=0, dtype=np.float64), rtol=1e-6, atol=1e-3)


# By whitening


def test_whitening_worked_with_a_pencil():
    # r is ±1 and i = r + s with s = ±2 of its own: V = [[1, 1], [1, 5]] = L Lᵀ with L = [[1, 0], [1, 2]].
    # L⁻¹ (r, i) = (r, (i - r) / 2) = (r, s / 2): the ±1 that went in. j = k = 0 stay
    r, s = np.tile([1, 1, -1, -1], 2), np.tile([2, -2, 2, -2], 2)
    x = np.stack([r, r + s, 0 * r, 0 * r], axis=1) + [10.0, 20, 30, 40]
    y = whitened(x, eps=1e-12)
    assert_close(y, np.stack([r, s / 2, 0 * r, 0 * r], axis=1), atol=1e-9)


def test_the_scale_is_the_lower_triangle_of_a_symmetric_matrix():
    # S = [[0, 1, 2, 3], [1, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0]] and z = (1, 10, 100, 1000): S z = (3210, 1, 2, 3)
    scale = np.array([0.0, 1, 0, 2, 0, 0, 3, 0, 0, 0])[:, None]
    statistics = xp.zeros(4), xp.eye(4)[None]
    y = ops.whitening_batch_norm(leaf([[1, 10, 100, 1000]]), leaf(scale), leaf([0, 0, 0, 5]), statistics, eps=0)
    assert_close(y.data, [[3210, 1, 2, 8]])


@given(seeds, st.sampled_from(SHAPES))
def test_whitened_components_are_uncorrelated_with_variance_one(seed, shape):
    x = correlated(seed, *shape)
    smallest = np.linalg.eigvalsh(asnumpy(whitening_statistics(x)[1])).min()
    assume(smallest > 1e-6)  # or epsilon is a part of it that shows
    for z in quaternions_of(whitened(x, eps=1e-12)):
        np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(z.T @ z / len(z), np.eye(4), atol=1e-4)


@given(seeds, st.sampled_from(SHAPES))
def test_whitening_is_gram_and_schmidt_on_the_components(seed, shape):
    # Cholesky takes the components one after the other: away with what is known of it already, then length 1
    x = correlated(seed, *shape)
    for before, after in zip(quaternions_of(x), quaternions_of(whitened(x, eps=1e-12)), strict=True):
        done: list[np.ndarray] = []
        for component in (before - before.mean(axis=0)).T:
            rest = component - sum(z * (z @ component) / len(z) for z in done)
            done.append(rest / math.sqrt((rest**2).mean()))
        np.testing.assert_allclose(after, np.stack(done, axis=1), atol=1e-4)


@given(seeds, seeds, st.floats(0.1, 10))
def test_no_quaternion_on_the_right_changes_the_lengths_of_whitened_ones(seed, other, length):
    # |z|² = (q - mean)ᵀ V⁻¹ (q - mean) does not depend on the axes in which q is written
    x, p = correlated(seed, 20, 8), length * random_unit(other)
    assert_close(norms(whitened(times(x, p), eps=1e-12)), norms(whitened(x, eps=1e-12)), atol=1e-4)


def test_a_turn_does_not_go_through_whitening():
    # z is uncorrelated before and after the turn; the two differ by an orthogonal matrix, which is no product with i
    x, i = correlated(0, 20, 4), [0.0, 1, 0, 0]
    turned, expected = whitened(times(x, i)), times(whitened(x), i)
    assert float(xp.abs(turned - expected).max()) > 0.1
    matrix = np.linalg.lstsq(asnumpy(whitened(x)), asnumpy(turned), rcond=None)[0]
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(4), atol=1e-3)


def test_components_that_hang_together_are_no_trouble_in_float32(rng):
    # four multiples of one number: a covariance of rank 1, which epsilon alone makes invertible; its entries are up
    # to 10^8, of which float32 would keep 8, not 10^-5
    x = Tensor(draw(rng, 1000, 1, dtype=np.float32) * xp.asarray([100, 300, 7000, 11000], np.float32) / 3)
    layer = WhiteningBatchNorm(4)
    for train in (True, False):
        y = layer(x, train=train)
        assert y.data.dtype == np.float32
        assert np.isfinite(asnumpy(y.data)).all()


# Running statistics


def test_running_statistics_of_quaternions_move_a_tenth_of_the_way():
    # rows ±(1, 2, 3, 4): variance 30/4 = 7.5, unbiased 15: 1 + 0.1 (15 - 1) = 2.4; mean (10, 0, 0, 0) / 10
    norm = QuaternionBatchNorm(4)
    row = np.array([1, 2, 3, 4], np.float32)
    norm(Tensor(np.stack([row, -row]) + np.array([10, 0, 0, 0], np.float32)), train=True)
    assert_close(norm.running_mean, [1, 0, 0, 0], rtol=1e-6)
    assert_close(norm.running_var, [2.4], rtol=1e-6)


def test_the_running_covariance_moves_a_tenth_of_the_way(rng):
    norm, x = WhiteningBatchNorm(8), draw(rng, 9, 8, dtype=np.float32)
    norm(Tensor(x), train=True)
    expected = [0.9 * np.eye(4) + 0.1 * np.cov(rows.astype(np.float64).T) for rows in quaternions_of(x)]
    assert_close(norm.running_cov, np.stack(expected), rtol=1e-6, atol=1e-7)
    assert_close(norm.running_mean, 0.1 * x.mean(axis=0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("layer", [QuaternionBatchNorm, WhiteningBatchNorm])
def test_after_many_batches_evaluation_is_training(layer, rng):
    norm, x = layer(8), Tensor(correlated(0, 500, 8))
    for _ in range(300):
        y = norm(x, train=True)
    state = norm.state_dict()
    assert_close(norm(x, train=False).data, y.data, rtol=1e-2, atol=1e-2)
    for name, array in norm.state_dict().items():
        assert_close(array, state[name])  # evaluation leaves them alone


def test_a_batch_that_cannot_be_whitened_leaves_the_running_statistics_alone():
    norm = WhiteningBatchNorm(4)
    before = norm.state_dict()
    with pytest.raises(WhiteningError):
        norm(Tensor(np.full((9, 4), np.nan, np.float32)), train=True)
    for name, array in norm.state_dict().items():
        assert_close(array, before[name])


def test_what_is_trained_for_each_quaternion():
    # 1 + 4 numbers, 10 + 4 numbers
    for layer, numbers in [(QuaternionBatchNorm, 5), (WhiteningBatchNorm, 14)]:
        assert sum(p.data.size for p in layer(12).parameters()) == 3 * numbers


# Gradients, dtypes, errors


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_layer_norm_agree_with_difference_quotients(shape, rng):
    gradcheck(ops.layer_norm, [3 + draw(rng, *shape), draw(rng, shape[-1]), draw(rng, shape[-1])], rng=rng)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("norm", "entries", "statistics"),
    [
        (ops.quaternion_batch_norm, (), quaternion_statistics),
        (ops.whitening_batch_norm, (10,), whitening_statistics),
    ],
)
def test_gradients_of_quaternion_norms_agree_with_difference_quotients(norm, entries, statistics, training, shape, rng):
    x = correlated(1, *shape)
    arrays = [x, draw(rng, *entries, shape[-1] // 4), draw(rng, shape[-1])]
    constants = None if training else statistics(correlated(2, *shape))
    gradcheck(lambda *t: norm(*t, constants, eps=0.1), arrays, rng=rng, tolerance=1e-5)


@pytest.mark.parametrize("layer", [QuaternionBatchNorm, WhiteningBatchNorm])
def test_quaternion_norms_keep_float32(layer, rng):
    norm, x = layer(8), Tensor(draw(rng, 9, 8, dtype=np.float32), requires_grad=True)
    for train in (True, False):
        y = norm(x, train=train)
        ops.sum(y * y).backward()
        arrays = [y.data, x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean]
        assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


def test_layer_norm_keeps_float32(rng):
    norm, x = LayerNorm(8), Tensor(draw(rng, 9, 8, dtype=np.float32), requires_grad=True)
    ops.sum(norm(x) * norm(x)).backward()
    assert {a.dtype for a in (x.grad, norm.weight.grad, norm.bias.grad)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("norm", "scale", "shift"),
    [
        (ops.layer_norm, (2,), (8,)),
        (ops.layer_norm, (8,), (1,)),
        (ops.quaternion_batch_norm, (8,), (8,)),
        (ops.quaternion_batch_norm, (2,), (2,)),
        (ops.whitening_batch_norm, (4, 4, 2), (8,)),
        (ops.whitening_batch_norm, (10, 2), (2,)),
    ],
)
def test_scale_and_shift_of_another_shape_are_an_error(norm, scale, shift):
    with pytest.raises(ShapeError, match="expected weight"):
        norm(leaf(np.ones((9, 8))), leaf(np.ones(scale)), leaf(np.ones(shift)))


@pytest.mark.parametrize("layer", [QuaternionBatchNorm, WhiteningBatchNorm])
def test_channels_that_are_no_quaternions_are_an_error(layer):
    with pytest.raises(ShapeError, match="multiple of 4"):
        layer(6)
    for train in (True, False):
        with pytest.raises(ShapeError):
            layer(8)(leaf(np.ones((9, 6))), train=train)


def test_batch_statistics_of_nothing_are_an_error():
    with pytest.raises(ShapeError, match="at least one row"):
        by_quaternion(xp.ones((0, 4)))
    with pytest.raises(WhiteningError, match="at least 5 rows to train on, got 0"):
        whitened(xp.ones((0, 4)))


def test_four_rows_cannot_be_whitened_but_five_can():
    # four points lie in a plane of three dimensions: in one direction there is nothing to divide by
    with pytest.raises(WhiteningError, match="at least 5 rows to train on, got 4; take a larger batch"):
        whitened(draw(0, 4, 8))
    assert np.isfinite(asnumpy(whitened(draw(0, 5, 8)))).all()
    assert issubclass(WhiteningError, QuatnetError)


@pytest.mark.filterwarnings("ignore:invalid value")  # inf - inf
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_whitening_says_that_there_is_nan_among_the_activations(value):
    x = draw(0, 9, 8)
    x[3, 2] = value
    with pytest.raises(WhiteningError, match="look for the first nan, or raise epsilon"):
        whitened(x)


def test_whitening_without_epsilon_says_that_components_depend_on_each_other(rng):
    x = ops.repeat_encoder(Tensor(draw(rng, 9, 1))).data
    with pytest.raises(WhiteningError, match="depend on each other"):
        whitened(x, eps=0)


# PyTorch


@pytest.mark.parity
def test_layer_norm_is_that_of_pytorch(torch, rng):
    arrays = [3 + draw(rng, 4, 5, 8), draw(rng, 8), draw(rng, 8)]
    assert_parity(torch, ops.layer_norm, lambda x, *p: torch.nn.functional.layer_norm(x, (8,), *p), arrays, rng)


@pytest.mark.parity
def test_quaternion_norms_are_those_of_pytorch(torch, rng):
    def by_length(x, scale, shift):
        q = x.reshape(-1, 4, 2)
        centered = q - q.mean(dim=0)
        y = centered / torch.sqrt((centered**2).mean(dim=(0, 1)) + 1e-5) * scale
        return y.reshape(x.shape) + shift

    def by_cholesky(x, scale, shift):
        q = x.reshape(-1, 4, 2).permute(2, 1, 0)  # (C, 4, rows)
        centered = q - q.mean(dim=2, keepdim=True)
        factor = torch.linalg.cholesky(centered @ centered.mT / centered.shape[2] + 1e-5 * torch.eye(4))
        z = torch.linalg.solve_triangular(factor, centered, upper=False)
        s = torch.zeros(2, 4, 4, dtype=x.dtype)
        s[:, LOWER[0], LOWER[1]] = scale.T
        s = s + torch.tril(s, -1).mT
        return (s @ z).permute(2, 1, 0).reshape(x.shape) + shift

    x, shift = correlated(0, 4, 5, 6, 8), draw(rng, 8)
    assert_parity(torch, ops.quaternion_batch_norm, by_length, [x, draw(rng, 2), shift], rng)
    assert_parity(torch, ops.whitening_batch_norm, by_cholesky, [x, draw(rng, 10, 2), shift], rng, 1e-6)
