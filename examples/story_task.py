"""What the networks of the story learn: clips to train on, clips to be judged by."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pictures  # examples/pictures.py
from story_recipe import FROM_NOTHING, Recipe, augment
from story_teacher import recorded_answers

from quatnet import audio, datasets
from quatnet.datasets.targets import one_hot
from quatnet.distill import Loss, append_soft_targets, cross_entropy_loss, distillation
from quatnet.models import Network
from quatnet.training.batches import Batches, predict, shuffled_batches
from quatnet.training.metrics import accuracy, confusion_matrix

soft_answers = partial(distillation, temperature=3.0, alpha=0.8)


@dataclass(frozen=True)
class Task:
    """What is learned: how clips come in batches, and how answers to the test clips are judged.

    Parameters
    ----------
    batches, steps : one epoch of training by a recipe, and how many batches it has
    answers : gives a network's logits (clips, classes) for the test clips
    score : judges such logits; `score_name` says what the number is
    judged : further figures of such logits, for the table and `results.json`
    picture : draws logits in a file; `picture_name` is the file's
    example, example_name : one test clip (frames, mels, 4), and what is heard in it
    facts : JSON of the data, for `results.json` and the checkpoints
    loss, distil : of a network that learns alone, and of one that learns from another network
    recorded : the task of a student whose teacher's answers are recorded, where they are
    """

    classes: tuple[str, ...]
    frontend: audio.FrontEnd
    batches: Callable[[Recipe], Batches]
    steps: Callable[[Recipe], int]
    answers: Callable[[Network], np.ndarray]
    score: Callable[[np.ndarray], float]
    picture: Callable[[np.ndarray, str, Path], None]
    example: np.ndarray
    example_name: str
    facts: dict[str, Any]
    score_name: str = "accuracy"
    judged: Callable[[np.ndarray], dict[str, float]] = lambda _: {}
    picture_name: str = "confusion"
    loss: Loss = cross_entropy_loss
    distil: Callable[..., Loss] = soft_answers
    recipe: Recipe = FROM_NOTHING
    recorded: "Task | None" = None

    def of_student(self, teacher: Network | None = None, **how: float) -> "Task":
        """The same task for a student: the network `teacher` answers, or a file does; `how` is for `distil`."""
        if self.recorded:
            return replace(self.recorded, loss=self.distil(**how))
        return replace(self, loss=self.distil(teacher, **how))


def one_label_task(
    data: datasets.Dataset, fold: int, frontend: audio.FrontEnd, cache: Path, teacher: Path | None = None
) -> Task:
    """Clips of one label each; the test fold is never trained on, and chooses nothing."""
    train_clips, test_clips = data.split(fold)
    print(f"{data.name}: {len(train_clips)} clips to train, {len(test_clips)} to test (fold {fold}). {data.note}")
    answers = recorded_answers(teacher, data, fold) if teacher else None
    features = datasets.features(data.clips, frontend, cache=cache)
    labels, tested = data.labels, data.folds == fold
    train_x, test_x, test_labels = features[~tested], features[tested], labels[tested]
    targets = one_hot(labels[~tested], len(data.classes))
    shown = int(test_x[..., 0].std(axis=(1, 2)).argmax())  # one that is not silent

    def batches(recipe: Recipe, answers: np.ndarray | None = None) -> Batches:
        told = targets * (1 - recipe.label_smoothing) + recipe.label_smoothing / len(data.classes)
        told = told if answers is None else append_soft_targets(told, answers)
        return shuffled_batches(train_x, told, batch_size=recipe.batch, augment=partial(augment, alpha=recipe.mixup))

    def picture(logits: np.ndarray, name: str, path: Path) -> None:
        pictures.confusion(confusion_matrix(logits, test_labels), data.classes, name, path)

    task = Task(
        classes=data.classes,
        frontend=frontend,
        batches=batches,
        steps=lambda recipe: -(-len(train_x) // recipe.batch),
        answers=lambda model: predict(model, test_x),
        score=lambda logits: accuracy(logits, test_labels),
        picture=picture,
        example=test_x[shown],
        example_name=data.classes[test_labels[shown]],
        facts={"name": data.name, "fold": fold, "train": len(train_x), "test": len(test_x)},
    )
    if answers is None:
        return task
    facts = task.facts | {"teacher": str(teacher)}
    taught = replace(task, batches=partial(batches, answers=answers), facts=facts)
    return replace(task, recorded=taught)
