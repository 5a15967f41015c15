"""Tests of corner cases of tensors, optimizers and quaternions in which results were wrong without an error."""

import copy

import numpy as np
import pytest

import quatnet as qn
from quatnet import Tensor, nn, ops, optim, quaternion
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError


def weight(*values):
    return Tensor(xp.asarray(values, dtype=np.float32), requires_grad=True)


def test_attributes_keep_their_parameters_after_updates(rng):
    layer = nn.Linear(2, 2, rng=rng)
    with qn.no_grad():
        layer.weight -= 0.1
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]


def test_optimizers_refuse_other_tensors_than_parameters():
    w = weight(2.0, 4.0)
    with pytest.raises(ConfigError, match=r"expected a list of tensors"):
        optim.SGD(w)
    with pytest.raises(ConfigError, match="got the result of an operation: 1; call detach"):
        optim.SGD([w, w * 1])


def test_gradients_of_one_tensor_and_of_numbers_are_clipped():
    w, scale = weight(3.0, 4.0), Tensor(np.float32(2), requires_grad=True)
    w.grad, scale.grad = xp.asarray([30, 40]), xp.asarray(np.float32(4))
    assert float(optim.clip_grad_norm(w, 1.0)) == 50
    np.testing.assert_allclose(asnumpy(w.grad), [0.6, 0.8])
    assert float(optim.clip_grad_norm([scale], 1.0)) == 4
    assert float(scale.grad) == 1
    with pytest.raises(ConfigError, match="expected tensors"):
        optim.clip_grad_norm([w, 1.0], 1.0)


@pytest.mark.parametrize("grad", [[[1.0, 1.0]], [1.0], Tensor([1.0, 1.0])])
def test_gradients_of_other_shapes_and_types_are_refused(grad):
    w = weight(2.0, 4.0)
    optimizer = optim.AdamW([w])
    w.grad = grad
    with pytest.raises(ShapeError):
        optimizer.step()
    assert optimizer.steps == 0


def test_parameters_of_another_shape_than_their_state_are_refused():
    w = weight(2.0, 4.0)
    optimizer = optim.AdamW([w])
    w.data, w.grad = w.data[:1], w.data[:1]
    with pytest.raises(ShapeError, match="expected a gradient and a state of shape"):
        optimizer.step()


def test_gradients_are_lists_of_numbers():
    w = weight(2.0, 4.0)
    w.grad = [1.0, 2.0]
    optim.SGD([w], lr=1.0).step()
    np.testing.assert_array_equal(w.numpy(), [1, 2])


def test_gradient_of_an_integer_parameter_is_refused():
    w = weight(2.0, 4.0)
    w.data = xp.asarray([2, 4])
    with pytest.raises(ShapeError, match="expected a parameter of floats, got int64"):
        (w * 0.5).sum().backward()


BOOLEAN_OPS = {
    "layer_norm": lambda x: ops.layer_norm(x, np.ones(4), np.zeros(4)),
    "cross_entropy": lambda x: ops.cross_entropy(x, [[0.1, 0.2, 0.3, 0.4]]),
    "distillation_loss": lambda x: ops.distillation_loss(x, [[0.1, 0.2, 0.3, 0.4]]),
    "mse_loss": lambda x: ops.mse_loss(x, [[0.1, 0.2, 0.3, 0.4]]),
    "binary_cross_entropy": lambda x: ops.binary_cross_entropy_with_logits(x, np.full((1, 4), 0.5)),
    "conv2d": lambda x: ops.conv2d(x.reshape(1, 2, 2, 1), np.ones((1, 1, 1, 2))),
    "avg_pool2d": lambda x: ops.avg_pool2d(x.reshape(1, 2, 2, 1), kernel_size=2),
    "quaternion_linear": lambda x: ops.quaternion_linear(x, np.ones((4, 1, 1))),
    "mod_relu": lambda x: ops.mod_relu(x, np.ones(1)),
    "batch_norm layer": lambda x: nn.BatchNorm(4)(x, train=False),
}


