"""Tables of comparisons: networks of equal cost, pruning criteria, and numbers of epochs."""

from collections.abc import Callable, Collection
from pathlib import Path

import records
from rows import COMPARED_WITH_SCRATCH, CRITERIA, EPOCHS, PRUNE_TARGETS, QUESTIONS, row_from_name
from run_statistics import MeanAndError, Runs, accuracies, accuracy_difference, mean_and_error

AT_100_EPOCHS = "quaternion-16/epochs-100"
PAIRS = {  # table -> network, reference, and the quantity in which they are equal
    "widths": (
        ("quaternion-16", "real-16", "width, and nearly milliseconds"),
        ("quaternion-16", "real-11.6", "multiplications"),
        ("quaternion-16", "real-8", "parameters"),
        ("quaternion-8", "real-8", "width, and milliseconds"),
        ("quaternion-8", "real-4", "parameters"),
        ("quaternion-22.5", "real-16", "multiplications"),
        ("quaternion-32", "real-16", "parameters"),
        ("real-16", "real-8", "nothing: twice the width"),
    ),
    "longer": (
        ("real-16/long", "real-16", "all but epochs, 120 and 40"),
        ("real-8/long", "real-8", "all but epochs"),
        ("quaternion-16/long", "quaternion-16", "all but epochs"),
        ("quaternion-16/long", "real-16/long", "width"),
        ("quaternion-16/long", "real-11.6/long", "multiplications"),
        ("quaternion-16/long", "real-8/long", "parameters"),
    ),
    "epochs": tuple(
        (f"quaternion-16/epochs-{epochs}", f"{reference}/epochs-{epochs}", equal_in)
        for reference, equal_in in (("real-8", "parameters"), ("real-11.6", "multiplications"), ("real-16", "width"))
        for epochs in EPOCHS
    ),
    "twice-as-long": tuple(
        (f"{network}/epochs-{2 * epochs}", f"{network}/epochs-{epochs}", "all but epochs")
        for network in ("real-8", "real-16", "quaternion-16", "quaternion-40")
        for epochs in EPOCHS[:-1]
    ),
    "long-pruning": (
        *(
            (f"{AT_100_EPOCHS}/{change}-0.5", f"{AT_100_EPOCHS}/scratch-0.5", "size and epochs")
            for change in COMPARED_WITH_SCRATCH
        ),
        (f"{AT_100_EPOCHS}/prune-l1-0.5", f"{AT_100_EPOCHS}/prune-random-0.5", "training"),
        (f"{AT_100_EPOCHS}/prune-batch_norm-0.5", f"{AT_100_EPOCHS}/prune-random-0.5", "training"),
        *(
            (f"{AT_100_EPOCHS}/prune-{criterion}-budget", f"{AT_100_EPOCHS}/prune-random-budget", "budget and epochs")
            for criterion in ("l1", "batch_norm")
        ),
        *(
            (f"{AT_100_EPOCHS}/prune-{criterion}-budget", "real-16/epochs-100", "nothing: the claim of the paper")
            for criterion in ("l1", "batch_norm", "random")
        ),
    ),
    "pruning": (
        ("quaternion-16/continue", "quaternion-16", "size; trained on for a third"),
        *((f"quaternion-16/prune-l1-{target}", "quaternion-16/continue", "training") for target in PRUNE_TARGETS),
        ("quaternion-16/prune-l1-budget", "real-16/prune-l1-budget", "parameters"),
        ("quaternion-16/prune-l1-0.5", "real-16/prune-l1-budget", "multiplications, nearly"),
        ("quaternion-16/prune-l1-0.5", "real-8", "multiplications, nearly"),
    ),
    "distillation": (
        ("quaternion-16/distil-own-0.5", "quaternion-16/scratch-0.5", "size and epochs"),
        ("quaternion-16/distil-strong-0.5", "quaternion-16/scratch-0.5", "size and epochs"),
        ("quaternion-16/prune-l1-0.5", "quaternion-16/scratch-0.5", "size and epochs"),
        ("quaternion-16/prune-l1-0.5", "quaternion-16/distil-own-0.5", "size"),
        ("quaternion-16/equal-l1-0.5", "quaternion-16/distil-own-0.5", "size and cost"),
        ("quaternion-16/equal-scratch-0.5", "quaternion-16/distil-own-0.5", "size and cost"),
        ("quaternion-16/equal-l1-0.5", "quaternion-16/equal-scratch-0.5", "size and cost"),
    ),
}
PRUNED = "esc10/quaternion-16/prune"  # beginning of the names of the rows that compare criteria
ALL_FOLDS = range(1, 6)  # folds of ESC-10 and ESC-50
FOLDS_OF_EPOCHS = {"esc50": (1,), "esc10": ALL_FOLDS, "ravdess": (1,)}  # folds of the table and figure of epochs
FOLD_1_ONLY = ("best", "long-pruning")  # questions whose tables have the runs of fold 1
DATASETS = {"esc10": "ESC-10, points", "esc50": "ESC-50, points", "ravdess": "RAVDESS, points"}


