"""Numbers outside of their range, of another type, and NaN raise ConfigError or ShapeError, before anything changes."""

import math
from inspect import signature

import numpy as np
import pytest
from support.op_arguments import OP_ARGUMENTS

from quatnet import Tensor, audio, datasets, distill, gradcheck, nn, ops, optim, quaternion, training
from quatnet.errors import ConfigError, QuatnetError, ShapeError
from quatnet.models import CNNConfig, build
from quatnet.training.weight_average import WeightAverage

RNG = np.random.default_rng(0)
WRONG_TYPES = [True, "1", None, [1], 1j, math.nan, -math.inf]
COUNTS = [0, -1, 1.5, 2.0, math.inf, *WRONG_TYPES]
SIZES = [0, -3, 1.5, "3", (3,), (3, 0), (3, 3, 3), (3, 1.5), True, math.nan]
POSITIVE = [0, -1, math.inf, *WRONG_TYPES]
FRACTIONS = [-0.1, 1.1, *WRONG_TYPES]
RATES = [1.0, *FRACTIONS]  # fractions below 1
NOT_NEGATIVE = [-1e-9, math.inf, *WRONG_TYPES]
GENERATORS = [None, 0, "0", np.random.RandomState(0)]


def weights() -> dict[str, Tensor]:
    return {"w": Tensor(np.ones((2, 2), np.float32), requires_grad=True)}


