"""Filter pruning: score the filters, choose which to keep, plan what shrinks with them, cut."""

from .budget import Budget, budget_of, choose_within
from .choose import choose, choose_counts
from .criteria import CRITERIA, Criterion, at_random, batch_norm, by_weight, l1, named_criterion
from .cut import Kept, Slice, cut, mask, plan
from .gradual import Choice, budget_rounds, prune_gradually, ratio_rounds
from .report import Saved, report, saved
from .scores import geometric_median_scores, l1_scores, l2_scores, operator_norm_scores, released_scores

__all__ = [
    "CRITERIA",
    "Budget",
    "Choice",
    "Criterion",
    "Kept",
    "Saved",
    "Slice",
    "at_random",
    "batch_norm",
    "budget_of",
    "budget_rounds",
    "by_weight",
    "choose",
    "choose_counts",
    "choose_within",
    "cut",
    "geometric_median_scores",
    "l1",
    "l1_scores",
    "l2_scores",
    "mask",
    "named_criterion",
    "operator_norm_scores",
    "plan",
    "prune_gradually",
    "ratio_rounds",
    "released_scores",
    "report",
    "saved",
]