@pytest.mark.parametrize("name", BOOLEAN_OPS)
def test_booleans_count_as_0_and_1(name):
    x = Tensor([[1.0, 0.0, 1.0, 1.0]])
    np.testing.assert_array_equal(BOOLEAN_OPS[name](x > 0.5).numpy(), BOOLEAN_OPS[name](x).numpy())


def test_one_value_per_channel_in_training_is_refused():
    layer = nn.BatchNorm(2)
    with pytest.raises(ShapeError, match="expected more than 1 value per channel in training"):
        layer(np.ones((1, 2), np.float32), train=True)
    np.testing.assert_array_equal(asnumpy(layer.running_var), 1)
    assert layer(np.ones((1, 2), np.float32), train=False).shape == (1, 2)


def test_results_are_no_parameters(rng):
    class Net(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2, rng=rng)

        def __call__(self, x, *, train=False):
            self.hidden = self.layer(x)
            return self.hidden * 2

    net = Net()
    net(np.ones((1, 2), np.float32))
    assert list(net.state_dict()) == ["layer.weight", "layer.bias"]


def test_copy_of_a_result_has_no_gradient():
    w = weight(2.0, 4.0)
    w.grad = xp.ones(2, dtype=np.float32)
    result, leaf = copy.deepcopy((w * 2, w))
    with pytest.raises(ShapeError, match="backward needs a tensor that depends"):
        result.sum().backward()
    leaf.sum().backward()
    np.testing.assert_array_equal(asnumpy(leaf.grad), [2, 2])
    np.testing.assert_array_equal(asnumpy(w.grad), [1, 1])


def test_one_cycle_ends_at_about_0():
    rates = [optim.one_cycle(step, 3, max_lr=0.7, pct_start=0.9) for step in range(3)]
    np.testing.assert_allclose(rates, [0.028, 0.45595, 2.8e-6], rtol=1e-5)  # of OneCycleLR of PyTorch
    assert optim.one_cycle(3, 3, max_lr=0.7, pct_start=1.0) == pytest.approx(2.8e-6)


def test_tensors_are_formatted_as_numbers():
    assert f"{Tensor(2.5):.2f} {int(Tensor([2.5]))}" == "2.50 2"
    assert f"{Tensor([1.0])}".startswith("Tensor(")
    with pytest.raises(ShapeError, match="one entry"):
        f"{Tensor([1.0, 2.0]):.2f}"


@pytest.mark.parametrize("shape", [(4, 4), (4, 3)])
def test_isclose_broadcasts_along_other_axes(shape):
    p = xp.arange(1.0, 5.0)
    q = xp.ones(shape) * p[:, None]
    assert asnumpy(quaternion.isclose(p, q, axis=0)).tolist() == [True] * shape[1]
    assert not quaternion.isclose(p, xp.ones((4, 4)) * p, axis=0).any()
    with pytest.raises(ConfigError, match="expected rtol"):
        quaternion.isclose(p, p, rtol="a")


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_minimal_rotation_of_nearly_opposite_vectors(dtype, limit, rng):
    v, noise = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.standard_normal((2, 100, 3)))
    for distance in 10.0 ** -np.arange(1, 18):
        w = distance * noise - v
        a, b = (xp.asarray(x.astype(dtype)) for x in (v, w / np.linalg.norm(w, axis=1, keepdims=True)))
        rotated = quaternion.rotate(quaternion.minimal_rotation(a, b), a)
        np.testing.assert_allclose(asnumpy(rotated), asnumpy(b), atol=limit)


@pytest.mark.parametrize("factor", [1e-165, 1.0, 1e160])
def test_vectors_of_any_magnitude_are_aligned(factor, rng):
    r = quaternion.from_axis_angle(xp.asarray([1.0, 2, 3]), 1.0)
    v = xp.asarray(rng.standard_normal((5, 3)))
    found = quaternion.align_vectors(v * factor, quaternion.rotate(r, v) * factor)
    np.testing.assert_allclose(asnumpy(found), asnumpy(r), atol=1e-12)


