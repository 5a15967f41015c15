"""The filter scores of the paper's released code, which use the top left tap of each kernel alone."""

import numpy as np


def l1_scores(weight: np.ndarray) -> np.ndarray:
    """Return Σ_c |weight[0, 0, c]|, the L1 norm of the top left tap of each filter.

    For a quaternion weight, the sums of each component are divided by their maximum over the layer and averaged over
    the four components. A filter with large weights in all other taps is therefore removed. See `prune.l1_scores` for
    the L1 norm of all taps.

    Parameters
    ----------
    weight
        Real kernel (KH, KW, C, filters) or quaternion kernel (4, KH, KW, C, filters).

    Returns
    -------
    Scores (filters,).

    Source: A. Singh and others, `audio-pruning`, the code of Compressing Quaternion Convolutional Neural Networks for
    Audio Classification, 2025.
    """
    components = weight if weight.ndim == 5 else weight[None]
    sums = np.abs(components[:, 0, 0]).sum(axis=1)  # (components, filters)
    return (sums / np.maximum(sums.max(axis=1, keepdims=True), np.finfo(sums.dtype).tiny)).mean(axis=0)
