"""Train and compare the five networks of the examples, with options for transfer, distillation and pruning.

    python examples/reproduce/experiment.py --dataset esc50                               synthesized sounds
    python examples/reproduce/experiment.py --dataset esc50 --data DIR --teacher FILE     cached teacher outputs
    python examples/reproduce/experiment.py --dataset gtzan --data DIR --filtered         fault-filtered split
    python examples/reproduce/experiment.py --dataset gtzan --data DIR --init CHECKPOINT  transfer
    python examples/reproduce/experiment.py --dataset ravdess --budget 0.5 0.2 --rounds 3 --criterion geometric_median
    python examples/reproduce/experiment.py --dataset audioset --data DIR --train balanced_train unbalanced_train

The five networks are:

- a real CNN;
- a quaternion CNN of the same widths;
- a student of half the width, trained from scratch;
- the same student, distilled from the quaternion CNN;
- the quaternion CNN after pruning and fine-tuning.

Without options, the settings are those of examples/esc50.py, gtzan.py, ravdess.py and audioset.py without options.
"""

import argparse
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from experiment_options import parse_args
from experiment_tasks import TASKS
from pruning_rows import finetune_epochs
from row_networks import PRUNED_BLOCKS
from task import Task
from train_config import TRANSFER, TrainConfig
from variants import build_criterion

from quatnet import plots
from quatnet.cli import run_main
from quatnet.errors import ConfigError
from quatnet.files import write_json
from quatnet.models import Config, Network, build, half_width, small_cnn
from quatnet.profile import count_parameters
from quatnet.prune import (
    Selector,
    budget_from_reference,
    budget_selectors,
    layer_savings,
    prune_gradually,
    ratio_selectors,
    savings_table,
)
from quatnet.training import (
    Trainer,
    freeze_backbone,
    load_model,
    results_table,
    run_metadata,
    summarize,
    with_new_head,
)
from quatnet.training.results import cost_row
from quatnet.weights import load_network

NAMES = ["real CNN", "quaternion CNN", "student from scratch", "student distilled", "quaternion CNN pruned"]
PRUNE_RATIO = 0.25  # fraction of the filters of the last blocks, without --budget


