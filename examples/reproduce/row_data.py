"""Recordings and front end of a row."""

from dataclasses import dataclass
from pathlib import Path

from rows import FINE_HOP, Row
from task import Task, single_label_task
from variants import build_frontend

from quatnet import audio, datasets
from quatnet.datasets import ravdess, synthetic
from quatnet.errors import ConfigError

VARIANTS = {"released": "paper_code", "repeated": "repeat"}  # name of the front end in the records -> name in quatnet


@dataclass(frozen=True)
class Paths:
    """The paths of a run.

    Parameters
    ----------
    recordings : folder of the recordings
    out : folder of checkpoints and features
    teacher : file of cached teacher outputs
    resume : whether training continues from existing checkpoints
    """

    recordings: Path | None
    out: Path
    teacher: Path | None
    resume: bool


def load_task(row: Row, fold: int, paths: Paths) -> Task:
    """Return the task of a row. Raise ConfigError if a path that the row needs is None."""
    if row.needs_cached_teacher and paths.teacher is None:
        raise ConfigError(f"{row.name} needs --teacher FILE, a file of cached teacher outputs")
    frontend = row_frontend(row)
    data, cache = load_recordings(row.dataset, paths), paths.out / "features"
    print(frontend)
    teacher = paths.teacher if row.needs_cached_teacher else None
    return single_label_task(data, fold, frontend, cache=cache, teacher=teacher)


def row_frontend(row: Row) -> audio.FrontEnd:
    """Return the front end of a row, with the settings of the example of its data set."""
    variant = VARIANTS[row.option] if row.change == "frontend" else "delta"
    if row.dataset == "ravdess":
        return build_frontend(variant, hop=640, floor_db=-60.0, clip_seconds=4.0)
    hop = 640 if row.option == FINE_HOP else 1280
    return build_frontend(variant, hop=hop, floor_db=-60.0, clip_seconds=2.0 if row.dataset == "smoke" else 5.0)


def load_recordings(dataset: str, paths: Paths) -> datasets.Dataset:
    """Return the recordings of a data set. The recordings of the data set "smoke" are synthesized."""
    if dataset == "smoke":
        return synthetic.load(clips_per_class=5, seed=0)
    if paths.recordings is None:
        raise ConfigError(f"{dataset} needs --data DIR, the folder of ESC-50 and RAVDESS; see docs/data-sets.md")
    if dataset == "ravdess":
        return ravdess.load(paths.recordings)
    return datasets.esc50.load(paths.recordings, esc10=dataset == "esc10")
