"""Exercise 10: a plain solution, typical mistakes and hints."""

import numpy as np


def l1_scores(weight):
    return abs(weight).sum(axis=(0, 1, 2, 3))


def keep_indices(scores, ratio):
    count = len(scores) - int(len(scores) * ratio)
    return np.sort(np.argsort(-scores, kind="stable")[:count])


def real_channels(keep, filters):
    return np.concatenate([np.asarray(keep) + filters * block for block in range(4)])


def remove_filters(weight, norm, next_weight, keep):
    channels = real_channels(keep, weight.shape[-1])
    return weight[..., keep], norm[channels], next_weight[..., keep, :]


MISTAKES = [
    ("the absolute values are missing: positive and negative weights cancel", "abs(weight).sum(", "weight.sum("),
    ("the squares are added: this is the square of the L2 norm", "abs(weight).sum(", "(weight**2).sum("),
    ("the scores are those of the input channels (axis 3); a filter is an output channel", "axis=(0, 1, 2, 3)", "axis=(0, 1, 2, 4)"),
    ("the mean is used, not the sum", "abs(weight).sum(", "abs(weight).mean("),
    ("only the real component is used; a filter has four components", "abs(weight).sum(", "abs(weight)[:1].sum("),
    ("only one tap is used; expected the sum over all taps", "abs(weight).sum(", "abs(weight)[:, :1, :1].sum("),
    ("the absolute value is taken after the sum", "abs(weight).sum(axis=(0, 1, 2, 3))", "abs(weight.sum(axis=(0, 1, 2, 3)))"),
    ("the filters with the lowest scores are kept", "np.argsort(-scores, kind=\"stable\")", "np.argsort(scores, kind=\"stable\")"),
    ("the indices are in the order of the scores; expected sorted indices", "np.sort(np.argsort(-scores, kind=\"stable\")[:count])", "np.argsort(-scores, kind=\"stable\")[:count]"),
    ("the share `ratio` is kept; it is the share of removed filters", "count = len(scores) - int(len(scores) * ratio)", "count = int(len(scores) * ratio)"),
    ("the number of removed filters is rounded up", "int(len(scores) * ratio)", "int(np.ceil(len(scores) * ratio))"),
    ("filters with a score below ratio · maximum are removed; expected a share of the filters", "return np.sort(np.argsort(-scores, kind=\"stable\")[:count])", "return np.flatnonzero(scores >= ratio * scores.max())"),
    ("four neighboring channels are used for each filter; expected one channel in each of the four blocks", "np.concatenate([np.asarray(keep) + filters * block for block in range(4)])", "np.concatenate([4 * k + np.arange(4) for k in keep])"),
    ("the blocks have the length of `keep`; the removed filters count before the removal", "filters * block", "len(keep) * block"),
    ("only the channels of the block r are returned", "for block in range(4)])", "for block in range(1)])"),
    ("the channels are ordered by filter first; expected the order of the blocks", "return np.concatenate([np.asarray(keep) + filters * block for block in range(4)])", "return np.concatenate([k + filters * np.arange(4) for k in keep])"),
    ("the outputs of the next layer are removed; its inputs belong to the removed filters", "next_weight[..., keep, :]", "next_weight[..., np.arange(next_weight.shape[-1]) < len(keep)]"),
    ("the next layer keeps its first inputs; expected those of `keep`", "next_weight[..., keep, :]", "next_weight[..., : len(keep), :]"),
    ("the first entries of the batch norm are kept; expected the real channels of `keep`", "norm[channels]", "norm[: 4 * len(keep)]"),
    ("the inputs of the pruned layer are removed; expected its outputs, the last axis", "weight[..., keep], norm", "weight[..., : len(keep), :], norm"),
]  # fmt: skip

HINTS = {
    "l1_scores": ["np.abs, then the sum over all axes except the last one"],
    "keep_indices": [
        "the number of filters that remain is O - int(O * ratio)",
        "np.argsort(-scores) are the indices by decreasing score; take the first ones and sort them with np.sort",
    ],
    "real_channels": ["the filter o has the channels o, O + o, 2O + o, 3O + o, where O is `filters`"],
    "remove_filters": [
        "the filters are the last axis of `weight` and the second-last axis of `next_weight`",
        "`norm` is indexed with real_channels(keep, O)",
    ],
}
