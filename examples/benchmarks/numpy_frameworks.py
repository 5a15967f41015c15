"""Time of a training step against other NumPy frameworks: MyGrad and DeZero.

    pip install mygrad dezero matplotlib
    python examples/benchmarks/numpy_frameworks.py [--threads 1] [--batch 16] [--rounds 10] [--width 16]

The network has the convolutions, batch norms, ReLUs and average poolings of the real small network, the mean over all
pixels, and a linear layer. A step consists of the forward pass, the cross-entropy, the backward pass and a step of
gradient descent. All frameworks start with the same weights. Their losses of the first three steps must agree.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from speed_measure import Run, log, set_threads, time_alternately

from quatnet import Tensor, nn, ops
from quatnet.cli import positive_int, run_main
from quatnet.models import small_cnn

CLASSES, FRAMES, MELS, EPS, LEARNING_RATE, CHECKED_STEPS = 50, 126, 64, 1e-5, 0.01, 3
Weights = list[np.ndarray]  # kernel (3, 3, C, O), batch norm weight and bias of each layer; linear weight (C, classes)


def layers(width: int) -> list[tuple[int, int, bool]]:
    """Return the input channels and output channels of each convolution, and whether a pooling follows."""
    blocks = small_cnn(CLASSES, quaternion=False, width=width).widths
    widths = [(channels, n == len(block) - 1) for block in blocks for n, channels in enumerate(block)]
    inputs = [1, *(channels for channels, _ in widths)]
    pooled = [pool for _, pool in widths[:-1]] + [False]
    return [(inputs[n], channels, pooled[n]) for n, (channels, _) in enumerate(widths)]


def initial_weights(width: int) -> Weights:
    rng, weights = np.random.default_rng(0), []
    for inputs, outputs, _ in layers(width):
        kernel = rng.standard_normal((3, 3, inputs, outputs), dtype=np.float32) * np.float32((2 / 9 / inputs) ** 0.5)
        weights += [kernel, np.ones(outputs, np.float32), np.zeros(outputs, np.float32)]
    return [*weights, rng.standard_normal((layers(width)[-1][1], CLASSES), dtype=np.float32) * np.float32(0.1)]


def channels_first(weights: Weights) -> Weights:
    return [np.ascontiguousarray(w.transpose(3, 2, 0, 1)) if w.ndim == 4 else w.copy() for w in weights]


def quatnet_step(weights: Weights, x: np.ndarray, labels: np.ndarray, width: int) -> float:
    parameters = [Tensor(w, requires_grad=True) for w in weights]
    remaining, h = iter(parameters), Tensor(x)
    for _, channels, pool in layers(width):
        norm = nn.BatchNorm(channels, eps=EPS)
        h = ops.conv2d(h, next(remaining), padding=1)
        norm.weight, norm.bias = next(remaining), next(remaining)
        h = norm.relu_pool(h, train=True) if pool else norm(h, train=True, relu=True)
    loss = ops.cross_entropy(h.mean((1, 2)) @ next(remaining), np.eye(CLASSES, dtype=np.float32)[labels])
    loss.backward()
    descend(weights, [p.grad for p in parameters])
    return float(loss.data)


def mygrad_step(weights: Weights, x: np.ndarray, labels: np.ndarray, width: int) -> float:
    import mygrad
    from mygrad.nnet import activations, losses
    from mygrad.nnet.layers import batchnorm, conv_nd

    parameters = [mygrad.tensor(w) for w in weights]
    remaining, h = iter(parameters), x
    for _, channels, pool in layers(width):
        h = conv_nd(h, next(remaining), stride=1, padding=1)
        h = activations.relu(batchnorm(h, gamma=next(remaining), beta=next(remaining), eps=EPS))
        if pool:  # MyGrad has no average pooling
            height, columns = h.shape[2] // 2, h.shape[3] // 2
            h = h[:, :, : 2 * height, : 2 * columns].reshape(len(x), channels, height, 2, columns, 2).mean((3, 5))
    loss = losses.softmax_crossentropy(h.mean((2, 3)) @ next(remaining), labels)
    loss.backward()
    descend(weights, [p.grad for p in parameters])
    return float(loss.data)


def dezero_step(weights: Weights, x: np.ndarray, labels: np.ndarray, width: int) -> float:
    setattr(np, "int", int)  # noqa: B010 DeZero 0.0.13 uses a name that NumPy 1.24 has removed
    import dezero
    import dezero.functions as F

    parameters = [dezero.Parameter(w) for w in weights]
    remaining, h = iter(parameters), dezero.Variable(x)
    for _, channels, pool in layers(width):
        mean, variance = np.zeros(channels, np.float32), np.ones(channels, np.float32)
        h = F.conv2d(h, next(remaining), stride=1, pad=1)
        h = F.relu(F.batch_nrom(h, next(remaining), next(remaining), mean, variance, eps=EPS))
        h = F.average_pooling(h, 2, 2) if pool else h
    pixels = h.reshape(len(x), h.shape[1], -1)
    loss = F.softmax_cross_entropy(F.matmul(F.sum(pixels, axis=2) / pixels.shape[2], next(remaining)), labels)
    loss.backward()
    descend(weights, [p.grad.data for p in parameters])
    return float(loss.data)


def descend(weights: Weights, gradients: list[np.ndarray]) -> None:
    for weight, gradient in zip(weights, gradients, strict=True):
        weight -= np.float32(LEARNING_RATE) * gradient


def sides(width: int, batch: int) -> Iterator[tuple[str, Run]]:
    """Yield the step of each framework, after checking its losses. A framework that fails is named with the reason."""
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((batch, FRAMES, MELS, 1), dtype=np.float32), rng.integers(CLASSES, size=batch)
    first = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    steps: dict[str, Callable[[], float]] = {
        "quatnet": partial(quatnet_step, initial_weights(width), x, labels, width),
        "MyGrad": partial(mygrad_step, channels_first(initial_weights(width)), first, labels, width),
        "DeZero": partial(dezero_step, channels_first(initial_weights(width)), first, labels, width),
    }
    expected: list[float] = []
    for name, step in steps.items():
        try:
            losses = [step() for _ in range(CHECKED_STEPS)]
        except (ImportError, AttributeError) as error:
            if name == "quatnet":
                raise
            log(f"{name}: not measured, {type(error).__name__}: {error}")
            continue
        expected = expected or losses
        np.testing.assert_allclose(losses, expected, rtol=1e-3, err_msg=f"losses of {name}")
        yield name, step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in {"threads": 1, "batch": 16, "rounds": 10, "width": 16}.items():
        parser.add_argument(f"--{option}", type=positive_int, default=default, help=f"default: {default}")
    args = parser.parse_args()
    set_threads(args.threads)
    times = time_alternately(dict(sides(args.width, args.batch)), args.rounds, 0.05)
    ours = times["quatnet"]["median"]
    for name, result in times.items():
        log(f"{name:8} {1e3 * result['median']:8.1f} ms per step   {result['median'] / ours:5.1f} times quatnet")


if __name__ == "__main__":
    run_main(main)
