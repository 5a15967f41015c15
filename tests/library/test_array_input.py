"""Array arguments of other dtypes than float32 and float64, in the algebra, tensors, metrics and audio functions.

Integers and booleans are converted to float64, float16 to float32. All other arrays raise ShapeError.
"""

import inspect

import numpy as np
import pytest
from support.algebra_arguments import ALGEBRA_ARGUMENTS, Q, call_algebra
from support.arrays import assert_close

from quatnet import Tensor, audio, ops, quaternion
from quatnet.backend import asnumpy, xp
from quatnet.datasets import one_hot
from quatnet.distill import append_soft_targets, linear_probe
from quatnet.errors import ConfigError, ShapeError
from quatnet.prune.scores import geometric_median_scores, l1_scores, l2_scores, operator_norm_scores
from quatnet.prune.selection import top_k
from quatnet.training import metrics

DTYPES = ["bool", "uint8", "int8", "int16", "uint16", "uint32", "int64", "uint64", "float16", "float32", "list"]
OTHER_ARRAYS = {
    "complex": lambda a: np.asarray(a, complex),
    "string": lambda a: np.asarray(a).astype(str),
    "object": lambda a: np.asarray(a, object),
    "ragged": lambda a: [*np.asarray(a).tolist(), [1.0]],
    "date": lambda a: np.asarray(a).astype("datetime64[s]"),
    "masked": lambda a: np.ma.masked_equal(a, 0),
    "None": lambda a: None,
    "text": lambda a: "1",
    "set": lambda a: {1, 2},
    "tensor": lambda a: Tensor(a, requires_grad=True),
}


def convert_to(dtype: str):
    return (lambda a: np.asarray(a).tolist()) if dtype == "list" else lambda a: xp.asarray(a, dtype=dtype)


# Algebra


def has_axis(name: str) -> bool:
    return "axis" in inspect.signature(getattr(quaternion, name)).parameters


def test_all_functions_of_the_algebra_are_tested() -> None:
    functions = {name for name in quaternion.__all__ if callable(getattr(quaternion, name))}
    assert set(ALGEBRA_ARGUMENTS) == functions - {"random_rotations"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALGEBRA_ARGUMENTS)
