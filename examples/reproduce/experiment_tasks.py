"""Tasks of experiment.py: data set, front end and number of epochs."""

import argparse
from collections.abc import Callable

from audioset_task import multi_label_task, pack_tables
from task import Task, single_label_task
from variants import build_frontend

from quatnet import audio, datasets
from quatnet.datasets import ShardFormat, gtzan, index_recordings, ravdess, synthetic
from quatnet.datasets.synthetic import toy_audioset

EPOCHS = {"ESC-50": 30, "ESC-10": 60, "GTZAN": 30, "GTZAN, filtered": 60, "RAVDESS": 40}  # on recordings
SYNTHESIZED_EPOCHS, SMOKE_EPOCHS = 5, 2
AUDIOSET_EPOCHS, AUDIOSET_STEPS = 10, 1000
FILTERED_TEST_FOLD = 2


def esc50_task(args: argparse.Namespace) -> tuple[Task, int]:
    frontend = _frontend(args, hop=1280, clip_seconds=2.0 if args.smoke else 5.0)
    if args.data:
        data = datasets.esc50.load(args.data, esc10=args.esc10)
    else:
        data = synthetic.load(clips_per_class=5 if args.smoke else 40, seed=args.seed)
    return _single_label(args, data, args.fold, frontend)


def gtzan_task(args: argparse.Namespace) -> tuple[Task, int]:
    frontend = _frontend(args, hop=2560, clip_seconds=3.0 if args.smoke else 30.0)
    if args.data:
        data = gtzan.load(args.data, filtered=args.filtered)
    else:
        clips_per_class = 10 if args.smoke else 30
        data = synthetic.music(clips_per_class=clips_per_class, seed=args.seed, clip_seconds=frontend.clip_seconds)
    fold = FILTERED_TEST_FOLD if args.data and args.filtered else args.fold
    return _single_label(args, data, fold, frontend)


def ravdess_task(args: argparse.Namespace) -> tuple[Task, int]:
    if args.data:
        data = ravdess.load(args.data)
    else:
        repetitions, actors = (1, 12) if args.smoke else (2, 24)
        data = synthetic.voices(repetitions=repetitions, actors=actors, seed=args.seed)
    frontend = _frontend(args, hop=1280 if args.smoke else 640, clip_seconds=2.0 if args.smoke else 4.0)
    return _single_label(args, data, args.fold, frontend)


def audioset_task(args: argparse.Namespace) -> tuple[Task, int]:
    clip_seconds, synthesized = 2.0 if args.smoke else 10.0, args.data is None
    if synthesized:
        settings = {"clips": 60 if args.smoke else 300, "seed": args.seed, "clip_seconds": clip_seconds}
        args.data = toy_audioset.write(args.out / "toy_audioset", **settings)
        print("A toy data set of synthesized sounds: its results are not meaningful for recordings; pass --data DIR.")
    files, format_ = index_recordings(args.data), ShardFormat(clip_seconds=clip_seconds)
    train, test = (pack_tables(args, tables, files, format_) for tables in (args.train, ["eval"]))
    datasets.audioset.check_disjoint(train.segments, test.segments)
    frontend = _frontend(args, hop=1280, clip_seconds=clip_seconds)
    steps = args.steps or (3 if args.smoke else 20 if synthesized else AUDIOSET_STEPS)
    epochs = SMOKE_EPOCHS if args.smoke else SYNTHESIZED_EPOCHS if synthesized else AUDIOSET_EPOCHS
    return multi_label_task(train, test, frontend, steps), args.epochs or epochs


def _frontend(args: argparse.Namespace, *, hop: int, clip_seconds: float) -> audio.FrontEnd:
    frontend = build_frontend(args.frontend, hop=hop, floor_db=-60.0, clip_seconds=clip_seconds)
    print(frontend)
    return frontend


def _single_label(
    args: argparse.Namespace, data: datasets.Dataset, fold: int, frontend: audio.FrontEnd
) -> tuple[Task, int]:
    task = single_label_task(data, fold, frontend, cache=args.out.parent / "features", teacher=args.teacher)
    return task, args.epochs or (SMOKE_EPOCHS if args.smoke else EPOCHS.get(data.name, SYNTHESIZED_EPOCHS))


TASKS: dict[str, Callable[[argparse.Namespace], tuple[Task, int]]] = {
    "esc50": esc50_task,
    "gtzan": gtzan_task,
    "ravdess": ravdess_task,
    "audioset": audioset_task,
}
