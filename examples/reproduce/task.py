"""Classification tasks: training batches, test clips, metrics and losses."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from cached_teacher import cached_teacher_logits
from train_config import FROM_SCRATCH, TrainConfig

from quatnet import audio, datasets, plots
from quatnet.datasets.targets import one_hot
from quatnet.distill import Loss, append_soft_targets, cross_entropy_loss, distillation
from quatnet.models import Network
from quatnet.training import DataLoader, accuracy, confusion_matrix, predict
from quatnet.training.data import Batches

soft_target_loss = partial(distillation, temperature=3.0, alpha=0.8)


@dataclass(frozen=True)
class Task:
    """A data set prepared for training and evaluation.

    Parameters
    ----------
    classes : names of the classes
    frontend : computes the network inputs
    batches : function of a TrainConfig, returns the training batches
    steps_per_epoch : function of a TrainConfig, returns the number of batches per epoch
    predict_test : function of a network, returns its logits (clips, classes) for the test clips
    metric : function of test logits; `metric_name` is its key in the results
    extra_metrics : function of test logits, returns more metrics by name
    plot_predictions : saves a plot of test logits; `plot_name` is the file name
    example_clip, example_label : features of a test clip (frames, mels, 4), and its class
    metadata : metadata of the data, for results.json and the checkpoints
    loss : loss without a teacher
    distillation_loss : function of teachers and options, returns the loss with a teacher
    config : training settings
    cached_teacher_task : the task with cached teacher logits in its targets, or None
    """

    classes: tuple[str, ...]
    frontend: audio.FrontEnd
    batches: Callable[[TrainConfig], Batches]
    steps_per_epoch: Callable[[TrainConfig], int]
    predict_test: Callable[[Network], np.ndarray]
    metric: Callable[[np.ndarray], float]
    plot_predictions: Callable[[np.ndarray, str, Path], None]
    example_clip: np.ndarray
    example_label: str
    metadata: dict[str, Any]
    metric_name: str = "accuracy"
    extra_metrics: Callable[[np.ndarray], dict[str, float]] = lambda _: {}
    plot_name: str = "confusion"
    loss: Loss = cross_entropy_loss
    distillation_loss: Callable[..., Loss] = soft_target_loss
    config: TrainConfig = FROM_SCRATCH
    cached_teacher_task: "Task | None" = None

    def for_student(self, teacher: Network | None = None, **options: float) -> "Task":
        """Return the task with a distillation loss, with the cached teacher logits or the logits of `teacher`."""
        if self.cached_teacher_task:
            return replace(self.cached_teacher_task, loss=self.distillation_loss(**options))
        return replace(self, loss=self.distillation_loss(teacher, **options))


def single_label_task(
    data: datasets.Dataset, fold: int, frontend: audio.FrontEnd, cache: Path, teacher: Path | None = None
) -> Task:
    """Return the task of a data set with one label per clip.

    The test clips are the clips of `fold`, and are used for evaluation only.

    Parameters
    ----------
    cache : folder for the computed features
    teacher : file of cached teacher outputs, see `cached_teacher_logits`
    """
    train_clips, test_clips = data.split(fold)
    print(f"{data.name}: {len(train_clips)} training clips, {len(test_clips)} test clips (fold {fold}). {data.note}")
    teacher_logits = cached_teacher_logits(teacher, data, fold) if teacher else None
    features = datasets.features(data.clips, frontend, cache=cache)
    labels, is_test = data.labels, data.folds == fold
    train_x, test_x, test_labels = features[~is_test], features[is_test], labels[is_test]
    train_targets = one_hot(labels[~is_test], len(data.classes))
    example = int(test_x[..., 0].std(axis=(1, 2)).argmax())  # highest variance, since some clips are silent

    def batches(config: TrainConfig, teacher_logits: np.ndarray | None = None) -> DataLoader:
        targets = train_targets * (1 - config.label_smoothing) + config.label_smoothing / len(data.classes)
        targets = targets if teacher_logits is None else append_soft_targets(targets, teacher_logits)
        return DataLoader(train_x, targets, batch_size=config.batch_size, augment=config.augment)

    def plot_confusion(logits: np.ndarray, name: str, path: Path) -> None:
        plots.confusion(confusion_matrix(logits, test_labels), data.classes, name, path)

    task = Task(
        classes=data.classes,
        frontend=frontend,
        batches=batches,
        steps_per_epoch=lambda config: len(batches(config)),
        predict_test=lambda model: predict(model, test_x),
        metric=lambda logits: accuracy(logits, test_labels),
        plot_predictions=plot_confusion,
        example_clip=test_x[example],
        example_label=data.classes[test_labels[example]],
        metadata={"name": data.name, "fold": fold, "train": len(train_x), "test": len(test_x)},
    )
    if teacher is None or teacher_logits is None:
        return task
    with_teacher = replace(
        task,
        batches=partial(batches, teacher_logits=teacher_logits),
        metadata=task.metadata
        | {"teacher": str(teacher), "teacher_sha256": hashlib.sha256(teacher.read_bytes()).hexdigest()},
    )
    return replace(task, cached_teacher_task=with_teacher)
