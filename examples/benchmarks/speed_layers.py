"""Measurements of single convolutions: the time of each pass, and the error of each algorithm."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import speed_measure as measure

from quatnet.conv import plain
from quatnet.conv.fast import algorithms, direct, direct_gradients, fused, im2col_conv, winograd_conv
from quatnet.models import CNNConfig
from quatnet.quaternion import left_matrix_adjoint

ONE = (1, 1)  # stride and padding of every convolution


class Layer(NamedTuple):
    """The shape of a 3x3 convolution. The field names are keys of the JSON output."""

    name: str
    height: int
    width: int
    channels: int  # number of real input channels
    outputs: int  # number of real output channels

    def arrays(self, batch: int, components: int, seed: int) -> list[np.ndarray]:
        """Return random float32 images, weights of shape (components, 3, 3, C, O) and an upstream gradient."""
        rng, (_, h, w, c, o) = np.random.default_rng(seed), self
        shapes = (batch, h, w, c), (components, 3, 3, c // components, o // components), (batch, h, w, o)
        return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def conv_layers(config: CNNConfig, frames: int) -> Iterator[Layer]:
    """Yield the convolutions of a network on a clip of `frames` frames."""
    height, width, channels = frames, config.mels, config.in_channels
    for b, widths in enumerate(config.widths, 1):
        for c, outputs in enumerate(widths, 1):
            yield Layer(f"block {b} conv {c}", height, width, channels, outputs)
            channels = outputs
        height, width = height // 2, width // 2


def measure_layer(layer: Layer, batch: int, settings: measure.Settings) -> Iterator[dict[str, Any]]:
    """Yield the measurements of the forward pass, the input gradient and the weight gradient.

    The measurements contain the seconds per call of quatnet. If PyTorch is measured, they also have the seconds of its
    variants.
    """
    x, w, grad_output = layer.arrays(batch, 4, settings.seed)
    sides = {"quatnet": quatnet_runs(x, w, grad_output)}
    if torch_runs := settings.torch_runs():
        real_channels = layer.channels if layer.channels > 4 else 1  # the input of CNN14 is the log-mel only
        for variant, layout, runs in torch_runs.layer_runs(x, w, grad_output, real_channels):
            sides[f"{variant}, {layout}"] = runs
    for direction in sides["quatnet"]:
        functions = {name: runs[direction] for name, runs in sides.items()}
        times = measure.time_alternately(functions, settings.rounds, settings.turn_seconds)
        products = 9 * batch * layer.height * layer.width * layer.channels * layer.outputs // 2
        yield {**layer._asdict(), "batch": batch, "direction": direction, "products_8": products, "sides": times}


def quatnet_runs(x: np.ndarray, w: np.ndarray, grad_output: np.ndarray) -> dict[str, measure.Run]:
    return {
        "forward": partial(algorithms.convolve, x, w, ONE, ONE),
        "input gradient": partial(algorithms.input_gradient, grad_output, w, x.shape, ONE, ONE),
        "weight gradient": partial(algorithms.weight_gradient, x, grad_output, w.shape, ONE, ONE),
    }


def measure_errors(layers: list[Layer], seed: int) -> dict[str, float]:
    """Return the maximum error of each algorithm over all layers and passes.

    The error is relative to the largest absolute value of the float64 result.
    """
    largest: dict[str, float] = {}
    for components, kind in ((4, "quaternion"), (1, "real")):
        for layer in layers:
            for algorithm, error in _layer_errors(*layer.arrays(1, components, seed)):
                name = f"{algorithm}_{kind}"
                largest[name] = max(largest.get(name, 0.0), error)
    return largest


def _layer_errors(x: np.ndarray, w: np.ndarray, grad_output: np.ndarray) -> Iterator[tuple[str, float]]:
    """Yield pairs of an algorithm and its error in one pass. The names of algorithms are keys of the JSON output."""
    expected = _plain(*(a.astype(np.float64) for a in (x, w, grad_output)))
    for name, algorithm in (("strips", _winograd), ("patched", _im2col), ("direct", _direct)):
        for result, reference in zip(algorithm(x, w, grad_output), expected, strict=True):
            yield name, _relative_error(result, reference)
    scale, shift = 1.5, -0.25  # both are exact in float32
    channels = np.ones(grad_output.shape[3], np.float32)
    layer = fused.make_layer(w, scale * channels, shift * channels, pool=False)
    result = fused.fused_conv2d(x[:, :, :, None], layer).reshape(expected[0].shape)
    yield "fused", _relative_error(result, np.maximum(scale * expected[0] + shift, 0))


def _winograd(x: np.ndarray, w: np.ndarray, grad_output: np.ndarray) -> list[np.ndarray]:
    return [
        winograd_conv.convolve(x, w, ONE),
        winograd_conv.input_gradient(grad_output, w, ONE),
        winograd_conv.weight_gradient(x, grad_output, w.shape, ONE),
    ]


def _im2col(x: np.ndarray, w: np.ndarray, grad_output: np.ndarray) -> list[np.ndarray]:
    return [
        im2col_conv.convolve(x, w, ONE, ONE),
        im2col_conv.input_gradient(grad_output, w, ONE),
        im2col_conv.weight_gradient(x, grad_output, w.shape, ONE, ONE),
    ]


def _direct(x: np.ndarray, w: np.ndarray, grad_output: np.ndarray) -> list[np.ndarray]:
    return [
        direct.convolve(x, w, ONE, ONE),
        direct_gradients.input_gradient(grad_output, w, x.shape, ONE, ONE),
        direct_gradients.weight_gradient(x, grad_output, w.shape, ONE, ONE),
    ]


def _plain(x: np.ndarray, w: np.ndarray, grad_output: np.ndarray) -> list[np.ndarray]:
    """Return the result and both gradients of the im2col convolution with the real block matrix of the weight."""
    real = plain.quaternion_to_real_kernel(w) if len(w) == 4 else w[0]
    grad_w = plain.conv2d_weight_gradient(x, grad_output, real.shape[:2], stride=1, padding=1)
    return [
        plain.conv2d(x, real, stride=1, padding=1),
        plain.conv2d_input_gradient(grad_output, real, x.shape, stride=1, padding=1),
        left_matrix_adjoint(plain.split_blocks(grad_w), axis=0) if len(w) == 4 else grad_w[None],
    ]


def _relative_error(result: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(result - expected).max() / np.abs(expected).max())
