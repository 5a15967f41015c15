"""Rerun any row of docs/results.md.

    python examples/reproduce.py --list                                  the rows, and how many of their runs there are
    python examples/reproduce.py esc10/real-16 --data DIR                all folds and seeds of a row
    python examples/reproduce.py esc10/real-16 --data DIR --fold 1 --seed 0
    python examples/reproduce.py --question widths --data DIR --resume   what is still missing of a question
    python examples/reproduce.py --latency                               milliseconds per clip, beside PyTorch
    python examples/reproduce.py --tables                                write the tables of docs/results.md anew
    python examples/reproduce.py smoke/quaternion-4/prune-l1-0.5         a tiny row on synthesized sounds, in seconds

DIR holds ESC-50 and RAVDESS in their official layouts (docs/data-sets.md). Every run is kept as it ends, in
docs/results or under --records; checkpoints are under --out. Ctrl-C stops cleanly, --resume goes on. What a row means
is told in `reproduce_rows.py`, how a run goes in `reproduce_run.py`.
"""

import argparse
from pathlib import Path
from typing import Any

import reproduce_latency as latency  # examples/reproduce_latency.py
import reproduce_records as records  # examples/reproduce_records.py
import reproduce_tables as tables  # examples/reproduce_tables.py
from reproduce_rows import QUESTIONS, SPLITS, Row, row_of
from reproduce_run import result
from reproduce_task import Place
from reproduce_training import Run

from quatnet.cli import run_main


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="names of rows, see --list")
    parser.add_argument("--question", choices=QUESTIONS, help="all rows of a question")
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    parser.add_argument("--latency", action="store_true", help="measure milliseconds per clip and end")
    parser.add_argument("--tables", action="store_true", help="write the tables of docs/results.md and end")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder that holds the recordings")
    parser.add_argument("--fold", type=int, help="this fold alone")
    parser.add_argument("--seed", type=int, help="this seed alone")
    parser.add_argument("--teacher", type=Path, metavar="FILE", help="recorded answers, for distil-strong")
    parser.add_argument("--out", type=Path, default=Path("runs/reproduce"), help="checkpoints and features")
    parser.add_argument("--records", type=Path, default=records.RECORDS, help="results (default docs/results)")
    parser.add_argument("--resume", action="store_true", help="keep finished runs, go on with broken ones")
    return parser.parse_args()


def chosen(args: argparse.Namespace) -> list[Row]:
    names = [*args.rows, *QUESTIONS.get(args.question, [])]
    if not names and not args.list:
        raise SystemExit("which rows? Name some, or a --question; --list shows them")
    return [row_of(name) for name in names or [name for rows in QUESTIONS.values() for name in rows]]


def splits(row: Row, args: argparse.Namespace) -> list[tuple[int, int]]:
    """The folds and seeds of a row that are asked for; single ones need not be among those of the table."""
    folds, seeds = (list(dict.fromkeys(split[axis] for split in SPLITS[row.data])) for axis in (0, 1))
    folds, seeds = (whole if one is None else [one] for whole, one in ((folds, args.fold), (seeds, args.seed)))
    return [(fold, seed) for seed in seeds for fold in folds]


def main() -> None:
    args = options()
    if args.latency:
        return latency.measure(args.records)
    if args.tables:
        return tables.write(args.records)
    for row in chosen(args):
        wanted = splits(row, args)
        left = records.missing(row, wanted, args.records)
        if args.list:
            print(f"{row.name:50} {len(wanted) - len(left):2} of {len(wanted)} runs")
        else:
            run_all(row, left if args.resume else wanted, args)


def run_all(row: Row, splits: list[tuple[int, int]], args: argparse.Namespace) -> None:
    """Run a row on these folds and seeds, and keep each result at once."""
    place = Place(args.data, args.out, args.teacher, args.resume)
    on_record = {(run["fold"], run["seed"]): outcome(run) for run in records.read(row, args.records)}
    for fold, seed in splits:
        found, before = result(Run(row, fold, seed, place)), on_record.get((fold, seed))
        records.keep(row, found, args.records)
        print(f"{row.name} fold {fold} seed {seed}: {outcome(found)}", f"(on record: {before})" if before else "")


def outcome(run: dict[str, Any]) -> str:
    return run.get("failed") or f"{run['accuracy']:.1%}"


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume goes on from the last finished epoch")
