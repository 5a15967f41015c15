"""Tables of docs/results.md, docs/results-few-epochs.md and README.md, computed from the records.

A table replaces the text between `<!-- table NAME -->` and `<!-- end -->` of a page.
"""

import math
import re
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

import records
import row_comparisons
from latency import latency_table
from rows import QUESTIONS, SPLITS, row_from_name
from run_statistics import Runs, accuracies, accuracy_difference, mean_and_error, median, num_failed

PAGES = tuple(records.ROOT / name for name in ("docs/results.md", "docs/results-few-epochs.md", "README.md"))
TABLE = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
SUMMARY_COLUMNS = {  # title -> data set, number of epochs, folds
    "ESC-50, 200 epochs (%)": ("esc50", 200, (1, 2)),
    "ESC-10, 200 epochs (%)": ("esc10", 200, range(1, 6)),
    "RAVDESS, 400 epochs (%)": ("ravdess", 400, (1, 2)),
    "ESC-50 fold 1, 100 epochs (%)": ("esc50", 100, (1,)),
}
REFERENCES = {
    "front-ends": "quaternion-16",
    "best": "real-16/epochs-200",
    "long-pruning": "quaternion-16/epochs-100",
}  # other questions: real-16
SUMMARY_NETWORKS = (
    "real-16",
    "real-8",
    "quaternion-16",
    "quaternion-16/prune-l1-budget",
    "quaternion-16/prune-l1-0.5",
    "quaternion-16/distil-strong-0.5",
)
COSTS = {"parameters": (1e3, "{:,.0f} k"), "multiplications_8": (1e6, "{:,.1f} M")}  # unit, format


def page_with_tables(path: Path, folder: Path = records.RECORDS) -> str:
    """Return the text of a page, with tables computed from the records in `folder`."""
    return TABLE.sub(lambda m: f"{m[1]}{table(m[2], folder)}\n{m[3]}", path.read_text(encoding="utf-8"))


def table(name: str, folder: Path) -> str:
    """Return the table with the given name, which is a key of NAMED_TABLES, "QUESTION" or "QUESTION-DATASET"."""
    if name in NAMED_TABLES:
        head, *lines = NAMED_TABLES[name](folder)
        return "\n".join(_table_line(cells) for cells in (head, ["---"] * len(head), *lines))
    question, _, dataset = name.rpartition("-") if name.split("-")[-1] in SPLITS else (name, "", "")
    rows = [row for row in QUESTIONS[question] if row.startswith(dataset)]
    reference = f"{rows[0].partition('/')[0]}/{REFERENCES.get(question, 'real-16')}"
    return row_table({name: row_comparisons.question_runs(question, name, folder) for name in [reference, *rows]})


def row_table(runs_by_name: dict[str, Runs]) -> str:
    """Return a table of the accuracy, the difference to the first row over paired runs, and the cost of each row.

    Rows without runs are skipped.
    """
    reference = next(iter(runs_by_name))
    head = [
        "row",
        "runs",
        "accuracy, %",
        f"against {reference.partition('/')[2]}, points",
        "parameters",
        "mult. 16",
        "mult. 8",
        "training",
    ]
    lines = [
        _row_line(name, runs, runs_by_name[reference] if name != reference else [])
        for name, runs in runs_by_name.items()
        if runs
    ]
    return "\n".join([_table_line(head), _table_line(["---"] * len(head)), *lines])


def _row_line(name: str, runs: Runs, reference: Runs) -> str:
    failed = num_failed(runs)
    return _table_line(
        [
            name.partition("/")[2],
            f"{len(runs) - failed}{f', {failed} failed' if failed else ''}",
            mean_and_error(accuracies(runs)).to_text(),
            accuracy_difference(runs, reference).to_text(signed=True),
            _median_text(runs, "parameters", *COSTS["parameters"]),
            _median_text(runs, "multiplications_16", *COSTS["multiplications_8"]),
            _median_text(runs, "multiplications_8", *COSTS["multiplications_8"]),
            _median_text(runs, "total_multiplications", 1e12, "{:,.2f} T"),
        ]
    )


def _median_text(runs: Runs, key: str, unit: float, template: str) -> str:
    value = median(runs, key) / unit
    return template.format(value) if math.isfinite(value) else "-"


def _table_line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def summary_table(folder: Path) -> list[list[str]]:
    """Return a table of the accuracy of SUMMARY_NETWORKS in each of SUMMARY_COLUMNS, and their cost.

    The cost is the cost in the first column with runs.
    """
    lines = [["network", *SUMMARY_COLUMNS, "parameters", "multiplications"]]
    for network in SUMMARY_NETWORKS:
        runs = [_column_runs(network, *column, folder) for column in SUMMARY_COLUMNS.values()]
        first = next(filter(None, runs), [])
        costs = [_median_text(first, key, unit, template) for key, (unit, template) in COSTS.items()]
        lines.append([network, *(mean_and_error(accuracies(each)).to_text() for each in runs), *costs])
    return lines


def _column_runs(network: str, dataset: str, epochs: int, folds: Collection[int], folder: Path) -> Runs:
    row = replace(row_from_name(f"{dataset}/{network}"), epochs=epochs)
    return [run for run in records.read_runs(row, folder) if run["fold"] in folds]


NAMED_TABLES = {
    "summary": summary_table,
    "latency": latency_table,
    **{f"pairs-{question}": partial(row_comparisons.pair_table, question) for question in row_comparisons.PAIRS},
    "epochs": row_comparisons.epochs_table,
    "folds": row_comparisons.folds_table,
    "criteria": row_comparisons.criterion_table,
    "criteria-against-chance": row_comparisons.gain_over_random_table,
}


def write_tables(folder: Path) -> None:
    """Update the tables of the pages with the records in `folder`."""
    for path in PAGES:
        path.write_text(page_with_tables(path, folder), encoding="utf-8")


def stale_pages() -> list[str]:
    """Return the names of the pages whose tables differ from the records."""
    return [path.name for path in PAGES if path.read_text(encoding="utf-8") != page_with_tables(path)]
