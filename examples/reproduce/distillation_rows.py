"""Training of the rows with a teacher network or with cached teacher outputs."""

from dataclasses import replace

import numpy as np
from pruning_rows import finetune_epochs, pruned_size, train_from_scratch
from row_training import Run, TrainResult
from rows import PRUNE_RATIOS, TEACHER, Row
from train_config import FROM_SCRATCH

from quatnet import no_grad
from quatnet.training import WeightAverage, augmentation

BEST_EPOCHS = 100
BEST = replace(FROM_SCRATCH, augment=augmentation(mixup=1.0))


def distill(run: Run, epochs: int) -> TrainResult:
    """Train a student by distillation from TEACHER or, with the option "strong", from cached teacher outputs.

    With a prune ratio in the option, such as "own-0.5", the student has the pruned size. The student is then trained
    for as many epochs as in `train_pruned_size`.
    """
    teacher_name, _, detail = run.row.option.partition("-")
    ratio = detail if detail in PRUNE_RATIOS else ""
    student = run.init_model(pruned_size(run) if ratio else run.config)
    student_epochs = epochs + finetune_epochs(epochs) if ratio else epochs
    if teacher_name == "strong":
        return run.train(student, student_epochs, task=run.task.for_student())
    teacher = train_from_scratch(run.for_row(Row(run.row.dataset, TEACHER, epochs=run.row.epochs)), epochs)
    result = run.train(student, student_epochs, task=run.task.for_student(teacher.model))
    teacher_forward = run.forward_multiplications(teacher.model.config) * student_epochs * run.task.metadata["train"]
    return replace(result, multiplications=result.multiplications + teacher_forward, base=teacher)


def train_best(run: Run, _epochs: int) -> TrainResult:
    """Train for 100 epochs with cached teacher outputs and mixup alpha 1, and return the averaged weights."""
    model = run.init_model(run.config)
    average = WeightAverage(BEST.optimizer(model.parameters()))
    result = run.train(model, BEST_EPOCHS, config=BEST, task=run.task.for_student(), optimizer=average)
    average.copy_to_parameters()
    rng = np.random.default_rng([run.seed, 3])
    with no_grad():  # update the running statistics for the averaged weights
        for x, _ in run.task.batches(BEST)(rng):
            model(x, train=True, rng=rng)
    return result
