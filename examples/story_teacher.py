"""A teacher of the story that is a file: the answers of somebody's network to our clips."""

from pathlib import Path

import numpy as np

from quatnet.datasets import Dataset
from quatnet.distill import CachedOutputs, linear_probe, read_cached_outputs
from quatnet.errors import DataError
from quatnet.training.metrics import accuracy


def recorded_answers(path: Path, data: Dataset, fold: int) -> np.ndarray:
    """The teacher's logits (N, classes) for the clips to train on; of embeddings, by a probe that saw no others."""
    recorded, (train_clips, _) = read_cached_outputs(path), data.split(fold)
    answers = recorded.select([clip.name for clip in train_clips])
    if recorded.kind == "embedding":
        return probed(recorded, data, fold)
    if answers.shape[1] != len(data.classes):
        raise DataError(f"{path} has logits of {answers.shape[1]} classes, and {data.name} has {len(data.classes)}")
    return answers


def probed(recorded: CachedOutputs, data: Dataset, fold: int) -> np.ndarray:
    """Train the probe, and say how well the teacher itself knows the test fold."""
    embeddings, labels, tested = recorded.select([clip.name for clip in data.clips]), data.labels, data.folds == fold
    logits = linear_probe(embeddings[~tested], labels[~tested], len(data.classes))(embeddings)
    score = accuracy(logits[tested], labels[tested])
    print(f"The teacher, a linear probe on the embeddings of {recorded.path}: {score:.1%} of the test clips.")
    return logits[~tested]
