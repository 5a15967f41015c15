"""Linear probe: logistic regression on the embeddings of a pretrained network."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from ..datasets.targets import one_hot
from ..errors import ConfigError, ShapeError

Probe = Callable[[np.ndarray], np.ndarray]  # embeddings -> logits


def linear_probe(embeddings: np.ndarray, labels: np.ndarray, classes: int, *, inverse_penalty: float = 0.01) -> Probe:
    """Train a logistic regression and return its prediction function: embeddings (M, size) -> logits (M, classes).

    The loss is ½ |W|² + c Σ cross_entropy(s W + b) with weights W (size, classes) and biases b (classes,), where s are
    the embeddings, each column standardized to mean 0 and standard deviation 1. All arrays are NumPy arrays.

    Parameters
    ----------
    embeddings : (N, size), of training clips only
    labels : (N,), 0 to classes - 1
    classes : number of classes
    inverse_penalty : c, inverse of the L2 penalty

    Raises
    ------
    ShapeError
        The shapes of `embeddings` and `labels` do not match, or a label is not in range(classes).
    ConfigError
        `inverse_penalty` is not above 0.
    """
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1] or not embeddings.size:
        raise ShapeError(f"expected embeddings (N, size) and labels (N,), got {embeddings.shape} and {labels.shape}")
    if not inverse_penalty > 0:
        raise ConfigError(f"expected inverse_penalty > 0, got {inverse_penalty}")
    x = embeddings.astype(np.float64)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation == 0] = 1.0  # a constant column
    weights = _fit((x - mean) / deviation, one_hot(labels, classes), inverse_penalty)

    def predict(embeddings: np.ndarray) -> np.ndarray:
        return (((embeddings - mean) / deviation) @ weights[1:] + weights[0]).astype(np.float32)

    return predict


def _fit(s: np.ndarray, targets: np.ndarray, c: float) -> np.ndarray:
    """Return the biases and weights, (1 + size, classes), with the biases in row 0."""
    shape = s.shape[1] + 1, targets.shape[1]

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(shape)
        log_p = log_softmax(s @ w[1:] + w[0], axis=1)
        error = c * (np.exp(log_p) - targets)
        gradient = np.vstack([error.sum(axis=0), s.T @ error + w[1:]])
        return 0.5 * (w[1:] ** 2).sum() - c * (targets * log_p).sum(), gradient.ravel()

    result = minimize(
        value_and_gradient, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 1000}
    )
    return result.x.reshape(shape)