def run_experiment(task: Task, args: argparse.Namespace, epochs: int) -> None:
    """Train the five networks, print the results, and write results, checkpoints and plots to `args.out`."""
    metadata = {"data": task.metadata["name"], "fold": task.metadata["fold"], "frontend": repr(task.frontend)}
    if args.init:
        metadata |= {"init": [str(path) for path in args.init], "freeze": args.freeze}

    def train(
        name: str,
        model: Network,
        epochs: int,
        task: Task = task,
        config: TrainConfig = task.config,
        **options: Any,
    ) -> dict[str, Any]:
        """Train and evaluate a network, and return its results."""
        steps = task.steps_per_epoch(config)
        teacher = {key: task.metadata[key] for key in ("teacher",) if key in task.metadata}
        trainer = Trainer(
            model,
            task.batches(config),
            config.optimizer(model.parameters()),
            epochs=epochs,
            steps_per_epoch=steps,
            schedule=lambda step: config.schedule(step, epochs * steps, max_lr=config.max_lr),
            seed=args.seed,
            loss=task.loss,
            evaluate=lambda model: task.metric(task.predict_test(model)),  # metric of the training curves
            path=args.out / f"{name.replace(' ', '-')}.npz",
            metric=task.metric_name,
            metadata=metadata | teacher | options,
        )
        if args.resume and trainer.path.exists():
            trainer.load()
        progress = trainer.run(label=name)
        logits = task.predict_test(model)
        metrics = {task.metric_name: task.metric(logits)} | task.extra_metrics(logits)
        return {"name": name} | metrics | cost_row(model, task.example_clip, progress)

    def init_model(config: Config) -> Network:
        return build(config, rng=np.random.default_rng(args.seed))

    def train_full_width(name: str, config: Config) -> tuple[Network, dict[str, Any]]:
        """Train a network from scratch, or fine-tune the network of --init with the transfer settings."""
        model = pretrained.get(config.quaternion)
        if model is None:
            model = init_model(config)
            return model, train(name, model, epochs)
        with freeze_backbone(model) if args.freeze else nullcontext():
            row = train(name, model, epochs, config=TRANSFER)
        return model, row | {"parameters": count_parameters(model)}

    classes, frames = len(task.classes), task.frontend.frames
    pretrained = load_pretrained(args, classes)
    options = {"temperature": args.temperature, "alpha": args.alpha}
    soft_loss = {key: value for key, value in options.items() if value is not None}
    task.distillation_loss(**soft_loss)  # raise an error for invalid values before the first training
    configs = {kind: small_cnn(classes, quaternion=kind, width=8 if args.smoke else 16) for kind in (False, True)}
    configs |= {kind: model.config for kind, model in pretrained.items()}
    selectors = pruning_selectors(args, quaternion=configs[True], real=configs[False], frames=frames)

    _, real_row = train_full_width(NAMES[0], configs[False])
    quaternion, quaternion_row = train_full_width(NAMES[1], configs[True])

    student = half_width(quaternion.config)
    student_row = train(NAMES[2], init_model(student), epochs)
    distilled_row = train(NAMES[3], init_model(student), epochs, task.for_student(quaternion, **soft_loss), **soft_loss)

    finetune = replace(task.config, max_lr=task.config.max_lr / 4)
    pruning = {key: getattr(args, key) for key in ("criterion", "budget", "rounds")}
    names = iter([*(f"{NAMES[4]} in round {n + 1}" for n in range(len(selectors) - 1)), NAMES[4]])
    round_rows: list[dict[str, Any]] = []

    def finetune_round(model: Network) -> None:
        round_rows.append(train(next(names), model, finetune_epochs(epochs), config=finetune, **pruning))

    pruned = prune_gradually(quaternion, selectors, finetune_round)
    pruned_row = round_rows[-1] | {"train_seconds": sum(row["train_seconds"] for row in round_rows)}

    rows = [real_row, quaternion_row, student_row, distilled_row, pruned_row]
    summary = summarize(rows, task.metadata["test"], metric=task.metric_name)
    extra = tuple(task.extra_metrics(task.predict_test(pruned)))
    print("", savings_table(layer_savings(quaternion.config, pruned.config, frames)), sep="\n")
    print(results_table(rows, metric=task.metric_name, extra=extra), summary, sep="\n")
    results = {"data": task.metadata, "metric": task.metric_name, "summary": summary, "models": rows}
    write_json(args.out / "results.json", run_metadata(args.seed) | results)
    plots.quaternion_input(task.example_clip, task.frontend, task.example_label, args.out / "quaternion_input.png")
    plots.training_curves(rows, args.out / "training_curves.png", metric=task.metric_name)
    plots.accuracy_against_cost(rows, args.out / "accuracy_against_cost.png", metric=task.metric_name)
    plots.pruning(layer_savings(quaternion.config, pruned.config, frames), args.out / "pruning.png")
    task.plot_predictions(task.predict_test(pruned), NAMES[4], args.out / f"{task.plot_name}.png")
    print(f"results.json, a checkpoint per network and five plots are in {args.out}")


def load_pretrained(args: argparse.Namespace, classes: int) -> dict[bool, Network]:
    """Return a dict from `config.quaternion` to the network of --init, with a new classifier.

    The files are checkpoints (.npz) or published weights. Raise ConfigError for two networks of the same kind.
    """
    if args.freeze and not args.init:
        raise ConfigError("--freeze trains the classifier of a pretrained network: pass --init CHECKPOINT")
    models = [load_model(path) if path.suffix == ".npz" else load_network(path) for path in args.init]
    pretrained = {
        model.config.quaternion: with_new_head(model, classes, rng=np.random.default_rng(args.seed)) for model in models
    }
    if len(pretrained) < len(models):
        kinds = ", ".join("quaternion" if model.config.quaternion else "real" for model in models)
        raise ConfigError(f"--init takes at most one real and one quaternion network, got: {kinds}")
    return pretrained


def pruning_selectors(args: argparse.Namespace, quaternion: Config, real: Config, frames: int) -> list[Selector]:
    """Return the functions that select the filters to keep, one for each pruning round."""
    criterion, model = build_criterion(args.criterion, args.seed), build(quaternion, rng=np.random.default_rng(0))
    if args.budget:
        budget = budget_from_reference(real, frames, multiplications=args.budget[0], parameters=args.budget[1])
        return budget_selectors(model, budget, args.rounds, criterion=criterion)
    last_blocks = range(len(quaternion.widths))[-PRUNED_BLOCKS:]
    return ratio_selectors(model, PRUNE_RATIO, args.rounds, blocks=last_blocks, criterion=criterion)


def main() -> None:
    args = parse_args(__doc__ or "")
    task, epochs = TASKS[args.dataset](args)
    run_experiment(task, args, epochs)


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume continues from the last finished epoch")
