"""Test layer normalization, quaternion batch normalization and whitening batch normalization.

Layer normalization computes mean and variance per example, so the result does not depend on the batch. Quaternion batch
normalization divides the four components by one standard deviation, and is equivariant to multiplication by a unit
quaternion from the right. Batch normalization with a variance per component is not equivariant. Whitening multiplies
the four components by the inverse Cholesky factor of their covariance, so that they are uncorrelated.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
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


def quaternion_normalized(x, **options):
    """Return the quaternion batch normalization of x with weight 1 and bias 0."""
    quaternions = x.shape[-1] // 4
    return ops.quaternion_batch_norm(Tensor(x), leaf(np.ones(quaternions)), leaf(np.zeros(x.shape[-1])), **options).data


def whiten(x, **options):
    """Return the whitening batch normalization of x with the identity matrix as weight and bias 0."""
    weight = np.repeat(np.eye(4)[LOWER][:, None], x.shape[-1] // 4, axis=1)
    return ops.whitening_batch_norm(Tensor(x), leaf(weight), leaf(np.zeros(x.shape[-1])), **options).data


def channels_of(x):
    """Return an array of shape (C, rows, 4) from x of shape (..., 4C), where C is the number of quaternion channels."""
    return np.moveaxis(asnumpy(x).reshape(-1, 4, x.shape[-1] // 4), -1, 0)


def correlated(seed, *shape):
    """Return activations with nonzero mean and correlated components. Each channel has another covariance."""
    x = channels_of(draw(seed, *shape))
    mixed = x @ asnumpy(draw(seed + 1, len(x), 4, 4)) + 3
    return xp.asarray(np.moveaxis(mixed, 0, -1).reshape(shape))


# Layer normalization


def test_layer_norm_worked_example():
    # both rows are normalized to (-1, 1); with weight 10 and bias 5 the result is (-5, 15)
    y = ops.layer_norm(leaf([[1, 3], [10, 30]]), leaf([10, 10]), leaf([5, 5]), eps=0)
    assert_close(y.data, [[-5, 15], [-5, 15]])


@given(seeds, st.sampled_from(SHAPES))
def test_layer_norm_equals_reference(seed, shape):
    x, weight, bias = 3 + 2 * draw(seed, *shape), draw(seed + 1, shape[-1]), draw(seed + 2, shape[-1])
    y = asnumpy(ops.layer_norm(Tensor(x), Tensor(weight), Tensor(bias)).data)
    for row in np.ndindex(*shape[:-1]):
        a = asnumpy(x)[row]
        mean = sum(a) / len(a)
        variance = sum((entry - mean) ** 2 for entry in a) / len(a)
        expected = (a - mean) / math.sqrt(variance + 1e-5)
        np.testing.assert_allclose(y[row], expected * asnumpy(weight) + asnumpy(bias))


def test_layer_norm_is_independent_of_the_batch(rng):
    layer, x = LayerNorm(8), draw(rng, 5, 8)
    assert_close(layer(Tensor(x[2:3])).data, layer(Tensor(x)).data[2:3])
    assert dict(layer.named_parameters()).keys() == layer.state_dict().keys() == {"weight", "bias"}


def test_layer_norm_is_not_equivariant():
    # x = 3 + i + j + k has mean 3/2 and variance 3/4; x i = -1 + 3i + j - k has mean 1/2 and variance 11/4
    x, i = np.array([[3.0, 1, 1, 1]]), [0.0, 1, 0, 0]
    layer = LayerNorm(4)
    assert_close(layer(Tensor(times(x, i))).data, np.array([[-1.5, 2.5, 0.5, -1.5]]) / math.sqrt(2.75), atol=1e-4)
    assert_close(times(layer(Tensor(x)).data, i), np.array([[0.5, 1.5, -0.5, 0.5]]) / math.sqrt(0.75), atol=1e-4)


# Quaternion batch normalization


def test_quaternion_batch_norm_worked_example():
    # 1 + 4j and 5 + 4i have the mean 3 + 2i + 2j; their squared distance from the mean is 12, so the variance is 12 / 4
    x = leaf([[1, 0, 4, 0], [5, 4, 0, 0]])
    y = ops.quaternion_batch_norm(x, leaf([3]), leaf([0, 0, 0, 7]), eps=0)
    root = math.sqrt(3)  # 2 · 3 / sqrt(3) = 2 sqrt(3)
    assert_close(y.data, [[-2 * root, -2 * root, 2 * root, 7], [2 * root, 2 * root, -2 * root, 7]])


def test_quaternion_batch_norm_with_running_stats():
    # the normalized quaternion is (9 - 1, 2, 2, 2) / sqrt(4), and the weight is 3
    statistics = xp.asarray([1.0, 0, 0, 0]), xp.asarray([4.0])
    y = ops.quaternion_batch_norm(leaf([[9, 2, 2, 2]]), leaf([3]), leaf(np.zeros(4)), statistics, eps=0)
    assert_close(y.data, [[12, 3, 3, 3]])


@given(seeds, st.sampled_from(SHAPES))
def test_quaternion_batch_norm_equals_reference(seed, shape):
    x = correlated(seed, *shape)
    y = channels_of(quaternion_normalized(x, eps=0))
    for before, after in zip(channels_of(x), y, strict=True):
        mean = sum(before) / len(before)
        variance = sum(sum((q - mean) ** 2) for q in before) / (4 * len(before))
        np.testing.assert_allclose(after, (before - mean) / math.sqrt(variance), atol=1e-9)
        assert (after**2).sum(axis=1).mean() == pytest.approx(4)  # the sum of four variances with mean 1


@given(seeds, seeds, st.sampled_from(SHAPES))
def test_quaternion_batch_norm_is_equivariant(seed, other, shape):
    x, u = correlated(seed, *shape), random_unit(other)
    assert_close(quaternion_normalized(times(x, u)), times(quaternion_normalized(x), u), atol=1e-9)
    assert_close(quaternion_normalized(times(x, -5 * u), eps=0), times(quaternion_normalized(x, eps=0), -u), atol=1e-9)


def test_batch_norm_is_not_equivariant():
    # r and i have the variances 1 and 9, so 1 + 3i is normalized to 1 + i; u = (3 + 4i) / 5
    # normalization first: (1 + i) u = (-1 + 7i) / 5
    # multiplication first: (1 + 3i) u = (-9 + 13i) / 5 is normalized to -1 + i
    x, u, norm = np.array([[1.0, 3, 0, 0], [-1, -3, 0, 0]]), [0.6, 0.8, 0, 0], BatchNorm(4)
    assert_close(times(norm(Tensor(x), train=True).data, u)[0], [-0.2, 1.4, 0, 0], atol=1e-4)
    assert_close(norm(Tensor(times(x, u)), train=True).data[0], [-1, 1, 0, 0], atol=1e-4)


def test_bias_is_not_rotated():
    # all rows are equal, so the normalized values are 0, and the result is the bias
    x, i = np.ones((3, 4)), [0.0, 1, 0, 0]
    y = ops.quaternion_batch_norm(Tensor(times(x, i)), leaf([1]), leaf([5, 0, 0, 0]))
    assert_close(y.data, np.tile([5.0, 0, 0, 0], (3, 1)))


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_sums_in_float32_are_accurate(offset, rng):
    x, grad = offset + draw(rng, 1_000_000, 4, dtype=np.float32), draw(rng, 1_000_000, 4, dtype=np.float32)
    _, variance, _ = quaternion_statistics(x)
    assert_close(variance, [asnumpy(x).astype(np.float64).var(axis=0).mean()], rtol=1e-6)
    weight, bias = (Tensor(np.ones(n, np.float32), requires_grad=True) for n in (1, 4))
    ops.quaternion_batch_norm(Tensor(x), weight, bias).backward(grad)
    assert_close(bias.grad, asnumpy(grad).sum(axis=0, dtype=np.float64), rtol=1e-6, atol=1e-3)


# Whitening


def test_whitening_worked_example():
    # The components are r = ±1, i = r + s with an independent s = ±2, and j = k = 0.
    # The covariance of r and i is [[1, 1], [1, 5]] = L Lᵀ with L = [[1, 0], [1, 2]].
    # The whitened components are L⁻¹ (r, i) = (r, (i - r) / 2) = (r, s / 2).
    r, s = np.tile([1, 1, -1, -1], 2), np.tile([2, -2, 2, -2], 2)
    x = np.stack([r, r + s, 0 * r, 0 * r], axis=1) + [10.0, 20, 30, 40]
    y = whiten(x, eps=1e-12)
    assert_close(y, np.stack([r, s / 2, 0 * r, 0 * r], axis=1), atol=1e-9)


def test_whitening_weight_is_a_symmetric_matrix():
    # the matrix S = [[0, 1, 2, 3], [1, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0]] maps z = (1, 10, 100, 1000) to
    # S z = (3210, 1, 2, 3)
    weight = np.array([0.0, 1, 0, 2, 0, 0, 3, 0, 0, 0])[:, None]
    statistics = xp.zeros(4), xp.eye(4)[None]
    y = ops.whitening_batch_norm(leaf([[1, 10, 100, 1000]]), leaf(weight), leaf([0, 0, 0, 5]), statistics, eps=0)
    assert_close(y.data, [[3210, 1, 2, 8]])


@given(seeds, st.sampled_from(SHAPES))
def test_whitened_components_are_uncorrelated(seed, shape):
    x = correlated(seed, *shape)
    smallest = np.linalg.eigvalsh(asnumpy(whitening_statistics(x)[1])).min()
    assume(smallest > 1e-6)  # so that eps is negligible
    for z in channels_of(whiten(x, eps=1e-12)):
        np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(z.T @ z / len(z), np.eye(4), atol=1e-4)


@given(seeds, st.sampled_from(SHAPES))
@example(311506180, (7, 8))  # a component with a residual variance of about 1e-9
def test_whitening_equals_gram_schmidt(seed, shape):
    # whitening by the Cholesky factor is equal to the Gram-Schmidt process
    x = correlated(seed, *shape)
    for before, after in zip(channels_of(x), channels_of(whiten(x, eps=1e-15)), strict=True):
        orthonormal: list[np.ndarray] = []
        for component in (before - before.mean(axis=0)).T:
            residual = component - sum(z * (z @ component) / len(z) for z in orthonormal)
            orthonormal.append(residual / math.sqrt((residual**2).mean()))
        np.testing.assert_allclose(after, np.stack(orthonormal, axis=1), atol=1e-4)


@given(seeds, seeds, st.floats(0.1, 10))
def test_norms_after_whitening_are_invariant(seed, other, norm_p):
    # with the covariance V, |z|² = (q - mean)ᵀ V⁻¹ (q - mean) is invariant to a change of basis
    x, p = correlated(seed, 20, 8), norm_p * random_unit(other)
    assert_close(norms(whiten(times(x, p), eps=1e-12)), norms(whiten(x, eps=1e-12)), atol=1e-4)


def test_whitening_is_not_equivariant():
    # both results are uncorrelated, but the orthogonal matrix between them is not the matrix of multiplication by i
    x, i = correlated(0, 20, 4), [0.0, 1, 0, 0]
    actual, expected = whiten(times(x, i)), times(whiten(x), i)
    assert float(xp.abs(actual - expected).max()) > 0.1
    matrix = np.linalg.lstsq(asnumpy(whiten(x)), asnumpy(actual), rcond=None)[0]
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(4), atol=1e-3)


def test_whitening_of_dependent_components_in_float32(rng):
    # The components are multiples of one number, so the covariance has rank 1 and is invertible only with eps = 10^-5.
    # The entries of the covariance are up to 10^8, where the spacing of float32 numbers is 8.
    x = Tensor(draw(rng, 1000, 1, dtype=np.float32) * xp.asarray([100, 300, 7000, 11000], np.float32) / 3)
    layer = WhiteningBatchNorm(4)
    for train in (True, False):
        y = layer(x, train=train)
        assert y.data.dtype == np.float32
        assert np.isfinite(asnumpy(y.data)).all()


# Running statistics


def test_running_statistics_of_quaternion_batch_norm():
    # the deviations from the mean are ±(1, 2, 3, 4), so the variance is 30/4 = 7.5, and the unbiased variance is 15
    # running variance: 1 + 0.1 (15 - 1) = 2.4
    # running mean: 0.1 (10, 0, 0, 0)
    norm = QuaternionBatchNorm(4)
    row = np.array([1, 2, 3, 4], np.float32)
    norm(Tensor(np.stack([row, -row]) + np.array([10, 0, 0, 0], np.float32)), train=True)
    assert_close(norm.running_mean, [1, 0, 0, 0], rtol=1e-6)
    assert_close(norm.running_var, [2.4], rtol=1e-6)


def test_running_covariance(rng):
    norm, x = WhiteningBatchNorm(8), draw(rng, 9, 8, dtype=np.float32)
    norm(Tensor(x), train=True)
    expected = [0.9 * np.eye(4) + 0.1 * np.cov(rows.astype(np.float64).T) for rows in channels_of(x)]
    assert_close(norm.running_cov, np.stack(expected), rtol=1e-6, atol=1e-7)
    assert_close(norm.running_mean, 0.1 * x.mean(axis=0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("layer", [QuaternionBatchNorm, WhiteningBatchNorm])
def test_evaluation_after_many_batches(layer, rng):
    norm, x = layer(8), Tensor(correlated(0, 500, 8))
    for _ in range(300):
        y = norm(x, train=True)
    state = norm.state_dict()
    assert_close(norm(x, train=False).data, y.data, rtol=1e-2, atol=1e-2)
    for name, array in norm.state_dict().items():
        assert_close(array, state[name])  # evaluation does not change the running statistics


def test_failed_whitening_keeps_running_statistics():
    norm = WhiteningBatchNorm(4)
    before = norm.state_dict()
    with pytest.raises(WhiteningError):
        norm(Tensor(np.full((9, 4), np.nan, np.float32)), train=True)
    for name, array in norm.state_dict().items():
        assert_close(array, before[name])


def test_number_of_parameters():
    # for each quaternion channel, the weight has 1 or 10 parameters and the bias has 4
    for layer, num_parameters in [(QuaternionBatchNorm, 5), (WhiteningBatchNorm, 14)]:
        assert sum(p.data.size for p in layer(12).parameters()) == 3 * num_parameters


# Gradients, dtypes, errors


@pytest.mark.parametrize("shape", SHAPES)
def test_gradcheck_of_layer_norm(shape, rng):
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
def test_gradcheck_of_quaternion_norms(norm, entries, statistics, training, shape, rng):
    x = correlated(1, *shape)
    arrays = [x, draw(rng, *entries, shape[-1] // 4), draw(rng, shape[-1])]
    constants = None if training else statistics(correlated(2, *shape))[:2]
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
    ("norm", "weight", "bias"),
    [
        (ops.layer_norm, (2,), (8,)),
        (ops.layer_norm, (8,), (1,)),
        (ops.quaternion_batch_norm, (8,), (8,)),
        (ops.quaternion_batch_norm, (2,), (2,)),
        (ops.whitening_batch_norm, (4, 4, 2), (8,)),
        (ops.whitening_batch_norm, (10, 2), (2,)),
    ],
)
def test_wrong_parameter_shape_raises(norm, weight, bias):
    with pytest.raises(ShapeError, match="expected weight"):
        norm(leaf(np.ones((9, 8))), leaf(np.ones(weight)), leaf(np.ones(bias)))


@pytest.mark.parametrize("layer", [QuaternionBatchNorm, WhiteningBatchNorm])
def test_invalid_channels_raise(layer):
    with pytest.raises(ShapeError, match="multiple of 4"):
        layer(6)
    for train in (True, False):
        with pytest.raises(ShapeError):
            layer(8)(leaf(np.ones((9, 6))), train=train)


def test_empty_batch_raises():
    with pytest.raises(ShapeError, match="at least one entry per channel"):
        quaternion_normalized(xp.ones((0, 4)))
    with pytest.raises(WhiteningError, match="at least 5 quaternions per channel in training, got 0"):
        whiten(xp.ones((0, 4)))


def test_whitening_needs_five_rows():
    # four centered rows span at most three dimensions, so the covariance is singular
    with pytest.raises(
        WhiteningError, match="at least 5 quaternions per channel in training, got 4; use a larger batch"
    ):
        whiten(draw(0, 4, 8))
    assert np.isfinite(asnumpy(whiten(draw(0, 5, 8)))).all()
    assert issubclass(WhiteningError, QuatnetError)


@pytest.mark.filterwarnings("ignore:invalid value")  # inf - inf
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_whitening_of_nan_raises(value):
    x = draw(0, 9, 8)
    x[3, 2] = value
    with pytest.raises(WhiteningError, match="check the activations for NaN, or increase eps"):
        whiten(x)


def test_whitening_of_dependent_components_without_eps_raises(rng):
    x = ops.repeat_encoder(Tensor(draw(rng, 9, 1))).data
    with pytest.raises(WhiteningError, match="linearly independent"):
        whiten(x, eps=0)


# PyTorch


@pytest.mark.parity
def test_layer_norm_equals_pytorch(torch, rng):
    arrays = [3 + draw(rng, 4, 5, 8), draw(rng, 8), draw(rng, 8)]
    assert_parity(torch, ops.layer_norm, lambda x, *p: torch.nn.functional.layer_norm(x, (8,), *p), arrays, rng)


@pytest.mark.parity
def test_quaternion_norms_equal_pytorch(torch, rng):
    def quaternion_batch_norm(x, weight, bias):
        q = x.reshape(-1, 4, 2)
        centered = q - q.mean(dim=0)
        y = centered / torch.sqrt((centered**2).mean(dim=(0, 1)) + 1e-5) * weight
        return y.reshape(x.shape) + bias

    def whitening_batch_norm(x, weight, bias):
        q = x.reshape(-1, 4, 2).permute(2, 1, 0)  # (quaternion channels, components, rows)
        centered = q - q.mean(dim=2, keepdim=True)
        factor = torch.linalg.cholesky(centered @ centered.mT / centered.shape[2] + 1e-5 * torch.eye(4))
        z = torch.linalg.solve_triangular(factor, centered, upper=False)
        s = torch.zeros(2, 4, 4, dtype=x.dtype)
        s[:, LOWER[0], LOWER[1]] = weight.T
        s = s + torch.tril(s, -1).mT
        return (s @ z).permute(2, 1, 0).reshape(x.shape) + bias

    x, bias = correlated(0, 4, 5, 6, 8), draw(rng, 8)
    assert_parity(torch, ops.quaternion_batch_norm, quaternion_batch_norm, [x, draw(rng, 2), bias], rng)
    assert_parity(torch, ops.whitening_batch_norm, whitening_batch_norm, [x, draw(rng, 10, 2), bias], rng, 1e-6)
