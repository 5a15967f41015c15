"""The tables of the pages, from the records: what stands between <!-- table NAME --> and <!-- end -->."""

import math
import re
from functools import partial
from pathlib import Path

import reproduce_comparisons as comparisons  # examples/reproduce_comparisons.py
import reproduce_latency as latency  # examples/reproduce_latency.py
import reproduce_records as records  # examples/reproduce_records.py
from reproduce_rows import QUESTIONS, SPLITS, row_of
from reproduce_statistics import Runs, accuracies, difference, failures, middle, spread

PAGES = (records.ROOT / "docs" / "results.md", records.ROOT / "README.md")
MARKED = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
SETS = {"esc10": "ESC-10, %", "esc50": "ESC-50, fold 1", "ravdess": "RAVDESS, fold 1"}
REFERENCES = {"front-ends": "quaternion-16", "best": "real-20/best"}  # of a question, what all are compared with
CLAIM = ("real-16", "real-8", "quaternion-16", "quaternion-16/prune-l1-budget", "quaternion-16/prune-l1-0.5",
         "real-16/prune-l1-budget", "quaternion-40/best")  # fmt: skip
COSTS = {"parameters": (1e3, "{:,.0f} k"), "multiplications_8": (1e6, "{:,.1f} M")}


def page(path: Path, folder: Path = records.RECORDS) -> str:
    """Return a page with its tables written anew."""
    return MARKED.sub(lambda m: f"{m[1]}{table(m[2], folder)}\n{m[3]}", path.read_text(encoding="utf-8"))


def table(name: str, folder: Path) -> str:
    """Return a table by its name: one of WHOLE, QUESTION or QUESTION-DATA."""
    if name in WHOLE:
        head, *lines = WHOLE[name](folder)
        return "\n".join(_cells(cells) for cells in (head, ["---"] * len(head), *lines))
    question, _, data = name.rpartition("-") if name.split("-")[-1] in SPLITS else (name, "", "")
    rows = [row for row in QUESTIONS[question] if row.startswith(data)]
    reference = f"{rows[0].partition('/')[0]}/{REFERENCES.get(question, 'real-16')}"
    return rows_of_a_table([reference, *(row for row in rows if row != reference)], reference, folder)


def rows_of_a_table(names: list[str], reference: str, folder: Path) -> str:
    """Return accuracy, the difference to the reference in the same runs, and what the network costs."""
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
    compared = records.read(row_of(reference), folder)
    found = {name: records.read(row_of(name), folder) for name in dict.fromkeys(names)}
    lines = [_line(name, runs, compared if name != reference else []) for name, runs in found.items() if runs]
    return "\n".join([_cells(head), _cells(["---"] * len(head)), *lines])


def _line(name: str, runs: Runs, reference: Runs) -> str:
    failed = failures(runs)
    return _cells(
        [
            name.partition("/")[2],
            f"{len(runs) - failed}{f', {failed} failed' if failed else ''}",
            spread(accuracies(runs)).text(),
            difference(runs, reference).text(sign=True),
            _count(runs, "parameters", *COSTS["parameters"]),
            _count(runs, "multiplications_16", *COSTS["multiplications_8"]),
            _count(runs, "multiplications_8", *COSTS["multiplications_8"]),
            _count(runs, "total_multiplications", 1e12, "{:,.2f} T"),
        ]
    )


def _count(runs: Runs, key: str, unit: float, form: str) -> str:
    figure = middle(runs, key) / unit
    return form.format(figure) if math.isfinite(figure) else "-"


def _cells(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def summary(folder: Path) -> list[list[str]]:
    """Return the accuracy of the networks of the claim on all recordings, and what they cost on the first of them."""
    lines = [["network", *SETS.values(), "parameters", "mult. 8"]]
    for network in CLAIM:
        runs = {data: records.read(row_of(f"{data}/{network}"), folder) for data in SETS}
        costs = [_count(next(filter(None, runs.values()), []), key, *how) for key, how in COSTS.items()]
        lines.append([network, *(spread(accuracies(each)).text() for each in runs.values()), *costs])
    return lines


WHOLE = {
    "summary": summary,
    "latency": latency.table,
    **{f"pairs-{question}": partial(comparisons.pairs, question) for question in comparisons.PAIRS},
    "criteria": comparisons.criteria,
    "criteria-against-chance": comparisons.against_chance,
}


def write(folder: Path) -> None:
    """Write the tables of the records in a folder into the pages."""
    for path in PAGES:
        path.write_text(page(path, folder), encoding="utf-8")


def stale() -> list[str]:
    """Return the pages that say something else than the records."""
    return [path.name for path in PAGES if path.read_text(encoding="utf-8") != page(path)]
