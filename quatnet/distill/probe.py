"""Linear probe: logistic regression on the embeddings of a pretrained network."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from ..checks import as_array, as_scores, checked_number
from ..datasets.targets import checked_labels, one_hot
from ..errors import ShapeError
from ..threads import single_threaded_blas

Probe = Callable[[np.ndarray], np.ndarray]  # embeddings -> logits


def linear_probe(embeddings: np.ndarray, labels: np.ndarray, classes: int, *, inverse_penalty: float = 0.01) -> Probe:
    """Train a logistic regression and return a function that maps embeddings (..., size) to logits (..., classes).

    The embeddings are standardized to mean 0 and standard deviation 1 in each column. The loss is
    ½ |w|² + c Σ cross_entropy(s w + b), with the standardized embeddings s, the weights w (size, classes), the biases
    b (classes,) and c = `inverse_penalty`. All arrays are NumPy arrays.

    Parameters
    ----------
    embeddings : embeddings of the training clips, (N, size)
    labels : labels of the training clips, (N,), from 0 to classes - 1
    classes : number of classes
    inverse_penalty : weight c of the cross entropy relative to the L2 penalty

    Raises
    ------
    ShapeError
        The shapes of `embeddings` and `labels` do not match, `embeddings` contains NaN or infinity, or a label is not
        in range(classes).
    ConfigError
        `inverse_penalty` is not above 0.
    """
    scores, labels = as_scores(embeddings), checked_labels(labels, classes)
    x = scores.astype(np.float64)
    if x.ndim != 2 or labels.shape != x.shape[:1] or not x.size or not np.isfinite(x).all():
        raise ShapeError(f"expected finite embeddings (N, size) and labels (N,), got {x.shape} and {labels.shape}")
    inverse_penalty = checked_number("inverse_penalty", inverse_penalty, "(0, inf)")
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    rounding = 10 * np.finfo(scores.dtype).eps * abs(x).max(axis=0)
    deviation[deviation <= rounding] = 1.0  # columns that are constant up to rounding are not scaled
    with single_threaded_blas():
        weights = _fit((x - mean) / deviation, one_hot(labels, classes), inverse_penalty)

    def predict(embeddings: np.ndarray) -> np.ndarray:
        with single_threaded_blas():
            return (((as_array(embeddings, np) - mean) / deviation) @ weights[1:] + weights[0]).astype(np.float32)

    return predict


def _fit(s: np.ndarray, targets: np.ndarray, c: float) -> np.ndarray:
    """Return the array (1 + size, classes) of the biases (row 0) and the weights."""
    shape = s.shape[1] + 1, targets.shape[1]

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(shape)
        log_p = log_softmax(s @ w[1:] + w[0], axis=1)
        error = c * (np.exp(log_p) - targets)
        gradient = np.vstack([error.sum(axis=0), s.T @ error + w[1:]])
        return 0.5 * (w[1:] ** 2).sum() - c * (targets * log_p).sum(), gradient.ravel()

    start = np.zeros(shape).ravel()
    result = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return result.x.reshape(shape)
