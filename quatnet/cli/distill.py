"""Command `quatnet distill`, which trains a smaller classifier with the logits of a trained one."""

import argparse

import numpy as np

from ..distill import distillation
from ..models import build
from ..training.recipe import network_config
from .recordings import add_model_arguments, fit_and_report, load_model_and_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model_arguments(parser, new_network=True)


def run(args: argparse.Namespace) -> None:
    """Train and write the student. Raises QuatnetError for invalid input."""
    teacher, split = load_model_and_split(args)
    config = network_config(len(teacher.classes), size=args.size, quaternion=args.network == "quaternion")
    kind = "bernoulli" if teacher.multi_label else "softmax"
    loss = distillation(teacher.network, kind=kind, temperature=3.0, alpha=0.8)
    fit_and_report(build(config, rng=np.random.default_rng(args.seed)), split, args.out, args, loss=loss)
    print(f"{split.metric} of the teacher: {split.score(split.probabilities(teacher.network)):.1%}")
