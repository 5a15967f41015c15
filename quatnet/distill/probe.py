"""A linear probe: what the embeddings of somebody else's network say about our classes."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from ..datasets.targets import one_hot
from ..errors import ConfigError, ShapeError

Probe = Callable[[np.ndarray], np.ndarray]


def linear_probe(embeddings: np.ndarray, labels: np.ndarray, classes: int, *, inverse_penalty: float = 0.01) -> Probe:
    """Train a logistic regression, and return what gives logits (M, classes) for embeddings (M, size), on the host.

    With s the embeddings, each column brought to mean 0 and deviation 1, it minimizes
    ½ |W|² + c Σ softmax cross entropy(s W + b) over the weights W (size, classes) and the biases b (classes,).

    Parameters
    ----------
    embeddings : (N, size), of training clips only
    labels : (N,), 0 to classes - 1
    inverse_penalty : c; the smaller, the smaller the weights

    Raises
    ------
    ShapeError
        `embeddings` and `labels` do not fit together, or a label is no class.
    ConfigError
        `inverse_penalty` is not above 0.
    """
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1] or not embeddings.size:
        raise ShapeError(f"expected embeddings (N, size) and labels (N,), got {embeddings.shape} and {labels.shape}")
    if not inverse_penalty > 0:
        raise ConfigError(f"expected inverse_penalty > 0, got {inverse_penalty}")
    x = embeddings.astype(np.float64)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation == 0] = 1.0  # a column that says nothing
    weights = _regression((x - mean) / deviation, one_hot(labels, classes), inverse_penalty)

    def logits(others: np.ndarray) -> np.ndarray:
        return (((others - mean) / deviation) @ weights[1:] + weights[0]).astype(np.float32)

    return logits


def _regression(s: np.ndarray, targets: np.ndarray, c: float) -> np.ndarray:
    """Return the biases, one row, over the weights: (1 + size, classes)."""
    shape = s.shape[1] + 1, targets.shape[1]

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(shape)
        log_p = log_softmax(s @ w[1:] + w[0], axis=1)
        error = c * (np.exp(log_p) - targets)
        gradient = np.vstack([error.sum(axis=0), s.T @ error + w[1:]])
        return 0.5 * (w[1:] ** 2).sum() - c * (targets * log_p).sum(), gradient.ravel()

    found = minimize(
        value_and_gradient, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 1000}
    )
    return found.x.reshape(shape)
