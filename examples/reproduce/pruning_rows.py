"""Training of the rows without a teacher: training from scratch, pruning with fine-tuning, and baselines."""

from dataclasses import replace

from row_networks import config_after_pruning, filter_selector, network_config
from row_training import Run, TrainResult
from rows import TEACHER
from train_config import TrainConfig

from quatnet.models import CNNConfig
from quatnet.prune import Selector, prune_filters

FINETUNE_RATIO = 1 / 3  # number of fine-tuning epochs divided by the number of training epochs


def train_from_scratch(run: Run, epochs: int) -> TrainResult:
    return run.train(run.init_model(run.config), epochs)


def train_with_scaled_lr(run: Run, epochs: int) -> TrainResult:
    """Train from scratch with the learning rate multiplied by the option of the row."""
    config = replace(run.train_config, max_lr=run.train_config.max_lr * float(run.row.option))
    return run.train(run.init_model(run.config), epochs, config=config)


def prune_and_finetune(run: Run, epochs: int) -> TrainResult:
    """Train the base network, prune it, and fine-tune the pruned network."""
    base = train_from_scratch(run.for_row(run.row.base_row), epochs)
    pruned = prune_filters(base.model, row_selector(run)(base.model))
    return replace(run.train(pruned, finetune_epochs(epochs), config=finetune_config(run)), base=base)


def finetune_unpruned(run: Run, epochs: int) -> TrainResult:
    """Train the base network and fine-tune it without pruning."""
    base = train_from_scratch(run.for_row(run.row.base_row), epochs)
    return replace(
        run.train(prune_filters(base.model, {}), finetune_epochs(epochs), config=finetune_config(run)), base=base
    )


def train_pruned_size(run: Run, epochs: int) -> TrainResult:
    """Train a network of the pruned size from scratch, for as many epochs as training plus fine-tuning."""
    return run.train(run.init_model(pruned_size(run)), epochs + finetune_epochs(epochs))


def train_at_distillation_cost(run: Run, epochs: int) -> TrainResult:
    """Train with as many multiplications as the distillation of a student of the pruned size from TEACHER.

    With the option "scratch", a network of the pruned size is trained from scratch. With other options, the base
    network is trained, pruned and fine-tuned. The number of epochs is computed from the number of multiplications.
    """
    student, teacher = pruned_size(run), network_config(TEACHER, len(run.task.classes))
    # numbers of multiplications per clip
    teacher_forward, student_step = run.forward_multiplications(teacher), 3 * run.forward_multiplications(student)
    cost = 3 * teacher_forward * epochs + (teacher_forward + student_step) * (epochs + finetune_epochs(epochs))
    if run.row.option.startswith("scratch"):
        return run.train(run.init_model(student), round(cost / student_step))
    base = train_from_scratch(run.for_row(run.row.base_row), epochs)
    remaining_cost = cost - 3 * run.forward_multiplications(base.model.config) * epochs
    pruned = prune_filters(base.model, row_selector(run)(base.model))
    return replace(run.train(pruned, round(remaining_cost / student_step), config=finetune_config(run)), base=base)


def pruned_size(run: Run) -> CNNConfig:
    """Return the config after pruning with the ratio in the option of the row, with any criterion."""
    ratio = run.row.option.rpartition("-")[2]
    l1_run = Run(replace(run.row, option=f"l1-{ratio}"), run.fold, run.seed, run.paths)
    return config_after_pruning(run.init_model(run.config), row_selector(l1_run))


def row_selector(run: Run) -> Selector:
    return filter_selector(run.row, len(run.task.classes), run.task.frontend.frames, run.seed)


def finetune_config(run: Run) -> TrainConfig:
    return replace(run.train_config, max_lr=run.train_config.max_lr / 4)


def finetune_epochs(epochs: int) -> int:
    return max(1, round(epochs * FINETUNE_RATIO))
