"""Filter scores of the paper's released code, computed from only the top left tap of each convolution kernel."""

import numpy as np


def l1_scores(weight: np.ndarray) -> np.ndarray:
    """Return Σ_c |weight[0, 0, c]|, the L1 norm of the top left tap of each filter.

    The sum runs over the input channels c. For a quaternion weight, the sums of each component are divided by their
    maximum over the layer and averaged over the four components. A filter with large weights at other taps may
    therefore be removed. `prune.l1_scores` is the L1 norm of all taps.

    Parameters
    ----------
    weight
        Real convolution kernel (KH, KW, C, filters) or quaternion convolution kernel (4, KH, KW, C, filters).

    Returns
    -------
    Scores (filters,).

    Source: A. Singh and others, `audio-pruning`, the code of Compressing Quaternion Convolutional Neural Networks for
    Audio Classification, 2025.
    """
    components = weight if weight.ndim == 5 else weight[None]
    sums = np.abs(components[:, 0, 0]).sum(axis=1)  # shape (components, filters)
    return (sums / np.maximum(sums.max(axis=1, keepdims=True), np.finfo(sums.dtype).tiny)).mean(axis=0)
