"""The tables of docs/results.md, from the records: what stands between <!-- table NAME --> and <!-- end -->."""

import re
from pathlib import Path

import reproduce_latency as latency  # examples/reproduce_latency.py
import reproduce_records as records  # examples/reproduce_records.py
from reproduce_rows import QUESTIONS, SPLITS, row_of
from reproduce_statistics import Runs, accuracies, difference, failures, middle, spread

PAGE = records.ROOT / "docs" / "results.md"
MARKED = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
SETS = {"esc10": "ESC-10", "esc50": "ESC-50, fold 1", "ravdess": "RAVDESS, fold 1"}
REFERENCE = "real-16"


def page(folder: Path = records.RECORDS, path: Path = PAGE) -> str:
    """Return the page with its tables written anew."""
    return MARKED.sub(lambda m: f"{m[1]}{table(m[2], folder)}\n{m[3]}", path.read_text(encoding="utf-8"))


def table(name: str, folder: Path) -> str:
    """Return a table by its name: QUESTION, QUESTION-DATA or "latency"."""
    if name == "latency":
        return latency.table(folder)
    question, _, data = name.rpartition("-") if name.split("-")[-1] in SPLITS else (name, "", "")
    rows = [row for row in QUESTIONS[question] if row.startswith(data)]
    reference = f"{data or 'esc10'}/{REFERENCE}"
    return rows_of_a_table([reference, *(row for row in rows if row != reference)], reference, folder)


def rows_of_a_table(names: list[str], reference: str, folder: Path) -> str:
    """Return accuracy, the difference to the reference in the same runs, and what the network costs."""
    head = [
        "row",
        "runs",
        "accuracy, %",
        f"against {REFERENCE}, points",
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
            _count(runs, "parameters", 1e3, "{:,.0f} k"),
            _count(runs, "multiplications_16", 1e6, "{:,.1f} M"),
            _count(runs, "multiplications_8", 1e6, "{:,.1f} M"),
            _count(runs, "total_multiplications", 1e12, "{:,.2f} T"),
        ]
    )


def _count(runs: Runs, key: str, unit: float, form: str) -> str:
    return form.format(middle(runs, key) / unit)


def _cells(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write() -> None:
    """Write the tables into the page."""
    PAGE.write_text(page(), encoding="utf-8")


def stale() -> bool:
    """Return whether the page says something else than the records."""
    return PAGE.read_text(encoding="utf-8") != page()
