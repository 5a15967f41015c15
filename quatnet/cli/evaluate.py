"""Command `quatnet evaluate`, which compares the predictions of a model with the labels of recordings."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..audio.waveform import resample_blocks
from ..classifier import Classifier, mean_over_windows
from ..datasets import Dataset
from ..detection.events import class_thresholds
from ..errors import ConfigError, DataError, one_line
from ..files import write_csv, write_json
from ..model_file import model_path
from ..training.metrics import accuracy, confusion_matrix, mean_over_classes
from ..training.report import class_rows, mistake_line, mistakes, wilson_interval, write_rows
from ..training.results import Row, run_metadata
from .arguments import MODEL_HELP, nonnegative_int
from .inputs import NONE_USABLE, SOME_FAILED, print_error
from .recordings import add_data_arguments, load_data, match_classes, warn_of_training_clips


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("data", nargs="?", metavar="DIR", help="folder of class folders")
    add_data_arguments(parser)
    parser.add_argument("--fold", type=nonnegative_int, metavar="N", help="only this fold (default: all clips)")
    parser.add_argument("--report", type=Path, metavar="DIR", help="folder for results.json and tables")


def run(args: argparse.Namespace) -> int:
    """Print the results, and return the exit code. Raises ConfigError if a class of the clips is unknown."""
    if args.report and (args.report / "model.npz").exists():
        raise ConfigError(f"--report: {args.report} has the results of a training; give another folder")
    model = Classifier.load(args.model)
    args.clip_seconds = model.frontend.clip_seconds  # of the windows of --annotations
    data = replace(load_data(args, **({"folds": 1} if args.fold is None else {})), needs_all_classes=False)
    clips = data.clips if args.fold is None else data.split(args.fold)[1]
    labels = match_classes(model, data.classes)
    if unknown := [name for name, label in zip(data.classes, labels, strict=True) if label < 0]:
        raise ConfigError(f"{data.name}: {', '.join(unknown)} are not classes of the model, {', '.join(model.classes)}")
    if not model.multi_label and any(len(clip.labels) != 1 for clip in clips):
        raise ConfigError(f"{data.name}: expected one class for each clip, as in the outputs of the model")
    confidences, used = [], []
    for clip in clips:
        try:
            blocks = resample_blocks(clip.blocks(), clip.rate_hz, model.frontend.sample_rate_hz)
            confidences.append(mean_over_windows(model.windows(blocks))[0])
            used.append(clip)
        except DataError as error:
            if args.strict:
                raise
            print_error(str(error))
    for message in data.skipped:
        print_error(message)
    if not used:
        return NONE_USABLE
    targets = np.zeros((len(used), len(model.classes)), np.float32)
    for target, clip in zip(targets, used, strict=True):
        target[[labels[label] for label in clip.labels]] = 1
    skipped = len(clips) - len(used) + len(data.skipped)
    report = run_metadata() | {"model": str(model_path(args.model)), "fold": args.fold, "skipped": skipped}
    _report(args.report, model, data, np.array(confidences), targets, [clip.name for clip in used], report)
    warn_of_training_clips(model, used, args.fold)
    return SOME_FAILED if len(used) < len(clips) or data.skipped else 0


def _report(
    out: Path | None,
    model: Classifier,
    data: Dataset,
    confidences: np.ndarray,
    targets: np.ndarray,
    names: list[str],
    run: Row,
) -> None:
    """Print the results, and write them with the description `run` of the evaluation to the folder `out`."""
    several = model.multi_label
    options: dict[str, Any] = {"multi_label": several, "thresholds": class_thresholds(model)}
    rows = class_rows(confidences, targets, model.classes, **options)
    wrong = mistakes(confidences, targets, names, model.classes, **options)
    if several:
        metric, interval, value = "mAP", "", mean_over_classes(np.array([row["average_precision"] for row in rows]))
    else:
        metric, value = "accuracy", accuracy(confidences, targets.argmax(axis=1))
        interval = " (95% interval {:.1%} to {:.1%})".format(*wilson_interval(value, len(names)))
    f1 = float(np.mean([row["f1"] for row in rows if row["clips"] or row["predictions"]]))
    print(_table(rows), "", f"{metric} {value:.1%}{interval}, macro F1 {f1:.1%}, {len(names)} clips", sep="\n")
    for row in wrong:
        print(mistake_line(row))
    if out:
        results = {metric: value, "macro_f1": f1, "clips": len(names), "data": data.name}
        write_json(out / "results.json", run | results)
        write_rows(out / "classes.csv", rows)
        write_rows(out / "mistakes.csv", wrong)
        if several:
            (out / "confusion.csv").unlink(missing_ok=True)  # of an earlier evaluation
        else:
            matrix = confusion_matrix(confidences, targets.argmax(axis=1)).tolist()
            rows_of_classes = ([name, *row] for name, row in zip(model.classes, matrix, strict=True))
            write_csv(out / "confusion.csv", [["true", *model.classes], *rows_of_classes])


def _table(rows: list[Row]) -> str:
    """Return the results of each class with clips or predictions as text."""
    rows = [
        row | {"class": one_line(row["class"]), "ap": f"{row['average_precision']:.1%}" if row["clips"] else "-"}
        for row in rows
        if row["clips"] or row["predictions"]
    ]
    width = max(len("class"), *(len(row["class"]) for row in rows))
    head = f"{'class':{width}}  clips  precision  recall      F1      AP"
    line = "{class:{width}}  {clips:5}  {precision:9.1%}  {recall:6.1%}  {f1:6.1%}  {ap:>6}"
    return "\n".join([head, *(line.format(**row, width=width) for row in rows)])
