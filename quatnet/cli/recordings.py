"""Common arguments and steps of the commands that train on recordings of the user."""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..classifier import Classifier
from ..datasets import Clip, Dataset, annotations, folder, table
from ..datasets.recordings import as_label
from ..datasets.records import listed
from ..errors import ConfigError, DataError, MissingPackageError, one_line
from ..model_file import model_path
from ..processes import RANK
from ..training import Split, evaluate_test, format_report, load_split, train_classifier, write_report
from ..training.recipe import MIN_EPOCHS, MIN_STEPS, WIDTHS
from ..training.recordings import check_files, checkpoint_path, clip_digests, training_digests
from ..training.results import Row
from .arguments import MODEL_HELP, nonnegative_int, positive_int
from .inputs import print_error


def add_arguments(parser: argparse.ArgumentParser, *, new_network: bool, default_fold: str = "1") -> None:
    """Add the arguments of the recordings, except for their folder, of a new network, and of its training."""
    add_data_arguments(parser)
    data = parser.add_argument_group("split")
    text = f"test fold (default: {default_fold})"
    data.add_argument("--fold", type=nonnegative_int, metavar="N", help=text)
    if new_network:
        group = parser.add_argument_group("network")
        group.add_argument("--size", choices=WIDTHS, default="small", help="size of the network (default: small)")
        kinds = ("real", "quaternion")
        group.add_argument("--network", choices=kinds, default="quaternion", help="layers (default: quaternion)")
    group = parser.add_argument_group("training")
    text = f"default: {'' if new_network else 'half of '}the smallest with {MIN_EPOCHS} epochs and {MIN_STEPS} steps"
    group.add_argument("--epochs", type=positive_int, metavar="N", help=text)
    group.add_argument("--batch-size", type=positive_int, default=16, metavar="N", help="clips per step (default: 16)")
    group.add_argument("--seed", type=nonnegative_int, default=0, metavar="N", help="random seed (default: 0)")
    group.add_argument("--resume", action="store_true", help="continue an interrupted training")
    group.add_argument("--overwrite", action="store_true", help="replace a finished model")


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of labeled recordings, except for their folder."""
    data = parser.add_argument_group("recordings")
    data.add_argument("--table", metavar="CSV", help="table with a file name and a label for each recording")
    data.add_argument("--annotations", metavar="DIR", help="label tracks of Audacity or selection tables of Raven")
    data.add_argument("--audio", metavar="DIR", help="folder of the recordings of --table or --annotations")
    for role in ("path", "label", "fold"):
        data.add_argument(f"--{role}-column", metavar="NAME", help=f"{role} column (default: found by usual names)")
    data.add_argument("--label-separator", metavar="TEXT", help="character between the labels of a recording")
    text = "column, 'parent' (folder) or regular expression; all recordings of a group are in one fold"
    data.add_argument("--group", metavar="G", help=text)
    data.add_argument("--strict", action="store_true", help="stop if a recording cannot be read")


def add_model_arguments(parser: argparse.ArgumentParser, *, new_network: bool) -> None:
    """Add the arguments of a command that makes a smaller model from a model."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("data", nargs="?", default=argparse.SUPPRESS, metavar="DIR", help="folder of class folders")
    parser.add_argument("--data", metavar="DIR", help="the same as DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="model file to write")
    add_arguments(parser, new_network=new_network, default_fold="that of MODEL, or 1")


def load_data(args: argparse.Namespace, **more: Any) -> Dataset:
    """Return the recordings, loaded with the options of `args` and with `more`.

    Raises ConfigError unless one of the folder, --table and --annotations is given, and for an option without effect.
    """
    sources = sum(map(bool, (args.data, args.table, args.annotations)))
    if sources > 1:
        raise ConfigError("give only one of DIR, --table, --annotations")
    if not sources:
        raise ConfigError("expected a folder of class folders, or --table, or --annotations; see --help")
    of_tables = ("audio", "label_column") * bool(args.data) + ("path_column", "fold_column", "label_separator")
    given = [f"--{name.replace('_', '-')}" for name in of_tables if getattr(args, name) is not None]
    if given and not args.table:
        raise ConfigError(f"{', '.join(given)}: no option of {'class folders' if args.data else '--annotations'}")
    options = {"group": args.group, "strict": args.strict, **more}
    if args.data:
        return folder.load(args.data, **options)
    options |= {"audio": args.audio, "label": args.label_column}
    if args.annotations:
        return annotations.load(args.annotations, window_seconds=args.clip_seconds, **options)
    options |= {"path": args.path_column, "fold": args.fold_column, "label_separator": args.label_separator}
    return table.load(args.table, **options)


def load_readable(args: argparse.Namespace) -> Dataset:
    """Return the recordings of `load_data` without those that cannot be read. All recordings are read.

    Raises DataError if a recording cannot be read, with `--strict` or if no recording can be read.
    """
    data = load_data(args)
    readable = data.readable(stop_seconds=math.inf)
    if errors := readable.skipped[len(data.skipped) :]:
        if args.strict or not readable.clips:
            raise DataError(f"{data.name}: {len(errors)} recordings cannot be read: {listed(errors)}")
        for error in errors:
            print_error(error)
    return readable


def match_classes(model: Classifier, names: Sequence[str]) -> list[int]:
    """Return the index of each class in the classes of the model, or -1 for another class.

    A name with another Unicode form, or with underscores instead of spaces, as in the table of ESC-50, is found if only
    one class of the model has this name.
    """
    plain = [as_label(name).replace("_", " ") for name in model.classes]

    def index(name: str) -> int:
        if name in model.classes:
            return model.classes.index(name)
        name = as_label(name).replace("_", " ")
        return plain.index(name) if plain.count(name) == 1 else -1

    return [index(name) for name in names]


def _with_classes_of(model: Classifier, data: Dataset) -> Dataset:
    """Return the data set with the classes in the order and spelling of the model, if the classes are the same."""
    labels = match_classes(model, data.classes)
    if sorted(labels) != list(range(len(model.classes))):
        return data

    def relabel(clip: Clip) -> Clip:
        new = [labels[label] for label in clip.labels]
        return replace(clip, label=new[0], more_labels=tuple(new[1:])) if new else clip

    return replace(data, classes=model.classes, clips=tuple(map(relabel, data.clips)))


def load_model_and_split(args: argparse.Namespace) -> tuple[Classifier, Split]:
    """Return a trained model, and the recordings as features of its front end.

    Prints what was found. Raises ConfigError if the classes of the model are not the classes of the recordings.
    """
    check_files(args.out, resume=args.resume, overwrite=args.overwrite)
    model = Classifier.load(args.model)
    if args.out.exists() and args.out.samefile(model_path(args.model)):
        raise ConfigError("--out: expected another file than MODEL, which --resume needs")
    args.clip_seconds = model.frontend.clip_seconds  # of the windows of --annotations
    data = _with_classes_of(model, load_readable(args))
    if (model.classes, model.multi_label) != (data.classes, data.is_multilabel):
        raise ConfigError(
            f"{args.model}: expected recordings of the classes {listed(model.classes)} with "
            f"{'any number of classes' if model.multi_label else 'one class'} each, got the classes "
            f"{listed(data.classes)} with {'any number' if data.is_multilabel else 'one'}"
            f"{_difference('the model', model.classes, data.classes)}"
            f"{_difference('the recordings', data.classes, model.classes)}"
        )
    print(one_line(data.note, length=10_000))
    if model.padding != "zeros":
        print_error("warning: the model repeats short recordings; the new model pads them with zeros")
    fold = model.metadata.get("fold", 1) if args.fold is None else args.fold
    warn_of_training_clips(model, data.split(fold)[1], fold)
    return model, load_split(data, fold, model.frontend, cache=args.out.parent / "features")


def _difference(name: str, classes: Sequence[str], others: Sequence[str]) -> str:
    only = [each for each in classes if each not in others]
    return f"; only {name} have {', '.join(only)}" if only else ""


def warn_of_training_clips(model: Classifier, clips: Sequence[Clip], fold: int | None) -> None:
    """Print a warning if training clips of `model` are among `clips`, as far as the model has a record of them.

    `clips` are those of the test fold `fold`, or all clips for None.
    """
    known = training_digests(model)
    number = sum(digest in known for digest in clip_digests(clips)) if known else 0
    if number:
        test_fold, name = model.metadata.get("fold"), model.metadata.get("data")
        changed = "; recordings were added, which changes the folds, or the clips are copies of training clips"
        advice = changed if fold == test_fold else " (--fold)"
        print_error(
            f"warning: {number} of {len(clips)} clips are training clips of the model, so its results are too good; "
            f"its test clips were fold {test_fold} of {name}{advice}"
        )


def is_finished(path: Path, args: argparse.Namespace) -> bool:
    """Return whether `--resume` finds a finished model, and print it."""
    finished = args.resume and not args.overwrite and path.exists() and not checkpoint_path(path).exists()
    if finished:
        print(one_line(f"{path} is finished, so the other arguments are not used; --overwrite trains it again"))
    return finished


def fit_and_report(
    network: Any,
    split: Split,
    path: Path,
    args: argparse.Namespace,
    *,
    report_to: Path | None = None,
    compared: Mapping[str, float] | None = None,
    **options: Any,
) -> None:
    """Train `network`, write it to `path`, print its results, and write them to the folder `report_to`.

    `compared` has the results of other models for the table. `options` are arguments of `train_classifier` in addition
    to those of `add_arguments`.
    """
    arguments = {key: getattr(args, key) for key in ("epochs", "batch_size", "seed", "resume", "overwrite")}

    def finish(row: Row) -> None:
        report = evaluate_test(network, split, row, seed=args.seed) | {"compared": compared or {}}
        print("", format_report(report), sep="\n")
        if report_to and not RANK:
            try:
                write_report(report_to, report)
            except MissingPackageError as error:
                print(error)

    print(f"{len(split.train_targets)} training clips, {len(split.test_targets)} test clips (fold {split.fold})")
    train_classifier(network, split, path, finish=finish, **(arguments | options))
    print(one_line(f"wrote {path}" + (f" and the results in {report_to}" if report_to else "")))
