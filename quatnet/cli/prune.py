"""Command `quatnet prune`, which removes filters of a classifier and fine-tunes it."""

import argparse
from collections import Counter

from ..classifier import Classifier
from ..errors import ConfigError
from ..graph import count
from ..prune import Budget, prune_filters, select
from ..training.recipe import default_epochs
from .arguments import fraction
from .recordings import add_model_arguments, fit_and_report, is_finished, load_model_and_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model_arguments(parser, new_network=False)
    for name, default in {"multiplications": 0.5, "parameters": 0.2}.items():
        text = f"fraction of the {name} that remains, above 0 and at most 1 (default: {default})"
        parser.add_argument(f"--{name}", type=fraction, default=default, metavar="P", help=text)


def run(args: argparse.Namespace) -> None:
    """Prune, fine-tune and write the model. Raises QuatnetError for invalid input."""
    if is_finished(args.out, args):
        return
    model, split = load_model_and_split(args)
    _check_trained(args.model, model)
    cost = count(model.network.current_graph())
    budget = Budget(args.multiplications * cost.multiplications_8, args.parameters * cost.parameters)
    pruned = prune_filters(model.network, select(model.network, budget=budget))
    epochs = args.epochs or -(-default_epochs(len(split.train_targets), batch_size=args.batch_size) // 2)
    remaining = count(pruned).parameters
    print(f"pruned from {cost.parameters:,} to {remaining:,} parameters; fine-tuning for {epochs} epochs")
    compared = {"before pruning": split.score(split.probabilities(model.network))}
    fit_and_report(pruned, split, args.out, args, epochs=epochs, max_lr=1e-3, base=model, compared=compared)


def _check_trained(name: str, model: Classifier) -> None:
    """Raise ConfigError if most parameters of a model are frozen, because they would not be fine-tuned."""
    graph, sizes = model.network.current_graph(), Counter[str]()
    for array_name, kind in graph.kinds.items():
        sizes[kind] += graph.arrays[array_name].size
    if sizes["fixed"] > sizes["parameter"]:
        raise ConfigError(
            f"{name}: {sizes['fixed']:,} parameters are frozen, and {sizes['parameter']:,} are trained; load the model "
            "in Python, call classifier.network.requires_grad_(), and save it"
        )