def test_algebra_of_any_dtype_equals_that_of_float64(name: str, dtype: str) -> None:
    expected = call_algebra(name, lambda a: xp.asarray(a, dtype=float))
    for ours, theirs in zip(call_algebra(name, convert_to(dtype)), expected, strict=True):
        float_dtype = np.float32 if dtype.startswith("float") else np.float64
        assert ours.dtype == (bool if name == "isclose" else float_dtype)
        assert_close(ours, asnumpy(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", OTHER_ARRAYS)
@pytest.mark.parametrize("name", ALGEBRA_ARGUMENTS)
def test_algebra_of_other_arrays_raises(name: str, kind: str) -> None:
    if (name, kind) == ("eight_products", "object"):
        return  # the formulas also apply to objects
    with pytest.raises(ShapeError):
        call_algebra(name, OTHER_ARRAYS[kind])


@pytest.mark.parametrize("axis", [7, -8, 1.0, "0", None])
@pytest.mark.parametrize("name", [n for n in ALGEBRA_ARGUMENTS if has_axis(n)])
def test_algebra_along_an_axis_that_does_not_exist_raises(name: str, axis) -> None:
    arrays, options = ALGEBRA_ARGUMENTS[name]
    with pytest.raises(ShapeError):
        getattr(quaternion, name)(*arrays, **options, axis=axis)


@pytest.mark.parametrize("shape", [(0,), (), (3,), (0, 3), (5, 5)])
@pytest.mark.parametrize("name", ALGEBRA_ARGUMENTS)
def test_algebra_of_wrong_shapes_raises(name: str, shape: tuple) -> None:
    if shape[-1:] == (3,) and name in ("from_axis_angle", "from_euler", "from_rotation_vector", "minimal_rotation"):
        return
    with pytest.raises(ShapeError):
        call_algebra(name, lambda a: np.zeros(shape))


BINARY = [name for name, (arrays, _) in ALGEBRA_ARGUMENTS.items() if len(arrays) > 1 and name != "interpolate"]
# functions that need at least one or two quaternions, or that have another axis than that of the quaternions
SERIES = {"align_vectors", "angular_velocity", "integrate_angular_velocity", "interpolate", "mean_rotation", "unflip"}


@pytest.mark.parametrize("name", BINARY)
def test_algebra_of_shapes_that_do_not_broadcast_raises(name: str) -> None:
    arrays, options = ALGEBRA_ARGUMENTS[name]
    *arrays, last = (a.astype(float) for a in arrays)
    longer = np.concatenate([last] * 2, axis=-2 if last.ndim > 1 else 0)
    with pytest.raises(ShapeError):
        getattr(quaternion, name)(*arrays, longer, **options)


@pytest.mark.parametrize("name", sorted(set(ALGEBRA_ARGUMENTS) - SERIES - {"eight_products", "matrix_product"}))
def test_algebra_of_no_quaternions(name: str) -> None:
    arrays, options = ALGEBRA_ARGUMENTS[name]
    result = getattr(quaternion, name)(*(a[:0].astype(float) for a in arrays), **options)
    assert len(result[0] if isinstance(result, tuple) else result) == 0


@pytest.mark.parametrize("dtype", [int, bool, complex, str, object])
def test_random_rotations_of_another_dtype_raise(dtype: type) -> None:
    with pytest.raises(ConfigError, match="expected the dtype"):
        quaternion.random_rotations(rng=np.random.default_rng(0), dtype=dtype)


@pytest.mark.parametrize(("shape", "expected"), [((), (4,)), (3, (3, 4)), ((2, 0), (2, 0, 4)), ([2], (2, 4))])
def test_shape_of_random_rotations(shape, expected: tuple) -> None:
    assert quaternion.random_rotations(shape, rng=np.random.default_rng(0)).shape == expected


def test_negative_weights_of_rotations_raise() -> None:
    with pytest.raises(ShapeError, match="weights >= 0"):
        quaternion.mean_rotation(Q, [1, -1, 1])


# Tensors


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensor_of_any_dtype(dtype: str) -> None:
    tensor = Tensor(convert_to(dtype)([0, 1, 1]), requires_grad=True)
    assert tensor.dtype == (np.float32 if dtype.startswith("float") else np.float64)
    assert tensor.numpy().tolist() == [0, 1, 1]


@pytest.mark.parametrize("kind", OTHER_ARRAYS)
def test_tensor_of_other_arrays_raises(kind: str) -> None:
    with pytest.raises(ShapeError):
        Tensor(OTHER_ARRAYS[kind]([0, 1, 1]))


def test_sums_of_half_precision_numbers() -> None:
    assert ops.mean(Tensor(np.full(1000, 70, np.float16))).item() == 70
    zeros = np.zeros((20_000, 50), np.float16)
    assert ops.cross_entropy(Tensor(zeros), one_hot(np.zeros(20_000, int), 50)).item() == pytest.approx(np.log(50))


ARITHMETIC = {
    "mask + mask": lambda x: (x > 1) + (x > 1),
    "mask - mask": lambda x: (x > 1) - (x > 0),
    "mask @ mask": lambda x: (x > 1) @ (x > 0).T,
    "-mask": lambda x: -(x > 1),
    "2 * mask": lambda x: 2 * (x > 1),
    "mask ** 2": lambda x: (x > 1) ** 2,
    "sum": lambda x: (x > 0).sum(axis=0),
    "mean": lambda x: (x > 0).mean(axis=1),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_booleans_are_numbers_in_arithmetic(name: str) -> None:
    class Numbers(np.ndarray):
        """Array whose comparisons are floats."""

        def __gt__(self, other):
            return np.greater(self, other).astype(float).view(Numbers)

    x = np.array([[0.0, 1, 2], [2, 3, 4]])
    result = ARITHMETIC[name](Tensor(x))
    assert result.dtype == np.float64
    assert_close(result.data, np.asarray(ARITHMETIC[name](x.view(Numbers))))


def test_a_mask_keeps_float32() -> None:
    x = Tensor(np.ones(3, np.float32))
    assert {(x * (x > 0)).dtype, ((x > 0) * x).dtype, (x + (x > 0)).dtype} == {np.dtype(np.float32)}
    assert (x > 0)[:2].dtype == bool


LOSSES = ["cross_entropy", "binary_cross_entropy_with_logits", "distillation_loss", "binary_distillation_loss"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*LOSSES, "mse_loss"])
def test_losses_of_integers_keep_soft_targets(name: str, dtype: str) -> None:
    logits, targets = np.array([[1, 0], [0, 1]]), np.array([[0.25, 0.75], [0.5, 0.5]])
    expected = getattr(ops, name)(Tensor(logits.astype(float)), targets).item()
    assert getattr(ops, name)(Tensor(convert_to(dtype)(logits)), targets).item() == pytest.approx(expected, rel=1e-5)


# Metrics, scores and targets

LOGITS = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
LABELS = np.array([0, 1, 0, 2])
SCORE_FUNCTIONS = {
    "accuracy": lambda scores: metrics.accuracy(scores, LABELS),
    "average_precision": lambda scores: metrics.average_precision(scores, LOGITS),
    "confusion_matrix": lambda scores: metrics.confusion_matrix(scores, LABELS),
    "multi_label_metrics": lambda scores: sorted(metrics.multi_label_metrics(scores, 1 - LOGITS).values()),
    "roc_auc": lambda scores: metrics.roc_auc(scores, LOGITS),
    "linear_probe": lambda scores: linear_probe(scores, LABELS, 3)(scores),
    "deltas": lambda scores: audio.deltas(scores),
    "log_mel": lambda scores: audio.log_mel(scores, np.ones((3, 2), np.float32)),
    "append_soft_targets": lambda scores: append_soft_targets(scores, LOGITS + 0.5),
}
WEIGHT_SCORES = {f.__name__: f for f in (l1_scores, l2_scores, geometric_median_scores, operator_norm_scores)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SCORE_FUNCTIONS)
def test_scores_of_any_dtype(name: str, dtype: str) -> None:
    convert = (lambda a: a.tolist()) if dtype == "list" else lambda a: a.astype(dtype)
    expected = SCORE_FUNCTIONS[name](LOGITS.astype(float))
    np.testing.assert_allclose(SCORE_FUNCTIONS[name](convert(LOGITS)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [kind for kind in OTHER_ARRAYS if kind != "tensor"])
@pytest.mark.parametrize("name", SCORE_FUNCTIONS)
def test_scores_of_other_arrays_raise(name: str, kind: str) -> None:
    with pytest.raises(ShapeError):
        SCORE_FUNCTIONS[name](OTHER_ARRAYS[kind](LOGITS))


@pytest.mark.parametrize("dtype", DTYPES)
def test_highest_scores_of_any_dtype(dtype: str) -> None:
    assert top_k(asnumpy(convert_to(dtype)([0, 1, 0, 1])), 3).tolist() == [0, 1, 3]


@pytest.mark.parametrize("name", WEIGHT_SCORES)
def test_scores_of_integer_weights(name: str) -> None:
    weight = np.random.default_rng(0).integers(-128, 128, (3, 3, 4, 5)).astype(np.int8)
    np.testing.assert_allclose(WEIGHT_SCORES[name](weight), WEIGHT_SCORES[name](weight.astype(float)))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint64"])
def test_confusion_matrix_of_narrow_labels(dtype: str) -> None:
    labels = np.arange(100)
    matrix = metrics.confusion_matrix(np.eye(100), labels.astype(dtype))
    np.testing.assert_array_equal(matrix, np.eye(100))


OTHER_LABELS = {
    "bool": np.array([True, False, True, False]),
    "float": np.array([0.0, 1, 2, 0]),
    "nan": np.array([0.0, np.nan, 2, 0]),
    "string": np.array(["0", "1", "2", "0"]),
    "one-hot": np.eye(4, 3, dtype=int),
    "ragged": [[0], [1, 2], [0], [1]],
    "negative": np.array([0, 1, 2, -1]),
    "too large": np.array([0, 1, 2, 3]),
    "scalar": 1,
}
LABEL_FUNCTIONS = {
    "one_hot": lambda labels: one_hot(labels, 3),
    "accuracy": lambda labels: metrics.accuracy(LOGITS, labels),
    "confusion_matrix": lambda labels: metrics.confusion_matrix(LOGITS, labels),
    "linear_probe": lambda labels: linear_probe(LOGITS, labels, 3),
}


@pytest.mark.parametrize("kind", OTHER_LABELS)
@pytest.mark.parametrize("name", LABEL_FUNCTIONS)
def test_labels_that_are_not_class_numbers_raise(name: str, kind: str) -> None:
    with pytest.raises(ShapeError):
        LABEL_FUNCTIONS[name](OTHER_LABELS[kind])


@pytest.mark.parametrize("name", LABEL_FUNCTIONS)
def test_labels_as_a_list_or_tuple(name: str) -> None:
    for convert in (list, tuple):
        LABEL_FUNCTIONS[name](convert(LABELS.tolist()))


@pytest.mark.parametrize("name", ["accuracy", "confusion_matrix"])
@pytest.mark.parametrize("shape", [(4,), (3, 3), (0, 3), (4, 3, 1), ()])
def test_logits_that_do_not_fit_the_labels_raise(name: str, shape: tuple) -> None:
    with pytest.raises(ShapeError):
        getattr(metrics, name)(np.zeros(shape), LABELS)


@pytest.mark.parametrize("name", ["average_precision", "roc_auc", "multi_label_metrics"])
@pytest.mark.parametrize("target", [0.5, 2, -1, np.nan])
def test_targets_of_ranking_metrics_must_be_0_or_1(name: str, target: float) -> None:
    with pytest.raises(ShapeError, match="0 or 1"):
        getattr(metrics, name)(LOGITS, np.where(LOGITS == 0, 0, target))


METRICS = ["accuracy", "average_precision", "confusion_matrix", "multi_label_metrics", "roc_auc"]


@pytest.mark.parametrize("name", METRICS)
def test_metrics_of_nan_raise(name: str) -> None:
    for scores in (np.full((4, 3), np.nan), np.where(LOGITS == 0, np.nan, 0)):
        with pytest.raises(ShapeError, match="NaN"):
            SCORE_FUNCTIONS[name](scores)


def test_nan_scores_raise() -> None:
    for function in (SCORE_FUNCTIONS["linear_probe"], lambda scores: top_k(scores[0], 2)):
        with pytest.raises(ShapeError, match="NaN"):
            function(np.where(LOGITS == 0, np.nan, 1.0))


@pytest.mark.parametrize("auc", [-0.1, 1.1, np.nan, "1"])
def test_d_prime_of_an_invalid_area_raises(auc) -> None:
    with pytest.raises(ConfigError):
        metrics.d_prime(auc)
