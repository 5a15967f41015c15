"""Random wrong arguments: every function succeeds or raises a QuatnetError with a message of one line."""

import inspect
import random
import warnings

import numpy as np
import pytest
from support.algebra_arguments import ALGEBRA_ARGUMENTS
from support.op_arguments import OP_ARGUMENTS

from quatnet import Tensor, audio, datasets, distill, nn, ops, quaternion
from quatnet.backend import on_gpu
from quatnet.errors import QuatnetError
from quatnet.training import metrics

pytestmark = pytest.mark.skipif(on_gpu(), reason="the arguments are NumPy arrays")
SHAPES = [
    (), (0,), (3,), (4,), (0, 3), (0, 4), (2, 3), (2, 4), (3, 3), (5, 8), (5, 0), (2, 3, 4), (4, 4, 4), (4, 2, 2),
    (4, 0, 2), (2, 5, 8), (2, 4, 4, 8), (2, 0, 4, 8), (0, 4, 4, 8), (2, 3, 4, 4), (3, 3, 3, 4), (4, 3, 3, 2, 3),
    (1,) * 30,
]  # fmt: skip
ARRAYS = [np.zeros(shape) for shape in SHAPES] + [np.full((5, 3), np.inf), np.ones((2, 4, 4, 8), np.float32)]
NOT_ARRAYS = [
    "a", None, [[1], [1, 2]], 1j, {}, len, b"x", np.zeros((2, 4), complex), np.array([["a"] * 4]), 1, True, 10**400,
    iter([1]), np.ma.zeros((2, 4)), np.array([None] * 4), np.array([0, 1]), [0, 1],
]  # fmt: skip
NUMBERS = [0, -1, 1.5, "a", (1, 2, 3), None, 2, 100, (0, 1), (1, -1), np.nan]
AXES = [5, -7, 1.5, "a", None, (0,), (0, 0), (0, 9), [1]]
OPTIONS = {
    "stride": NUMBERS, "padding": NUMBERS[1:], "dilation": NUMBERS, "groups": NUMBERS, "kernel_size": NUMBERS,
    "output_padding": NUMBERS, "axis": AXES, "sample_axis": AXES, "eps": [-1, None, np.nan, "a"], "products": NUMBERS,
    "temperature": [0, -1, np.nan, None, "a", 1e-300, 1e300], "targets": NOT_ARRAYS, "teacher_logits": NOT_ARRAYS,
    "teacher_features": NOT_ARRAYS, "shape": [(7,), (-1, -1), None, "a", (0,), (1.5,)],
    "axes": [(0,), (0, 0), None, "a", (0, 1.0), (5, 1), (-1, 0), 1],
    "index": [9, "a", 1.5, None, (0, 0, 0), [[1], [2, 3]], np.array([True]), np.array([9]), {}],
    "convention": ["", None, 5, "XXY", "xYz", "abc", "XYZX", ["x", "y", "z"]],
}  # fmt: skip


def check(function, *arguments, **options) -> None:
    """Raise AssertionError if the function raises another error than a QuatnetError of one line."""
    message = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(*arguments, **options)
        except QuatnetError as error:
            message = str(error)
    assert "\n" not in message


def wrong_options(function, options: dict, draw: random.Random) -> dict:
    """Return `options` with one random option replaced by a wrong value."""
    names = [name for name in OPTIONS if name in inspect.signature(function).parameters]
    if not names or draw.random() < 0.4:
        return dict(options)
    name = draw.choice(names)
    return dict(options) | {name: draw.choice(OPTIONS[name])}


@pytest.mark.parametrize("name", sorted(set(OP_ARGUMENTS) - {"dropout", "quaternion_dropout"}))
def test_ops(name: str) -> None:
    op, (shapes, options), draw = getattr(ops, name), OP_ARGUMENTS[name], random.Random(0)

    def call(*tensors, **options) -> None:
        y = op(list(tensors), **options) if name == "concatenate" else op(*tensors, **options)
        if y.requires_grad:
            y.backward(np.ones(y.shape))

    for seed in range(100):
        rng = np.random.default_rng(seed)
        tensors = [Tensor(rng.standard_normal(shape), requires_grad=True) for shape in shapes]
        if draw.random() < 0.6:
            tensors[draw.randrange(len(tensors))] = Tensor(draw.choice(ARRAYS), requires_grad=True)
        check(call, *tensors, **wrong_options(op, options, draw))


@pytest.mark.parametrize("name", sorted(set(ALGEBRA_ARGUMENTS) - {"eight_products"}))  # it also multiplies objects
def test_algebra(name: str) -> None:
    function, (arrays, options), draw = getattr(quaternion, name), ALGEBRA_ARGUMENTS[name], random.Random(0)
    for _ in range(200):
        arguments = list(arrays)
        arguments[draw.randrange(len(arguments))] = draw.choice([*ARRAYS, *NOT_ARRAYS])
        check(function, *arguments, **wrong_options(function, options, draw))


RNG = np.random.default_rng(0)
LAYERS = [
    *(layer(8, 4, rng=RNG) for layer in (nn.Linear, nn.QuaternionLinear, nn.NormHead, nn.Conv1d, nn.Conv2d)),
    *(layer(8, 4, rng=RNG) for layer in (nn.ConvTranspose2d, nn.QuaternionConv1d, nn.QuaternionConv2d)),
    *(layer(8, 4, rng=RNG) for layer in (nn.QuaternionConvTranspose2d, nn.QuaternionRotationConv2d)),
    *(layer(8) for layer in (nn.BatchNorm, nn.QuaternionBatchNorm, nn.WhiteningBatchNorm, nn.LayerNorm, nn.ModReLU)),
    *(layer() for layer in (nn.ReLU, nn.QuaternionNorm, nn.AvgPool2d, nn.MaxPool2d, nn.NormMaxPool2d, nn.Flatten)),
    nn.LearnedEncoder(8, rng=RNG),
]


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_layers(layer: nn.Module, train: bool) -> None:
    def call(x: np.ndarray) -> None:
        y = layer(Tensor(x, requires_grad=True), train=train, rng=RNG)
        y.backward(np.ones(y.shape))

    for x in ARRAYS:
        check(call, x)
        check(call, x.astype(np.float32))


FUNCTIONS = {
    "accuracy": metrics.accuracy,
    "append_soft_targets": distill.append_soft_targets,
    "average_precision": metrics.average_precision,
    "confusion_matrix": metrics.confusion_matrix,
    "deltas": lambda a, _: audio.deltas(a),
    "floored_cell_fractions": lambda a, _: audio.floored_cell_fractions(a, floor_db=-100),
    "linear_probe": lambda a, b: distill.linear_probe(a, b, 2),
    "log_mel": audio.log_mel,
    "matmul": lambda a, b: Tensor(a) @ b,
    "mean_over_classes": lambda a, _: metrics.mean_over_classes(a),
    "mixup": lambda a, b: audio.mixup(a, b, rng=RNG, alpha=1),
    "multi_label_metrics": metrics.multi_label_metrics,
    "one_hot": lambda a, _: datasets.one_hot(a, 3),
    "roc_auc": metrics.roc_auc,
    "spec_augment": lambda a, _: audio.spec_augment(a, rng=RNG),
    "sum": lambda a, b: Tensor(a) + b,
    "time_shift": lambda a, _: audio.time_shift(a, rng=RNG),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_two_arrays(name: str) -> None:
    draw = random.Random(0)
    for _ in range(300):
        check(FUNCTIONS[name], *(draw.choice([*ARRAYS, *NOT_ARRAYS]) for _ in range(2)))
