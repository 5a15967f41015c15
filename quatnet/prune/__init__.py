"""Filter pruning: scores of filters, selection of the filters to keep, and construction of the smaller network."""

from .budget import Budget, budget_from_reference
from .criteria import CRITERIA, Criterion, batch_norm, criterion_from_name, l1, random, weight_criterion
from .filters import KeepIndices, mask_filters, prune_filters, trace_groups
from .gradual import Selector, budget_selectors, prune_gradually, ratio_selectors
from .savings import LayerSavings, layer_savings, savings_table
from .scores import geometric_median_scores, l1_scores, l2_scores, operator_norm_scores
from .selection import filter_counts, select, top_k

__all__ = [
    "CRITERIA", "Budget", "Criterion", "KeepIndices", "LayerSavings", "Selector", "batch_norm", "budget_from_reference",
    "budget_selectors", "criterion_from_name", "filter_counts", "geometric_median_scores", "l1", "l1_scores",
    "l2_scores", "layer_savings", "mask_filters", "operator_norm_scores", "prune_filters", "prune_gradually",
    "random", "ratio_selectors", "savings_table", "select", "top_k", "trace_groups", "weight_criterion",
]  # fmt: skip
