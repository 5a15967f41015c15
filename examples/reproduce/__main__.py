"""Rerun any row of docs/results.md and docs/results-few-epochs.md.

    python examples/reproduce --list                                  the rows, and the number of recorded runs
    python examples/reproduce esc10/real-16 --data DIR                all folds and seeds of a row
    python examples/reproduce esc10/real-16 --data DIR --fold 1 --seed 0
    python examples/reproduce --question widths --data DIR --resume   the missing runs of a question
    python examples/reproduce --latency                               milliseconds per clip, compared with PyTorch
    python examples/reproduce --tables                                update the tables of the results pages
    python examples/reproduce smoke/quaternion-4/prune-l1-0.5         a small row on synthesized sounds, in seconds

DIR contains ESC-50 and RAVDESS in their official layouts (docs/data-sets.md). The result of each run is saved in
docs/results or in the folder of --records. Checkpoints are written to the folder of --out. Ctrl-C saves a checkpoint,
and --resume continues from the checkpoint. The rows are defined in `rows.py`.
"""

import argparse
from pathlib import Path
from typing import Any

import latency
import records
import result_tables
from row_data import Paths
from row_training import Run
from rows import QUESTIONS, SPLITS, Row, row_from_name
from run_row import run_row

from quatnet.cli import run_main


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="names of rows, see --list")
    parser.add_argument("--question", choices=QUESTIONS, help="all rows of a question")
    parser.add_argument("--list", action="store_true", help="print the rows and exit")
    parser.add_argument("--latency", action="store_true", help="measure milliseconds per clip and exit")
    parser.add_argument("--tables", action="store_true", help="update the tables of the results pages and exit")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the recordings")
    parser.add_argument("--fold", type=int, help="only this fold")
    parser.add_argument("--seed", type=int, help="only this seed")
    parser.add_argument("--teacher", type=Path, metavar="FILE", help="cached teacher outputs, for distil-strong")
    parser.add_argument("--out", type=Path, default=Path("runs/reproduce"), help="folder of checkpoints and features")
    parser.add_argument("--records", type=Path, default=records.RECORDS, help="folder of results (docs/results)")
    parser.add_argument("--resume", action="store_true", help="skip recorded runs, continue interrupted ones")
    return parser.parse_args()


def select_rows(args: argparse.Namespace) -> list[Row]:
    names = [*args.rows, *QUESTIONS.get(args.question, [])]
    if not names and not args.list:
        raise SystemExit("no rows given: pass names of rows or a --question; --list prints the rows")
    all_names = [name for rows in QUESTIONS.values() for name in rows]
    return [row_from_name(name) for name in dict.fromkeys(names or all_names)]


def select_splits(row: Row, args: argparse.Namespace) -> list[tuple[int, int]]:
    """Return the (fold, seed) pairs to run. --fold and --seed accept values that are not in SPLITS."""
    folds, seeds = SPLITS[row.dataset]
    folds = folds if args.fold is None else [args.fold]
    seeds = seeds if args.seed is None else [args.seed]
    return [(fold, seed) for seed in seeds for fold in folds]


def main() -> None:
    args = parse_args()
    if args.latency:
        return latency.measure(args.records)
    if args.tables:
        return result_tables.write_tables(args.records)
    for row in select_rows(args):
        splits = select_splits(row, args)
        missing = records.missing_splits(row, splits, args.records)
        if args.list:
            print(f"{row.name:52} {len(splits) - len(missing):2} of {len(splits)} runs")
        else:
            run_splits(row, missing if args.resume else splits, args)


def run_splits(row: Row, splits: list[tuple[int, int]], args: argparse.Namespace) -> None:
    """Run a row for each (fold, seed) pair, and record each result at the end of the run."""
    paths = Paths(args.data, args.out, args.teacher, args.resume)
    recorded = {(run["fold"], run["seed"]): outcome(run) for run in records.read_runs(row, args.records)}
    for fold, seed in splits:
        result, before = run_row(Run(row, fold, seed, paths)), recorded.get((fold, seed))
        records.save_run(row, result, args.records)
        print(f"{row.name} fold {fold} seed {seed}: {outcome(result)}", f"(recorded: {before})" if before else "")


def outcome(run: dict[str, Any]) -> str:
    return run.get("failed") or f"{run['accuracy']:.1%}"


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume continues from the last finished epoch")