def test_alignment_of_float32_vectors_in_one_direction(rng):
    r = quaternion.from_axis_angle(xp.asarray([1.0, 2, 3]), 1.0)
    v = xp.asarray(np.array([0.3, 0.2, 1]) + 1e-2 * rng.standard_normal((20, 3))).astype(np.float32)
    w = quaternion.rotate(r, v.astype(np.float64)).astype(np.float32)
    found = quaternion.align_vectors(v, w)
    assert found.dtype == np.float32
    assert float(quaternion.geodesic_distance(found.astype(np.float64), r)) < 1e-5


@pytest.mark.parametrize(
    ("name", "statistics"),
    [
        ("quaternion", ((4,), (2,))),
        ("quaternion", ((8,), (1,))),
        ("quaternion", ((8,), (8,))),
        ("whitening", ((8,), (4, 4))),
        ("whitening", ((4,), (2, 4, 4))),
    ],
)
def test_running_statistics_of_other_shapes_are_refused(name, statistics):
    weight = xp.ones((2,) if name == "quaternion" else (10, 2))
    with pytest.raises(ShapeError, match="expected weight"):
        getattr(ops, f"{name}_batch_norm")(
            xp.ones((5, 8)), weight, xp.zeros(8), tuple(xp.ones(shape) for shape in statistics)
        )


@pytest.mark.parametrize("dtype", ["x", np.float16, int])
def test_random_rotations_of_other_dtypes_are_refused(dtype, rng):
    with pytest.raises(ConfigError, match="expected the dtype"):
        quaternion.random_rotations(3, rng=rng, dtype=dtype)


@pytest.mark.skipif(np.finfo(np.longdouble).eps == np.finfo(np.float64).eps, reason="longdouble is float64")
def test_euler_angles_of_longdouble(rng):
    if not isinstance(xp.ones(1), np.ndarray):
        pytest.skip("CuPy has no longdouble")
    q = quaternion.normalize(rng.standard_normal((50, 4)).astype(np.longdouble))
    angles = quaternion.to_euler(q, convention="ZYX")
    assert quaternion.geodesic_distance(quaternion.from_euler(angles, convention="ZYX"), q).max() < 1e-17


def test_op_of_code_without_a_module():
    names = {"op": qn.autodiff.op, "Tensor": Tensor}
    exec("@op\ndef negative_of(x: Tensor) -> Tensor:\n    return -x", names | {"__name__": None}, names)
    np.testing.assert_array_equal(names["negative_of"]([1.0, 2.0]).numpy(), [-1, -2])


def test_arrays_in_another_byte_order(rng):
    layers = [nn.QuaternionConv2d(64, 64, rng=rng), nn.Conv2d(8, 8, rng=rng), nn.Linear(8, 3, rng=rng)]
    for layer, shape in zip(layers, [(2, 6, 6, 64), (1, 5, 5, 8), (4, 8)], strict=True):
        x = rng.standard_normal(shape).astype(np.float32)
        results = [layer(Tensor(a)).numpy() for a in (x, x.astype(x.dtype.newbyteorder()), x)]
        np.testing.assert_array_equal(results[1], results[0])
        np.testing.assert_array_equal(results[2], results[0])
    q = rng.standard_normal((3, 4)).astype(">f8")
    assert quaternion.normalize(q).dtype == np.float64


@pytest.mark.parametrize("shape", [(1, 2, 300, 8), (1, 1, 300, 8), (1, 300, 2, 8), (1, 2, 2, 8), (300, 0, 4, 8)])
@pytest.mark.parametrize("kind", [nn.QuaternionConv2d, nn.Conv2d])
def test_images_smaller_than_the_kernel(kind, shape, rng):
    with pytest.raises(ShapeError, match=r"a kernel of 3 .* does not fit a size of [012]"):
        kind(8, 8, padding=0, rng=rng)(Tensor(np.zeros(shape, np.float32)))