CONVOLUTIONS = [nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.QuaternionConv1d, nn.QuaternionConv2d]
CONVOLUTIONS += [nn.QuaternionConvTranspose2d, nn.QuaternionRotationConv2d]
WRONG_SIZES = [0, -3, 1.5, "3", (3, 0), (3, 3, 3), (3, 1.5), True, math.nan]
CONVOLUTION_RANGES = {
    "in_channels": COUNTS, "out_channels": COUNTS, "groups": COUNTS, "kernel_size": WRONG_SIZES,
    "stride": WRONG_SIZES, "dilation": WRONG_SIZES, "padding": [-1, 1.5, "1", (1, 1, 1), True], "rng": GENERATORS,
}  # fmt: skip
NORM_RANGES = {"num_features": COUNTS, "eps": POSITIVE, "momentum": FRACTIONS}
FEATURES = {"in_features": COUNTS, "out_features": COUNTS, "rng": GENERATORS}
# constructor: valid arguments, wrong values of each argument
CONSTRUCTORS = {
    **{c: ({"in_channels": 8, "out_channels": 8, "rng": RNG}, CONVOLUTION_RANGES) for c in CONVOLUTIONS},
    **{n: ({"num_features": 8}, NORM_RANGES) for n in (nn.BatchNorm, nn.QuaternionBatchNorm, nn.WhiteningBatchNorm)},
    nn.LayerNorm: ({"num_features": 8}, {"num_features": COUNTS, "eps": POSITIVE}),
    nn.Linear: ({"in_features": 8, "out_features": 8, "rng": RNG}, FEATURES),
    nn.QuaternionLinear: ({"in_features": 8, "out_features": 8, "rng": RNG}, FEATURES),
    nn.NormHead: ({"in_features": 8, "out_features": 8, "rng": RNG}, FEATURES),
    nn.LearnedEncoder: ({"channels": 4, "rng": RNG}, {"channels": COUNTS, "kernel_size": SIZES[:4], "rng": GENERATORS}),
    nn.ModReLU: ({"num_features": 8}, {"num_features": COUNTS}),
    nn.Dropout: ({}, {"p": RATES}),
    nn.QuaternionDropout: ({}, {"p": RATES}),
    **{pool: ({}, {"kernel_size": COUNTS}) for pool in (nn.AvgPool2d, nn.MaxPool2d, nn.NormMaxPool2d)},
    CNNConfig: (
        {"classes": 3, "quaternion": False, "widths": ((8,),), "embedding": 8},
        {
            "classes": COUNTS, "embedding": COUNTS, "mels": COUNTS, "kernel_size": [*COUNTS, 2],
            "block_dropout": RATES, "head_dropout": RATES, "widths": [(), ((),), ((0,),), ((1.5,),), ((True,),)],
        },
    ),
    optim.SGD: ({"params": weights().items()}, {"lr": NOT_NEGATIVE, "momentum": RATES, "weight_decay": NOT_NEGATIVE}),
    **{
        adam: (
            {"params": weights().items()},
            {
                "lr": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE, "eps": POSITIVE,
                "betas": [0.9, (0.9,), (1, 0.999), (0.9, 1.0), (-0.1, 0.9), (0.9, math.nan), (0.9, "1"), None],
            },
        )
        for adam in (optim.Adam, optim.AdamW)
    },
    WeightAverage: ({"optimizer": optim.SGD(weights().items())}, {"decay": RATES}),
    training.DataLoader: ({"inputs": np.ones((4, 2)), "targets": np.ones((4, 3))}, {"batch_size": COUNTS}),
    distill.distillation: ({}, {"alpha": FRACTIONS, "temperature": POSITIVE, "kind": ["hard", None, 3, ()]}),
    audio.FrontEnd: (
        {},
        {
            "sample_rate_hz": COUNTS, "window": [*COUNTS, 1023], "hop": COUNTS, "mels": COUNTS,
            "low_hz": NOT_NEGATIVE, "high_hz": [1e9, *POSITIVE], "clip_seconds": POSITIVE,
            "floor_db": [1, -201, *WRONG_TYPES], "variant": ["other", None],
        },
    ),
}  # fmt: skip
ONE_CYCLE = {"step": [*COUNTS[1:], *COUNTS[2:]], "total_steps": COUNTS, "max_lr": NOT_NEGATIVE, "pct_start": FRACTIONS}
FUNCTIONS = {
    optim.one_cycle: ({"step": 1, "total_steps": 9, "max_lr": 0.1}, ONE_CYCLE | {"div_factor": [0.5, *WRONG_TYPES]}),
    optim.cosine: (
        {"step": 1, "total_steps": 9, "max_lr": 0.1},
        {key: ONE_CYCLE[key] for key in ("step", "total_steps", "max_lr")},
    ),
    optim.clip_grad_norm: ({"parameters": [], "max_norm": 1}, {"max_norm": POSITIVE}),
    datasets.one_hot: (
        {"labels": np.array([0]), "num_classes": 2},
        {"num_classes": COUNTS, "label_smoothing": FRACTIONS},
    ),
    training.predict: ({"model": None, "inputs": np.ones((2, 3))}, {"batch_size": COUNTS}),
    distill.linear_probe: (
        {"embeddings": np.eye(3), "labels": np.arange(3), "classes": 3},
        {"classes": COUNTS, "inverse_penalty": POSITIVE},
    ),
    audio.mixup: (
        {"x": np.ones((2, 5, 4, 4)), "targets": np.ones((2, 3)), "rng": RNG, "alpha": 1},
        {"alpha": POSITIVE, "rng": GENERATORS},
    ),
    audio.spec_augment: (
        {"x": np.ones((2, 5, 4, 4)), "rng": RNG},
        {"num_masks": COUNTS, "max_frames": COUNTS, "max_mels": COUNTS, "rng": GENERATORS},
    ),
    audio.time_shift: ({"x": np.ones((2, 5, 4, 4)), "rng": RNG}, {"rng": GENERATORS}),
    audio.resample: ({"waveform": np.ones(9), "from_hz": 3, "to_hz": 4}, {"from_hz": COUNTS, "to_hz": COUNTS}),
    quaternion.random_rotations: (
        {"shape": (2, 3), "rng": RNG},
        {"shape": [-1, True, (2, -1), (1.5,), ("2",), (None,)], "rng": GENERATORS, "axis": [3, -4, 1.0, None, "0"]},
    ),
    gradcheck: (
        {"function": lambda x: x, "arrays": [np.ones(3)], "rng": RNG},
        {"eps": POSITIVE, "num_directions": COUNTS, "rng": GENERATORS},
    ),
    audio.fix_length: ({"waveform": np.ones(9), "samples": 3}, {"samples": COUNTS}),
}
CASES = [
    pytest.param(function, arguments, {name: value}, id=f"{function.__name__}-{name}-{repr(value).split(' at 0x')[0]}")
    for function, (arguments, ranges) in (CONSTRUCTORS | FUNCTIONS).items()
    for name, values in ranges.items()
    for value in values
    if not (value is None and signature(function).parameters.get(name, "").__str__().endswith("None"))
]


