"""From the runs of a row to a mean, and how far it can be trusted."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Runs = Sequence[Mapping[str, Any]]


class Spread(NamedTuple):
    """A mean and its standard error: over folds, each the mean of its seeds, or over the seeds of the only fold.

    Without two of them there is no error: nan.
    """

    mean: float
    error: float

    def text(self, *, sign: bool = False) -> str:
        """Return percent, "90.1 ± 1.2"; "-" where there is nothing."""
        if np.isnan(self.mean):
            return "-"
        mean = f"{100 * self.mean:{'+' if sign else ''}.1f}"
        return mean if np.isnan(self.error) else f"{mean} ± {100 * self.error:.1f}"


def accuracies(runs: Runs) -> dict[tuple[int, int], float]:
    """Return the accuracy of each (fold, seed) that did not fail."""
    return {(run["fold"], run["seed"]): run["accuracy"] for run in runs if "failed" not in run}


def spread(values: Mapping[tuple[int, int], float]) -> Spread:
    """Return the spread of a value for each (fold, seed)."""
    if not values:
        return Spread(np.nan, np.nan)
    folds = sorted({fold for fold, _ in values})
    means = [float(np.mean([value for (f, _), value in values.items() if f == fold])) for fold in folds]
    parts = means if len(folds) > 1 else list(values.values())
    error = float(np.std(parts, ddof=1) / np.sqrt(len(parts))) if len(parts) > 1 else np.nan
    return Spread(float(np.mean(means)), error)


def difference(runs: Runs, others: Runs) -> Spread:
    """Return the spread of how much `runs` are better than `others`, pair by pair of the same fold and seed."""
    mine, theirs = accuracies(runs), accuracies(others)
    return spread({place: mine[place] - theirs[place] for place in mine.keys() & theirs.keys()})


def failures(runs: Runs) -> int:
    return sum("failed" in run for run in runs)


def middle(runs: Runs, key: str) -> float:
    """Return the median of a figure over the runs that did not fail; nan without any."""
    figures = [run[key] for run in runs if key in run]
    return float(np.median(figures)) if figures else np.nan
