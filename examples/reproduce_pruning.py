"""Rows that train a network alone, prune it, or train one as small from nothing: what pruning is compared with."""

from dataclasses import replace

from reproduce_networks import as_small_as, choice, network
from reproduce_rows import TEACHER
from reproduce_training import Run, Trained
from story_recipe import FROM_NOTHING

from quatnet.models import CNNConfig
from quatnet.prune import Choice, prune_filters

LATER = 1 / 3  # of the epochs again, at a quarter of the peak rate, for what was pruned
GENTLE = replace(FROM_NOTHING, peak=FROM_NOTHING.peak / 4)


def alone(run: Run, epochs: int) -> Trained:
    return run.train(run.fresh(run.config), epochs)


def at_rate(run: Run, epochs: int) -> Trained:
    """Train at a multiple of the learning rate: was the usual one good for one network and bad for another?"""
    recipe = replace(FROM_NOTHING, peak=FROM_NOTHING.peak * float(run.row.how))
    return run.train(run.fresh(run.config), epochs, recipe=recipe)


def pruned(run: Run, epochs: int) -> Trained:
    """Cut the base network, and train what is left."""
    base = alone(run.of(run.row.base), epochs)
    tuned = run.train(prune_filters(base.model, filters(run)(base.model)), later(epochs), recipe=GENTLE)
    return replace(tuned, before=base)


def continued(run: Run, epochs: int) -> Trained:
    base = alone(run.of(run.row.base), epochs)
    return replace(run.train(prune_filters(base.model, {}), later(epochs), recipe=GENTLE), before=base)


def from_scratch(run: Run, epochs: int) -> Trained:
    """Train a network as small as the pruned one, for as many epochs as that and its base had."""
    return run.train(run.fresh(left_by_pruning(run)), epochs + later(epochs))


def as_costly(run: Run, epochs: int) -> Trained:
    """Spend what distilling a network as small costs: on one trained from nothing, or on what pruning leaves."""
    small, teacher = left_by_pruning(run), network(TEACHER, len(run.task.classes))
    answer, step = run.forward(teacher), 3 * run.forward(small)  # multiplications for a clip
    budget = 3 * answer * epochs + (answer + step) * (epochs + later(epochs))
    if run.row.how.startswith("scratch"):
        return run.train(run.fresh(small), round(budget / step))
    base = alone(run.of(run.row.base), epochs)
    left = budget - 3 * run.forward(base.model.config) * epochs
    tuned = run.train(prune_filters(base.model, filters(run)(base.model)), round(left / step), recipe=GENTLE)
    return replace(tuned, before=base)


def left_by_pruning(run: Run) -> CNNConfig:
    """Return the config that pruning a share of the row's network leaves; which filters go does not matter."""
    share = run.row.how.rpartition("-")[2]
    l1 = Run(replace(run.row, how=f"l1-{share}"), run.fold, run.seed, run.place)
    return as_small_as(run.fresh(run.config), filters(l1))


def filters(run: Run) -> Choice:
    return choice(run.row, len(run.task.classes), run.task.frontend.frames, run.seed)


def later(epochs: int) -> int:
    return max(1, round(epochs * LATER))
