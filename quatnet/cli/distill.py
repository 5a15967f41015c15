"""Command `quatnet distill`, which trains a smaller classifier with the logits of a trained one."""

import argparse
from dataclasses import replace

import numpy as np

from ..distill import distillation
from ..graph import count
from ..models import build
from ..training.recipe import network_config
from .inputs import print_error
from .recordings import add_model_arguments, fit_and_report, is_finished, load_model_and_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model_arguments(parser, new_network=True)


def run(args: argparse.Namespace) -> None:
    """Train and write the student. Raises QuatnetError for invalid input."""
    if is_finished(args.out, args):
        return
    teacher, split = load_model_and_split(args)
    config = network_config(len(teacher.classes), size=args.size, quaternion=args.network == "quaternion")
    config = replace(config, mels=teacher.frontend.mels)
    kind = "bernoulli" if teacher.multi_label else "softmax"
    loss = distillation(teacher.network, kind=kind, temperature=3.0, alpha=0.8)
    student = build(config, rng=np.random.default_rng(args.seed))
    sizes = count(teacher.network).parameters, sum(tensor.size for tensor in student.parameters())
    print("the teacher has {:,} parameters, the student {:,}".format(*sizes))
    if sizes[1] >= sizes[0]:
        print_error("warning: the student is not smaller than the teacher; choose --size small, --network quaternion")
    compared = {"teacher": split.score(split.probabilities(teacher.network))}
    fit_and_report(student, split, args.out, args, loss=loss, base=teacher, compared=compared)
