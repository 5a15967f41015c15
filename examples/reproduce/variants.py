"""Front ends and pruning criteria by name, including the variants of the released code of the paper."""

from typing import Any

import numpy as np

from quatnet.audio import FrontEnd
from quatnet.paper_code.filter_scores import l1_scores
from quatnet.paper_code.front_end import PaperCodeFrontEnd
from quatnet.prune import CRITERIA, Criterion, criterion_from_name, weight_criterion

FRONTENDS = (*FrontEnd.variants, "paper_code")
CRITERION_NAMES = (*CRITERIA, "random", "paper_code")


def build_frontend(variant: str, **settings: Any) -> FrontEnd:
    """Return a front end. The variant "paper_code" has the floor of the released code, -100 dB."""
    if variant == "paper_code":
        return PaperCodeFrontEnd(**settings | {"floor_db": -100.0})
    return FrontEnd(**settings, variant=variant)


def build_criterion(name: str, seed: int) -> Criterion:
    """Return a pruning criterion. The criterion "random" uses `seed`."""
    if name == "paper_code":
        return weight_criterion(l1_scores)
    return criterion_from_name(name, rng=np.random.default_rng([seed, 2]))
