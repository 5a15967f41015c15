"""Rows of the tables in docs/results.md and docs/results-few-epochs.md.

A row is a data set, a network, a number of epochs, and a change of the training or the network.

The name of a row is DATASET/NETWORK, optionally followed by /epochs-N and by /CHANGE. Trainings of "epochs-N" have N
epochs and stronger augmentation. The other trainings have the few epochs of `run_row.EPOCHS`, unless the change sets
another number.

    esc10/real-16                             widths 16-32-64-64-128-128-256, as in examples/esc50.py
    esc10/quaternion-16/prune-l1-0.5          half of the filters of the last blocks pruned by L1 norm, then fine-tuned
    esc10/quaternion-16/prune-random-budget   pruned at random to half of the multiplications and a fifth of the
                                              parameters of real-16
    esc10/real-16/prune-l1-budget             the same for a real network
    esc10/quaternion-16/scratch-0.5           the size of prune-l1-0.5, trained from scratch for as many epochs in all
    esc10/quaternion-16/continue              not pruned, but trained for the fine-tuning epochs as well
    esc10/quaternion-8/distil-own             distilled from quaternion-16; distil-strong: from cached teacher outputs
    esc10/quaternion-16/distil-own-0.5        the same for a student of the size of prune-l1-0.5
    esc50/real-20/epochs-200/distil-strong-hop-640      distil-strong with half of the hop: twice as many frames
    esc10/quaternion-16/equal-l1-0.5          pruned, then fine-tuned at the total cost of distil-own-0.5
    esc10/quaternion-16/equal-scratch-0.5     trained from scratch at the total cost of distil-own-0.5
    esc10/quaternion-16/frontend-released     the front end of the released code
    esc10/quaternion-16/long                  trained for three times as many epochs
    esc50/quaternion-16/epochs-200            trained for 200 epochs with stronger augmentation
    esc50/quaternion-16/epochs-100/distil-strong-0.5    a change of such a training
    esc50/quaternion-16/epochs-200/prune-l1-28k         pruned to 28,000 parameters, as a model of the package
    esc10/quaternion-16/rate-0.5              half of the learning rate; rate-2: twice the learning rate
    esc50/quaternion-40/best                  long training, cached teacher outputs and averaged weights together

The rows are grouped by QUESTIONS. SPLITS lists the folds and seeds of each data set.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from quatnet.errors import ConfigError

SPLITS: dict[str, tuple[Sequence[int], Sequence[int]]] = {  # folds and seeds
    "esc10": (range(1, 6), range(3)),
    "esc50": ((1, 2), (0, 1)),
    "ravdess": ((1, 2), (0, 1, 2)),
    "smoke": ((1,), (0,)),
}
CRITERIA = ("l1", "l2", "geometric_median", "operator_norm", "batch_norm", "released", "random")
PRUNE_RATIOS = ("0.25", "0.5", "0.75")  # fractions of the filters of the last blocks
PRUNE_TARGETS = (*PRUNE_RATIOS, "budget")
PACKAGED_TARGET = "28k"  # parameters of the pruned model of the package
EPOCHS = (100, 200, 400, 800)  # lengths of the trainings of the question "epochs"
NETWORKS = (
    "real-16",
    "quaternion-16",
    "real-8",
    "real-11.6",
    "quaternion-22.5",
    "quaternion-32",
    "quaternion-8",
    "real-4",
)
TEACHER = "quaternion-16"  # teacher of distil-own
FINE_HOP = "strong-hop-640"  # option of "distil": the strong teacher, and a hop of 640 samples
HALF_SIZE_CHANGES = ("scratch", "distil-own", "distil-strong", "prune-l1", "equal-l1", "equal-scratch")
OWN_EPOCHS = ("long", "best")  # changes that set the number of epochs
COMPARED_WITH_SCRATCH = ("prune-l1", "prune-random", "prune-batch_norm", "distil-own", "distil-strong")
QUESTIONS = {
    "widths": [f"{dataset}/{network}" for dataset in ("esc10", "ravdess", "esc50") for network in NETWORKS],
    "longer": [f"esc10/{network}/long" for network in ("real-16", "quaternion-16", "real-8", "real-11.6")],
    "epochs": [
        f"{dataset}/{network}/epochs-{epochs}"
        for dataset, more in (("esc50", ("quaternion-40",)), ("esc10", ()), ("ravdess", ()))
        for network in ("real-8", "real-11.6", "real-16", "quaternion-16", *more)
        for epochs in EPOCHS
    ],
    "long-pruning": [
        "esc50/quaternion-16/epochs-100",
        *(f"esc50/quaternion-16/epochs-100/{change}-0.5" for change in ("scratch", *COMPARED_WITH_SCRATCH)),
        *(f"esc50/quaternion-16/epochs-100/prune-{criterion}-budget" for criterion in ("l1", "random", "batch_norm")),
    ],
    "rates": [
        f"esc10/{network}{rate}" for network in ("quaternion-16", "real-8") for rate in ("/rate-0.5", "", "/rate-2")
    ],
    "criteria": [
        f"esc10/quaternion-16/prune-{criterion}-{target}" for target in PRUNE_TARGETS for criterion in CRITERIA
    ],
    "pruning": [
        *(f"esc10/quaternion-16/prune-l1-{target}" for target in PRUNE_TARGETS),
        *(f"{dataset}/quaternion-16/continue" for dataset in ("esc10", "ravdess")),
        "esc10/real-16/prune-l1-budget",
        *(f"ravdess/quaternion-16/prune-{option}" for option in ("l1-0.25", "l1-0.5", "l1-budget", "random-budget")),
        "ravdess/real-16/prune-l1-budget",
    ],
    "distillation": [
        *("esc10/quaternion-16", *(f"esc10/quaternion-16/{change}-0.5" for change in HALF_SIZE_CHANGES)),
        *("esc50/quaternion-16", *(f"esc50/quaternion-16/{change}-0.5" for change in HALF_SIZE_CHANGES)),
        *("esc10/quaternion-8", "esc10/quaternion-8/distil-own", "esc10/quaternion-8/distil-strong"),
    ],
    "front-ends": [
        "esc10/quaternion-16",
        *(f"esc10/quaternion-16/frontend-{variant}" for variant in ("released", "repeated")),
    ],
    "best": [
        "esc50/real-16/epochs-200",
        "esc50/quaternion-16/epochs-200",
        *(f"esc50/real-20/epochs-{epochs}/distil-strong" for epochs in (200, 400)),
        *(f"esc50/real-20/epochs-{epochs}/distil-strong-hop-640" for epochs in (200, 400)),
        "esc50/quaternion-40/epochs-200",
        "esc50/quaternion-40/epochs-200/distil-strong",
        "esc50/quaternion-16/epochs-200/prune-l1-28k",
        *("esc50/quaternion-40/best", "esc50/real-20/best"),
    ],
}
ROW = re.compile(
    r"(?P<dataset>\w+)/(?P<network>(real|quaternion)-[1-9]\d*(\.\d+)?)(/epochs-(?P<epochs>[1-9]\d*))?(/(?P<change>[a-z].*))?",
    re.ASCII,
)
CHANGES = {  # change -> options
    "": [""],
    "continue": [""],
    "long": [""],
    "rate": ["0.5", "2"],
    "prune": [f"{criterion}-{target}" for criterion in CRITERIA for target in (*PRUNE_TARGETS, PACKAGED_TARGET)],
    "scratch": [*PRUNE_RATIOS],
    "distil": [
        "own",
        "strong",
        FINE_HOP,
        *(f"{teacher}-{ratio}" for teacher in ("own", "strong") for ratio in PRUNE_RATIOS),
    ],
    "equal": [f"{start}-{ratio}" for start in ("l1", "scratch") for ratio in PRUNE_RATIOS],
    "frontend": ["released", "repeated"],
    "best": [""],
}


@dataclass(frozen=True)
class Row:
    """A row of a results table. For the change "prune-l1-0.5", `change` is "prune" and `option` is "l1-0.5".

    `epochs` is 0 if the name has no number of epochs.
    """

    dataset: str
    network: str
    change: str = ""
    option: str = ""
    epochs: int = 0

    @property
    def name(self) -> str:
        length = f"epochs-{self.epochs}" if self.epochs else ""
        last = "-".join(part for part in (self.change, self.option) if part)
        return "/".join(part for part in (self.dataset, self.network, length, last) if part)

    @property
    def needs_cached_teacher(self) -> bool:
        """Return whether the training needs a file of cached teacher outputs."""
        return self.change == "best" or self.option.startswith("strong")

    @property
    def base_row(self) -> "Row":
        """Return the row of the same network without the change, for example before pruning."""
        return Row(self.dataset, self.network, epochs=self.epochs)


def row_from_name(name: str) -> Row:
    """Return the row of a name. Raise ConfigError if no row has the name."""
    match = ROW.fullmatch(name)
    change, _, option = (match["change"] or "").partition("-") if match else ("", "", "")
    if match and match["dataset"] in SPLITS and option in CHANGES.get(change, []):
        row = Row(match["dataset"], match["network"], change, option, int(match["epochs"] or 0))
        if row.name == name and not (row.epochs and change in OWN_EPOCHS):
            return row
    raise ConfigError(f"unknown row {name!r}: see --list and the docstring of examples/reproduce/rows.py")
