"""How the quaternion CNN of the story is pruned: by which criterion, how far, in how many rounds."""

import argparse

import numpy as np

from quatnet.models import Config
from quatnet.prune import Selector, budget_from_reference, budget_rounds, criterion_from_name, ratio_rounds

SHARE, LAST_BLOCKS, FINE_TUNING = 0.25, 3, 1 / 3  # share of filters, in how many last blocks, share of epochs


def choices(args: argparse.Namespace, quaternion: Config, real: Config, frames: int) -> list[Selector]:
    """What is cut in each round."""
    criterion = criterion_from_name(args.criterion, rng=np.random.default_rng([args.seed, 2]))
    if args.budget:
        budget = budget_from_reference(real, frames, multiplications=args.budget[0], parameters=args.budget[1])
        return budget_rounds(quaternion, budget, args.rounds, criterion=criterion)
    last_blocks = range(len(quaternion.widths))[-LAST_BLOCKS:]
    return ratio_rounds(quaternion, SHARE, args.rounds, blocks=last_blocks, criterion=criterion)
