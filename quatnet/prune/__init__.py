"""Filter pruning: scores of filters, selection of the filters to keep, and construction of the smaller network."""

from .budget import Budget, budget_from_reference, select_for_budget
from .criteria import CRITERIA, Criterion, batch_norm, criterion_from_name, l1, random, weight_criterion
from .filters import AxisSelection, KeepIndices, mask_filters, plan_pruning, prune_filters
from .gradual import Selector, budget_selectors, prune_gradually, ratio_selectors
from .savings import LayerSavings, layer_savings, savings_table
from .scores import geometric_median_scores, l1_scores, l2_scores, operator_norm_scores
from .selection import select, select_counts

__all__ = [
    "CRITERIA", "AxisSelection", "Budget", "Criterion", "KeepIndices", "LayerSavings", "Selector", "batch_norm",
    "budget_from_reference", "budget_selectors", "criterion_from_name", "geometric_median_scores", "l1", "l1_scores",
    "l2_scores", "layer_savings", "mask_filters", "operator_norm_scores", "plan_pruning", "prune_filters",
    "prune_gradually", "random", "ratio_selectors", "savings_table", "select", "select_counts", "select_for_budget",
    "weight_criterion",
]  # fmt: skip
