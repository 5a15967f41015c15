"""Report on a trained classifier: figures of each class, mistakes, a summary, and their files."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from .. import plots
from ..checks import checked_path
from ..errors import one_line
from ..files import write_csv, write_json
from ..nn import Module
from .metrics import average_precision, confusion_matrix
from .recipe import linear_baseline
from .recordings import Split
from .results import Row, run_metadata

MISTAKES = 10
THRESHOLD = np.array(0.5)  # threshold of all classes
Report = dict[str, Any]


def decisions(probabilities: np.ndarray, *, multi_label: bool, thresholds: np.ndarray = THRESHOLD) -> np.ndarray:
    """Return whether a clip is assigned to a class, bool (clips, classes).

    A clip is assigned to its best class or, with several labels per clip, to all classes of at least the threshold.
    """
    best = np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(axis=1)]
    return probabilities >= thresholds if multi_label else best


def class_rows(
    probabilities: np.ndarray,
    targets: np.ndarray,
    classes: Sequence[str],
    *,
    multi_label: bool,
    thresholds: np.ndarray = THRESHOLD,
) -> list[Row]:
    """Return the number of clips and of predictions, precision, recall, F1 and average precision of each class.

    Predictions are those of `decisions`. A fraction without clips is 0, and an average precision without positive clips
    is NaN.
    """
    found, true = decisions(probabilities, multi_label=multi_label, thresholds=thresholds), targets > 0.5
    hits, returned, relevant = (found & true).sum(axis=0), found.sum(axis=0), true.sum(axis=0)
    columns = {
        "class": classes,
        "clips": relevant.tolist(),
        "predictions": returned.tolist(),
        "precision": (hits / np.maximum(returned, 1)).tolist(),
        "recall": (hits / np.maximum(relevant, 1)).tolist(),
        "f1": (2 * hits / np.maximum(returned + relevant, 1)).tolist(),
        "average_precision": average_precision(probabilities, true).tolist(),
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def mistakes(
    probabilities: np.ndarray,
    targets: np.ndarray,
    names: Sequence[str],
    classes: Sequence[str],
    *,
    multi_label: bool,
    thresholds: np.ndarray = THRESHOLD,
) -> list[Row]:
    """Return the ten most confident mistakes: clip, true class, predicted class and confidence.

    With several labels per clip, a mistake is a class that is missing, or that is not a class of the clip.
    """
    found, true = decisions(probabilities, multi_label=multi_label, thresholds=thresholds), targets > 0.5
    wrong = (found != true) if multi_label else found & ~true
    confidence = np.where(found, probabilities, 1 - probabilities)
    pairs = sorted(zip(*np.nonzero(wrong), strict=True), key=lambda pair: -confidence[pair])[:MISTAKES]
    return [
        {
            "clip": names[n],
            "true": (classes[c] if true[n, c] else f"not {classes[c]}") if multi_label else classes[true[n].argmax()],
            "predicted": classes[c] if found[n, c] else f"not {classes[c]}",
            "confidence": float(confidence[n, c]),
        }
        for n, c in pairs
    ]


def summarize_test(
    score: float,
    baseline: float,
    chance: float,
    clips: int,
    *,
    metric: str = "accuracy",
    disagreements: tuple[int, int] | None = None,
) -> str:
    """Return two sentences on what the results on `clips` test clips mean.

    The difference to the linear baseline is tested at the 5% level by an exact sign test.

    Parameters
    ----------
    score, baseline, chance : results of the network, of the linear baseline, and of the most frequent class
    clips : number of test clips
    metric : name of the results
    disagreements : number of clips that only the network classifies correctly, and number of clips that only the linear
        baseline classifies correctly. Without these numbers, the difference is not tested

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927 (interval of an
    accuracy). Q. McNemar, Note on the sampling error of the difference between correlated proportions, 1947 (test).

    >>> summarize_test(0.9, 0.7, 0.1, 80, disagreements=(20, 4)).split(". ")[1]
    'The network is better than the linear baseline; the difference is significant at the 5% level.'
    """
    low, high = wilson_interval(score, clips)
    interval = f" (95% interval {low:.0%} to {high:.0%})" if metric == "accuracy" else ""
    first = (
        f"On {clips} test clips, the {metric} is {score:.1%}{interval} for the network, {baseline:.1%} for the linear "
        f"baseline (average spectrum) and {chance:.1%} for the most frequent class."
    )
    return f"{first} {_comparison(score - baseline, disagreements)}"


def wilson_interval(share: float, number: int) -> tuple[float, float]:
    """Return the ends of the 95% interval of an accuracy `share` that was measured on `number` clips."""
    interval = binomtest(round(share * number), number).proportion_ci(method="wilson")
    return interval.low, interval.high


def _comparison(difference: float, disagreements: tuple[int, int] | None) -> str:
    points = f"{100 * difference:+.1f} points"
    if disagreements is None:
        return f"The difference to the linear baseline is {points}; it is not tested."
    if not sum(disagreements) or binomtest(disagreements[0], sum(disagreements)).pvalue > 0.05:
        return f"The difference of {points} to the linear baseline is not significant at the 5% level."
    if difference > 0:
        return "The network is better than the linear baseline; the difference is significant at the 5% level."
    return "The linear baseline is better: train for more epochs, or add training clips."


def evaluate_test(network: Module, split: Split, row: Row, *, seed: int = 0) -> Report:
    """Return the report on a trained network.

    Parameters
    ----------
    network : network of `train_classifier`
    split : clips of the training and of the test
    row : result of the network, of `train_classifier`
    seed : seed of the training

    Returns
    -------
    JSON-compatible dict with the run, the sizes of the split, the results of the network, of the linear baseline and of
    the most frequent class, the results of each class, the confusion matrix (rows are true classes, None with several
    labels per clip), the ten most confident mistakes, and a summary
    """
    data, metric, targets, test = split.data, split.metric, split.train_targets, split.test_targets
    options: Any = {"multi_label": split.multi_label}
    probabilities, linear = split.probabilities(network), linear_baseline(split.train, targets, split.test, **options)
    baseline = split.score(linear)
    chance = split.score(np.tile(targets.mean(axis=0), (len(test), 1)))
    names = [clip.name for clip in data.clips if clip.fold == split.fold]
    matrix = None if split.multi_label else confusion_matrix(probabilities, test.argmax(axis=1)).tolist()
    return {
        **run_metadata(seed),
        "data": {"name": data.name, "fold": split.fold, "train": len(targets), "test": len(test)},
        "metric": metric,
        "network": row,
        "linear_baseline": baseline,
        "most_frequent_class": chance,
        "classes": class_rows(probabilities, test, data.classes, **options),
        "confusion": matrix,
        "mistakes": mistakes(probabilities, test, names, data.classes, **options),
        "summary": summarize_test(
            row[metric], baseline, chance, len(test), metric=metric,
            disagreements=None if split.multi_label else _disagreements(probabilities, linear, test),
        ),
    }  # fmt: skip


def _disagreements(first: np.ndarray, second: np.ndarray, targets: np.ndarray) -> tuple[int, int]:
    """Return the numbers of clips that only `first` and that only `second` classifies correctly."""
    correct = [array.argmax(axis=1) == targets.argmax(axis=1) for array in (first, second)]
    return int((correct[0] & ~correct[1]).sum()), int((correct[1] & ~correct[0]).sum())


def format_report(report: Report) -> str:
    """Return the results, the mistakes and the summary as text."""
    metric, row, wrong = report["metric"], report["network"], report["mistakes"]
    costs = f"{row['parameters']:,} parameters, {row['multiplications_8'] / 1e6:.1f} M multiplications per window"
    lines = [
        f"{'':20} {metric:>8}",
        f"{one_line(row['name']):20} {row[metric]:8.1%}  {costs}",
        *(f"{name:20} {score:8.1%}" for name, score in report.get("compared", {}).items()),
        f"{'linear baseline':20} {report['linear_baseline']:8.1%}",
        f"{'most frequent class':20} {report['most_frequent_class']:8.1%}",
        "",
        "most confident mistakes on the test clips:" if wrong else "no mistakes on the test clips",
        *map(mistake_line, wrong),
    ]
    return "\n".join([*lines, "", report["summary"]])


def mistake_line(mistake: Row) -> str:
    """Return a row of `mistakes` as one line of text."""
    return one_line("  {confidence:4.0%}  {clip}: {predicted} instead of {true}".format(**mistake))


def write_report(out: str | os.PathLike, report: Report) -> None:
    """Write results.json, classes.csv, mistakes.csv, curves.png and confusion.png to the folder `out`.

    With several labels per clip, there is no confusion.png. Raises MissingPackageError, after the other files have been
    written, if matplotlib is not installed.
    """
    out, row = checked_path(out), report["network"]
    write_json(out / "results.json", report)
    for name in ("classes", "mistakes"):
        write_rows(out / f"{name}.csv", report[name])
    plots.training_curves([row], out / "curves.png", metric=report["metric"])
    if report["confusion"]:
        names = [each["class"] for each in report["classes"]]
        plots.confusion(np.array(report["confusion"]), names, row["name"], out / "confusion.png")
    else:
        (out / "confusion.png").unlink(missing_ok=True)  # of an earlier model


def write_rows(path: str | os.PathLike, rows: Sequence[Row]) -> None:
    """Write rows as a CSV file with a header, with an empty field for NaN. Without rows, the file is empty."""
    write_csv(path, [*map(list, rows[:1]), *(["" if x != x else x for x in row.values()] for row in rows)])