@pytest.mark.parametrize("padding", [-1, (-1, 0), (0, -1)])
def test_negative_padding_of_quaternion_convolutions(padding):
    x, w = Tensor(np.zeros((1, 30, 30, 8))), Tensor(np.zeros((4, 3, 3, 2, 2)))
    with pytest.raises(ShapeError, match=r"padding -1 .* does not fit"):
        ops.quaternion_conv2d(x, w, padding=padding)


@pytest.mark.parametrize("options", [{}, {"dilation": 2}, {"groups": 2}])
@pytest.mark.parametrize("op", [ops.quaternion_conv2d, ops.quaternion_conv_transpose2d])
def test_dtypes_of_quaternion_convolutions(op, options):
    for dtypes in (("f4", "f8"), ("f8", "f4")):
        x, w = (Tensor(np.zeros(shape, d)) for shape, d in zip([(1, 9, 9, 16), (4, 3, 3, 4, 4)], dtypes, strict=True))
        w = Tensor(w.data[:, :, :, :2]) if "groups" in options else w
        with pytest.raises(ShapeError, match="expected one dtype, got x float"):
            op(x, w, **options)


def test_images_without_rows_are_refused_before_the_backward_pass():
    x, w = Tensor(np.zeros((1, 0, 4, 8)), requires_grad=True), Tensor(np.ones((2, 2, 8, 8)))
    with pytest.raises(ShapeError, match="does not fit a size of 0"):
        ops.conv2d(x, w, padding=1)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW])
def test_assigned_numbers_as_parameters(kind):
    w = Tensor(0.5, requires_grad=True)
    w.data = w.data - 0.1
    (w * w).backward()
    kind([w], lr=0.01).step()
    assert 0.3 < w.item() < 0.4


def test_comparisons_with_numbers_are_in_the_dtype_of_the_tensor():
    x = Tensor(np.array([0.1, 0.2], np.float32))
    assert (x == 0.1).numpy().tolist() == [True, False]
    assert (x <= 0.1).numpy().tolist() == [True, False]
    assert (x != 0.2).numpy().tolist() == [True, False]
    assert (Tensor(np.array([True, False])) < 0.5).numpy().tolist() == [False, True]
    assert (x < 1e300).numpy().all()
    assert (Tensor(np.array([1e300])) < 1e301).numpy().all()


def test_sums_of_longdouble():
    if not isinstance(xp.ones(1), np.ndarray) or np.finfo(np.longdouble).max == np.finfo(np.float64).max:
        pytest.skip("no longdouble with more digits than float64")
    large = np.array([np.longdouble("1e4000"), np.longdouble("-1e3999")])
    assert Tensor(large).sum().data == large.sum()
    assert ops.mean(Tensor(large)).data == large.mean()


def test_infinite_quaternions_are_close_to_equal_ones_only():
    one, infinite, other = [1.0, 0, 0, 0], [np.inf, 0, 0, 0], [-np.inf, 0, 0, 0]
    assert quaternion.isclose([infinite, other, one], [infinite, other, one]).all()
    assert not quaternion.isclose([one, infinite, infinite], [infinite, one, other]).any()
    assert not quaternion.isclose([np.nan, 0, 0, 0], [np.nan, 0, 0, 0])
    assert quaternion.isclose(infinite, infinite, rtol=0)


def test_linear_op_of_a_vector(rng):
    x, w, bias = (Tensor(rng.standard_normal(shape), requires_grad=True) for shape in [(3,), (3, 2), (2,)])
    y = ops.linear(x, w, bias)
    np.testing.assert_allclose(y.numpy(), x.numpy() @ w.numpy() + bias.numpy())
    y.sum().backward()
    np.testing.assert_allclose(asnumpy(x.grad), w.numpy().sum(axis=1))
    with pytest.raises(ShapeError):
        ops.linear(x, Tensor(np.ones((4, 2))))
