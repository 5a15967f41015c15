"""Command `quatnet classify`: the best classes of recordings, or events with start and end."""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, Any

from ..classifier import Classifier
from ..detection import FORMATS, Result, best_classes, detect
from ..detection.formats import HEADERS, SUFFIXES, jsonl
from ..errors import ConfigError, DataError, one_line
from ..files import disk_errors, locked, write_csv, write_text
from ..model_file import model_path
from .arguments import MODEL_HELP, number, positive_int, seconds
from .inputs import FILES_HELP, Inputs, find, print_error

MAX_NAME = 240  # bytes; file systems have 255, and a temporary file needs 15 of them
DONE = ".quatnet-done"  # file of an output folder with the keys of the results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help=FILES_HELP)
    parser.add_argument("-m", "--model", metavar="MODEL", help=f"{MODEL_HELP} (default: esc50)")
    parser.add_argument("--top", type=positive_int, metavar="N", help="number of classes per recording (default: 3)")
    parser.add_argument("--channel", default="mean", metavar="C", help="mean (default), a number from 0, or each")
    events = parser.add_argument_group("events with start and end, if one of these options is given")
    events.add_argument("--hop", type=seconds, metavar="S", help="seconds from the start of a window to the next one")
    events.add_argument("--threshold", action="append", metavar="T", help="0 to 1, or CLASS=T; may be repeated")
    merge = events.add_mutually_exclusive_group()
    gap = number("[0, inf)", "a number of seconds of at least 0")
    merge.add_argument("--merge-gap", type=gap, metavar="S", help="longest gap in an event (default: 0)")
    merge.add_argument("--no-merge", action="store_true", help="one event for each window")
    events.add_argument("--format", nargs="+", type=_format, metavar="F", help=f"{', '.join(FORMATS)}; after FILE")
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print JSON lines")
    output.add_argument("--csv", action="store_true", help="print a CSV table")
    output.add_argument("-o", "--out", type=Path, metavar="DIR", help="write files for each recording to a folder")
    output.add_argument("--resume", action="store_true", help="skip recordings that are complete in --out")


def run(args: argparse.Namespace) -> int:
    """Print or write the results, and return the exit code. Raises QuatnetError for invalid options or models."""
    if args.format and (args.json or args.csv):
        raise ConfigError("expected --format, or --json and --csv, got both; --format selects events")
    formats = args.format or ["jsonl"] * args.json + ["csv"] * args.csv or ["text"]
    options = (args.hop, args.threshold, args.merge_gap, args.format, args.no_merge or None)
    asks_for_events = any(option is not None for option in options)
    if args.top and asks_for_events:
        raise ConfigError("expected --top or options of events, got both; --threshold selects events")
    if args.out is None and (len(formats) > 1 or args.resume):
        raise ConfigError("expected a folder --out for several formats and for --resume")
    classifier = Classifier.load(args.model)
    if asks_for_events:
        gap = None if args.no_merge else args.merge_gap or 0.0
        thresholds = _thresholds(args.threshold or [], classifier)
        function: Any = partial(detect, classifier, merge_gap_seconds=gap, hop_seconds=args.hop, thresholds=thresholds)
    else:
        function = partial(best_classes, classifier, top=args.top or 3)
    shows_status = not {"text", "jsonl"}.isdisjoint(formats)
    work, inputs = partial(_classify, classifier, function, args.channel, shows_status), find(args.files)
    if not args.out and len(inputs.paths) > 1 and not {"audacity", "raven"}.isdisjoint(formats):
        raise ConfigError(f"--format {formats[0]}: expected a folder --out for several recordings")
    if args.out:
        model = hashlib.sha256(Path(model_path(args.model)).read_bytes()).hexdigest()
        settings = [model, args.channel, formats, sorted(function.keywords.items())]
        _write_all(inputs, work, args.out, formats, settings, resume=args.resume)
    else:
        form = FORMATS[formats[0]]
        if form is jsonl:  # \U0001f426, which stdout writes for a character that it lacks, is not valid in JSON
            form = partial(jsonl, ensure_ascii=not str(sys.stdout.encoding).lower().startswith("utf"))
        print(HEADERS.get(formats[0], ""), end="")
        for _, result in inputs.map(work):
            print(form(result), end="", flush=True)
    return inputs.exit_code


def _format(text: str) -> str:
    if text not in FORMATS:
        raise argparse.ArgumentTypeError(f"expected {', '.join(FORMATS)}, got {text!r}; give each FILE before --format")
    return text


