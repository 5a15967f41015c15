"""The rows of docs/results.md: which network, on which recordings, changed how.

A row has a name, DATA/NETWORK or DATA/NETWORK/CHANGE:

    esc10/real-16                             widths 16-32-64-64-128-128-256, as in examples/esc50.py
    esc10/quaternion-16/prune-l1-0.5          half of the filters of the last blocks cut by L1 norm, then trained on
    esc10/quaternion-16/prune-random-budget   cut at random, to half of real-16's products and a fifth of its weights
    esc10/real-16/prune-l1-budget             the same for a real network
    esc10/quaternion-16/scratch-0.5           as small as prune-l1-0.5, trained from nothing for as long in all
    esc10/quaternion-16/continue              nothing cut, trained on as the pruned ones are
    esc10/quaternion-8/distil-own             learns from quaternion-16 as well; distil-strong from recorded answers
    esc10/quaternion-16/distil-own-0.5        the same for a student as small as prune-l1-0.5
    esc10/quaternion-16/equal-l1-0.5          pruned, then trained on until it has cost as much as that student
    esc10/quaternion-16/equal-scratch-0.5     trained from nothing until it has
    esc10/quaternion-16/frontend-released     hears what the released code makes of the sound
    esc10/quaternion-16/long                  trained three times as long
    esc10/quaternion-16/rate-0.5              at half of the learning rate; rate-2 at twice of it
    esc50/quaternion-40/best                  every means at once: long training, recorded answers, averaged weights

Rows belong together in one of the QUESTIONS; a row is run on all SPLITS of its data.
"""

import re
from dataclasses import dataclass

from quatnet.errors import ConfigError
from quatnet.prune import CRITERIA

FOLDS_AND_SEEDS = [(fold, seed) for seed in range(3) for fold in range(1, 6)]
SPLITS = {  # fold, seed
    "esc10": FOLDS_AND_SEEDS,
    "esc50": [(1, 0), (1, 1)],
    "ravdess": [(1, 0), (1, 1), (1, 2)],
    "smoke": [(1, 0)],
}
CRITERION_NAMES = (*CRITERIA, "random")
PARTS = ("0.25", "0.5", "0.75")  # of the filters of the last blocks
SHARES = (*PARTS, "budget")
WIDTHS = (
    "real-16",
    "quaternion-16",
    "real-8",
    "real-11.6",
    "quaternion-22.5",
    "quaternion-32",
    "quaternion-8",
    "real-4",
)
TEACHER = "quaternion-16"  # of distil-own
SMALLER = ("scratch", "distil-own", "distil-strong", "prune-l1", "equal-l1", "equal-scratch")  # by one half
QUESTIONS = {
    "widths": [f"{data}/{network}" for data in ("esc10", "ravdess", "esc50") for network in WIDTHS],
    "longer": [f"esc10/{network}/long" for network in ("real-16", "quaternion-16", "real-8", "real-11.6")],
    "rates": [
        f"esc10/{network}{rate}" for network in ("quaternion-16", "real-8") for rate in ("/rate-0.5", "", "/rate-2")
    ],
    "criteria": [f"esc10/quaternion-16/prune-{name}-{share}" for share in SHARES for name in CRITERION_NAMES],
    "pruning": [
        *(f"esc10/quaternion-16/prune-l1-{share}" for share in SHARES),
        *(f"{data}/quaternion-16/continue" for data in ("esc10", "ravdess")),
        "esc10/real-16/prune-l1-budget",
        *(f"ravdess/quaternion-16/prune-{how}" for how in ("l1-0.25", "l1-0.5", "l1-budget", "random-budget")),
        "ravdess/real-16/prune-l1-budget",
    ],
    "distillation": [
        *("esc10/quaternion-16", *(f"esc10/quaternion-16/{how}-0.5" for how in SMALLER)),
        *("esc50/quaternion-16", *(f"esc50/quaternion-16/{how}-0.5" for how in SMALLER)),
        *("esc10/quaternion-8", "esc10/quaternion-8/distil-own", "esc10/quaternion-8/distil-strong"),
    ],
    "front-ends": ["esc10/quaternion-16", *(f"esc10/quaternion-16/frontend-{v}" for v in ("released", "repeated"))],
    "best": ["esc50/quaternion-40/best", "esc50/real-20/best"],  # equal in parameters
}
NETWORK = re.compile(r"(real|quaternion)-[1-9]\d*(\.\d+)?")
CHANGES = {  # kind -> how
    "": [""],
    "continue": [""],
    "long": [""],
    "rate": ["0.5", "2"],
    "prune": [f"{criterion}-{share}" for criterion in CRITERION_NAMES for share in SHARES],
    "scratch": [*PARTS],
    "distil": ["own", "strong", *(f"{teacher}-{part}" for teacher in ("own", "strong") for part in PARTS)],
    "equal": [f"{start}-{part}" for start in ("l1", "scratch") for part in PARTS],
    "frontend": ["released", "repeated"],
    "best": [""],
}


@dataclass(frozen=True)
class Row:
    """A row: `kind` is what comes before the first dash of the change, `how` the rest."""

    data: str
    network: str
    kind: str = ""
    how: str = ""

    @property
    def name(self) -> str:
        change = "-".join(part for part in (self.kind, self.how) if part)
        return "/".join(part for part in (self.data, self.network, change) if part)

    @property
    def asks_a_file(self) -> bool:
        """Whether a teacher's recorded answers are needed."""
        return self.kind == "best" or self.how.startswith("strong")

    @property
    def base(self) -> "Row":
        """The row of the same network as it is: what pruning starts from."""
        return Row(self.data, self.network)


def row_of(name: str) -> Row:
    """Return the row of a name. Raises ConfigError where it cannot be one."""
    data, network, change, *rest = [*name.split("/"), "", ""][:4]
    kind, _, how = change.partition("-")
    if data not in SPLITS or not NETWORK.fullmatch(network) or how not in CHANGES.get(kind, []) or any(rest):
        raise ConfigError(f"{name!r} is no row: see --list, and the beginning of examples/reproduce_rows.py")
    return Row(data, network, kind, how)
