"""What the networks of a row learn: its recordings, heard through its front end."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reproduce_rows import Row
from story_task import Task, one_label_task

from quatnet import audio, datasets
from quatnet.datasets import ravdess, synthetic
from quatnet.errors import ConfigError
from quatnet.paper_code import PaperCodeFrontEnd

FRONT_ENDS = {  # of the rows .../frontend-NAME, and of all others
    "": partial(audio.FrontEnd, floor_db=-60.0),
    "released": PaperCodeFrontEnd,
    "repeated": partial(audio.FrontEnd, floor_db=-60.0, variant="repeat"),
}


@dataclass(frozen=True)
class Place:
    """Where recordings are, checkpoints go, and a strong teacher's answers lie."""

    recordings: Path | None
    out: Path
    teacher: Path | None
    resume: bool


def task_of(row: Row, fold: int, place: Place) -> Task:
    """Return the task. Raises ConfigError where the place lacks what the row needs."""
    if row.asks_a_file and place.teacher is None:
        raise ConfigError(f"{row.name} needs --teacher FILE, the recorded answers of a strong network")
    frontend = front_end(row)
    data, cache = recordings(row.data, place), place.out / "features"
    print(frontend)
    teacher = place.teacher if row.asks_a_file else None
    return one_label_task(data, fold, frontend, cache=cache, teacher=teacher)


def front_end(row: Row) -> audio.FrontEnd:
    """Return the front end of a row: that of the example with the same data, or another variant."""
    make = FRONT_ENDS[row.how if row.kind == "frontend" else ""]
    if row.data == "ravdess":
        return make(hop=640, clip_seconds=4.0)
    return make(hop=1280, clip_seconds=2.0 if row.data == "smoke" else 5.0)


def recordings(data: str, place: Place) -> datasets.Dataset:
    """Return the recordings of a row; "smoke" makes its own."""
    if data == "smoke":
        return synthetic.load(clips_per_class=5, seed=0)
    if place.recordings is None:
        raise ConfigError(f"{data} needs --data DIR, the folder that holds ESC-50 and RAVDESS; docs/data-sets.md")
    if data == "ravdess":
        return ravdess.load(place.recordings)
    return datasets.esc50.load(place.recordings, esc10=data == "esc10")