def pair_table(question: str, folder: Path) -> list[list[str]]:
    """Return a table of accuracy gains of networks over their references. Data sets without a pair have no column."""

    def cell(network: str, reference: str, dataset: str) -> str:
        return gain_text(*accuracy_gain(f"{dataset}/{network}", f"{dataset}/{reference}", folder, question))

    lines = [
        [network, reference, equal_in, *(cell(network, reference, dataset) for dataset in DATASETS)]
        for network, reference, equal_in in PAIRS[question]
    ]
    measured = [line for line in lines if any(cell != "-" for cell in line[3:])]
    columns = list(zip(["network", "against", "equal in", *DATASETS.values()], *measured, strict=True))
    filled = [column for column in columns[3:] if any(cell != "-" for cell in column[1:])]
    return [list(line) for line in zip(*columns[:3], *filled, strict=True)]


def criterion_table(folder: Path) -> list[list[str]]:
    """Return a table of the accuracy on ESC-10 after pruning by each criterion, for each prune ratio and the budget."""
    return _table_by_criterion(lambda name: _accuracy_text(name, folder, ALL_FOLDS))


def gain_over_random_table(folder: Path) -> list[list[str]]:
    """Return a table of accuracy gains of each criterion over random pruning, for each prune ratio and the budget."""

    def cell(name: str) -> str:
        return gain_text(*accuracy_gain(name, f"{PRUNED}-random-{name.rpartition('-')[2]}", folder))

    return [line for line in _table_by_criterion(cell) if line[0] != "random"]


def epochs_table(folder: Path) -> list[list[str]]:
    """Return a table of the accuracy for each number of epochs, with the number of runs, of networks with such runs.

    The runs are those of FOLDS_OF_EPOCHS. "few" is the number of epochs in `run_row.EPOCHS`.
    """
    networks = dict.fromkeys(row.rpartition("/")[0] for row in QUESTIONS["epochs"])
    changes = {"few": "", **{str(epochs): f"/epochs-{epochs}" for epochs in EPOCHS}}
    cells = {
        name: [
            _accuracy_text(f"{name}{change}", folder, FOLDS_OF_EPOCHS[name.partition("/")[0]])
            for change in changes.values()
        ]
        for name in networks
    }
    measured = {name: line for name, line in cells.items() if any(cell != "-" for cell in line[1:])}
    return [["data set and network", *changes], *([name, *line] for name, line in measured.items())]


def folds_table(folder: Path) -> list[list[str]]:
    """Return a table of the accuracy on each fold of ESC-50 and the mean, of best networks with runs on all folds."""
    lines = [["row", *(f"fold {fold}" for fold in ALL_FOLDS), "mean"]]
    for name in QUESTIONS["best"]:
        cells = [_accuracy_text(name, folder, folds) for folds in (*((fold,) for fold in ALL_FOLDS), ALL_FOLDS)]
        lines += [[name.partition("/")[2], *cells]] if "-" not in cells else []
    return lines


def _accuracy_text(name: str, folder: Path, folds: Collection[int]) -> str:
    """Return the accuracy and the number of runs of a row on the given folds."""
    runs = accuracies(records.read_runs(row_from_name(name), folder))
    values = {split: accuracy for split, accuracy in runs.items() if split[0] in folds}
    return f"{mean_and_error(values).to_text()} ({len(values)})" if values else "-"


def _table_by_criterion(cell: Callable[[str], str]) -> list[list[str]]:
    lines = [[name, *(cell(f"{PRUNED}-{name}-{target}") for target in PRUNE_TARGETS)] for name in CRITERIA]
    return [["criterion", *PRUNE_TARGETS], *lines]


def question_runs(question: str, name: str, folder: Path) -> Runs:
    """Return the recorded runs of a row that are in the tables of a question."""
    runs = records.read_runs(row_from_name(name), folder)
    return [run for run in runs if run["fold"] == 1] if question in FOLD_1_ONLY else runs


def accuracy_gain(row: str, reference: str, folder: Path, question: str = "") -> tuple[MeanAndError, int]:
    """Return the mean accuracy difference between a row and a reference row, and the number of pairs of runs."""
    ours, theirs = (question_runs(question, name, folder) for name in (row, reference))
    return accuracy_difference(ours, theirs), len(accuracies(ours).keys() & accuracies(theirs).keys())


def gain_text(gain: MeanAndError, num_pairs: int) -> str:
    """Return a gain as text, such as "+1.4 ± 0.5 (15)": points, standard error, and number of pairs.

    The text is "-" without pairs.
    """
    return f"{gain.to_text(signed=True)} ({num_pairs})" if num_pairs else "-"
