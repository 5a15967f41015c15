"""Rows that train a network alone, prune it, or train one as small from nothing: what pruning is compared with."""

from dataclasses import replace

from reproduce_networks import as_small_as, choice
from reproduce_training import Run, Trained
from story_recipe import FROM_NOTHING

from quatnet.models import CNNConfig
from quatnet.prune import Choice, cut

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
    tuned = run.train(cut(base.model, filters(run)(base.model)), later(epochs), recipe=GENTLE)
    return replace(tuned, before=base)


def continued(run: Run, epochs: int) -> Trained:
    base = alone(run.of(run.row.base), epochs)
    return replace(run.train(cut(base.model, {}), later(epochs), recipe=GENTLE), before=base)


def from_scratch(run: Run, epochs: int) -> Trained:
    """Train a network as small as the pruned one, for as many epochs as that and its base had."""
    return run.train(run.fresh(left_by_pruning(run)), epochs + later(epochs))


def as_costly(run: Run, epochs: int) -> Trained:
    """Prune, and train on until all has cost as many multiplications as distilling a network as small."""
    base = alone(run.of(run.row.base), epochs)
    small = cut(base.model, filters(run)(base.model))
    of_teacher = run.forward(base.model) / (3 * run.forward(small))  # its answers, in steps of the student
    return replace(run.train(small, round((epochs + later(epochs)) * (1 + of_teacher)), recipe=GENTLE), before=base)


def left_by_pruning(run: Run) -> CNNConfig:
    """Return the widths that pruning by L1 norm leaves of the row's network."""
    share = run.row.how.rpartition("-")[2]
    l1 = Run(replace(run.row, how=f"l1-{share}"), run.fold, run.seed, run.place)
    return as_small_as(run.fresh(run.config), filters(l1))


def filters(run: Run) -> Choice:
    return choice(run.row, len(run.task.classes), run.task.frontend.frames, run.seed)


def later(epochs: int) -> int:
    return max(1, round(epochs * LATER))