def _thresholds(texts: list[str], classifier: Classifier) -> Mapping[str, float] | None:
    values = dict[str, float]()
    for text in sorted(texts, key=lambda text: "=" in text):  # a threshold of a class replaces the one for all classes
        name, _, value = text.rpartition("=")
        try:
            values |= dict.fromkeys([name] if name else classifier.classes, float(value))
        except ValueError:
            raise ConfigError(f"--threshold: expected 0.6 or CLASS=0.6, got {text!r}") from None
    return values


def _classify(
    classifier: Classifier, function: Callable[[Any], Result], channel: str, shows_status: bool, path: Path
) -> Result:
    """Return the result of a recording, with the events of all channels for the channel "each".

    The status is printed if no format of the output shows it.
    """
    results = []
    for index in count() if channel == "each" else [channel]:
        stream = classifier.stream(path, channel=index)
        results.append(function(stream))
        if len(results) == stream.channels:
            break
    status = "ok" if any(result.status == "ok" for result in results) else results[0].status
    if status != "ok" and not shows_status:
        print_error(f"{path}: {status}")
    return replace(results[0], status=status, events=[event for result in results for event in result.events])


def _write_all(
    inputs: Inputs, work: Callable[[Path], Result], out: Path, formats: list[str], settings: Any, *, resume: bool
) -> None:
    """Write a file in each format for each recording, and errors.csv. The folders are those of the recordings."""
    done_file, folders = out / DONE, [os.path.abspath(folder) for folder in inputs.paths.values()]
    try:
        base = os.path.commonpath(folders or [os.getcwd()])
    except ValueError:  # on Windows
        raise ConfigError("expected recordings on one drive; run the command for each drive") from None

    def name_of(path: Path) -> str:
        return os.path.relpath(os.path.abspath(path), base)

    def files(path: Path) -> dict[str, Path]:
        return {kind: out / f"{name_of(path)}{SUFFIXES[kind]}" for kind in formats}

    def process(path: Path) -> tuple[list[str], Result] | None:
        longest = max((file.name for file in files(path).values()), key=len)
        if len(os.fsencode(longest)) > MAX_NAME:
            raise DataError(f"{path}: the name of the result {longest} is too long; rename the recording")
        name, *keys = all_keys = _keys(path, name_of(path), settings)
        old = done.get(name, keys)
        has_results = any((out / f"{name_of(path)}{suffix}").exists() for suffix in SUFFIXES.values())
        if has_results and old[0] != keys[0] and old[1] != keys[1]:
            raise DataError(f"{path}: {out} has a result of another recording of this name; give another folder --out")
        is_done = done.get(name, [])[1:] == keys[1:] and all(file.exists() for file in files(path).values())
        return None if resume and is_done else (all_keys, work(path))

    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        with locked(out, wait=False), _open_log(done_file) as log:
            done = _states(done_file)
            for path, found in inputs.map(process):
                if found:
                    (*keys, state), result = found
                    print(*keys, "incomplete", file=log, flush=True)
                    for kind, file in files(path).items():
                        write_text(file, HEADERS.get(kind, "") + FORMATS[kind](result))
                    print(*keys, state, file=log, flush=True)
            if not done_file.exists():
                raise DataError(f"{out} was removed during the run; classify the recordings again")
        write_csv(out / "errors.csv", [("path", "error"), *inputs.errors.items()])
    print(one_line(f"recordings with results in {out}: {sum(str(p) not in inputs.errors for p in inputs.paths)}"))


def _open_log(path: Path) -> IO[str]:
    """Open the file of the states of the results for appending, with one line for each result."""
    if path.is_symlink() or not path.is_file():
        path.unlink(missing_ok=True)
    elif states := _states(path):
        write_text(path, "".join(f"{' '.join([name, *keys])}\n" for name, keys in states.items()))
    return path.open("a")


def _states(path: Path) -> dict[str, list[str]]:
    """Return the last digests of each result, see `_keys`, by the digest of its name."""
    lines = map(str.split, path.read_bytes().decode(errors="replace").splitlines())
    return {line[0]: line[1:] for line in lines if len(line) == 4}


def _keys(path: Path, name: str, settings: Any) -> list[str]:
    """Return digests of the name of a result, of the path and the content of the recording, and of the settings."""
    content: list[Any] = []
    with suppress(OSError):  # `open_audio` states why a recording cannot be read
        if path.is_file():
            with path.open("rb") as file:
                file.seek(path.stat().st_size // 2)
                content = [path.stat().st_size, path.stat().st_mtime_ns, file.read(1 << 14).hex()]
    values = name, os.path.abspath(path), content, settings
    return [hashlib.sha256(json.dumps(value).encode()).hexdigest() for value in values]
