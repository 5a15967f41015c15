"""Rows that learn from a teacher as well: the network's own, or the recorded answers of a strong one."""

from dataclasses import replace

import numpy as np
from reproduce_pruning import alone, later, left_by_pruning
from reproduce_rows import TEACHER, Row
from reproduce_training import Run, Trained
from story_recipe import FROM_NOTHING

from quatnet import no_grad
from quatnet.training.weight_average import WeightAverage

LONG = 100  # epochs of the best
THOROUGH = replace(FROM_NOTHING, mixup=1.0)  # of the best: any share of two clips


def distilled(run: Run, epochs: int) -> Trained:
    """Learn from the labels and from a teacher: quaternion-16, or recorded answers.

    Of "own-0.5" the student is as small as what pruning leaves, and trains as long as `from_scratch`.
    """
    teacher, _, share = run.row.how.partition("-")
    student = run.fresh(left_by_pruning(run) if share else run.config)
    epochs_of_student = epochs + later(epochs) if share else epochs
    if teacher == "strong":
        return run.train(student, epochs_of_student, task=run.task.of_student())
    base = alone(run.of(Row(run.row.data, TEACHER)), epochs)
    taught = run.train(student, epochs_of_student, task=run.task.of_student(base.model))
    asked = run.forward(base.model.config) * epochs_of_student * run.task.facts["train"]
    return replace(taught, work=taught.work + asked, before=base)


def best(run: Run, _epochs: int) -> Trained:
    """Every means: recorded answers, strong mixing, a long training, and the average of the weights at its end."""
    model = run.fresh(run.config)
    average = WeightAverage(THOROUGH.optimizer(model.parameters()))
    trained = run.train(model, LONG, recipe=THOROUGH, task=run.task.of_student(), optimizer=average)
    average.copy_to_parameters()
    rng = np.random.default_rng([run.seed, 3])
    with no_grad():  # the statistics of the batch norms, seen with the averaged weights
        for x, _ in run.task.batches(THOROUGH)(rng):
            model(x, train=True, rng=rng)
    return trained