@pytest.mark.parametrize(("function", "arguments", "wrong"), CASES)
def test_wrong_number_raises(function, arguments: dict, wrong: dict) -> None:
    with pytest.raises((ConfigError, ShapeError)) as error:
        function(**arguments | wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("function", [*CONSTRUCTORS, *FUNCTIONS], ids=lambda function: function.__name__)
def test_the_other_arguments_are_valid(function) -> None:
    if function is not training.predict:
        function(**(CONSTRUCTORS | FUNCTIONS)[function][0])


def test_all_layers_are_tested() -> None:
    layers = {getattr(nn, name) for name in nn.__all__} - {nn.Module, nn.Sequential, nn.Flatten, nn.ReLU}
    assert layers - {nn.QuaternionNorm, nn.parameter} <= set(CONSTRUCTORS)


NORMS = ["batch_norm", "layer_norm", "quaternion_batch_norm", "whitening_batch_norm"]


@pytest.mark.parametrize("eps", [-1e-9, *WRONG_TYPES])
@pytest.mark.parametrize("name", NORMS)
def test_wrong_eps_of_an_op_raises(name: str, eps) -> None:
    tensors = [Tensor(np.ones(shape)) for shape in OP_ARGUMENTS[name][0]]
    with pytest.raises(ConfigError, match="eps in"):
        getattr(ops, name)(*tensors, eps=eps)


@pytest.mark.parametrize("layer", [nn.BatchNorm, nn.QuaternionBatchNorm, nn.WhiteningBatchNorm])
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("shape", [(8,), (), (0, 8), (3, 9)])
def test_batch_norm_of_wrong_shapes_raises(layer: type, train: bool, shape: tuple) -> None:
    norm = layer(8)
    before = norm.state_dict()
    if not train and shape in ((0, 8), (8,)):
        return
    with pytest.raises(QuatnetError):
        norm(Tensor(np.ones(shape)), train=train)
    assert all(np.array_equal(before[name], array) for name, array in norm.state_dict().items())


@pytest.mark.parametrize("output_padding", [-1, 2, 1.5, (0, 2), "1", True])
@pytest.mark.parametrize("layer", [nn.ConvTranspose2d, nn.QuaternionConvTranspose2d])
def test_wrong_output_padding_raises(layer: type, output_padding) -> None:
    with pytest.raises(ConfigError):
        layer(8, 8, stride=2, output_padding=output_padding, rng=RNG)


def test_layers_as_a_list_raise() -> None:
    with pytest.raises(ConfigError, match=r"Sequential\(\*layers\)"):
        nn.Sequential([nn.ReLU(), nn.ReLU()])


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam, optim.AdamW])
@pytest.mark.parametrize("lr", NOT_NEGATIVE)
def test_step_with_a_wrong_learning_rate_changes_nothing(optimizer: type, lr) -> None:
    if lr is None:
        return
    parameters = weights()
    steps = optimizer(parameters.items())
    parameters["w"].grad = np.ones((2, 2), np.float32)
    with pytest.raises(ConfigError, match="lr in"):
        steps.step(lr=lr)
    assert steps.steps == 0
    assert (parameters["w"].numpy() == 1).all()


def test_step_with_a_gradient_of_another_shape_changes_nothing() -> None:
    first, second = weights()["w"], weights()["w"]
    optimizer = optim.Adam([first, second])
    first.grad, second.grad = np.ones((2, 2), np.float32), np.ones(3, np.float32)
    with pytest.raises(ShapeError, match="parameter 1"):
        optimizer.step()
    assert optimizer.steps == 0
    assert (first.numpy() == 1).all()


def test_a_tensor_or_name_twice_raises() -> None:
    w = weights()["w"]
    for params in ([w, w], [("w", w), ("v", w)], [("w", w), ("w", weights()["w"])]):
        with pytest.raises(ConfigError, match="once"):
            optim.SGD(params)


def test_prediction_of_no_clips_raises() -> None:
    config = CNNConfig(classes=3, quaternion=False, widths=((8,),), embedding=8)
    with pytest.raises(ShapeError, match="at least one input"):
        training.predict(build(config, rng=RNG), np.zeros((0, 20, 64, 4), np.float32))
