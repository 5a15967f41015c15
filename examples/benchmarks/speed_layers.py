"""Layer by layer: the time of each convolution of a network in three directions, and the error of each form."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import speed_measure as measure

from quatnet.conv import plain
from quatnet.conv.fast import convolution, direct, direct_gradients, forms, fused, patched
from quatnet.models import CNNConfig
from quatnet.quaternion import left_matrix_adjoint

ONE = (1, 1)  # stride and padding of every layer


class Layer(NamedTuple):
    name: str
    height: int
    width: int
    channels: int  # real ones
    outputs: int

    def arrays(self, batch: int, components: int, seed: int) -> list[np.ndarray]:
        """Return an image, a kernel (P, 3, 3, C, O) and a cotangent of normal numbers, float32."""
        rng, (_, h, w, c, o) = np.random.default_rng(seed), self
        shapes = (batch, h, w, c), (components, 3, 3, c // components, o // components), (batch, h, w, o)
        return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def layers(config: CNNConfig, frames: int) -> Iterator[Layer]:
    """Yield the convolutions of a network on a clip of `frames` frames."""
    height, width, channels = frames, config.mels, config.in_channels
    for b, widths in enumerate(config.widths, 1):
        for c, outputs in enumerate(widths, 1):
            yield Layer(f"block {b} conv {c}", height, width, channels, outputs)
            channels = outputs
        height, width = height // 2, width // 2


def measured(layer: Layer, batch: int, how: measure.How) -> Iterator[dict[str, Any]]:
    """Yield a row for each direction: seconds of quatnet and, where it is installed, of PyTorch's ways and layouts."""
    x, w, g = layer.arrays(batch, 4, how.seed)
    sides = {"quatnet": our_runs(x, w, g)}
    if twins := how.twins():
        channels = layer.channels if layer.channels > 4 else 1  # CNN14 reads the log-mel alone
        sides |= {f"{way}, {layout}": runs for way, layout, runs in twins.layer(x, w, g, channels)}
    for direction in sides["quatnet"]:
        times = measure.alternate({name: runs[direction] for name, runs in sides.items()}, how.rounds, how.turn_seconds)
        products = 9 * batch * layer.height * layer.width * layer.channels * layer.outputs // 2
        yield {**layer._asdict(), "batch": batch, "direction": direction, "products_8": products, "sides": times}


def our_runs(x: np.ndarray, w: np.ndarray, g: np.ndarray) -> dict[str, measure.Run]:
    return {
        "forward": partial(forms.convolve, x, w, ONE, ONE),
        "input gradient": partial(forms.input_gradient, g, w, x.shape, ONE, ONE),
        "weight gradient": partial(forms.kernel_gradient, x, g, w.shape, ONE, ONE),
    }


def errors(layers: list[Layer], seed: int) -> dict[str, float]:
    """Return for each form its largest error on any layer and direction, as a part of the largest value in float64."""
    largest: dict[str, float] = {}
    for components, kind in ((4, "quaternion"), (1, "real")):
        for layer in layers:
            for form, error in _layer_errors(*layer.arrays(1, components, seed)):
                name = f"{form}_{kind}"
                largest[name] = max(largest.get(name, 0.0), error)
    return largest


def _layer_errors(x: np.ndarray, w: np.ndarray, g: np.ndarray) -> Iterator[tuple[str, float]]:
    exact = _plain(*(a.astype(np.float64) for a in (x, w, g)))
    yield from (("strips", _error(found, right)) for found, right in zip(_strips(x, w, g), exact, strict=True))
    yield from (("patched", _error(found, right)) for found, right in zip(_patched(x, w, g), exact, strict=True))
    yield from (("direct", _error(found, right)) for found, right in zip(_direct(x, w, g), exact, strict=True))
    scale, shift = 1.5, -0.25  # any exact numbers
    channels = np.ones(g.shape[3], np.float32)
    layer = fused.layer(w, scale * channels, shift * channels, pool=False)
    found = fused.apply(x[:, :, :, None], layer).reshape(exact[0].shape)
    yield "fused", _error(found, np.maximum(scale * exact[0] + shift, 0))


def _strips(x: np.ndarray, w: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    return [
        convolution.convolve(x, w, ONE),
        convolution.input_gradient(g, w, ONE),
        convolution.kernel_gradient(x, g, w.shape, ONE),
    ]


def _patched(x: np.ndarray, w: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    return [
        patched.convolve(x, w, ONE, ONE),
        patched.input_gradient(g, w, ONE),
        patched.kernel_gradient(x, g, w.shape, ONE, ONE),
    ]


def _direct(x: np.ndarray, w: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    return [
        direct.convolve(x, w, ONE, ONE),
        direct_gradients.input_gradient(g, w, x.shape, ONE, ONE),
        direct_gradients.kernel_gradient(x, g, w.shape, ONE, ONE),
    ]


def _plain(x: np.ndarray, w: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    """The result and both gradients by the plain im2col form, a quaternion kernel as its real block matrix."""
    real = plain.block_weight(w) if len(w) == 4 else w[0]
    gw = plain.conv2d_weight_gradient(x, g, real.shape[:2], stride=1, padding=1)
    return [
        plain.conv2d(x, real, stride=1, padding=1),
        plain.conv2d_input_gradient(g, real, x.shape, stride=1, padding=1),
        left_matrix_adjoint(plain.blocks_of_weight(gw), axis=0) if len(w) == 4 else gw[None],
    ]


def _error(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(found - exact).max() / np.abs(exact).max())
