"""What the examples share: five networks trained on one task, one table, one sentence, pictures.

A real CNN, its quaternion twin, a small student alone, the same student distilled from the quaternion CNN, and the
quaternion CNN with a part of its filters pruned. `esc50.py` tells the story from its beginning. How a network is
trained is in `story_recipe.py`, on what in `story_task.py`, how it is pruned in `story_pruning.py`, what came out in
`story_outcome.py`, and the options are in `story_options.py`.
"""

import argparse
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pictures  # examples/pictures.py
import story_options  # examples/story_options.py
import story_pruning  # examples/story_pruning.py
from story_outcome import results, row, save, sentence, table
from story_recipe import TRANSFER, Recipe
from story_task import Task

from quatnet import audio
from quatnet.errors import ConfigError
from quatnet.models import Config, Network, build, half_width, small_cnn
from quatnet.paper_code import PaperCodeFrontEnd
from quatnet.profile import count_parameters
from quatnet.prune import layer_savings, prune_gradually, savings_table
from quatnet.training.checkpoint import load_model
from quatnet.training.loop import Trainer
from quatnet.training.transfer import freeze_backbone, with_new_head
from quatnet.weights import load_network

NAMES = ["real CNN", "quaternion CNN", "student alone", "student distilled", "quaternion CNN pruned"]


def heard(variant: str, **settings: Any) -> audio.FrontEnd:
    """Return the front end of an example and print it. The variant "paper_code" has its own floor, -100 dB."""
    if variant == "paper_code":
        frontend: audio.FrontEnd = PaperCodeFrontEnd(**(settings | {"floor_db": -100.0}))
    else:
        frontend = audio.FrontEnd(**settings, variant=variant)
    print(frontend)
    return frontend


def tell(task: Task, args: argparse.Namespace, epochs: int) -> None:
    """Train the five networks, compare them, and write everything under `args.out`."""

    transfer = {"init": [str(path) for path in args.init], "freeze": args.freeze} if args.init else {}

    # 3. Training, the same for all five: AdamW, one cycle of the learning rate, the last epoch counts.
    def train(
        name: str, model: Network, epochs: int, task: Task = task, recipe: Recipe = task.recipe, **facts: Any
    ) -> dict:
        steps = task.steps(recipe)
        training = Trainer(
            model,
            task.batches(recipe),
            recipe.optimizer(model.parameters()),
            epochs=epochs,
            steps_per_epoch=steps,
            schedule=lambda step: recipe.schedule(step, epochs * steps, max_lr=recipe.peak),
            seed=args.seed,
            loss=task.loss,
            evaluate=lambda model: task.score(task.answers(model)),  # drawn, never chosen by
            path=args.out / f"{name.replace(' ', '-')}.npz",
            metric=task.score_name,
            metadata={"data": task.facts["name"], "fold": task.facts["fold"], "frontend": repr(task.frontend)}
            | {key: task.facts[key] for key in ("teacher",) if key in task.facts}
            | transfer
            | facts,
        )
        if args.resume and training.path.exists():
            training.load()
        progress = training.run(label=name)
        return row(name, model, task) | {"train_seconds": progress.seconds, "history": progress.history}

    # 4. A real CNN, and the quaternion CNN of the same widths: a quarter of the weights.
    def fresh(config: Config) -> Network:
        return build(config, rng=np.random.default_rng(args.seed))

    def start(name: str, config: Config) -> tuple[Network, dict]:
        """A network from nothing, or one trained on other sounds, with a new classifier: see --init."""
        model = begun.get(config.quaternion)
        if model is None:
            model = fresh(config)
            return model, train(name, model, epochs)
        with freeze_backbone(model) if args.freeze else nullcontext():
            found = train(name, model, epochs, recipe=TRANSFER)
        return model, found | {"parameters": count_parameters(model)}

    width, classes, frames = 8 if args.smoke else 16, len(task.classes), task.frontend.frames
    begun, soft = trained_elsewhere(args, classes), story_options.of_distillation(args)
    task.distil(**soft)  # refuses now what cannot work
    configs = [small_cnn(classes, quaternion=kind, width=width) for kind in (False, True)]
    configs = [begun[kind].config if kind in begun else configs[kind] for kind in (False, True)]
    cuts = story_pruning.choices(args, quaternion=configs[True], real=configs[False], frames=frames)
    _, real_row = start(NAMES[0], configs[False])
    quaternion, quaternion_row = start(NAMES[1], configs[True])
    rows = [real_row, quaternion_row]

    # 5. Distilling: a student of half the width, from the labels alone and with a teacher's answers.
    small = half_width(quaternion.config)
    rows.append(train(NAMES[2], fresh(small), epochs))
    rows.append(train(NAMES[3], fresh(small), epochs, task.of_student(quaternion, **soft), **soft))

    # 6. Pruning: the filters of smallest L1 norm go, with all that belongs to them; the rest is trained on.
    how = {key: getattr(args, key) for key in ("criterion", "budget", "rounds")}
    gentle = replace(task.recipe, peak=task.recipe.peak / 4)
    tuned = max(1, round(epochs * story_pruning.FINE_TUNING))
    rounds = iter([*(f"{NAMES[4]} in round {n + 1}" for n in range(len(cuts) - 1)), NAMES[4]])
    fine_tuned: list[dict] = []
    pruned = prune_gradually(
        quaternion, cuts, lambda smaller: fine_tuned.append(train(next(rounds), smaller, tuned, recipe=gentle, **how))
    )
    rows.append(fine_tuned[-1] | {"train_seconds": sum(row["train_seconds"] for row in fine_tuned)})

    # 7. What came out.
    print("", savings_table(quaternion.config, pruned.config, frames), sep="\n")
    print(table(rows, task.score_name), sentence(rows, task.facts["test"], task.score_name), sep="\n")
    save(results(rows, task, args.seed), args.out / "results.json")
    pictures.quaternion_input(task.example, task.frontend, task.example_name, args.out / "quaternion_input.png")
    pictures.training_curves(rows, args.out / "training_curves.png", score=task.score_name)
    pictures.accuracy_against_cost(rows, args.out / "accuracy_against_cost.png", score=task.score_name)
    pictures.what_pruning_left(layer_savings(quaternion.config, pruned.config, frames), args.out / "pruning.png")
    task.picture(task.answers(pruned), NAMES[4], args.out / f"{task.picture_name}.png")
    print(f"results.json, a checkpoint per network and five pictures are in {args.out}")


def trained_elsewhere(args: argparse.Namespace, classes: int) -> dict[bool, Network]:
    """The networks of --init, ours (.npz) or published, with new classifiers: at most one of each kind."""
    if args.freeze and not args.init:
        raise ConfigError("--freeze trains the head of a network that comes by --init CHECKPOINT, which is missing")
    found = [load_model(path) if path.suffix == ".npz" else load_network(path) for path in args.init]
    models = [with_new_head(model, classes, rng=np.random.default_rng(args.seed)) for model in found]
    begun = {model.config.quaternion: model for model in models}
    if len(begun) < len(models):
        kinds = ", ".join("quaternion" if model.config.quaternion else "real" for model in models)
        raise ConfigError(f"--init takes a checkpoint of a real and one of a quaternion network, got: {kinds}")
    return begun
