"""Teacher logits for distillation, read from a file of cached network outputs."""

from pathlib import Path

import numpy as np

from quatnet.datasets import Dataset
from quatnet.distill import CachedOutputs, linear_probe, read_cached_outputs
from quatnet.errors import DataError
from quatnet.training import accuracy


def cached_teacher_logits(path: Path, data: Dataset, fold: int) -> np.ndarray:
    """Return the teacher logits (N, classes) of the training clips.

    If the file contains embeddings, the logits are computed by a linear probe that is trained on the training clips.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a clip, or has another number of classes.
    """
    cached, (train_clips, _) = read_cached_outputs(path), data.split(fold)
    outputs = cached.select([clip.name for clip in train_clips])
    if cached.kind == "embedding":
        return probe_logits(cached, data, fold)
    if outputs.shape[1] != len(data.classes):
        raise DataError(f"{path}: expected logits of {len(data.classes)} classes, got {outputs.shape[1]}")
    return outputs


def probe_logits(cached: CachedOutputs, data: Dataset, fold: int) -> np.ndarray:
    """Return the logits of a linear probe for the training clips, and print its accuracy on the test fold."""
    embeddings, labels, is_test = cached.select([clip.name for clip in data.clips]), data.labels, data.folds == fold
    logits = linear_probe(embeddings[~is_test], labels[~is_test], len(data.classes))(embeddings)
    test_accuracy = accuracy(logits[is_test], labels[is_test])
    print(f"Teacher: linear probe on the embeddings of {cached.path}, {test_accuracy:.1%} of the test clips.")
    return logits[~is_test]
